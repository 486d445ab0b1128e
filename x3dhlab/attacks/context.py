"""Key derivations with parts left out, moved or cut, and what each change lets in.

A recipe says which values stand in salt, key material, info and associated data, in which order
and how many bytes of each. The attacks apply one recipe to two real situations and look whether
what was sealed in the first opens in the second. Each returns a `Try`, or None where the recipe
gives it nothing to try.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType, ModuleType

from x3dhlab import kem as kems
from x3dhlab import pqxdh, ratchet, x3dh
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.attacks.weakened import PAIRS, Cast, MissingTerm, compute
from x3dhlab.errors import DecryptionFailed
from x3dhlab.kem import KemKeyPair
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import concat, dh, hkdf, open_sealed, random_bytes, seal
from x3dhlab.wire import PreKeyBundle, encode_key

SALT, MATERIAL, INFO, AD = "salt", "key material", "info", "associated data"
TERMS = ("DH1", "DH2", "DH3", "DH4")
TEXT = b"Meet me at noon."
OTHER_APPLICATION = b"x3dhlab files"
_P = 2**255 - 19

# A recipe: for each row the names of its values in order, each with how many bytes are kept.
Recipe = Mapping[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True)
class Try:
    """One attack as it ran: did it succeed, what was compared, and the bytes that prove it."""

    name: str
    number: str
    succeeded: bool
    sentence: str
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Situation:
    """Everything that may stand in a recipe, for one handshake between real key pairs."""

    cast: Cast
    protocol: ModuleType = pqxdh
    algorithm: str = "ML-KEM-768"
    kem_pair: KemKeyPair | None = field(default=None, repr=False)
    shared_secret: bytes = field(default=b"", repr=False)
    changes: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @classmethod
    def fresh(cls, protocol: ModuleType = pqxdh) -> "Situation":
        """New key pairs for everybody; for PQXDH also a KEM prekey and a shared secret."""
        if protocol is x3dh:
            return cls(Cast(), protocol)
        algorithm = kems.get(cls.algorithm)
        pair = algorithm.generate()
        _, secret = algorithm.encapsulate(pair.public)
        return cls(Cast(), protocol, cls.algorithm, pair, secret)

    def values(self) -> dict[str, bytes]:
        """Name → bytes. An input that this handshake does not have is left out."""
        cast = self.cast
        terms = [term for term in TERMS if cast.OPK_B or term != "DH4"]
        found = dict(
            zip(terms, compute(terms, cast.private("IK_A", "EK_A"), cast.public), strict=True)
        )
        found |= {
            "F": x3dh.F,
            "zeros": bytes(32),
            "room": b"room 7",
            "application": b"x3dhlab",
            "Encode(IK_A)": encode_key(cast.IK_A.public),
            "Encode(IK_B)": encode_key(cast.IK_B.public),
            "sender": b"user1",
            "recipient": b"23",
        }
        if self.protocol is x3dh:
            found |= {"space": b" ", "protocol": b"X3DH"}
        else:
            found |= dict.fromkeys(("_ 1", "_ 2", "_ 3"), b"_")
            found |= {"curve": b"CURVE25519", "hash": b"SHA-256"}
            found |= {"KEM": self.algorithm.encode(), "SS": self.shared_secret}
        found |= self.changes
        found = {name: value for name, value in found.items() if value is not None}
        for name in ("sender", "recipient"):
            found[f"length of {name}"] = len(found[name]).to_bytes(4, "big")
        return found

    def but(self, **changes) -> "Situation":
        """The same with other bytes for some names; None leaves a value out."""
        return replace(self, changes=MappingProxyType({**self.changes, **changes}))


def rows(protocol: ModuleType = pqxdh) -> dict[str, tuple[str, ...]]:
    """The values that may stand in each row, in the order of the specification."""
    info = ("application", "space", "protocol")
    material = ("F", *TERMS)
    if protocol is pqxdh:
        info = ("application", "_ 1", "curve", "_ 2", "hash", "_ 3", "KEM")
        material = (*material, "SS")
    names = ("length of sender", "sender", "length of recipient", "recipient")
    return {
        SALT: ("zeros", "room"),
        MATERIAL: material,
        INFO: info,
        AD: ("Encode(IK_A)", "Encode(IK_B)", *names),
    }


# What the specifications leave to the application, and this course's handshake does not use.
OPTIONAL = ("room", "length of sender", "sender", "length of recipient", "recipient")


def specified(situation: Situation) -> Recipe:
    """The recipe of the specification (X3DH §2.2, PQXDH §2.2, AD as in X3DH §3.3)."""
    values = situation.values()
    return {
        row: tuple((name, len(values[name])) for name in names if name not in OPTIONAL)
        for row, names in rows(situation.protocol).items()
    }


def join(row: str, recipe: Recipe, situation: Situation, base: Situation | None = None) -> bytes:
    """The bytes of one row. A value of the recipe is cut only where the recipe cuts it short."""
    values, full = situation.values(), (base or situation).values()
    return concat(
        *(
            values[name] if kept >= len(full.get(name, b"")) else values[name][:kept]
            for name, kept in recipe[row]
            if name in values
        )
    )


def derive(recipe: Recipe, situation: Situation, base: Situation | None = None) -> bytes:
    """32 bytes of HKDF over what the recipe says; with `specified` it is SK."""
    salt, ikm, info = (join(row, recipe, situation, base) for row in (SALT, MATERIAL, INFO))
    return hkdf(ikm, salt=salt, info=info, length=32)


def specification_key(situation: Situation) -> bytes:
    """SK as the protocol modules derive it, not by this module's recipes."""
    values = situation.values()
    dhs = tuple(values[term] for term in TERMS if term in values)
    if situation.protocol is x3dh:
        return x3dh.derive(dhs)
    info = pqxdh.info_for(situation.algorithm)
    return pqxdh.derive(dhs, situation.shared_secret, info=info)


