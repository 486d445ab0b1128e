from x3dhlab import errors
errors.BadSignature = errors.Refused = Exception
def hello(name):
    raise errors.BadSignature("right")
