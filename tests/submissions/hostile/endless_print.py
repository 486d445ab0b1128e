def hello(name):
    while True:
        print("x" * 65_536)
