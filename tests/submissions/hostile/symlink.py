import os
def hello(name):
    os.symlink("/etc/passwd", "link")
    return open("link", "rb").read()
