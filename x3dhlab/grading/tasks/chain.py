"""Tasks of lesson 09: a step of a chain, the keys of message n, a forgery after a reused nonce."""

import hmac
import random

from x3dhlab.grading.task import Case, Hints, Mistake, Step, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import AES_256_GCM, seal


def _hmac(key, data):
    return hmac.digest(key, data, "sha256")


# chain.step

STEP = """
from x3dhlab.primitives import hmac_sha256

def step(chain):
    message_key = hmac_sha256(chain["chain_key"], b"\\x01")
    chain_key = hmac_sha256(chain["chain_key"], b"\\x02")
    after = {"chain_key": chain_key, "number": chain["number"] + 1}
    return [after, [chain["number"], message_key]]
"""
_MESSAGE_KEY = 'message_key = hmac_sha256(chain["chain_key"], b"\\x01")'
_CHAIN_KEY = 'chain_key = hmac_sha256(chain["chain_key"], b"\\x02")'
_AFTER = '{"chain_key": chain_key, "number": chain["number"] + 1}'


def step_cases(seed: int) -> list[Case]:
    """Chains at several numbers, one to four messages; then a message whose state was not saved."""
    rng = random.Random(f"chain.step {seed}")
    rows = [(calls, number) for calls in range(1, 5) for number in (0, rng.randint(3, 90))]
    cases = [_step_case(rng, *row) for row in rows]
    return [*cases, _step_case(rng, 2, 0, again=True)]


def _step_case(rng, calls, number, again=False):
    chain = {"chain_key": rng.randbytes(32), "number": number}
    steps = [Step("the next message") for _ in range(calls)]
    about = "one message" if calls == 1 else f"{calls} messages in a row"
    if again:
        steps[1] = Step("the same message again: the state after it was not saved", again=True)
        about = "a message whose state was not saved"
    used, key = [], chain["chain_key"]
    for _ in range(calls):
        used.append(_hmac(key, b"\x01"))
        key = _hmac(key, b"\x02")
    forbidden = {"old CK": (chain["chain_key"],), "MK": tuple(used)}
    return Case((chain,), about, {}, tuple(steps), forbidden)


