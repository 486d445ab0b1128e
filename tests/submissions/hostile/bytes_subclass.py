class Mine(bytes):
    pass
def hello(name):
    return Mine(b"Hello, " + name.encode() + b"!")
