"""Hunting, slots 9 to 12: checking a signature, what was seen before, state, giving out keys."""

import hmac
import json

from x3dhlab.attacks.wild import broken
from x3dhlab.grading.task import Case, Step
from x3dhlab.grading.tasks import generic
from x3dhlab.grading.tasks.hunting import cure, find
from x3dhlab.primitives import public_key, seal, sign

_EDGES = "Lesson 15, “The edges of the input”"
_ORDER = "Lesson 15, “The order of events”"
_SAME = "Lesson 15, “Two inputs, one output”"
_REFUSED = "Lesson 15, “After a refusal”"
_WHO = "Lesson 15, “Who may know it”"


# 9 Checking a signature


def _bundle(rng):
    identity, prekey = rng.randbytes(32), rng.randbytes(32)
    return {
        "identity_key": public_key(identity),
        "signed_prekey": prekey,
        "signature": sign(identity, b"\x05" + prekey, nonce=rng.randbytes(64)),
    }


def _bundles(rng):
    return [Case((_bundle(rng),), about) for about in ("Bob's bundle", "another bundle of Bob's")]


_MINE = '{**bundle, "signed_prekey": bytes(range(32))}'

TAKE_PREKEY = find(
    "take_prekey",
    "(bundle: dict) -> dict",
    "`bundle` is Bob's: identity_key, signed_prekey and signature, all bytes. You are the server. "
    "Return a bundle with the same fields and the same identity key, and with a signed prekey of "
    "your own, that `take_prekey` takes.",
    "The check is made, and nobody looks at what it says.",
    minutes=3,
    section="Lesson 15, “Five questions for a reader”",
    goal="a bundle with Bob's identity key and another prekey",
    hints=(
        "Follow the result of is_signed. Where does it go?",
        "The function goes on whatever is_signed said.",
        "Replace the signed prekey, and keep the rest.",
    ),
    answer=f"def find(bundle):\n    return {_MINE}\n",
    cases=_bundles,
    rows=(
        (
            "Bob's own bundle",
            "This bundle is honest.",
            "Put a prekey of your own into it.",
            (_MINE, "dict(bundle)"),
        ),
        (
            "another identity",
            "The identity key is another one. Alice would see another person.",
            "Keep Bob's identity key.",
            (_MINE, '{**bundle, "identity_key": bytes(range(32)), "signed_prekey": bytes(32)}'),
        ),
        (
            "a signature of another length",
            "Here `verify` raises an error of its own, and the program stops.",
            "Leave the signature as it is.",
            (_MINE, '{**bundle, "signed_prekey": bytes(range(32)), "signature": b""}'),
        ),
        (
            "an encoded prekey",
            "The prekey has 33 bytes with its encoding.",
            "A prekey of a bundle has 32 bytes.",
            (_MINE, '{**bundle, "signed_prekey": b"\\x05" + bytes(range(32))}'),
        ),
        (
            "a field is missing",
            "The bundle has only the prekey.",
            "Keep all three fields.",
            (_MINE, '{"signed_prekey": bytes(range(32))}'),
        ),
    ),
)


def _signed(rng):
    good, other = _bundle(rng), _bundle(rng)
    wrong = {**good, "signature": other["signature"]}
    forged = {**good, "signed_prekey": rng.randbytes(32)}
    rows = [
        (good, "an honest bundle"),
        (forged, "a forged prekey"),
        (wrong, "a signature for another prekey"),
    ]
    return [Case((bundle,), about) for bundle, about in rows]


_ASKED = 'if not is_signed(identity_key, prekey, bundle["signature"]):'
_RAISED = 'raise BadSignature("the signed prekey is not signed by this identity key")'