_STEP_MISTAKES = generic.variants(
    STEP,
    (
        "chain key equals message key",
        "One output serves as message key and as next chain key. One leaked message key then "
        "opens all later messages.",
        "Make two outputs: data 01 for the message key, data 02 for the chain key.",
        ('b"\\x02"', 'b"\\x01"'),
    ),
    (
        "the next chain key as message key",
        "The message key is the next chain key. Whoever gets this one message key reads on.",
        "The message key is HMAC with data 01, the chain key HMAC with data 02.",
        ('b"\\x01"', 'b"\\x02"'),
    ),
    (
        "the constants swapped",
        "01 and 02 are swapped. Two copies of your program agree, and nobody else reads them.",
        "01 gives the message key, 02 the next chain key.",
        (_MESSAGE_KEY, _MESSAGE_KEY.replace("01", "zz")),
        (_CHAIN_KEY, _CHAIN_KEY.replace("02", "01")),
        ("zz", "02"),
    ),
    (
        "the message key kept",
        "The state holds a used message key. A thief of the phone reads that old message.",
        "Return the message key, and put only the new chain key and the number into the state.",
        (_AFTER, _AFTER[:-1] + ', "used": message_key}'),
    ),
    (
        "the old chain key kept",
        "The state holds the old chain key. A thief of the phone derives old message keys again.",
        "The state after the step has the new chain key and the number, nothing else.",
        (_AFTER, _AFTER[:-1] + ', "before": chain["chain_key"]}'),
    ),
    (
        "the chain stands still",
        "The chain key stays as it is: every message gets the same key.",
        'The new chain key is hmac_sha256(chain["chain_key"], b"\\x02").',
        (_CHAIN_KEY, 'chain_key = chain["chain_key"]'),
    ),
    (
        "one key and a counter",
        "The key stays, and a number makes the message keys differ. A thief of the key reads all "
        "old messages.",
        "Use the constants 01 and 02, and replace the chain key at each step.",
        (_CHAIN_KEY, 'chain_key = chain["chain_key"]'),
        ('b"\\x01"', 'chain["number"].to_bytes(4, "big")'),
    ),
    (
        "the next chain key from the message key",
        "The chain goes on from the message key. One leaked message key opens all later messages.",
        "Both outputs come from the old chain key.",
        (_CHAIN_KEY, 'chain_key = hmac_sha256(message_key, b"\\x02")'),
    ),
    (
        "the message key from the new chain key",
        "The chain moved before the message key was made: this is the key of the next message.",
        "Both outputs come from the old chain key.",
        (
            f"{_MESSAGE_KEY}\n    {_CHAIN_KEY}",
            f'{_CHAIN_KEY}\n    message_key = hmac_sha256(chain_key, b"\\x01")',
        ),
    ),
    (
        "digits for bytes",
        'The data is the digit "1" or "2" as text, the byte 31 or 32.',
        'Write b"\\x01" and b"\\x02".',
        ('b"\\x01"', 'b"1"'),
        ('b"\\x02"', 'b"2"'),
    ),
    (
        "constants of four bytes",
        "The data has four bytes, such as 00000001. The specification takes one byte.",
        'Write b"\\x01" and b"\\x02".',
        ('b"\\x01"', 'b"\\0\\0\\0\\x01"'),
        ('b"\\x02"', 'b"\\0\\0\\0\\x02"'),
    ),
    (
        "key and data exchanged",
        "The constant is the key of HMAC, and the secret is its data.",
        "The first argument of hmac_sha256 is the key: the chain key.",
        ('(chain["chain_key"], b"\\x01")', '(b"\\x01", chain["chain_key"])'),
        ('(chain["chain_key"], b"\\x02")', '(b"\\x02", chain["chain_key"])'),
    ),
    (
        "counted before sending",
        "The number that came back is the next one. The receiver takes the wrong key.",
        "Return the number that the chain had; the state after it holds that number plus 1.",
        ('[chain["number"], message_key]', '[chain["number"] + 1, message_key]'),
    ),
    (
        "the number stands still",
        "Every message gets the same number.",
        "The state after the step holds the number plus 1.",
        ('chain["number"] + 1}', 'chain["number"]}'),
    ),
    (
        "two steps for one message",
        "The chain moved twice for one message. Every second key is lost.",
        "One message, one step: HMAC with data 02 once.",
        (
            _CHAIN_KEY,
            'chain_key = hmac_sha256(hmac_sha256(chain["chain_key"], b"\\x02"), b"\\x02")',
        ),
    ),
    (
        "the message key alone",
        "Only the message key came back, without its number.",
        "The second value is a list of two: the number and the message key.",
        ('[chain["number"], message_key]', "message_key"),
    ),
    (
        "message key before number",
        "The message key stands before the number.",
        'The second value is [chain["number"], message_key].',
        ('[chain["number"], message_key]', '[message_key, chain["number"]]'),
    ),
    (
        "result before the chain",
        "The two values are in the wrong order: the result stands where the chain belongs.",
        "Return the chain first, then the number and the message key.",
        (
            'return [after, [chain["number"], message_key]]',
            'return [[chain["number"], message_key], after]',
        ),
    ),
)

