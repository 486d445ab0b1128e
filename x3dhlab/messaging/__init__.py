"""What messengers add on top of the protocol: devices, and what several of them need."""
