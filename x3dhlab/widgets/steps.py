"""From the operations of a run to the steps that a person can follow.

A protocol step is often several operations: two operations make a key pair, four one ratchet
step. Here neighbouring operations of one actor that belong together become one step.
"""

import re
from dataclasses import dataclass, field

from x3dhlab.observe import Operation
from x3dhlab.widgets.names import Names, decode, quote

SERVER = "server"
_SECTION = re.compile(r"([^,§]*)(§\d+(?:\.\d+)*)")
_PREKEYS = {"IK": "identity", "SPK": "identity", "OPK": "one-time", "PQPK": "kem"}
# A ratchet step may stand between the operations of one sealed message.
_ENDS_CHAIN = ("seal", "open")


@dataclass(slots=True)
class Group:
    """Operations that make one step. `family` says what kind of step."""

    family: str
    actor: str
    events: list[Operation] = field(default_factory=list)

    @property
    def who(self) -> str:
        """The actor's name for a sentence."""
        return self.actor or "The program"

    def of(self, *kinds: str) -> list[Operation]:
        """Its operations of these kinds."""
        return [event for event in self.events if event.kind in kinds]


def groups(events: list[Operation], names: Names) -> list[Group]:
    """Join the operations into steps, in order."""
    made: list[Group] = []
    pending: list[Operation] = []

    def flush():
        if pending:
            made.append(Group("chain", pending[0].actor, list(pending)))
            pending.clear()

    for position, event in enumerate(events):
        following = events[position + 1] if position + 1 < len(events) else None
        if _leads(event, following):
            if pending and pending[0].actor != event.actor:
                flush()
            pending.append(event)
            continue
        kind = family(event, names)
        if made and not pending and _follows(event, kind, made[-1], names):
            made[-1].events.append(event)
            continue
        if kind == "ratchet" and pending and pending[0].actor == event.actor:
            # The keys of the sealed message come after the ratchet step in the picture.
            _join(made, kind, event)
            continue
        if pending and (pending[0].actor != event.actor or not _takes(kind, pending)):
            flush()
        _join(made, kind, event, pending)
        pending.clear()
    flush()
    return made


def _join(made, kind, event, before=()):
    last = made[-1] if made else None
    alone = kind in ("dh", "wire", "verify", "seal", "open", "other")
    if last and not alone and (last.family, last.actor) == (kind, event.actor):
        last.events += [*before, event]
    else:
        made.append(Group(kind, event.actor, [*before, event]))


def _leads(event, following):
    """True for an operation that only prepares a later one: a nonce, AD ‖ header, KDF_CK."""
    if event.kind == "RANDOM" and following is not None:
        value = event.outputs[0][1]
        return following.kind in ("SIGN", "ENCAPS", "SEAL") and any(
            value == given for _, given in following.inputs
        )
    return (event.kind == "CONCAT" and event.section.startswith("Double Ratchet §3.1")) or (
        event.kind == "HMAC" and "KDF_CK" in event.section
    )


def _takes(kind, pending):
    chain = any(event.kind != "RANDOM" for event in pending)
    return kind in _ENDS_CHAIN if chain else True


def _follows(event, kind, last, names):
    """True for an operation that only completes the step before it."""
    if event.kind == "FORGET" and event.actor == last.actor:
        return kind == last.family or kind != "forget"
    if event.kind == "HMAC" and not event.section and event.actor == last.actor:
        return last.family in ("ratchet", "agree")
    if event.kind == "VERIFY" and last.family == "wire":
        return event.actor == dict(last.events[0].detail).get("recipient") == SERVER
    if event.kind == "VERIFY" and last.family == "verify" and event.actor == last.actor:
        return True
    if event.kind == "PUBLIC" and last.family == "other":
        return event.inputs[0][1] in [value for _, value in last.events[-1].outputs]
    return False