_STEP = Task(
    id="chain.step",
    lesson="09",
    title="One message, one step",
    signature="step(chain: dict) -> list",
    statement=(
        "`chain` has chain_key (32 bytes) and number. Return a list of two values: the chain after "
        "this message, and [number, message key] of this message. Message key: HMAC of the chain "
        "key with data 01. New chain key: HMAC of the old one with data 02. The chain that you "
        "return is given to the next call, and holds no key that was used. Leave the argument as "
        "it is. hmac_sha256(key, data) comes from x3dhlab.primitives."
    ),
    why="Each message has its own key, and the state that stays leads to no earlier one.",
    points=2,
    minutes=6,
    section="Lesson 09, “One step by hand”; Double Ratchet §7.2",
    modules=("primitives",),
    hints=Hints(
        "Which two values come out of the old chain key, and which of them may stay?",
        'Two calls of hmac_sha256 with the old chain key: data b"\\x01" and data b"\\x02".',
        'after = {"chain_key": chain_key, "number": chain["number"] + 1}',
    ),
    reference=STEP,
    cases=step_cases,
    mistakes=(
        generic.nothing_returned("step", STEP),
        generic.hex_for_bytes("step", STEP),
        Mistake(
            "an argument changed in place",
            STEP.replace(f"after = {_AFTER}", "after = chain").replace(
                '    return [after, [chain["number"], message_key]]',
                "    after.update(chain_key=chain_key, number=after['number'] + 1)\n"
                '    return [after, [chain["number"] - 1, message_key]]',
            ),
            "The chain that was given is changed. If saving fails, the program goes on with it.",
            "Make a new dict for the chain that you return.",
        ),
        *_STEP_MISTAKES,
        Mistake(
            "a plain hash",
            "import hashlib\n"
            + generic.replaced(
                STEP,
                (
                    'hmac_sha256(chain["chain_key"], b"\\x01")',
                    'hashlib.sha256(chain["chain_key"] + b"\\x01").digest()',
                ),
                (
                    'hmac_sha256(chain["chain_key"], b"\\x02")',
                    'hashlib.sha256(chain["chain_key"] + b"\\x02").digest()',
                ),
            ).lstrip(),
            "This is SHA-256 of key and constant, joined. The specification takes HMAC.",
            "Use hmac_sha256(key, data).",
        ),
    ),
)

# chain.message_key

MESSAGE_KEY = """
from x3dhlab.primitives import hkdf, hmac_sha256

def message_key(chain_key, number, info):
    for _ in range(number):
        chain_key = hmac_sha256(chain_key, b"\\x02")
    secret = hmac_sha256(chain_key, b"\\x01")
    keys = hkdf(secret, salt=bytes(32), info=info, length=80)
    return [keys[:32], keys[32:64], keys[64:]]
"""
_WALK = '    for _ in range(number):\n        chain_key = hmac_sha256(chain_key, b"\\x02")\n'
_SECRET = '    secret = hmac_sha256(chain_key, b"\\x01")\n'
_CUT = "[keys[:32], keys[32:64], keys[64:]]"


def message_key_cases(seed: int) -> list[Case]:
    """Numbers from 0 on, with the infos of several programs."""
    rng = random.Random(f"chain.message_key {seed}")
    rows = [
        (0, "number 0: the next message"),
        (1, "number 1"),
        (2, "number 2"),
        (rng.randint(5, 40), "a number further on"),
        (rng.randint(260, 400), "a number above 255"),
    ]
    info = b"App " + rng.randbytes(3).hex().encode() + b" message"
    return [Case((rng.randbytes(32), number, info), about) for number, about in rows]


_LAST = 3  # messages before and after the right one in which a wrong key is looked for


def explain_message_key(case: Case, got) -> str:
    """Find the message whose keys came back, when it is a neighbour of the right one."""
    chain_key, number, info = case.arguments
    if type(got) is not list or any(type(part) is not bytes for part in got):
        return ""
    joined = b"".join(got)
    for n in range(number + _LAST + 1):
        keys = _expanded(_hmac(chain_key, b"\x01"), info)
        if n != number and n >= number - _LAST and joined == keys:
            return f"these are the keys of message {n}, not of message {number}"
        chain_key = _hmac(chain_key, b"\x02")
    return ""


def _expanded(secret, info):
    prk, block, found = _hmac(bytes(32), secret), b"", b""
    for count in (1, 2, 3):
        block = _hmac(prk, block + info + bytes([count]))
        found += block
    return found[:80]


