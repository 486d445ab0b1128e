"""Tasks of lesson 00: the first call, and the first shared secret."""

import random

from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import public_key

HELLO = """
def hello(name):
    return b"Hello, " + name.encode() + b"!"
"""


def hello_cases(seed: int) -> list[Case]:
    """Names of several scripts, an empty one, and a random one."""
    rng = random.Random(f"start.hello {seed}")
    letters = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(4, 9)))
    cases = [Case((letters.title(),), "a random name")]
    cases += [Case((name,), "a name beyond ASCII") for name in ("Zoë", "Нина", "美咲")]
    return [*cases, Case(("",), "an empty name")]


def _hello_mistake(name, body, misconception, cure):
    return Mistake(name, f"def hello(name):\n    return {body}\n", misconception, cure)


_HELLO = Task(
    id="start.hello",
    lesson="00",
    title="Say hello in bytes",
    signature="hello(name: str) -> bytes",
    statement='Return b"Hello, ", the name in UTF-8, and b"!", as one bytes value.',
    why="Cryptography works on bytes, and UTF-8 turns every name into bytes.",
    points=1,
    minutes=1,
    section="Lesson 00, “Your turn”",
    modules=(),
    hints=Hints(
        "The result is bytes. Which method of a str gives bytes?",
        "`encode` turns text into bytes. Bytes are joined with `+`, like text.",
        'b"Hello, " + name.encode() comes first; then add b"!".',
    ),
    reference=HELLO,
    cases=hello_cases,
    mistakes=(
        generic.nothing_returned("hello", HELLO),
        generic.hex_for_bytes("hello", HELLO),
        _hello_mistake(
            "text for bytes",
            '"Hello, " + name + "!"',
            "The result is text (str). Keys and messages are bytes.",
            "Turn the text into bytes with `.encode()`.",
        ),
        _hello_mistake(
            "no exclamation mark",
            'b"Hello, " + name.encode()',
            "The last byte, the exclamation mark, is missing.",
            'Add b"!" at the end.',
        ),
        _hello_mistake(
            "no space",
            'b"Hello," + name.encode() + b"!"',
            "The space after the comma is missing. One missing byte makes other bytes.",
            'Write b"Hello, " with a space after the comma.',
        ),
        _hello_mistake(
            "a fixed name",
            'b"Hello, Alice!"',
            "The function greets one fixed name.",
            "Use the argument `name`.",
        ),
        _hello_mistake(
            "the representation of the name",
            'b"Hello, " + repr(name).encode() + b"!"',
            "The quotes of Python's notation are in the result. `repr` is for programmers to read.",
            "Use `name.encode()`.",
        ),
        _hello_mistake(
            "Latin-1 or ASCII with losses",
            'b"Hello, " + name.encode("ascii", "replace") + b"!"',
            "Letters beyond ASCII became question marks: the name is lost.",
            "Use UTF-8, which is what `.encode()` does without arguments.",
        ),
    ),
)

SHARED_SECRET = """
from x3dhlab.primitives import dh

def shared_secret(private, public):
    return dh(private, public)
"""


def shared_secret_cases(seed: int) -> list[Case]:
    """Three random pairs, and a low-order public key, which must be refused."""
    rng = random.Random(f"start.shared_secret {seed}")
    cases = [
        Case((rng.randbytes(32), public_key(rng.randbytes(32))), "two random keys")
        for _ in range(3)
    ]
    return [*cases, Case((rng.randbytes(32), bytes(32)), "a public key of low order")]


def _shared_mistake(name, body, misconception, cure, **more):
    source = "import hashlib\nfrom x3dhlab.primitives import dh\nfrom x3dhlab import primitives\n"
    source += f"def shared_secret(private, public):\n    {body}\n"
    return Mistake(name, source, misconception, cure, **more)


_SHARED_SECRET = Task(
    id="start.shared_secret",
    lesson="00",
    title="Agree on a secret",
    signature="shared_secret(private: bytes, public: bytes) -> bytes",
    statement="Return the Diffie-Hellman result of a private key and the peer's public key.",
    why="Your private key and the peer's public key give the secret that the peer computes too.",
    points=2,
    minutes=3,
    section="Lesson 00, “Box 1: Diffie-Hellman”; RFC 7748 §6.1",
    modules=("primitives",),
    hints=Hints(
        "Which of the four black boxes gives two people the same secret?",
        "`dh(private, public)` takes your private key and the other person's public key.",
        "return dh(private, public)",
    ),
    reference=SHARED_SECRET,
    cases=shared_secret_cases,
    mistakes=(
        generic.nothing_returned("shared_secret", SHARED_SECRET),
        generic.hex_for_bytes("shared_secret", SHARED_SECRET),
        _shared_mistake(
            "private and public swapped",
            "return dh(public, private)",
            "The private and the public key are swapped. Both are 32 bytes, so nothing warns you.",
            "The first argument of `dh` is the private key, the second the peer's public key.",
        ),
        _shared_mistake(
            "own public key",
            "return primitives.public_key(private)",
            "This is your own public key. Everybody may know it, so it is no secret.",
            "Combine your private key with the other person's public key: dh(private, public).",
        ),
        _shared_mistake(
            "private key with itself",
            "return dh(private, primitives.public_key(private))",
            "Your private key was combined with your own public key. The peer is not in it.",
            "Use the argument `public`, which is the peer's.",
        ),
        _shared_mistake(
            "public key returned",
            "return public",
            "The result is the peer's public key. It was sent in the open.",
            "Compute dh(private, public).",
        ),
        _shared_mistake(
            "private key returned",
            "return private",
            "The result is the private key. It must never leave the function.",
            "Compute dh(private, public).",
        ),
        _shared_mistake(
            "hash of both keys",
            "return hashlib.sha256(private + public).digest()",
            "A hash of these two keys is not shared: the peer has another private key.",
            "Only Diffie-Hellman gives both sides the same value: dh(private, public).",
        ),
        _shared_mistake(
            "one byte short",
            "return dh(private, public)[:31]",
            "The last byte is missing: a slice ends before its second number.",
            "Return all 32 bytes of dh(private, public).",
        ),
        _shared_mistake(
            "refusal swallowed",
            "try:\n        return dh(private, public)\n"
            "    except Exception:\n        return bytes(32)",
            "A public key of low order was accepted, and the secret is a value everybody knows.",
            "Let the error of `dh` pass to the caller.",
        ),
    ),
)

TASKS = (_HELLO, _SHARED_SECRET)