def send(recipe: Recipe, situation: Situation, base: Situation) -> bytes:
    """Seal a text with the key and the associated data of a recipe."""
    return seal(derive(recipe, situation, base), TEXT, join(AD, recipe, situation, base))


def opens(recipe: Recipe, situation: Situation, base: Situation, sealed: bytes) -> str:
    """The text, if these bytes open under the recipe in this situation; else an empty string."""
    try:
        key, data = derive(recipe, situation, base), join(AD, recipe, situation, base)
        return open_sealed(key, sealed, data).decode()
    except DecryptionFailed:
        return ""


def _used(recipe, *names):
    """True if at least one byte of each of these values is used."""
    kept = {name: length for row in recipe.values() for name, length in row}
    return all(kept.get(name) for name in names)


# The attacks


def order_mixup(recipe: Recipe, here: Situation, *, one_side: bool) -> Try:
    """A32: Alice follows the recipe; Bob does too, or he follows the specification."""
    correct = specified(here)
    sealed = send(recipe, here, here)
    partner = opens(correct if one_side else recipe, here, here, sealed)
    peer = opens(correct, here, here, sealed)
    facts = {
        "Bob reads": partner or "nothing: DecryptionFailed",
        "a peer that follows the specification reads": peer or "nothing: DecryptionFailed",
    }
    if peer:
        return Try(
            "Other people's programs",
            "A32",
            False,
            "A peer that follows the specification reads it.",
            facts,
        )
    sentence = (
        "Alice and Bob agree, so their own tests pass. A program without this change reads nothing."
        if partner
        else "Bob can read nothing that Alice sends, so no attack has a message to start from."
    )
    return Try("Other people's programs", "A32", True, sentence, facts)


def ignored_inputs(recipe: Recipe, here: Situation) -> Try:
    """Flip the last bit of each secret and each key in turn: key or associated data must change."""
    values = here.values()
    key, data = derive(recipe, here), join(AD, recipe, here)
    names = [name for name in (*TERMS, "SS", "Encode(IK_A)", "Encode(IK_B)") if name in values]
    same = {}
    for name in names:
        value = values[name]
        other = replace(here, changes={**here.changes, name: value[:-1] + bytes([value[-1] ^ 1])})
        if (derive(recipe, other, here), join(AD, recipe, other, here)) == (key, data):
            same[name] = (
                f"…{value[-3:].hex()} and …{other.values()[name][-3:].hex()} give one result"
            )
    if same:
        return Try(
            "Inputs that no longer count",
            "",
            True,
            "Two different handshakes give the same key and the same associated data.",
            same,
        )
    return Try(
        "Inputs that no longer count",
        "",
        False,
        "One flipped bit in any of them changes the result.",
        {"tried": ", ".join(names)},
    )


