"""A device made again from a recording: what somebody holds who has all the values of a run.

The private halves come from the recorded key pairs, their numbers from the publication on the
wire. Then the device lives through its own past: the same bundles, messages and random bytes.
"""

from types import MappingProxyType

from x3dhlab import observe, pqxdh, session, x3dh
from x3dhlab.errors import Refused
from x3dhlab.kem import KemKeyPair
from x3dhlab.keys import KeyPair
from x3dhlab.prekeys import PreKeyRing, SignedPreKey
from x3dhlab.primitives import CBC_HMAC, replaying
from x3dhlab.session import Device
from x3dhlab.trace import Trace
from x3dhlab.wire import PreKeyBundle, Publication, decode_kem


def device_before(trace: Trace, name: str, position: int) -> tuple[Device, dict[str, bytes]] | None:
    """The device of `name` just before event number `position`, and the identity keys it pinned.

    None if the recording does not hold its keys, or if its past cannot be repeated exactly.
    """
    past = trace.events[:position]
    ring = _ring(trace, name, past)
    if ring is None:
        return None
    aead = next((dict(e.detail)["aead"] for e in past if e.kind == "SEAL"), CBC_HMAC)
    protocol = pqxdh if ring.kem_algorithm else x3dh
    device = Device(ring, protocol=protocol, aead=aead)
    chance = [
        event.outputs[0][1]
        for event in past
        if event.kind == "RANDOM" and event.actor == name and "§3.2" not in event.section
    ]
    with replaying(chance), observe.acting(name):
        return _live(device, name, past)


def _ring(trace, name, past):
    """All prekeys that `name` has published, with their private halves."""
    publications = [
        Publication.decode(event.inputs[0][1])
        for event in past
        if event.kind == "WIRE" and _detail(event) == ("publication", name)
    ]
    halves = _halves(trace)
    try:
        return _assemble(publications, halves) if publications else None
    except KeyError:
        return None


def _detail(event):
    detail = dict(event.detail)
    return detail.get("what"), detail.get("sender")


def _halves(trace):
    """Public key → key pair, for every pair of the recording."""
    pairs = {}
    for event in trace.events:
        if event.kind == "PUBLIC" and event.outputs:
            private, public = event.inputs[0][1], event.outputs[0][1]
            kem = dict(event.detail).get("kem")
            pairs[public] = KemKeyPair(kem, private, public) if kem else KeyPair(private, public)
    return pairs


def _assemble(publications, halves):
    signed, one_time, kem_one_time, last = {}, {}, {}, {}
    for made in publications:
        pair = halves[made.signed_prekey]
        signed[made.signed_prekey_id] = SignedPreKey(pair, made.signed_prekey_signature)
        one_time |= {k.one_time_prekey_id: halves[k.one_time_prekey] for k in made.one_time_prekeys}
        for keys, kept in ((made.kem_prekeys, kem_one_time), (made.last_resort_kem_prekeys, last)):
            for key in keys:
                pair = halves[decode_kem(key.kem_prekey)[1]]
                kept[key.kem_prekey_id] = SignedPreKey(pair, key.kem_prekey_signature)
    kem = next((key.pair.algorithm for key in (*last.values(), *kem_one_time.values())), None)
    return PreKeyRing(
        halves[publications[0].identity_key],
        *(MappingProxyType(keys) for keys in (signed, one_time, kem_one_time, last)),
        next_id=max([*signed, *one_time, *kem_one_time, *last]) + 1,
        kem_algorithm=kem,
    )


def _live(device, name, past):
    """Repeat what the device did with the wire: fetch, send, receive."""
    pins = {}
    for event in past:
        if event.kind != "WIRE":
            continue
        detail, data = dict(event.detail), event.inputs[0][1]
        what, about = detail["what"], detail["about"]
        if what == "bundle" and detail["recipient"] == name:
            bundle = PreKeyBundle.decode(data)
            pins.setdefault(about, bundle.identity_key)
            device = session.start(device, bundle)
        elif what == "message" and detail["sender"] == name:
            device, again = session.send(device, pins[about], _plaintext(past, data))
            if again != data:
                return None
        elif what == "message" and detail["recipient"] == name:
            try:
                device, pins[about], _ = session.receive(device, pins.get(about), data)
            except Refused:
                continue  # refused then, refused now
    return device, pins


def _plaintext(past, data):
    """What was sealed into these bytes."""
    for event in past:
        if event.kind == "SEAL" and event.outputs[0][1] in data:
            return dict(event.inputs).get("plaintext", event.inputs[1][1])
    return b""
