"""What the owner of prekeys can see of a server that withholds them (A7).

A sender cannot tell a withheld one-time prekey from an empty pool; the owner can compare the first
messages that arrive with what the service says is left. It is a sign, and no proof: a server that
also lies about the number looks like strangers who fetch keys and never write.
"""

from x3dhlab import session
from x3dhlab.errors import expect


def unexplained(device: session.Device, left: int) -> int:
    """How many first messages came without a one-time prekey, while the service had `left` more.

    0 when none is left: an empty pool explains them. Sessions that were deleted do not count.
    """
    expect(device, session.Device, "device")
    kept = [one for sessions in device.sessions.values() for one in sessions]
    openings = [one.opening for one in kept if one.identifier in device.accepted]
    without = sum(opening.one_time_prekey_id is None for opening in openings)
    return without if left > 0 else 0