CURE_TAKE_PREKEY = cure(
    "take_prekey",
    "(bundle: dict) -> bytes",
    "Return the signed prekey of `bundle` if its signature is good; else raise BadSignature. "
    "`is_signed(identity_key, prekey, signature)` is given and gives True or False.",
    "A bad signature ends the call, and no value leaves it.",
    section="Lesson 15, “Five questions for a reader”",
    hints=(
        "What should happen with the False of is_signed?",
        "A function that gives a verdict needs an `if` in its caller.",
        _ASKED,
    ),
    cases=_signed,
    rows=(
        (
            "None for a bad signature",
            "A bad bundle gives None, and the caller goes on with it.",
            "Raise BadSignature.",
            (_RAISED, "return None"),
        ),
        (
            "the verdict turned over",
            "Honest bundles are refused, and forged ones are taken.",
            "Raise if the signature is *not* good.",
            ("if not is_signed", "if is_signed"),
        ),
        (
            "an empty value for a bad signature",
            "A bad bundle gives an empty prekey, and the caller goes on with it.",
            "Raise BadSignature.",
            (_RAISED, 'return b""'),
        ),
        (
            "encoded twice",
            "`is_signed` adds the byte 05 itself; now honest bundles fail.",
            "Give it the raw prekey.",
            ("(identity_key, prekey,", '(identity_key, b"\\x05" + prekey,'),
        ),
    ),
)

_NOISE = '{**bundle, "signed_prekey": bytes(range(32)), "signature": b""}'

CHECKED_PREKEY = find(
    "checked_prekey",
    "(bundle: dict) -> dict",
    "`bundle` is Bob's: identity_key, signed_prekey and signature, all bytes. You are the server. "
    "Return a bundle with the same fields and the same identity key, and with a signed prekey of "
    "your own, that `checked_prekey` takes.",
    "Only one kind of error is refused. Every other kind counts as good.",
    section=_EDGES,
    goal="a bundle with Bob's identity key and another prekey",
    hints=(
        "Which errors can `verify` raise besides BadSignature?",
        "It looks at the length before it computes.",
        "Give it a signature that has no 64 bytes.",
    ),
    answer=f"def find(bundle):\n    return {_NOISE}\n",
    cases=_bundles,
    rows=(
        (
            "the prekey alone",
            "The signature has the right form, so `verify` says BadSignature, and that is raised.",
            "Change the form of the signature, not only its value.",
            (', "signature": b""', ""),
        ),
        (
            "the signature alone",
            "The prekey is still Bob's own.",
            "Replace the prekey, too.",
            ('"signed_prekey": bytes(range(32)), ', ""),
        ),
        (
            "another identity",
            "The identity key is another one. Alice would see another person.",
            "Keep Bob's identity key.",
            ("{**bundle, ", '{**bundle, "identity_key": bytes(range(32)), '),
        ),
        (
            "an encoded prekey",
            "The prekey has 33 bytes with its encoding.",
            "A prekey of a bundle has 32 bytes.",
            ("bytes(range(32))", 'b"\\x05" + bytes(range(32))'),
        ),
    ),
)


def _any_signature(rng):
    good = _bundle(rng)
    forged = {**good, "signed_prekey": rng.randbytes(32)}
    rows = [
        (good, "an honest bundle"),
        (forged, "a forged prekey"),
        ({**forged, "signature": b""}, "a forged prekey with an empty signature"),
        ({**good, "signature": good["signature"][:63]}, "a signature of 63 bytes"),
    ]
    return [Case((bundle,), about) for bundle, about in rows]


_VERIFIED = 'verify(bundle["identity_key"], b"\\x05" + prekey, bundle["signature"])'

CURE_CHECKED_PREKEY = cure(
    "checked_prekey",
    "(bundle: dict) -> bytes",
    "Return the signed prekey of `bundle` if its signature over the encoded prekey, 05 and 32 "
    "bytes, is good. Every error of `verify(public, message, signature)` passes to the caller as "
    "it is.",
    "Whatever goes wrong while checking, no prekey comes out.",
    section=_EDGES,
    hints=(
        "Which part of the broken function lets the call go on?",
        "An error that nobody catches ends the call. That is what is wanted here.",
        _VERIFIED,
    ),
    cases=_any_signature,
    tells={"verdict taken as truth value": generic.VERDICT_USED},
    rows=(
        (
            "None for every error",
            "A bad bundle gives None, and the caller goes on with it.",
            "Catch nothing.",
            (
                f"    {_VERIFIED}",
                f"    try:\n        {_VERIFIED}\n    except Exception:\n        return None",
            ),
        ),
        (
            "the raw prekey",
            "The signature covers 33 bytes; now honest bundles fail.",
            "Put 05 before the prekey.",
            ('b"\\x05" + prekey', "prekey"),
        ),
        (
            "verdict taken as truth value",
            "`verify` returns None for a good signature, and None counts as false.",
            "Call it on a line of its own.",
            (
                f"    {_VERIFIED}\n    return prekey",
                f"    if {_VERIFIED}:\n        return prekey\n    raise BadSignature('no')",
            ),
        ),
        (
            "only the length is looked at",
            "Any 64 bytes pass for a signature.",
            "Call verify.",
            (_VERIFIED, 'bundle["signature"][63]'),
        ),
    ),
)