_KEY_MISTAKES = generic.variants(
    MESSAGE_KEY,
    (
        "one step too many",
        "The chain made one step more than the number: these are the keys of the next message.",
        "Message 0 needs no step, message n needs n steps: range(number).",
        ("range(number)", "range(number + 1)"),
    ),
    (
        "one step too few",
        "The chain made one step less than the number says. Message 1 gets the key of message 0.",
        "Message 0 needs no step, message n needs n steps: range(number).",
        ("range(number)", "range(number - 1)"),
    ),
    (
        "the message key made inside the loop",
        "The message key is made inside the loop, before the step. Message 0 gets none, and "
        "message n gets the key of message n − 1.",
        "Make the steps in the loop, and the message key once, after the loop.",
        (_WALK + _SECRET, _WALK.replace("        chain", f"    {_SECRET}        chain")),
    ),
    (
        "no step at all",
        "The number is not used: every message gets the same keys and the same IV.",
        "Make `number` steps of the chain first.",
        (_WALK, ""),
    ),
    (
        "counter as nonce with a reused key",
        "All messages have one key, and the number is the IV. After a restore the number comes "
        "again, and with it the same key and nonce.",
        "Make `number` steps of the chain; key and IV both come from this message's own key.",
        (_WALK, ""),
        ("keys[64:]]", 'number.to_bytes(16, "big")]'),
    ),
    (
        "the counter as the IV",
        "The IV is the number of the message, not the last 16 of the 80 bytes.",
        "Take the IV from the same 80 bytes: keys[64:].",
        ("keys[64:]]", 'number.to_bytes(16, "big")]'),
    ),
    (
        "the number in the info",
        "The chain stands still and the number goes into the info. Whoever has the chain key can "
        "make every key, old ones too.",
        "Make `number` steps of the chain; the info is the same for all messages.",
        (_WALK, ""),
        ("info=info", 'info=info + number.to_bytes(4, "big")'),
    ),
    (
        "a walk with 01",
        "The steps use data 01, so the chain goes on from message keys.",
        "A step of the chain is HMAC with data 02.",
        ('b"\\x02"', 'b"\\x01"'),
    ),
    (
        "expanded the chain key",
        "The 80 bytes come from the chain key itself, without the HMAC with data 01.",
        'First the message key: hmac_sha256(chain_key, b"\\x01").',
        (_SECRET, "    secret = chain_key\n"),
    ),
    (
        "the message key from 02",
        "The 80 bytes come from HMAC with data 02, which is the next chain key.",
        'The message key is hmac_sha256(chain_key, b"\\x01").',
        (_SECRET, '    secret = hmac_sha256(chain_key, b"\\x02")\n'),
    ),
    (
        "IV between the keys",
        "The IV stands between the two keys, as design C writes it.",
        "The order is: encryption key, authentication key, IV.",
        (_CUT, "[keys[:32], keys[32:48], keys[48:]]"),
    ),
    (
        "IV first",
        "The IV is cut from the front.",
        "The order is: encryption key (32), authentication key (32), IV (16).",
        (_CUT, "[keys[:16], keys[16:48], keys[48:]]"),
    ),
    (
        "authentication key first",
        "The two keys are swapped.",
        "The order is: encryption key, authentication key, IV.",
        (_CUT, "[keys[32:64], keys[:32], keys[64:]]"),
    ),
    (
        "one key for both algorithms",
        "Encryption and authentication share a key. No proof covers that.",
        "The second key is bytes 32 to 63: keys[32:64].",
        ("keys[32:64]", "keys[:32]"),
    ),
    (
        "cut at 16 bytes",
        "The keys have 16 bytes. AES-256 and HMAC take 32 each.",
        "Cut at 32 and 64.",
        (_CUT, "[keys[:16], keys[16:32], keys[32:48]]"),
    ),
    (
        "an IV of 12 bytes",
        "The IV has 12 bytes, as for GCM. CBC needs 16, the length of a block.",
        "Ask for 80 bytes, and take the last 16.",
        ("length=80", "length=76"),
    ),
    (
        "an IV of zeros",
        "The IV is zero. It comes from the same 80 bytes here.",
        "The IV is keys[64:].",
        ("keys[64:]]", "bytes(16)]"),
    ),
    (
        "info left out",
        "The info is empty.",
        "Give `hkdf` the argument info.",
        ("info=info", 'info=b""'),
    ),
    (
        "salt carrying data",
        "The salt carries the info.",
        "The salt is 32 zero bytes, and the info is `info`.",
        ("salt=bytes(32)", "salt=info"),
    ),
    (
        "chain key as salt",
        "The salt is the chain key. Here the salt is 32 zero bytes.",
        "salt=bytes(32)",
        ("salt=bytes(32)", "salt=chain_key"),
    ),
    (
        "the 80 bytes in one piece",
        "The 80 bytes came back uncut.",
        "Return a list of three: keys[:32], keys[32:64], keys[64:].",
        (_CUT, "keys"),
    ),
    (
        "the message key unopened",
        "The message key itself came back, 32 bytes. The box needs two keys and an IV.",
        "Expand it with `hkdf` to 80 bytes and cut them.",
        (f"return {_CUT}", "return secret"),
    ),
)

