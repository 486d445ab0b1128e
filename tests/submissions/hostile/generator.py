def hello(name):
    while True:
        yield b"Hello"
