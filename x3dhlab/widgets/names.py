"""Field names for the values of a run: `IK_A`, `OPK_B #3`, `DH1`, `CK2`.

A trace knows what each function calls its values. Here every value gets one name for the whole
run: the specification's letter for its kind, and the initial of the actor who made it.
"""

import re
from collections import Counter, defaultdict

from x3dhlab import wire
from x3dhlab.errors import Refused
from x3dhlab.layout import explain
from x3dhlab.trace import Trace
from x3dhlab.wire import KEM_TYPES

KINDS = (
    wire.PreKeyBundle,
    wire.InitialMessage,
    wire.Message,
    wire.Publication,
    wire.HiddenHeaderMessage,
)

# What programs call a value, and the name that the specifications have for it.
_ALIASES = {
    "identity": "IK",
    "identity_key": "IK",
    "signed_prekey": "SPK",
    "one_time_prekey": "OPK",
    "kem_prekey": "PQPK",
    "ephemeral": "EK",
    "ephemeral_key": "EK",
    "ratchet_key": "DHs",
    "DHr": "DHs",
    "root_key": "RK",
    "rk": "RK",
    "chain_key": "CK",
    "ck": "CK",
    "CKs": "CK",
    "CKr": "CK",
    "message_key": "MK",
    "mk": "MK",
    "key_material": "KM",
    "signature": "Sig",
    "signed_prekey_signature": "Sig",
    "kem_prekey_signature": "Sig",
    "secret": "SK",
    "associated_data": "AD",
    "ciphertext": "C",
    "kem_ciphertext": "CT",
}

# The glyph of each kind of value. Other values get the glyph "…".
GLYPHS = {
    "IK": "IK",
    "SPK": "SPK",
    "OPK": "OPK",
    "EK": "EK",
    "PQPK": "KEM",
    "CT": "KEM",
    "SS": "KEM",
    "DHs": "DHs",
    "DH": "DH",
    "SK": "SK",
    "RK": "RK",
    "CK": "CK",
    "MK": "MK",
    "AD": "AD",
    "Sig": "Sig",
    "C": "C",
    "text": "txt",
    "KM": "KM",
}
MEANINGS = {
    "IK": "identity key, kept for years",
    "SPK": "signed prekey, replaced now and then",
    "OPK": "one-time prekey, used once",
    "EK": "ephemeral key, made for this handshake",
    "PQPK": "prekey of a post-quantum KEM",
    "CT": "KEM ciphertext, carries SS",
    "SS": "shared secret of the KEM",
    "DHs": "ratchet key",
    "DH": "Diffie-Hellman output",
    "SK": "the secret that both sides derive",
    "RK": "root key",
    "CK": "chain key",
    "MK": "message key, used once",
    "AD": "associated data: both identity keys",
    "Sig": "signature by the identity key",
    "C": "sealed message",
    "text": "plaintext",
    "KM": "key material",
}
# Made to be shown, even where this run does not send them.
_NEVER_SECRET = ("Sig", "AD", "C", "CT")
_OWNED = ("IK", "SPK", "OPK", "EK", "PQPK", "DHs", "Sig")
_COUNTED = ("RK", "CK", "MK", "C")
_SUFFIX = re.compile(r"(IK|SPK|OPK|EK|PQPK)_(\w+)")

# Values that an operation makes on its way to another one. Their makers' names for them stay.
JOINED, RATCHET_DH, NONCE, OUTPUT = "AD ‖ header", "ratchet DH", "nonce", "output"
_FIXED = (JOINED, RATCHET_DH, NONCE, OUTPUT, "identifier")

# Long values are shown by their beginning and end.
HEX_LIMIT = 160
_SHORTEST = 16


def decode(data: bytes):
    """The wire message in these bytes and its labelled fields, or (None, [])."""
    try:
        return explain(data, *KINDS)
    except Refused:
        return None, []


def base(name: str) -> tuple[str, str]:
    """The letter and the owner in a recorded name: `ring.SPK_B.private` gives ("SPK", "B")."""
    parts = [part for part in name.split(".") if part not in ("private", "public")]
    word = re.sub(r"\[\d+\]$", "", parts[-1]) if parts else name
    suffix = _SUFFIX.fullmatch(word)
    if suffix:
        return suffix.groups()
    return _ALIASES.get(word, word), ""


def role(letter: str) -> str:
    """The kind of value that a letter stands for: DH1 is a DH, other names are themselves."""
    return "DH" if re.fullmatch(r"DH\d*", letter) else letter