# 10 What was seen before


def _handshakes(rng):
    return [
        Case(
            (
                {
                    "identity_key": public_key(rng.randbytes(32)),
                    "ephemeral_key": public_key(rng.randbytes(32)),
                    "prekey": rng.randint(2, 99),
                },
            ),
            about,
        )
        for about in ("a first message", "another first message")
    ]


_SPELLED = '{**message, "ephemeral_key": key[:31] + bytes([key[31] ^ 128])}'

REMEMBER = find(
    "remember",
    "(message: dict) -> dict",
    "Bob's program has accepted `message`: identity_key, ephemeral_key (32 bytes each) and prekey, "
    "a number. Return the same handshake again in a form that `remember` accepts a second time: "
    "Bob's Diffie-Hellman results with it must be the same.",
    "X25519 takes several byte strings for one key, and the record compares bytes.",
    points=3,
    section=_EDGES,
    goal="the same handshake in other bytes",
    hints=(
        "What does the record compare, and what does X25519 compute with?",
        "X25519 ignores one bit of a public key (lesson 06).",
        "Turn over the highest bit of the last byte of the ephemeral key.",
    ),
    answer=f'def find(message):\n    key = message["ephemeral_key"]\n    return {_SPELLED}\n',
    cases=_handshakes,
    rows=(
        (
            "the same bytes",
            "These bytes are in the record.",
            "Write the same key in another way.",
            (_SPELLED, "dict(message)"),
        ),
        (
            "another bit",
            "This bit belongs to the key: Bob derives another secret.",
            "There is one bit that X25519 ignores.",
            ("key[:31] + bytes([key[31] ^ 128])", "bytes([key[0] ^ 1]) + key[1:]"),
        ),
        (
            "another prekey",
            "Bob would take another private key, and derive another secret.",
            "Keep the number of the prekey.",
            (_SPELLED, '{**message, "prekey": message["prekey"] + 1}'),
        ),
        (
            "one field more",
            "The message has a field that no message has.",
            "Keep the three fields.",
            (_SPELLED, '{**message, "again": True}'),
        ),
    ),
)


def _rooms(rng):
    rows = [(1, "room for one"), (rng.randint(3, 9), "a small record"), (40, "a larger record")]
    return [Case((rng.randbytes(32), room), about) for room, about in rows]


_FILL = "[bytes([n]) * 32 for n in range(room)] + [mark]"

REMEMBER_RECENT = find(
    "remember_recent",
    "(mark: bytes, room: int) -> list",
    "Bob has just accepted the handshake `mark`. His record has place for `room` handshakes; see "
    "`remember_recent`. Return a list of the marks that arrive after it, 32 bytes each, in their "
    "order. `mark` itself is one of them, and there it is accepted a second time. (Everybody can "
    "make handshakes with Bob's public bundle.)",
    "A record that forgets can be made to forget.",
    points=3,
    section=_REFUSED,
    goal="marks after which the recorded handshake is accepted again",
    hints=(
        "What leaves the record when it is full?",
        "The oldest one. How many others must come before `mark` is the oldest and leaves?",
        "Exactly `room` different ones, then `mark` itself.",
    ),
    answer=f"def find(mark, room):\n    return {_FILL}\n",
    cases=_rooms,
    rows=(
        (
            "at once",
            "The record knows the last handshake.",
            "Fill the record first.",
            (_FILL, "[mark]"),
        ),
        (
            "one too few",
            "The record still has `mark` as its oldest entry.",
            "One more must come before it.",
            ("range(room)", "range(1, room)"),
            ("+ [mark]", "+ [mark] if room > 1 else [mark]"),
        ),
        (
            "the same one again and again",
            "A repeated mark is refused and pushes nothing out.",
            "Make different ones.",
            ("bytes([n]) * 32", "bytes(32)"),
            ("range(room)", "range(room + 1)"),
        ),
        (
            "the handshake does not come again",
            "The record has forgotten it, and nobody used that.",
            "Put `mark` at the end.",
            (" + [mark]", ""),
        ),
    ),
)


