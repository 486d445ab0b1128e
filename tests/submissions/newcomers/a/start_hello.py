def hello(name):
    return b"Hello, " + name.encode() + b"!"