def initials(actors) -> dict[str, str]:
    """A short mark for each actor: the first letter, or the whole name where letters collide."""
    firsts = Counter(actor[:1].upper() for actor in actors)
    return {
        actor: actor[:1].upper() if firsts[actor[:1].upper()] == 1 else actor for actor in actors
    }


class Names:
    """The named values of one trace. `values` maps an id to plain data about the value."""

    def __init__(self, trace: Trace, actors):
        self._marks = initials(actors)
        self._public_of, self._private_of, self._private = {}, {}, set()
        self._letters: dict[bytes, tuple[str, str]] = {}
        self._ids: dict[bytes, str] = {}
        self._tags = {}
        self.single_use: set[bytes] = set()
        self._uses = defaultdict(set)
        self.values: dict[str, dict] = {}
        self._pair_up(trace)
        for event in trace.events:
            self._learn(event)
        self._number()
        self._publish(trace)

    # Reading the trace

    def _pair_up(self, trace):
        """Find the halves of key pairs, also of those that were made before the recording.

        DH(a, B) = DH(b, A) with different private keys shows that a belongs to A, and b to B.
        """
        shared = {}
        for event in trace.events:
            values = [value for _, value in event.inputs]
            if event.kind == "PUBLIC" and event.outputs:
                self._pair(values[0], event.outputs[0][1])
            elif event.kind == "DH" and event.outputs:
                private, public = shared.setdefault(event.outputs[0][1], values)
                if private != values[0]:
                    self._pair(private, values[1])
                    self._pair(values[0], public)
            if event.kind in ("DH", "SIGN", "DECAPS", "PUBLIC"):
                self._private.add(values[0])

    def _pair(self, private, public):
        self._public_of.setdefault(private, public)
        self._private_of.setdefault(public, private)

    def _learn(self, event):
        if event.kind == "WIRE":
            self._learn_wire(event.inputs[0][1])
            return
        for name, value in event.outputs:
            self._propose(value, *self._made(event, name))
        for position, (name, value) in enumerate(event.inputs):
            letter, owner = base(name)
            if role(letter) in GLYPHS or _is_key(event.kind, position):
                self._propose(value, letter, owner)
        if event.kind in ("DH", "ENCAPS", "DECAPS"):
            self._use(event)

    def _use(self, event):
        for _, value in event.inputs:
            if value in self._letters:
                self._uses[self._letters[value]].add(self._public_of.get(value, value))

    def _made(self, event, name):
        """The letter and owner of an output. Some are known by what makes them."""
        if event.kind == "SEAL":
            return "C", ""
        if event.kind == "OPEN":
            return "text", ""
        if event.kind == "CONCAT" and event.section.startswith("Double Ratchet"):
            return JOINED, ""
        if event.kind == "DH" and event.section.startswith("Double Ratchet"):
            return RATCHET_DH, ""
        if event.kind == "HKDF" and event.section.startswith("Double Ratchet"):
            return OUTPUT, ""
        letter, owner = base(name)
        if event.kind == "RANDOM" and letter in ("Sig", "C", "CT"):
            return NONCE, ""
        if letter in _OWNED:
            owner = self._marks.get(event.actor, "") or owner
        return letter, owner

    def _learn_wire(self, data):
        message, _ = decode(data)
        for keys in ("one_time_prekeys", "kem_prekeys", "last_resort_kem_prekeys"):
            for key in getattr(message, keys, ()):
                number, public = (getattr(key, name) for name in list(key.__slots__)[:2])
                # A KEM key stands with its type byte in front.
                public = public[1:] if len(public) > 32 else public
                self._tags[public] = f"#{number}"
                if keys != "last_resort_kem_prekeys":
                    self.single_use.add(public)

    def _propose(self, value, letter, owner):
        if letter == "plaintext":
            letter = "text"
        if letter != "text" and (len(value) < _SHORTEST or len(set(value)) == 1):
            return
        if value[1:] in self._letters:  # an encoded key: a type byte before a named key
            return
        known = self._letters.get(value)
        fixed = known and (known[0] in _FIXED or role(known[0]) in GLYPHS)
        better = known and not fixed and role(letter) in GLYPHS
        if not known or better or (known[0] == letter and not known[1]):
            self._letters[value] = (letter, owner)

    # Giving names

    def _number(self):
        counts = defaultdict(list)
        for value, (letter, owner) in self._letters.items():
            if letter != "text":
                unit = self._public_of.get(value, value)
                # A lone private key and a lone public key may share a name: nobody saw them pair.
                half = value in self._private and value not in self._public_of
                if unit not in counts[letter, owner, half]:
                    counts[letter, owner, half].append(unit)
        self._places = {
            unit: (place, len(units))
            for units in counts.values()
            for place, unit in enumerate(units, 1)
        }

    def _publish(self, trace):
        known = trace.closure().known
        for value in self._letters:
            self._ids[value] = f"v{len(self._ids)}"
            self.values[self._ids[value]] = self._describe(value, value not in known)

    def _describe(self, value, secret):
        letter, owner = self._letters[value]
        name, tag = self._name(value)
        public = self._public_of.get(value)
        half = "private" if value in self._private else ""
        part = "pair" if public else "public" if value in self._private_of else half
        return {
            "name": name,
            "tag": tag,
            "role": role(letter),
            "glyph": GLYPHS.get(role(letter), "…"),
            "meaning": MEANINGS.get(role(letter), "value of this run"),
            "part": part,
            "secret": secret and letter not in _NEVER_SECRET,
            "size": len(value),
            "hex": shorten(value),
            "public": shorten(public) if public else "",
            "batch": f"{letter}_{owner}" if tag else "",
        }

    def _name(self, value):
        letter, owner = self._letters[value]
        if letter == "text":
            return quote(value), ""
        unit = self._public_of.get(value, value)
        place, count = self._places[unit]
        name = f"{letter}_{owner}" if owner else letter
        if letter in ("OPK", "PQPK"):
            tag = self._tags.get(unit, f"#{place}" if count > 1 else "")
            several = len(self._uses[letter, owner]) > 1
            return (f"{name} {tag}", tag) if several and tag else (name, tag)
        if letter in _COUNTED and count > 1:
            return f"{name}{place}", ""
        return (name if place == 1 else f"{name} ({place})"), ""

    # Questions

    def id(self, value: bytes) -> str | None:
        """The id of a value, or None if it has none."""
        return self._ids.get(value)

    def holding(self, value: bytes) -> str | None:
        """The id under which its owner keeps a value: a key pair for either of its halves."""
        return self._ids.get(self._private_of.get(value)) or self._ids.get(value)

    def role(self, value: bytes) -> str:
        """The role of a value, or an empty string."""
        return self.values[self._ids[value]]["role"] if value in self._ids else ""

    def of(self, value: bytes) -> str:
        """The name of a value in a formula. Values without a name are described."""
        if value in self._ids:
            return self.values[self._ids[value]]["name"]
        if value[:1] == wire.EC_TYPE and value[1:] in self._ids:
            return f"Encode({self.of(value[1:])})"
        if value[:1] == wire.EC_TYPE and len(value) == 33:
            return "Encode(…)"
        if value[:1] in KEM_TYPES.values() and value[1:] in self._ids:
            return f"EncodeKEM({self.of(value[1:])})"
        if value == b"\xff" * 32:
            return "F"
        if value and not any(value):
            return f"zeros({len(value)})"
        text = quote(value)
        return value.hex() if len(value) <= 8 and not text.startswith('"') else text

    def shown(self, value: str) -> bool:
        """False for a value that an operation makes on its way to another one."""
        return self.values[value]["role"] not in _FIXED or self.values[value]["role"] == JOINED

    def inside(self, data: bytes) -> list[str]:
        """The ids of the named values that stand in these bytes, in the order of the run."""
        return [name for value, name in self._ids.items() if len(value) >= 16 and value in data]

    def once(self, data: bytes) -> set[str]:
        """The ids of the one-time public keys in these bytes."""
        return {self._ids[key] for key in self.single_use if key in self._ids and key in data}


def quote(value: bytes, limit: int = 32) -> str:
    """Bytes as a quoted text if they are one, else their number. Cut after `limit` characters."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"{len(value)} bytes"
    if not text.isprintable():
        return f"{len(value)} bytes"
    return f'"{text if len(text) <= limit else text[: limit - 1] + "…"}"'


def shorten(value: bytes) -> str:
    """Hex of a value; of a long one, its first 128 bytes and its last 16."""
    if len(value) <= HEX_LIMIT:
        return value.hex()
    return f"{value[:128].hex()}…{value[-16:].hex()}"


def _is_key(kind, position):
    """True where an operation takes a key or a text, whatever the program calls it."""
    return (
        kind in ("DH", "DECAPS", "KEYS")
        or (kind in ("HMAC", "SIGN", "VERIFY", "ENCAPS", "PUBLIC") and position == 0)
        or (kind in ("SEAL", "OPEN") and position in (0, 1))
        or (kind == "HKDF" and position in (0, 1))
        or kind == "FORGET"
    )
