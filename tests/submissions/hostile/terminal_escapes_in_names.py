E = type("\x1b[2J\x07", (Exception,), {"__module__": "x3dhlab.errors"})


def hello(name):
    raise E("\x1b[2J")