# 11 State and refusals


def _hmac(key, data):
    return hmac.digest(key, data, "sha256")


def _after(chain, count):
    for _ in range(count):
        chain = _hmac(chain, b"\x02")
    return chain


def _sealed(chain, steps, text):
    """A message for the key that is `steps` further on in the chain."""
    return seal(_hmac(_after(chain, steps), b"\x01"), text, b"")


def _next_messages(rng):
    rows = [(0, "the next message"), (2, "two messages are still missing")]
    cases = []
    for gap, about in rows:
        chain, following = rng.randbytes(32), rng.randint(20, 90)
        honest = _sealed(chain, gap, b"Hi Bob")
        secret = {"state": {"chain": chain, "next": following}}
        cases.append(Case((following + gap, honest), about, secret))
    return cases


_DAMAGED = "[number, sealed[:-1] + bytes([sealed[-1] ^ 1])]"

READ = find(
    "read",
    "(number: int, sealed: bytes) -> list",
    "Message `number`, the bytes `sealed`, is on its way to Bob, and he has not read it yet. You "
    "are the network, without any key. Return [number, bytes] of one message that reaches him "
    "first: `read` refuses it, and after that the honest message no longer opens.",
    "The chain has moved before the tag was checked. What was refused still changed the state.",
    section=_REFUSED,
    goal="a refused message after which the honest one does not open",
    hints=(
        "Which lines have changed the state when `open_sealed` raises?",
        "Let the chain move past the key of the honest message.",
        "The same number, with one bit of the tag turned over.",
    ),
    answer=f"def find(number, sealed):\n    return {_DAMAGED}\n",
    cases=_next_messages,
    rows=(
        (
            "the honest message",
            "This one opens, so nothing was forged.",
            "Change its bytes.",
            (_DAMAGED, "[number, sealed]"),
        ),
        (
            "a number of the past",
            "For an old number the chain does not move.",
            "Take a number that Bob still waits for.",
            (_DAMAGED, "[number - 10, sealed]"),
        ),
        (
            "a jump that is too long",
            "The limit stops it before the first step.",
            "Stay below the limit of 100.",
            (_DAMAGED, "[number + 1000, sealed]"),
        ),
        (
            "number and bytes exchanged",
            "The bytes stand where the number belongs.",
            "Return the number first.",
            (_DAMAGED, "[sealed, number]"),
        ),
    ),
)


def _readings(rng):
    rows = [
        ("an honest message", ["honest"]),
        ("a forgery, then the honest message", ["forged", "honest"]),
        ("two messages", ["honest", "later"]),
        ("a forgery, then a later message", ["forged", "later"]),
        ("a jump that is too long, then the honest message", ["far", "honest"]),
        ("the longest jump that is allowed", ["edge"]),
        ("the same bytes under the next number", ["honest", "renumbered"]),
        ("a message twice", ["honest", "honest"]),
        ("a forgery further on, then the honest message", ["ahead", "honest"]),
    ]
    sequences = [_reading(rng, about, names) for about, names in rows]
    alone = (101, "a jump of 101, alone"), (-1, "a number of the past, alone")
    return sequences + [_refused(rng, *row) for row in alone]


def _reading(rng, about, names):
    chain, first = rng.randbytes(32), rng.randint(0, 50)
    good, later = _sealed(chain, 0, b"Hi Bob"), _sealed(chain, 3, b"Are you there?")
    forged = good[:-1] + bytes([good[-1] ^ 1])
    known = {
        "honest": Step("the next message", (first, good)),
        "later": Step("a message after two lost ones", (first + 3, later)),
        "forged": Step("a forgery for the next message", (first, forged)),
        "ahead": Step("a forgery for a later message", (first + 5, bytes(48))),
        "renumbered": Step("the same bytes under the next number", (first + 1, good)),
        "far": Step("a jump of 101", (first + 101, _sealed(chain, 101, b"Hi Bob"))),
        "edge": Step("a jump of 100", (first + 100, _sealed(chain, 100, b"Hi Bob"))),
    }
    state = {"chain": chain, "next": first}
    return Case((state,), about, {}, tuple(known[name] for name in names))


