import ctypes
def hello(name):
    ctypes.string_at(0)