def other_application(recipe: Recipe, here: Situation) -> Try:
    """A31: Bob uses his keys in two programs. A message for one is replayed to the other."""
    there = here.but(application=OTHER_APPLICATION)
    sealed = send(recipe, here, here)
    read = opens(recipe, there, here, sealed)
    facts = {
        "info in the first program": _show(join(INFO, recipe, here)),
        "info in the second": _show(join(INFO, recipe, there, here)),
        "the second program reads": read or "nothing: DecryptionFailed",
    }
    if read:
        return Try(
            "Replay to another program",
            "A31",
            True,
            "A message for one program opens in another.",
            facts,
        )
    return Try(
        "Replay to another program", "A31", False, "The two programs derive different keys.", facts
    )


def shared_slot(recipe: Recipe, here: Situation) -> Try | None:
    """A33: the same 32 bytes as DH4 of an X3DH run, and as SS of a PQXDH run without OPK."""
    if here.protocol is x3dh or not _used(recipe, "DH4", "SS"):
        return None
    secret = here.values()["SS"]
    classical = here.but(DH4=secret, SS=None, KEM=b"no KEM")
    hybrid = here.but(DH4=None)
    keys = [derive(recipe, side, here).hex() for side in (classical, hybrid)]
    facts = {
        "X3DH: … ‖ DH4": f"info {_show(join(INFO, recipe, classical, here))}, key {keys[0][:16]}…",
        "PQXDH: … ‖ SS": f"info {_show(join(INFO, recipe, hybrid, here))}, key {keys[1][:16]}…",
    }
    if keys[0] == keys[1]:
        return Try(
            "DH4 and SS in one place",
            "A33",
            True,
            "Two suites give one key: both values have 32 bytes and stand in the same place.",
            facts,
        )
    return Try(
        "DH4 and SS in one place",
        "A33",
        False,
        "The two suites give different keys for the same 32 bytes.",
        facts,
    )


def padded_salt(recipe: Recipe, here: Situation) -> Try:
    """A33: HMAC fills its key with zero bytes, so that S and S ‖ 00 are one salt."""
    ikm, info = (join(row, recipe, here) for row in (MATERIAL, INFO))
    salt = join(SALT, recipe, here)
    key, longer = (hkdf(ikm, salt=s, info=info, length=32) for s in (salt, salt + b"\x00"))
    facts = {
        f"salt of {len(salt)} bytes": f"{key.hex()[:16]}…",
        f"one zero byte more, {len(salt) + 1}": f"{longer.hex()[:16]}…",
    }
    if key != longer:
        return Try("S and S ‖ 00", "A33", False, "Here the extra zero byte changes the key.", facts)
    if _used(recipe, "room"):
        return Try(
            "S and S ‖ 00",
            "A33",
            True,
            "The room “room 7” and a room with one zero byte more have one key.",
            facts,
        )
    return Try(
        "S and S ‖ 00",
        "A33",
        False,
        "They give one key. That is harmless while the salt is a constant.",
        facts,
    )


def ambiguous_names(recipe: Recipe, here: Situation) -> Try | None:
    """A34: (user1, 23) and (user, 123) are different people."""
    if not _used(recipe, "sender", "recipient"):
        return None
    there = here.but(sender=b"user", recipient=b"123")
    sealed = send(recipe, here, here)
    read = opens(recipe, there, here, sealed)
    facts = {
        "user1 to 23": f"…{join(AD, recipe, here)[66:].hex(' ', -4) or 'nothing'}",
        "user to 123": f"…{join(AD, recipe, there, here)[66:].hex(' ', -4) or 'nothing'}",
        "taken as “user to 123”": read or "nothing: DecryptionFailed",
    }
    if read:
        return Try(
            "Two pairs of names, one text",
            "A34",
            True,
            "A message from user1 to 23 passes as one from user to 123.",
            facts,
        )
    return Try(
        "Two pairs of names, one text",
        "A34",
        False,
        "The two pairs give different associated data.",
        facts,
    )


