import time
def hello(name):
    time.sleep(600)