def family(event: Operation, names: Names) -> str:
    """The kind of step that an operation belongs to."""
    kind, ratchet = event.kind, event.section.startswith("Double Ratchet")
    roles = [names.role(value) for _, value in (*event.outputs, *event.inputs)]
    if kind in ("RANDOM", "PUBLIC") and roles:
        made = next((role for role in roles if role), "")
        return _PREKEYS.get(made) or {"EK": "ephemeral", "DHs": "ratchet"}.get(made, "other")
    if kind == "SIGN":
        return "kem" if event.section.startswith("PQXDH") else "identity"
    if kind in ("DH", "HKDF", "SPLIT") and ratchet:
        return "ratchet"
    if kind in ("CONCAT", "HKDF") and event.function in ("derive", "associated_data"):
        return "agree"
    if kind == "FORGET":
        private = roles and roles[0] in ("IK", "SPK", "OPK", "PQPK")
        return "forget" if private else "drop"
    return {
        "WIRE": "wire",
        "VERIFY": "verify",
        "DH": "dh",
        "SEAL": "seal",
        "OPEN": "open",
        "ENCAPS": "encaps",
        "DECAPS": "decaps",
    }.get(kind, "other")


# What a step says


def describe(group: Group, names: Names) -> dict:
    """A step as plain data: title, formula lines, sentence, section, values, message, error."""
    title, formula, sentence = _WORDS.get(group.family, _other)(group, names)
    error = next((event.error for event in group.events if event.error), "")
    if error:
        sentence = f"Refused with {error}: {_REFUSALS.get(error, 'the step stops here')}."
    inputs, outputs = _values(group, names)
    step = {
        "actor": group.actor,
        "kind": group.family,
        "title": title,
        "formula": formula,
        "sentence": sentence,
        "section": _sections(group),
        "inputs": inputs,
        "outputs": outputs,
        "message": _message(group.events[0], names) if group.family == "wire" else None,
        "error": error,
        "operations": len(group.events),
    }
    if step["message"]:
        step["actor"] = step["message"]["sender"]
    return step


_REFUSALS = {
    "BadSignature": "the signature does not match, and nothing after it runs",
    "DecryptionFailed": "wrong key or altered bytes, and the state stays as it was",
    "LowOrderKey": "the shared secret would be all zero",
}


def _sections(group):
    """The sections of a step, by specification: `X3DH §2.2, §3.3`."""
    if group.family == "wire":
        return _wire_section(group.events[0])
    found = {}
    for event in group.events:
        section = _SECTION.match(event.section)
        if section:
            found.setdefault(section[1].strip(), {})[section[2]] = True
    return ", ".join(f"{name} {', '.join(numbers)}" for name, numbers in found.items())


def _values(group, names):
    """The ids of what came in and what came out, without what the step made on its way."""
    made, used = [], []
    for event in group.events:
        if event.kind == "WIRE":
            made += names.inside(event.inputs[0][1])
            continue
        of = names.holding if event.kind == "PUBLIC" else names.id
        used += [of(value) for _, value in event.inputs]
        made += [of(value) for _, value in event.outputs]
    made = [value for value in dict.fromkeys(made) if value]
    used = [value for value in dict.fromkeys(used) if value and value not in made]
    return [[value for value in ids if names.shown(value)] for ids in (used, made)]


def _listed(words):
    words = list(dict.fromkeys(words))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _keys(group, names):
    return [names.of(event.outputs[0][1]) for event in group.of("PUBLIC") if event.outputs]


def _identity(group, names):
    keys = _keys(group, names)
    lines = [f"{name} = new key pair" for name in keys]
    lines += [_line(event, names) for event in group.of("SIGN")]
    if not keys:
        return "Sign", lines, f"{group.actor} signs with the identity key."
    signed = (
        " The signature says: this prekey belongs to this identity." if group.of("SIGN") else ""
    )
    return (
        f"Make {_listed(keys)}",
        lines,
        f"{group.who} makes {_listed(keys)}.{signed} Private halves stay.",
    )


def _batch(group, names, what):
    count = len(group.of("PUBLIC"))
    name = _keys(group, names)[0] if count else "key"
    name = name.split(" ")[0]
    several = f"{count} {what}s" if count != 1 else f"1 {what}"
    lines = [f"{count} × {name} = new key pair" if count != 1 else f"{name} = new key pair"]
    if group.of("SIGN"):
        signature = names.of(group.of("SIGN")[0].outputs[0][1]).split(" ")[0]
        lines.append(f"{signature} = Sign(…, EncodeKEM({name})) for each")
    return several, lines


