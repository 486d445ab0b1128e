def hello(name):
    raise ValueError("\n::stop-commands::x\n::error file=a::b%0A</failure><script>=cmd|' /C calc'!A0")
