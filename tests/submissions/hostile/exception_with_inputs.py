def hello(name):
    raise ValueError(name.encode().hex() * 20)
