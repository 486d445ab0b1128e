import threading, time
def hello(name):
    while True:
        threading.Thread(target=time.sleep, args=(600,)).start()