_MESSAGE_KEY_TASK = Task(
    id="chain.message_key",
    lesson="09",
    title="What message n is sealed with",
    signature="message_key(chain_key: bytes, number: int, info: bytes) -> list",
    statement=(
        "Bob has `chain_key`, the chain key for message 0. Return what message `number` is sealed "
        "with, a list of three: encryption key (32 bytes), authentication key (32), IV (16). Make "
        "`number` steps of the chain, then the message key, then 80 bytes of HKDF from it with 32 "
        "zero bytes as salt and `info`; cut them in this order. hmac_sha256(key, data) and "
        "hkdf(ikm, salt=…, info=…, length=…) come from x3dhlab.primitives."
    ),
    why="The number says how far to walk, and one message key gives each algorithm its own part.",
    points=3,
    minutes=8,
    section="Lesson 09, “The box, opened”; Double Ratchet §7.2",
    modules=("primitives",),
    hints=Hints(
        "How many steps does message 0 need, and how many message 1?",
        "Walk with data 02. Then data 01 once. Then hkdf with length 80.",
        "[keys[:32], keys[32:64], keys[64:]]",
    ),
    reference=MESSAGE_KEY,
    cases=message_key_cases,
    explain=explain_message_key,
    mistakes=(
        generic.nothing_returned("message_key", MESSAGE_KEY),
        generic.hex_for_bytes("message_key", MESSAGE_KEY),
        *_KEY_MISTAKES,
    ),
)

# aead.forge_after_nonce_reuse

FIELD = '''
def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def multiply(a, b):
    """The product of two blocks of 16 bytes in GCM's field."""
    x, y, product = int.from_bytes(a, "big"), int.from_bytes(b, "big"), 0
    for bit in reversed(range(128)):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product.to_bytes(16, "big")


def divide(a, b):
    """The block whose product with b is a."""
    for _ in range(127):
        b = multiply(b, b)
        a = multiply(a, b)
    return a
'''

FORGE = """
def forge_after_nonce_reuse(first, second, known, wanted):
    c1, t1 = first[:16], first[16:]
    c2, t2 = second[:16], second[16:]
    h2 = divide(xor(t1, t2), xor(c1, c2))
    c3 = xor(wanted, xor(c1, known))
    t3 = xor(t1, multiply(xor(c1, c3), h2))
    return c3 + t3
"""


def forge_cases(seed: int) -> list[Case]:
    """Two messages under one key and nonce, with and without associated data; a wanted text."""
    rng = random.Random(f"aead.forge_after_nonce_reuse {seed}")
    return [
        _forge_case(rng, b"", "two payments, no associated data"),
        _forge_case(rng, rng.randbytes(rng.randint(20, 70)), "two payments with associated data"),
        _forge_case(rng, b"", "texts of random bytes", [rng.randbytes(16) for _ in range(3)]),
    ]