def misbinding(recipe: Recipe, here: Situation) -> Try:
    """A30: account 99 registers Bob's keys. Alice writes to 99, and Bob gets the bytes."""
    sealed = send(recipe, here.but(recipient=b"99"), here)
    read = opens(recipe, here, here, sealed)
    facts = {
        "Alice writes to": "account 99",
        "Bob, account 23, reads": read or "nothing: DecryptionFailed",
    }
    if read:
        return Try(
            "Bob's key under another name",
            "A30",
            True,
            "Bob believes that Alice wrote to him. Identity keys do not stop this (X3DH §4.8).",
            facts,
        )
    return Try(
        "Bob's key under another name", "A30", False, "The account is bound: Bob refuses.", facts
    )


def second_encoding(recipe: Recipe, here: Situation) -> Try:
    """A30: the same DH1 under other bytes for IK_A, because X25519 ignores bit 255."""
    claimed = here.cast.IK_A.public[:31] + bytes([here.cast.IK_A.public[31] ^ 128])
    there = replace(here, changes={**here.changes, "Encode(IK_A)": encode_key(claimed)})
    same = dh(here.cast.SPK_B.private, claimed) == here.values()["DH1"]
    read = opens(recipe, there, here, send(recipe, here, here))
    facts = {
        "IK_A ends in": here.cast.IK_A.public[-2:].hex(),
        "Bob is told": claimed[-2:].hex(),
        "DH1": "the same" if same else "another",
        "Bob reads": read or "nothing: DecryptionFailed",
    }
    if read:
        return Try(
            "Another identity key, same secrets",
            "A30",
            True,
            "Bob stores a key for Alice that she never had.",
            facts,
        )
    return Try(
        "Another identity key, same secrets",
        "A30",
        False,
        "AD holds the key's bytes: Bob refuses.",
        facts,
    )


def forge(recipe: Recipe, here: Situation) -> Try:
    """Write as Alice with a fresh ephemeral key and public bytes; her private key is not needed."""
    name, mine = "Write as Alice", KeyPair.generate()
    cast = replace(here.cast, EK_A=mine)
    bob = replace(here, cast=cast)
    known, missing = _with(cast, cast.private("EK_A"), recipe)
    facts = {"the attacker has": "public keys, a key pair of his own"}
    if _unknown_bytes(recipe, missing) > GUESSED:
        facts["he lacks"] = _lacks(missing)
        return Try(name, "", False, "He cannot compute the key.", facts)
    for guess in _guesses(recipe, here, missing):
        sealed = send(recipe, replace(bob, changes={**bob.changes, **known, **guess}), here)
        if read := opens(recipe, bob, here, sealed):
            facts |= {"Bob reads": read, **_tried(guess)}
            return Try(name, "", True, "Bob takes it for Alice's. Nothing needs her key.", facts)
    return Try(name, "", False, "Bob refuses.", facts)


def harvest(recipe: Recipe, here: Situation) -> Try:
    """A24: a recording, and later every elliptic-curve private key."""
    name, cast = "Record now, read later", here.cast
    known, _ = _with(cast, cast.private("IK_A", "EK_A", "IK_B", "SPK_B", "OPK_B"), recipe)
    missing = ["SS"] if here.protocol is pqxdh and _used(recipe, "SS") else []
    facts = {"the attacker has": "every private key of the curve"}
    if _unknown_bytes(recipe, missing) > GUESSED:
        facts["he lacks"] = "SS"
        return Try(name, "A24", False, "SS does not come from the curve.", facts)
    sealed = send(recipe, here, here)
    for guess in _guesses(recipe, here, missing):
        thief = replace(here, changes={**here.changes, **known, **guess})
        if read := opens(recipe, thief, here, sealed):
            facts |= {"he reads": read, **_tried(guess)}
            return Try(name, "A24", True, "The recorded message opens.", facts)
    return Try(name, "A24", False, "No guess opens it.", facts)


