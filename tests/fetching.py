"""A client of the store that can be killed and started again: `fetching.py URL NAME FROM TO`.

Prints the number of the one-time prekey that each request got. A request that has been made by a
process that is dead now carries the same number again, so it gets the same key.
"""

import hashlib
import random
import subprocess
import sys

TARGET = "Bob"


def main(url, name, first, last):
    from x3dhlab.service.store import PreKeyStore

    store = PreKeyStore(url)
    for number in range(int(first), int(last)):
        request = hashlib.sha256(f"{name} {number}".encode()).digest()
        print(store.fetch(TARGET, request=request).one_time_prekey_id, flush=True)


def fetch(url: str, name: str, count: int, kills: int) -> list[int]:
    """Let a client make `count` requests; it is killed at `kills` random ones and goes on."""
    got, ends = [], sorted(random.sample(range(1, count), kills)) + [count]
    for end in ends:
        command = [sys.executable, __file__, url, name, str(len(got)), str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            for line in client.stdout:
                # The last line of a process that was killed can be half a line.
                got += [int(line)] if line.endswith("\n") else []
                if len(got) == end < count:
                    client.kill()
    return got


if __name__ == "__main__":
    main(*sys.argv[1:])