def _one_time(group, names):
    several, lines = _batch(group, names, "one-time prekey")
    return several, lines, f"{group.actor} makes {several}. Each serves one handshake, unsigned."


def _kem(group, names):
    several, lines = _batch(group, names, "KEM prekey")
    return several, lines, f"{group.actor} makes {several}, each with its own signature."


def _ephemeral(group, names):
    name = _listed(_keys(group, names) or ["EK"])
    sentence = f"{group.who} makes a fresh key pair, for this handshake only."
    return f"Make {name}", [f"{name} = new key pair"], sentence


def _dh(group, names):
    event = group.events[0]
    line = _line(event, names)
    private, public = (names.of(value) for _, value in event.inputs[:2])
    title = f"Compute {line.split(' = ')[0]}" if event.outputs else "Diffie-Hellman refused"
    return (
        title,
        [line],
        f"{group.who} joins the private {private} with the public {public}.",
    )


def _verify(group, names):
    lines = _checks(group, names)
    key = names.of(group.events[0].inputs[0][1])
    return (
        "Check the signatures" if len(lines) > 1 else "Check the signature",
        lines,
        f"{group.who} checks that {key} signed the prekey, before anything else.",
    )


def _checks(group, names):
    """The verifications of a step; many of them are counted."""
    lines = [_line(event, names) for event in group.of("VERIFY")]
    if len(lines) <= 3:
        return lines
    return [lines[0], f"… and {len(lines) - 1} signatures over KEM prekeys"]


def _agree(group, names):
    lines = [_line(event, names) for event in group.of("CONCAT", "HKDF")]
    made = [names.of(v) for e in group.of("HKDF") for _, v in e.outputs] or ["AD"]
    lines += _deletions(group, names)
    count = sum(names.role(v) == "DH" for e in group.of("CONCAT") for _, v in e.inputs)
    if made == ["AD"]:
        return "Derive AD", lines, "AD names both identities."
    from_what = f" from {count} Diffie-Hellman outputs" if count else ""
    forgets = " Then the outputs are deleted." if group.of("FORGET") else ""
    return (
        f"Derive {made[0]}",
        lines,
        f"{group.who} derives {made[0]}{from_what}. AD names both identities.{forgets}",
    )


def _ratchet(group, names):
    lines, inner = [], ""
    for event in group.events:
        if event.kind == "PUBLIC":
            lines.append(f"{names.of(event.outputs[0][1])} = new key pair")
        elif event.kind == "DH":
            inner = "DH(" + ", ".join(names.of(value) for _, value in event.inputs) + ")"
            if event.error:
                lines.append(inner)
        elif event.kind == "HKDF":
            rk = names.of(event.inputs[0][1])
            lines.append(f"… = KDF_RK({rk}, {inner or names.of(event.inputs[1][1])})")
        elif event.kind == "SPLIT" and lines:
            lines[-1] = lines[-1].replace(
                "…", ", ".join(names.of(value) for _, value in event.outputs), 1
            )
    lines += _deletions(group, names)
    forgets = " The Diffie-Hellman outputs are deleted." if group.of("FORGET") else ""
    return (
        "Ratchet step" if len(group.of("HKDF")) > 1 else "Start the ratchet",
        lines,
        f"{group.who} mixes a Diffie-Hellman output into the root key.{forgets}",
    )


def _deletions(group, names):
    gone = [names.of(value) for event in group.of("FORGET") for _, value in event.inputs]
    return [f"delete {', '.join(dict.fromkeys(gone))}"] if gone else []


def _chain_lines(group, names):
    """KDF_CK is two HMACs: pair them up by their chain key."""
    pairs = {}
    for event in group.of("HMAC"):
        made = pairs.setdefault(event.inputs[0][1], {})
        for _, value in event.outputs:
            made[names.role(value)] = names.of(value)
    return [
        f"{made.get('CK', '…')}, {made.get('MK', '…')} = KDF_CK({names.of(key)})"
        for key, made in pairs.items()
    ]


