def hello(name):
    value = []
    value.append(value)
    return value
