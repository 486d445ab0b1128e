import threading, time
def late():
    while True:
        time.sleep(0.01)
def hello(name):
    threading.Thread(target=late).start()