def _refused(rng, distance, about):
    """One call alone: here the name of the error counts, and not only that there is one."""
    chain, first = rng.randbytes(32), rng.randint(1, 50)
    sealed = _sealed(chain, max(distance, 0), b"Hi Bob")
    return Case(({"chain": chain, "next": first}, first + distance, sealed), about)


_STEPS = 'for _ in range(number - state["next"]):\n        chain = hmac_sha256(chain, b"\\x02")'
_NEW = '{"chain": hmac_sha256(chain, b"\\x02"), "next": number + 1}'
_OPENED = 'open_sealed(hmac_sha256(chain, b"\\x01"), sealed, b"")'
_LIMIT = (
    '    if number - state["next"] > 100:\n        raise TooManySkipped("the jump is too long")\n'
)

CURE_READ = cure(
    "read",
    "(state: dict, number: int, sealed: bytes) -> list",
    "`state` has chain (the chain key of message next) and next. Return [state after it, text]. "
    "The key of a message: HMAC of its chain key with data 01; the next chain key: data 02. A jump "
    "of more than 100 raises TooManySkipped, a number below next DecryptionFailed. Keys of skipped "
    "messages are not kept. The given state never changes.",
    "Only a message that opened gives a new state.",
    minutes=6,
    hex=False,
    section=_REFUSED,
    hints=(
        "Which values do you need until the message has opened, and where can they stand?",
        "Walk with a variable of your own. Make the new state at the very end.",
        f"text = {_OPENED}; then return [{_NEW}, text]",
    ),
    cases=_readings,
    rows=(
        (
            "only the chain is protected",
            "The number in the state changes before the tag is checked.",
            "Change nothing in `state`.",
            (f"    text = {_OPENED}", f'    state["next"] = number + 1\n    text = {_OPENED}'),
        ),
        (
            "the chain does not move",
            "The new state has the old chain key: the next message gets the wrong key.",
            "The new chain key is one step further than the message's.",
            (_NEW, '{"chain": chain, "next": number + 1}'),
        ),
        (
            "a refusal becomes a result",
            "What does not open gives None and a new state; the caller takes both.",
            "Let DecryptionFailed pass.",
            (
                f"    text = {_OPENED}",
                f"    try:\n        text = {_OPENED}\n"
                "    except DecryptionFailed:\n        text = None",
            ),
        ),
        (
            "no limit",
            "A forged number may ask for a billion steps.",
            "Compare before the first step.",
            (_LIMIT, ""),
        ),
        (
            "the count stands still",
            "The new state has the old number, so the same message would be read twice.",
            "`next` is one more than the number that was read.",
            ('"next": number + 1', '"next": state["next"]'),
        ),
    ),
)


def _conversations(rng):
    rows = [
        ([rng.randint(3, 9), 2], "two chains"),
        ([4, rng.randint(2, 9), 3], "three chains"),
        ([rng.randint(5, 90), 2], "a long one"),
    ]
    return [Case((_sent(lengths),), about) for lengths, about in rows]


def _sent(lengths):
    """Headers [chain, length of the chain before it, number] of one writer, in order."""
    before = [0, *lengths]
    return [
        [chain, before[chain], number]
        for chain, length in enumerate(lengths)
        for number in range(length)
    ]


_LATE = "return [header for header in sent if header != late] + [late]"

