"""Transcripts recorded from libsignal, recomputed with our own dh, KEM and KDF code.

The record format of that library stands only here. Each case holds Bob's private keys, his bundle,
Alice's first messages, their plaintexts, and libsignal's root and chain key after the handshake.
"""

import json
from pathlib import Path

import pytest

from x3dhlab import kem, primitives
from x3dhlab.primitives import CBC_HMAC, concat, dh, hkdf, hmac_sha256, split
from x3dhlab.ratchet import kdf_ck, kdf_rk
from x3dhlab.wire import decode_kem

VECTORS = Path(__file__).parent / "vectors" / "libsignal_0.72.1.json"
F = b"\xff" * 32


def load(path):
    cases = json.loads(path.read_text())["cases"]
    if not cases:
        raise ValueError("the vector file holds no case")
    return cases


CASES = load(VECTORS)


def test_the_loader_refuses_an_empty_file(tmp_path):
    empty = tmp_path / "empty.json"
    empty.write_text('{"cases": {}}')
    with pytest.raises(ValueError, match="no case"):
        load(empty)


def test_all_four_kinds_of_handshake_are_recorded():
    assert sorted(CASES) == ["pqxdh-noopk", "pqxdh-opk", "x3dh-noopk", "x3dh-opk"]


def protobuf(data):
    """Field number → value of a flat protobuf message: wire types 0 (varint) and 2 (bytes)."""
    fields, offset = {}, 0

    def varint():
        nonlocal offset
        value = shift = 0
        while True:
            byte = data[offset]
            offset += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while offset < len(data):
        tag = varint()
        assert tag & 7 in (0, 2)
        value = varint()
        if tag & 7 == 2:
            offset += value
            value = data[offset - value : offset]
        fields[tag >> 3] = value
    return fields


def test_the_protobuf_reader_reads_both_wire_types():
    assert protobuf(bytes.fromhex("08ac02120468657921")) == {1: 300, 2: b"hey!"}


def private(case, name):
    return bytes.fromhex(case["priv"][name])


def raw(key):
    """The 32 bytes of a key that is written as 05 ‖ key."""
    assert key[:1] == b"\x05"
    return key[1:]


def handshake(case, initial):
    """libsignal's (root, chain, SPQR key or None), from the responder's private keys."""
    EK_A, IK_A = raw(initial[2]), raw(initial[3])
    dhs = [
        dh(private(case, "spk"), IK_A),
        dh(private(case, "ik"), EK_A),
        dh(private(case, "spk"), EK_A),
    ]
    if "opk" in case["priv"]:
        assert initial[1] == case["bundle"]["opkId"]
        dhs.append(dh(private(case, "opk"), EK_A))
    if "ksk" not in case["priv"]:
        output = hkdf(concat(F, *dhs), salt=bytes(32), info=b"WhisperText", length=64)
        return *split(output, 32, 32), None
    algorithm, ciphertext = decode_kem(initial[8])
    assert algorithm == "Kyber-1024"
    SS = kem.get(algorithm).decapsulate(private(case, "ksk")[1:], ciphertext)
    info = b"WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024"
    output = hkdf(concat(F, *dhs, SS), salt=bytes(32), info=info, length=96)
    return split(output, 32, 32, 32)


def initial_of(case):
    data = bytes.fromhex(case["messages"][0])
    assert data[0] >> 4 == (4 if "ksk" in case["priv"] else 3)
    return protobuf(data[1:])


@pytest.mark.parametrize("name", CASES)
def test_the_recorded_prekeys_belong_to_the_recorded_private_keys(name):
    case = CASES[name]
    for key in ("ik", "spk", "opk"):
        if key in case["priv"]:
            public = primitives.public_key(private(case, key))
            assert public == raw(bytes.fromhex(case["bundle"][key]))


@pytest.mark.parametrize("name", CASES)
def test_root_and_chain_keys_are_recomputed(name):
    case = CASES[name]
    root, chain, pq_key = handshake(case, initial_of(case))
    assert root.hex() == case["root"]
    assert chain.hex() == case["chain"]
    assert (pq_key and pq_key.hex()) == case["pqr"]


@pytest.mark.parametrize("name", CASES)
def test_every_private_key_matters_for_the_root_key(name):
    case = CASES[name]
    for key in set(case["priv"]) - {"ksk"}:
        changed = bytearray(private(case, key))
        changed[8] ^= 1
        altered = {**case, "priv": {**case["priv"], key: changed.hex()}}
        root, *_ = handshake(altered, initial_of(case))
        assert root.hex() != case["root"]


def test_ml_kem_in_the_place_of_kyber_gives_another_root_key(monkeypatch):
    # The recorded key is an expanded round-3 key; only the last hash of decapsulation differs.
    from kyber_py.ml_kem import ML_KEM_1024

    class Mistaken:
        def decapsulate(self, private, ciphertext):
            return ML_KEM_1024.decaps(private, ciphertext)

    monkeypatch.setattr(kem, "get", lambda algorithm: Mistaken())
    case = CASES["pqxdh-opk"]
    root, *_ = handshake(case, initial_of(case))
    assert root.hex() != case["root"]


def open_message(mk, message, sender, receiver):
    """One inner message: the MAC covers both identity keys, the version byte and the protobuf."""
    inner, tag = message[:-8], message[-8:]
    keys = hkdf(mk, salt=bytes(32), info=b"WhisperMessageKeys", length=80)
    cipher_key, mac_key, iv = split(keys, 32, 32, 16)
    assert hmac_sha256(mac_key, sender + receiver + inner)[:8] == tag
    body = protobuf(inner[1:])[4]
    return cbc_open(cipher_key, iv, body)


def cbc_open(key, iv, body):
    """AES-256-CBC of our own AEAD: the HMAC is recomputed so that it fits."""
    mac = bytes(32)
    sealed = body + hmac_sha256(mac, body)
    return primitives._open((key, mac, iv), sealed, b"", CBC_HMAC)


@pytest.mark.parametrize("name", CASES)
def test_the_recorded_plaintexts_are_recovered(name):
    case = CASES[name]
    initial = initial_of(case)
    root, *_ = handshake(case, initial)
    first = protobuf(initial[4][1:-8])
    DH = dh(private(case, "spk"), raw(first[1]))
    _, CKr = kdf_rk(root, DH, info=b"WhisperRatchet")
    opened = []
    for number, message in enumerate(case["messages"]):
        inner = protobuf(bytes.fromhex(message)[1:])[4]
        body = protobuf(inner[1:-8])
        assert body[2] == number
        CKr, mk = kdf_ck(CKr)
        receiver = bytes.fromhex(case["bundle"]["ik"])
        opened.append(open_message(mk, inner, initial[3], receiver).hex())
    assert opened == case["plaintexts"]


@pytest.mark.parametrize("name", CASES)
def test_an_altered_record_has_another_mac(name):
    case = CASES[name]
    initial = initial_of(case)
    root, *_ = handshake(case, initial)
    DH = dh(private(case, "spk"), raw(protobuf(initial[4][1:-8])[1]))
    _, mk = kdf_ck(kdf_rk(root, DH, info=b"WhisperRatchet")[1])
    altered = initial[4][:-20] + bytes([initial[4][-20] ^ 1]) + initial[4][-19:]
    with pytest.raises(AssertionError):
        open_message(mk, altered, initial[3], bytes.fromhex(case["bundle"]["ik"]))
