import sys
sys.setrecursionlimit(10**9)
def hello(name):
    return hello(name)