LOST_MESSAGES = find(
    "lost_messages",
    "(sent: list) -> list",
    "`sent` has the headers of all messages that Alice wrote, in order: [chain, previous_length, "
    "number]. Return the same headers in another order of arrival, in which `lost_messages` loses "
    "at least one. A right program would lose none in your order.",
    "At a turn, the program forgets what is still missing of the chain before.",
    section=_ORDER,
    goal="an order of arrival in which a message is lost",
    hints=(
        "Which of the three numbers in a header does the function never use?",
        "previous_length says how long the chain before was. Who needs that, and when?",
        "Let the last message of chain 0 arrive at the very end.",
    ),
    answer=(
        "def find(sent):\n"
        "    late = [header for header in sent if header[0] == 0][-1]\n"
        f"    {_LATE}\n"
    ),
    cases=_conversations,
    hex=False,
    rows=(
        (
            "the order of sending",
            "In this order nothing is late.",
            "Let a message of the first chain come after the second chain has begun.",
            (_LATE, "return list(sent)"),
        ),
        (
            "disorder inside one chain",
            "Inside a chain the program keeps the keys of missing messages.",
            "The late message must cross into the next chain.",
            (_LATE, "return [sent[1], sent[0], *sent[2:]]"),
        ),
        (
            "a chain comes before the one in front of it",
            "A header tells the length of one chain, the one before its own. What is missing of an "
            "older chain, no program can know.",
            "Let each chain begin before the next one does.",
            (_LATE, "return sent[::-1]"),
        ),
        (
            "a message is left out",
            "What never arrives is lost in every program.",
            "Let each header arrive once.",
            (_LATE, "return [header for header in sent if header != late]"),
        ),
        (
            "numbers without chains",
            "A header is a list of three numbers.",
            "Return the headers as they were given.",
            (_LATE, "return [number for _, _, number in sent]"),
        ),
    ),
)


def _arrivals(rng):
    sent = _sent([rng.randint(3, 6), 8, 2])
    first = [header for header in sent if header[0] == 0]
    rest = sent[len(first) :]
    rows = [
        (sent, "in order"),
        ([*first[:-1], *rest, first[-1]], "the last of the first chain comes late"),
        ([*rest[:1], *first, *rest[1:]], "the second chain begins first"),
        ([first[1], first[0], *first[2:], *rest], "two exchanged in one chain"),
        ([*sent, first[0]], "the first message comes twice"),
        ([first[0], rest[0], first[0]], "a second copy after the turn"),
        ([*first[:-1], *rest, first[-1], first[-1]], "the late one comes twice"),
        ([*first[:-1], *rest, rest[len(first) - 1]], "one of the second chain comes twice"),
    ]
    return [Case(([list(header) for header in headers],), about) for headers, about in rows]


_KEEP = "range(following, previous_length)"
_KEPT = f"            kept += [[current, n] for n in {_KEEP}]\n"

CURE_LOST_MESSAGES = cure(
    "lost_messages",
    "(headers: list) -> list",
    "`headers` arrive in this order: [chain, previous_length, number]. Return [chain, number] of "
    "each one that cannot be read, in order of arrival. A message can be read once: when it is "
    "the next one or later in the newest chain, or when its key was kept. At a turn, the missing "
    "rest of the chain before is kept. The broken function does the rest right.",
    "What is missing of a chain is kept before the program turns to the next.",
    minutes=5,
    hex=False,
    section=_ORDER,
    hints=(
        "At which line is the old chain left, and what is still missing of it there?",
        "From the number that follows up to previous_length, without that number itself.",
        f"kept += [[current, n] for n in {_KEEP}], before current changes",
    ),
    cases=_arrivals,
    rows=(
        (
            "kept after the turn",
            "The chain had changed already: the keys are kept under the new chain's number.",
            "Keep them before `current` changes.",
            (_KEPT, ""),
            (
                "            current, following = chain, 0\n",
                f"            missing = {_KEEP}\n            current, following = chain, 0\n"
                "            kept += [[current, n] for n in missing]\n",
            ),
        ),
        (
            "the whole chain kept",
            "Keys of messages that were read are kept again: a second copy can be read.",
            "Begin with the number that follows.",
            (_KEEP, "range(previous_length)"),
        ),
        (
            "the last one forgotten",
            "One key too few is kept.",
            "range ends before its second number, and previous_length is the first that was not "
            "sent.",
            (_KEEP, "range(following, previous_length - 1)"),
        ),
        (
            "a key is not used up",
            "A kept key stays after its use: a second copy can be read.",
            "Remove the key when it is used.",
            ("            kept.remove([chain, number])\n", ""),
        ),
    ),
)


# 12 Giving out keys


def _requests(rng):
    rows = [(("Alice", "Carol"), 3), (("Dave", "Erin"), 10), (("Frank", "Grace"), 2)]
    return [
        Case((list(names), json.dumps([rng.randbytes(4).hex() for _ in range(count)])), about)
        for (names, count), about in zip(
            rows, ("three keys in the pool", "ten keys", "two keys"), strict=True
        )
    ]


