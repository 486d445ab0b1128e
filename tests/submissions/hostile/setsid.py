import os, time
def hello(name):
    os.setsid()
    time.sleep(600)