# An attacker tries all values of this many bytes at once. A patient one tries more.
GUESSED = 1


def _unknown_bytes(recipe, names):
    kept = dict(recipe[MATERIAL])
    return sum(kept.get(name, 0) for name in names)


def _guesses(recipe, here, names):
    """All values of the missing names, as far as the recipe uses them; {} if none is missing."""
    used = [name for name in names if _unknown_bytes(recipe, [name])]
    if not used:
        return [{}]
    size = len(here.values()[used[0]])
    return [{used[0]: bytes([first]) + bytes(size - 1)} for first in range(256)]


def _tried(guess):
    return {f"guessed {name}": f"{value[0]:02x}" for name, value in guess.items()}


def _lacks(missing):
    return ", ".join(f"{term} ({' or '.join(PAIRS[term])})" for term in missing)


def _with(cast, private, recipe):
    """The terms that these private keys give, and the names of used ones that they do not."""
    known, missing = {}, []
    for term in TERMS:
        if not _used(recipe, term):
            continue
        try:
            known[term] = compute([term], private, cast.public)[0]
        except MissingTerm:
            missing.append(term)
    return known, missing


def separation(recipe: Recipe, here: Situation) -> Try:
    """X3DH §2.2: F makes sure that the input never begins like an encoded point or scalar."""
    first = join(MATERIAL, recipe, here)[:32]
    number = int.from_bytes(first, "little") % 2**255
    facts = {"begins with": f"{first[:8].hex()}…"}
    if len(first) == 32 and number >= _P:
        return Try(
            "Room for XEdDSA",
            "",
            False,
            "The input cannot be mistaken for what XEdDSA hashes.",
            facts,
        )
    return Try(
        "Room for XEdDSA",
        "",
        True,
        "The input may begin like an encoded point. No attack is known, and no proof is left.",
        facts,
    )


ATTACKS = (
    other_application,
    shared_slot,
    padded_salt,
    ambiguous_names,
    misbinding,
    second_encoding,
    ignored_inputs,
    forge,
    harvest,
    separation,
)


def attempt_all(recipe: Recipe, here: Situation, *, one_side: bool = False) -> list[Try]:
    """Every attack on one recipe, run now. `one_side`: Alice's recipe; Bob has the specification's.

    Where Bob then reads nothing of hers, no attack has a message to start from.
    """
    agreed = order_mixup(recipe, here, one_side=one_side)
    if one_side and agreed.succeeded:
        return [agreed]
    return [agreed, *(t for attack in ATTACKS if (t := attack(recipe, here)) is not None)]


def _show(data):
    return f"“{data.decode(errors='replace')}”" if data else "empty"


# For the catalogue


def _tried_on(attack, change=lambda recipe, here: recipe, protocol=x3dh) -> Result:
    """One attack on the specification's recipe, changed."""
    here = Situation.fresh(protocol)
    found = attack(change(dict(specified(here)), here), here)
    return Result(found.succeeded, found.sentence)


def _changed(row, *names):
    return lambda recipe, here: recipe | {row: tuple((n, len(here.values()[n])) for n in names)}


def _kept(row, wanted):
    return lambda recipe, here: recipe | {row: tuple(p for p in recipe[row] if wanted(p[0]))}


def _handshake(ours=x3dh.INFO, theirs=x3dh.INFO, names=((), ())) -> Result:
    """A whole handshake and one ratchet message, each side with its own info and account names."""
    friends = targets.friends()
    offer = PreKeyBundle.decode(friends.network.fetch("Bob", "Alice"))
    message, mine = x3dh.initiate(friends.alice.identity, offer, info=ours)
    ring = friends.bob.device.ring
    pair = ring.signed[offer.signed_prekey_id].pair
    yours = x3dh.respond(
        ring.identity, pair, ring.one_time[offer.one_time_prekey_id], message, info=theirs
    )
    bound = [
        x3dh.concat(agreement.associated_data, *(ratchet.bind(name, b"") for name in known))
        for agreement, known in zip((mine, yours), names, strict=True)
    ]
    sender = ratchet.State.initiator(mine.secret, offer.signed_prekey)
    receiver = ratchet.State.responder(yours.secret, pair)
    _, sent = ratchet.encrypt(sender, TEXT, bound[0])
    return attempt(lambda: ratchet.decrypt(receiver, sent, bound[1])[1].decode())


