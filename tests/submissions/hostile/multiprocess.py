import multiprocessing
def hello(name):
    return multiprocessing.Pool(2).map(len, [name])