def _seal(group, names):
    event = group.of("SEAL")[0]
    lines = [*_chain_lines(group, names), _line(event, names)]
    return (
        f"Seal {quote(event.inputs[1][1], 18)}",
        lines,
        f"{group.who} encrypts under a message key that serves once.",
    )


def _open(group, names):
    event = group.of("OPEN")[0]
    lines = [*_chain_lines(group, names), _line(event, names)]
    if not event.outputs:
        return "Open a message", lines, ""
    skipped = len(_chain_lines(group, names)) - 1
    kept = f" Message keys kept for later: {skipped}." if skipped > 0 else ""
    return (
        f"Open {quote(event.outputs[0][1], 18)}",
        lines,
        f"{group.who} checks the tag and reads the message.{kept}",
    )


def _chain(group, names):
    return "Next message key", _chain_lines(group, names), "The chain moves one step forward."


def _forget(group, names):
    gone = [names.of(value) for event in group.of("FORGET") for _, value in event.inputs]
    return (
        f"Delete {_listed(gone)}",
        _deletions(group, names),
        f"{group.who} deletes the private half of {_listed(gone)}. It cannot be used again.",
    )


def _encaps(group, names):
    lines = [_line(event, names) for event in group.events if event.kind == "ENCAPS"]
    sentence = f"{group.who} makes a secret that only the KEM key's owner can unpack."
    return "Encapsulate", lines, sentence


def _decaps(group, names):
    lines = [_line(event, names) for event in group.events]
    return "Decapsulate", lines, f"{group.who} unpacks the same secret SS."


_NOUNS = {
    "Publication": "publication",
    "PreKeyBundle": "prekey bundle",
    "InitialMessage": "first message",
    "Message": "ratchet message",
    "HiddenHeaderMessage": "ratchet message",
}
_HANDSHAKE_SECTIONS = {"Publication": "§3.2", "PreKeyBundle": "§3.3", "InitialMessage": "§3.3"}
_KEM_FIELDS = ("kem_prekey_id", "kem_prekeys", "last_resort_kem_prekeys")
_RATCHET_SECTIONS = {"Message": "Double Ratchet §3.4", "HiddenHeaderMessage": "Double Ratchet §4"}


def _kind_of(event):
    message, _ = decode(event.inputs[0][1])
    return type(message).__name__


def _wire_section(event):
    """The section that defines a message; a handshake message with KEM fields is PQXDH's."""
    message, _ = decode(event.inputs[0][1])
    kind = type(message).__name__
    if kind not in _HANDSHAKE_SECTIONS:
        return _RATCHET_SECTIONS.get(kind, "")
    quantum = any(getattr(message, name, None) not in (None, ()) for name in _KEM_FIELDS)
    return f"{'PQXDH' if quantum else 'X3DH'} {_HANDSHAKE_SECTIONS[kind]}"


def _wire(group, names):
    event = group.events[0]
    detail = dict(event.detail)
    sender, recipient = detail.get("sender", ""), detail.get("recipient", "")
    noun = _NOUNS.get(_kind_of(event), "bytes")
    about = detail.get("about") or ""
    lines = [f"{sender} → {recipient}: {noun}, {len(event.inputs[0][1])} bytes"]
    lines += _checks(group, names)
    return (
        _wire_title(noun, sender, recipient, about),
        lines,
        _wire_sentence(noun, sender, recipient, about),
    )


def _wire_title(noun, sender, recipient, about):
    if noun == "publication":
        return f"{sender} publishes"
    if noun == "prekey bundle":
        return f"{recipient} fetches {about}'s bundle" if about else f"{recipient} gets a bundle"
    article = {"first message": "the ", "bytes": ""}.get(noun, "a ")
    who = "Server" if sender == SERVER else sender
    return f"{who} {'delivers' if sender == SERVER else 'sends'} {article}{noun}"