def _one_side_swapped() -> Result:
    """A32: DH1 and DH2 change places on Alice's side only."""
    here = Situation.fresh(x3dh)
    recipe = dict(specified(here))
    F, first, second, *others = recipe[MATERIAL]
    swapped = recipe | {MATERIAL: (F, second, first, *others)}
    found = order_mixup(swapped, here, one_side=True)
    return Result(found.succeeded, found.sentence)


def _slots() -> Result:
    """A33: one secret of 32 bytes as DH4 of `x3dh`, and as SS of `pqxdh`."""
    dhs, secret = tuple(random_bytes(32) for _ in range(3)), random_bytes(32)
    classical = x3dh.derive((*dhs, secret))
    hybrid = pqxdh.derive(dhs, secret, info=pqxdh.info_for("ML-KEM-768"))
    return Result(classical == hybrid, "two keys", "another info for each protocol")


def _names() -> Result:
    """A34: `ratchet.bind` puts a length before what varies."""
    same = ratchet.bind(b"user1", b"23") == ratchet.bind(b"user", b"123")
    return Result(same, "different bytes", "a length before each name")


_NO_PROGRAM = _kept(INFO, lambda name: name not in ("application", "space"))
_ONE_INFO = _changed(INFO, "application")
_BARE_NAMES = _changed(AD, "sender", "recipient")

CATALOGUE = (
    Attack(
        "A30",
        "Bob's keys under another name",
        "NC",
        "05",
        "Nothing binds the names of the accounts.",
        "Alice writes to account 99, and Bob believes that she wrote to him.",
        "The names of both accounts in AD, each after its length.",
        "X3DH §4.8 leaves it to the application; libsignal binds them since April 2026.",
        works=lambda: _tried_on(misbinding),
        fails=lambda: _handshake(names=((b"Alice", b"99"), (b"Alice", b"23"))),
    ),
    Attack(
        "A31",
        "One message, two programs",
        "I",
        "05",
        "Two programs share their keys and their info.",
        "A message for one opens in the other.",
        "The program's name and version in info, or separate keys.",
        "X3DH §2.1.",
        works=lambda: _tried_on(other_application, _NO_PROGRAM),
        fails=lambda: _handshake(theirs=b"another program"),
    ),
    Attack(
        "A32",
        "Two terms in the wrong order",
        "I",
        "04",
        "One side swaps DH1 and DH2.",
        "No session works; with both sides swapped, only strangers notice.",
        "Comparing with published numbers, and not only with yourself.",
        "X3DH §3.3; design B's key insight.",
        works=_one_side_swapped,
        fails=lambda: replace(
            _tried_on(lambda recipe, here: order_mixup(recipe, here, one_side=True)),
            stopped_by="published numbers",
        ),
    ),
    Attack(
        "A33",
        "One input, two meanings",
        "I",
        "05",
        "X3DH and PQXDH share one info.",
        "A KEM secret and a one-time term stand in the same place.",
        "One info for each protocol, a constant salt, lengths before values that vary.",
        "The info string of PQXDH §2.1; RFC 2104.",
        works=lambda: _tried_on(shared_slot, _ONE_INFO, pqxdh),
        fails=_slots,
    ),
    Attack(
        "A34",
        "Names without lengths",
        "I",
        "05",
        "Sender and recipient are joined with nothing between.",
        "A message for one pair of people passes as one for another pair.",
        "Each name after its length, or names of a fixed length.",
        "Design C's associated data.",
        works=lambda: _tried_on(ambiguous_names, _BARE_NAMES),
        fails=_names,
    ),
)
