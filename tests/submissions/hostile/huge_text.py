def hello(name):
    return "x" * 10**8
