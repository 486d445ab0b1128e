def hello(name):
    return "\ud800\udfff" + name