def _forge_case(rng, associated_data, about, texts=()):
    key, names = rng.randbytes(32), rng.sample(["Ann", "Bob", "Eve", "Joe", "Kim", "Liz"], 3)
    texts = texts or [b"pay %s %d euros" % (n.encode(), rng.randint(10, 99)) for n in names]
    sealed = [seal(key, text, associated_data, aead=AES_256_GCM) for text in texts[:2]]
    parts = {f"c{n}": message[:16] for n, message in enumerate(sealed, 1)}
    parts |= {f"t{n}": message[16:] for n, message in enumerate(sealed, 1)}
    return Case((*sealed, texts[0], texts[2]), about, parts)


def explain_forge(case: Case, got) -> str:
    """Say which half of the message is right, or which recorded part stands there."""
    if type(got) is not bytes or len(got) != 32:
        return ""
    first, _, known, wanted = case.arguments
    right = bytes(a ^ b ^ c for a, b, c in zip(wanted, first[:16], known, strict=True))
    named = {value: name for name, value in case.labels.items()}
    if got[:16] != right:
        return f"the first 16 bytes are {named.get(got[:16], 'not the text that is wanted')}"
    tag = named.get(got[16:])
    return "the ciphertext is right, the tag is " + (tag or "wrong")


_H2 = "divide(xor(t1, t2), xor(c1, c2))"
_C3 = "xor(wanted, xor(c1, known))"
_T3 = "xor(t1, multiply(xor(c1, c3), h2))"