def _wire_sentence(noun, sender, recipient, about):
    if noun == "publication":
        return f"{sender} uploads public halves only. The {recipient} checks the signature."
    if noun == "prekey bundle":
        return f"The {sender} hands out {about}'s public keys. A one-time key is given only once."
    if sender == SERVER:
        return f"The server passes on the bytes from {about}. It cannot open them."
    to = f" for {about}" if about and recipient == SERVER else ""
    target = "the server" if recipient == SERVER else recipient
    return f"{sender} sends bytes to {target}{to}. Anybody on the way may see them."


def _message(event, names):
    detail, data = dict(event.detail), event.inputs[0][1]
    _, fields = decode(data)
    return {
        "sender": detail.get("sender", ""),
        "recipient": detail.get("recipient", ""),
        "about": detail.get("about") or "",
        "what": _NOUNS.get(_kind_of(event), "bytes"),
        "size": len(data),
        "fields": _fields(fields, data, names),
    }


_FIELD_LIMIT = 14


def _fields(fields, data, names):
    if not fields:
        return [{"name": "bytes", "size": len(data), "hex": data[:48].hex(), "value": ""}]
    shown = [
        {
            "name": part.name.replace("_", " "),
            "size": part.length,
            "hex": part.value[:48].hex(),
            "value": names.id(part.value) or names.id(part.value[1:]) or "",
        }
        for part in fields[:_FIELD_LIMIT]
    ]
    rest = fields[_FIELD_LIMIT:]
    if rest:
        size = sum(part.length for part in rest)
        shown.append({"name": f"{len(rest)} more fields", "size": size, "hex": "", "value": ""})
    return shown


def _other(group, names):
    if group.of("PUBLIC"):
        name = _listed(_keys(group, names))
        return f"Make {name}", [f"{name} = new key pair"], "A fresh key pair."
    lines = [line for line in (_line(event, names) for event in group.events) if line]
    kind = group.events[0].kind
    return _TITLES.get(kind, kind.title()), lines, _MEANT.get(kind, "One operation of the run.")


_TITLES = {"RANDOM": "Random bytes", "CONCAT": "Join bytes", "SPLIT": "Cut bytes"}
_MEANT = {
    "RANDOM": "Fresh random bytes from the operating system.",
    "HKDF": "One way: the output says nothing about the input.",
    "HMAC": "A keyed fingerprint of the data.",
    "CONCAT": "Bytes are joined, in this order.",
    "SPLIT": "One output is cut into two keys.",
    "FORGET": "These values are deleted.",
}


def formula(event: Operation, names: Names) -> str:
    """One operation as a formula, in the names of the run."""
    return _line(event, names)


def _line(event, names):
    given = [names.of(value) for _, value in event.inputs]
    made = [names.of(value) for _, value in event.outputs]
    left = f"{', '.join(made)} = " if made else ""
    if event.kind == "CONCAT":
        return f"{left}{' ‖ '.join(given)}"
    if event.kind == "SPLIT":
        return f"{' ‖ '.join(made)} = {given[0]}"
    if event.kind == "HKDF":
        return f"{left}HKDF(salt = {given[0]}, {given[1]}, info = {given[2]})"
    if event.kind in ("SIGN", "SEAL", "OPEN"):
        given = given[: 2 if event.kind == "SIGN" else 3]
    if event.kind == "ENCAPS":
        given = given[:1]
    if event.kind == "RANDOM":
        return f"{left}random({len(event.outputs[0][1])} bytes)"
    if event.kind == "FORGET":
        return f"delete {', '.join(given)}"
    return f"{left}{_CALLS.get(event.kind, event.kind)}({', '.join(given)})"


_CALLS = {
    "SIGN": "Sign",
    "VERIFY": "Verify",
    "SEAL": "Seal",
    "OPEN": "Open",
    "ENCAPS": "Encaps",
    "DECAPS": "Decaps",
    "PUBLIC": "Public",
}

_WORDS = {
    "identity": _identity,
    "one-time": _one_time,
    "kem": _kem,
    "ephemeral": _ephemeral,
    "dh": _dh,
    "verify": _verify,
    "agree": _agree,
    "ratchet": _ratchet,
    "seal": _seal,
    "open": _open,
    "chain": _chain,
    "forget": _forget,
    "encaps": _encaps,
    "decaps": _decaps,
    "wire": _wire,
}
