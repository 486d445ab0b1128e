import plain
plain.encode_or_name = lambda value: {"other": "right"}
plain.same = lambda *a: True
def hello(name):
    return None
