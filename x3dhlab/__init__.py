"""An interactive course on Signal's X3DH, PQXDH and Double Ratchet, and the package that runs it.

For teaching: not reviewed, not hardened against side channels, not for protecting real messages.
"""

__version__ = "0.1.0"