SERVE = find(
    "serve",
    "(names: list, pool: str) -> list",
    "Two people ask for a key at the same time. Each request has two steps: reading the pool, then "
    "taking a key and storing the rest. Return the order of steps, a list with each of the two "
    "`names` twice, in which `serve` gives both the same key.",
    "Between reading and storing, another request can read.",
    minutes=3,
    hex=False,
    section=_ORDER,
    goal="an order of steps in which both get one key",
    hints=(
        "What does the second one read, if the first one has not stored yet?",
        "Both must read before one of them stores.",
        "[a, b, a, b]",
    ),
    answer="def find(names, pool):\n    a, b = names\n    return [a, b, a, b]\n",
    cases=_requests,
    rows=(
        (
            "one after the other",
            "The second one reads what the first one has stored.",
            "Let both read first.",
            ("[a, b, a, b]", "[a, a, b, b]"),
        ),
        (
            "only one request",
            "One of the two never takes a key.",
            "Each name stands twice in the list.",
            ("[a, b, a, b]", "[a, b, a]"),
        ),
        (
            "another name",
            "Somebody is in the list who did not ask.",
            "Use the two names.",
            ("[a, b, a, b]", '[a, "Mallory", a, "Mallory"]'),
        ),
        (
            "numbers for names",
            "The steps are named by the people.",
            "Return names.",
            ("[a, b, a, b]", "[0, 1, 0, 1]"),
        ),
    ),
)


def _replies(rng):
    cases = []
    for count, about in ((3, "three keys"), (5, "five keys"), (12, "a full pool")):
        keys = {n: rng.randbytes(32) for n in range(rng.randint(1, 9), 30)[:count]}
        pool = {
            "identity_key": rng.randbytes(32),
            "signed_prekey": rng.randbytes(32),
            "one_time": keys,
        }
        reply, rest = broken.take_one(pool)
        cases.append(Case((reply,), about, {"pool": rest["one_time"]}))
    return cases


_LATER = 'number = min(n for n in reply["one_time"] if n != reply["take"])'

TAKE_ONE = find(
    "take_one",
    "(reply: dict) -> list",
    "You asked the server for one key, and `reply` is the reply of `take_one`. Return "
    "[number, key] of a one-time key that a later sender will get.",
    "The reply is the old pool with a mark on it. Everybody sees every key.",
    minutes=3,
    section=_WHO,
    goal="number and key of a one-time key for somebody else",
    hints=(
        "Print the reply. What is in it besides your key?",
        "The rest of the pool is in it. Which key is yours?",
        _LATER,
    ),
    answer=f'def find(reply):\n    {_LATER}\n    return [number, reply["one_time"][number]]\n',
    cases=_replies,
    rows=(
        (
            "your own key",
            "This is the key that you were given.",
            "Take another number of the reply.",
            (_LATER, 'number = reply["take"]'),
        ),
        (
            "the signed prekey",
            "Everybody gets the signed prekey; that is no fault.",
            "Look at the one-time keys.",
            ('reply["one_time"][number]]', 'reply["signed_prekey"]]'),
        ),
        (
            "a key under another number",
            "Number and key do not belong together.",
            "Return the key that stands under this number.",
            ('reply["one_time"][number]]', 'reply["one_time"][reply["take"]]]'),
        ),
        (
            "key before number",
            "The key stands where the number belongs.",
            "Return [number, key].",
            ('[number, reply["one_time"][number]]', '[reply["one_time"][number], number]'),
        ),
    ),
)

FINDS = {
    "take_prekey": TAKE_PREKEY,
    "checked_prekey": CHECKED_PREKEY,
    "remember": REMEMBER,
    "remember_recent": REMEMBER_RECENT,
    "read": READ,
    "lost_messages": LOST_MESSAGES,
    "serve": SERVE,
    "take_one": TAKE_ONE,
}
CURES = {
    "take_prekey": CURE_TAKE_PREKEY,
    "checked_prekey": CURE_CHECKED_PREKEY,
    "read": CURE_READ,
    "lost_messages": CURE_LOST_MESSAGES,
}
