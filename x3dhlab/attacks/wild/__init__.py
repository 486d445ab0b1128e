"""The bug bank: short programs that are wrong in one way each, and what shows that they are.

`broken` and `sound` have the same functions in the same order; `bank` says what is wrong, where
such a bug was seen, and whether a given value shows it. Nothing of the course runs on them.
"""