_FORGE_MISTAKES = generic.variants(
    FORGE,
    (
        "the old tag",
        "The tag of the first message stands behind another ciphertext. Bob refuses it.",
        "Change the tag too: t3 = t1 ⊕ (c1 ⊕ c3) · H².",
        (_T3, "t1"),
    ),
    (
        "the tag of the second message",
        "The tag of the second message stands behind another ciphertext. Bob refuses it.",
        "Change the tag too: t3 = t1 ⊕ (c1 ⊕ c3) · H².",
        (_T3, "t2"),
    ),
    (
        "the text in clear",
        "The wanted text stands where the ciphertext belongs.",
        "Encrypt it: c3 = wanted ⊕ keystream, and the keystream is c1 ⊕ known.",
        (_C3, "wanted"),
    ),
    (
        "keystream from the wrong message",
        "The keystream was taken from the second ciphertext and the text of the first.",
        "The known text belongs to the first message: keystream = c1 ⊕ known.",
        (_C3, "xor(wanted, xor(c2, known))"),
    ),
    (
        "no keystream",
        "The wanted text was added to the first ciphertext, whose own text is still in there.",
        "Take the known text away first: keystream = c1 ⊕ known.",
        (_C3, "xor(wanted, c1)"),
    ),
    (
        "the known text as keystream",
        "The wanted text was encrypted with the known text instead of the keystream.",
        "The keystream is c1 ⊕ known.",
        (_C3, "xor(wanted, known)"),
    ),
    (
        "divided the wrong way round",
        "The difference of the ciphertexts was divided by that of the tags: this is 1 / H².",
        "H² = (t1 ⊕ t2) / (c1 ⊕ c2).",
        (_H2, "divide(xor(c1, c2), xor(t1, t2))"),
    ),
    (
        "multiplied for divided",
        "The two differences were multiplied. They have to be divided.",
        "H² = (t1 ⊕ t2) / (c1 ⊕ c2), with `divide`.",
        (_H2, "multiply(xor(t1, t2), xor(c1, c2))"),
    ),
    (
        "H² squared again",
        "The quotient was taken for H and squared. It is H² already.",
        "Multiply by the quotient once.",
        ("multiply(xor(c1, c3), h2)", "multiply(multiply(xor(c1, c3), h2), h2)"),
    ),
    (
        "c3 instead of the difference",
        "c3 was multiplied by H², not the difference of c1 and c3.",
        "t3 = t1 ⊕ (c1 ⊕ c3) · H².",
        ("multiply(xor(c1, c3), h2)", "multiply(c3, h2)"),
    ),
    (
        "tag and difference of two messages",
        "The tag belongs to one message, and the difference was taken to the other one.",
        "Take both from one message: t1 and c1 ⊕ c3, or t2 and c2 ⊕ c3.",
        ("multiply(xor(c1, c3), h2)", "multiply(xor(c2, c3), h2)"),
    ),
    (
        "the difference without H²",
        "The difference of the ciphertexts was added to the tag as it is.",
        "Multiply the difference by H² first.",
        ("multiply(xor(c1, c3), h2)", "xor(c1, c3)"),
    ),
    (
        "the change without the tag",
        "The second half is (c1 ⊕ c3) · H² alone. The old tag has to be added.",
        "t3 = t1 ⊕ (c1 ⊕ c3) · H².",
        (_T3, "multiply(xor(c1, c3), h2)"),
    ),
    (
        "c3 · H² alone",
        "The tag is c3 · H². The rest R of the equation is missing, and nobody without the key "
        "can compute it.",
        "Let R cancel: start from t1, and add (c1 ⊕ c3) · H².",
        (_T3, "multiply(c3, h2)"),
    ),
    (
        "multiplied as integers",
        "The blocks were multiplied as integers. In this field, sums are XOR.",
        "Use `multiply` for blocks.",
        (
            "multiply(xor(c1, c3), h2)",
            '(int.from_bytes(xor(c1, c3), "big") * int.from_bytes(h2, "big") % 2**128)'
            '.to_bytes(16, "big")',
        ),
    ),
    (
        "tag before ciphertext",
        "The tag stands before the ciphertext.",
        "Return c3 + t3.",
        ("return c3 + t3", "return t3 + c3"),
    ),
    (
        "ciphertext alone",
        "Only the ciphertext came back. Bob wants a tag behind it.",
        "Return c3 + t3.",
        ("return c3 + t3", "return c3"),
    ),
    (
        "a list of two",
        "The two halves came back as a list.",
        "Join them: c3 + t3.",
        ("return c3 + t3", "return [c3, t3]"),
    ),
)

_FORGE = Task(
    id="aead.forge_after_nonce_reuse",
    lesson="09",
    title="A third message from two",
    signature=(
        "forge_after_nonce_reuse(first: bytes, second: bytes, known: bytes, wanted: bytes) -> bytes"
    ),
    statement=(
        "`first` and `second` are AES-GCM messages under one key and one nonce: 16 bytes of "
        "ciphertext, then 16 of tag. `known` is the text of `first`. Return a message, 32 bytes, "
        "that opens as `wanted` under the same key. Given: xor(a, b), multiply(a, b) and "
        "divide(a, b) on blocks of 16 bytes."
    ),
    why="Two messages under one nonce give away H², and with it the right tag for every text.",
    points=4,
    minutes=12,
    section="Lesson 09, “A third message”; NIST SP 800-38D §6.4",
    modules=(),
    given=FIELD,
    hints=Hints(
        "First the ciphertext: which 16 bytes did Alice add to the text that you know?",
        "The tags differ by (c1 ⊕ c2) · H². You have everything in it but H².",
        "t3 = t1 ⊕ (c1 ⊕ c3) · H², with H² = (t1 ⊕ t2) / (c1 ⊕ c2).",
    ),
    reference=FORGE,
    cases=forge_cases,
    explain=explain_forge,
    mistakes=(
        generic.nothing_returned("forge_after_nonce_reuse", FORGE),
        generic.hex_for_bytes("forge_after_nonce_reuse", FORGE),
        *_FORGE_MISTAKES,
    ),
)

TASKS = (_STEP, _MESSAGE_KEY_TASK, _FORGE)
