"""Lesson 05: the KDF workbench, and names joined to associated data."""

from x3dhlab import pqxdh
from x3dhlab.attacks import (
    binding,
    context,
)
from x3dhlab.primitives import random_bytes, seal
from x3dhlab.widgets import (
    FALLS,
    HOLDS,
    Block,
    Choose,
    Experiment,
    Finding,
    KdfWorkbench,
    Outcome,
    Report,
    Row,
    Text,
)

_PARTS = {
    "F": "32 bytes ff: keeps this input apart from XEdDSA's.",
    "DH1": "DH(IK_A, SPK_B): only Alice can make it without Bob's keys.",
    "DH2": "DH(EK_A, IK_B): only Bob can make it without Alice's keys.",
    "DH3": "DH(EK_A, SPK_B): forward secrecy once SPK_B is gone.",
    "DH4": "DH(EK_A, OPK_B): forward secrecy once OPK_B is deleted.",
    "SS": "The shared secret of the KEM.",
    "zeros": "The salt of the specification: 32 zero bytes.",
    "room": "A text in the salt. The specification has none.",
    "application": "The name of the program.",
    "protocol": "The name of the protocol.",
    "curve": "The curve.",
    "hash": "The hash function.",
    "KEM": "The KEM and its parameters.",
    "Encode(IK_A)": "Alice's identity key after its type byte.",
    "Encode(IK_B)": "Bob's identity key after its type byte.",
    "sender": "The sender's account. The specification leaves it to the application.",
    "recipient": "The recipient's account. The specification leaves it to the application.",
    "length of sender": "4 bytes: where the sender's name ends.",
    "length of recipient": "4 bytes: where the recipient's name ends.",
}


def kdf_workbench(protocol=pqxdh, title: str = "") -> KdfWorkbench:
    """The KDF input of a real handshake. At every change it is derived and attacked anew."""
    here = context.Situation.fresh(protocol)
    name = "PQXDH" if protocol is pqxdh else "X3DH"
    title = title or f"What goes into the key of {name}"
    return KdfWorkbench(title, _kdf_rows(here), kdf_report(here))


def kdf_report(here: context.Situation):
    """A callable for a workbench: derive with a recipe, and run every attack on it."""

    def derive(recipe, one_side):
        tries = context.attempt_all(recipe, here, one_side=one_side)
        findings = tuple(
            Finding(
                t.name, FALLS if t.succeeded else HOLDS, t.sentence, number=t.number, facts=t.facts
            )
            for t in tries
        )
        key, expected = context.derive(recipe, here), context.specification_key(here)
        bound = context.join(context.AD, recipe, here)
        other = bound != context.join(context.AD, context.specified(here), here)
        words = "The key is the specification's, the associated data is not."
        return Report(key, expected, findings, words if key == expected and other else "")

    return derive


def _kdf_rows(here):
    values = here.values()
    return [
        Row(
            row,
            tuple(
                Block(
                    name,
                    values[name],
                    _PARTS.get(name, "A separator: it shows where the part before it ends."),
                    on=name not in context.OPTIONAL,
                    secret=name in (*context.TERMS, "SS"),
                    separator=name not in _PARTS,
                )
                for name in names
            ),
        )
        for row, names in context.rows(here.protocol).items()
    ]


# Lesson 05: names joined to associated data


def names_as_bytes() -> Experiment:
    """Join three names in a chosen way, seal, and let everybody whom the bytes can mean open it."""

    def run(sender, recipient, timestamp, encoding):
        encode = binding.ENCODINGS[encoding]
        key, data = random_bytes(32), encode(sender, recipient, timestamp)
        sealed = seal(key, b"Meet me at noon.", data)
        opened = binding.opened_as(key, sealed, encode, data)
        others = [reading for reading in opened if reading != (sender, recipient, timestamp)]
        facts = {"the bytes of AD": data.hex(" ", -4)}
        if not others:
            return Outcome(HOLDS, "The bytes mean these three values and nothing else.", facts)
        facts |= {
            f"also opens as {number}": " to ".join(reading[:2]) + f", at {reading[2]}"
            for number, reading in enumerate(others[:3], 1)
        }
        return Outcome(
            FALLS,
            f"The message opens for {len(others)} other reading{'s' * (len(others) > 1)}.",
            facts,
        )

    controls = [
        Text("sender", "Sender", "user1", 12),
        Text("recipient", "Recipient", "23", 12),
        Text("timestamp", "Time, a number", "4567", 12),
        Choose("encoding", "How they are joined", tuple(binding.ENCODINGS), "joined"),
    ]
    return Experiment("Three values as one string of bytes", controls, run)
