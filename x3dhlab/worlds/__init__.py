"""Worlds with time and distance: who is late, asleep, cut off or put back.

Small worlds drive the real parties, stores and wire messages; large ones count. Both write the
same history (`history`), and one checker (`checker`) reads it.
"""
