class T(BaseException):
    __module__ = property(lambda self: 1 / 0)
    def __str__(self):
        return 3
def hello(name):
    raise T
