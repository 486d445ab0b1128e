"""Vectors that others published, through our own primitives and KEMs.

They come from the `cryptography-vectors` package (RFC 7748, RFC 5869, RFC 4231, NIST, FIPS 203)
and from the specifications' test material that is repeated in this file.
"""

import hashlib

import cryptography_vectors
import nacl.bindings as sodium
import pytest

from x3dhlab import kem, pqxdh, primitives, ratchet, wire, x3dh
from x3dhlab.errors import BadSignature, DecryptionFailed, LowOrderKey
from x3dhlab.keys import KeyPair


def read(path):
    with cryptography_vectors.open_vector_file(path, "r") as file:
        return file.read()


def records(text, first):
    """The vectors of a `name = value` file: a new one begins at each line `first = …`.

    Lines in square brackets hold for all vectors after them.
    """
    found, shared = [], {}
    for line in text.splitlines():
        name, equals, value = (part.strip() for part in line.strip("[] ").partition("="))
        if line.startswith("["):
            shared[name] = value
        elif name.lower() == first.lower() and equals:
            found.append({**shared, name.lower(): value})
        elif (equals or name == "FAIL") and found and not line.startswith("#"):
            found[-1][name.lower()] = value
    if not found:
        raise ValueError("the vector file holds no vector")
    return found


def unhex(record, *names):
    return [bytes.fromhex(record[name]) for name in names]


def test_the_loader_refuses_a_file_without_vectors():
    with pytest.raises(ValueError, match="no vector"):
        records("# a comment\n\n[PTlen = 0]\n", "COUNT")


def test_x25519_agrees_with_rfc_7748():
    found = records(read("asymmetric/X25519/rfc7748.txt"), "COUNT")
    assert len(found) >= 2
    for record in found:
        if "input_scalar" in record:
            scalar, u, expected = unhex(record, "input_scalar", "input_u", "output_u")
            assert primitives.dh(scalar, u) == expected


def test_x25519_iterated_once_from_nine_agrees_with_rfc_7748_section_5_2():
    nine = (9).to_bytes(32, "little")
    expected = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    assert primitives.public_key(nine).hex() == expected
    assert primitives.dh(nine, nine).hex() == expected


LOW_ORDER = [
    bytes(32),
    (1).to_bytes(32, "little"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]


@pytest.mark.parametrize("public", LOW_ORDER, ids=lambda value: value.hex()[:8])
def test_points_of_low_order_are_refused(public):
    with pytest.raises(LowOrderKey):
        primitives.dh(b"\x07" * 32, public)


def ed25519_vectors():
    lines = read("asymmetric/Ed25519/sign.input").splitlines()
    found = [[bytes.fromhex(part) for part in line.split(":")[:4]] for line in lines if line]
    if not found:
        raise ValueError("the vector file holds no vector")
    return [
        (secret[:32], public, message, signed[:64]) for secret, public, message, signed in found
    ]


def montgomery(edwards):
    """u = (1 + y) / (1 - y) mod p: the X25519 key of an Edwards key."""
    return sodium.crypto_sign_ed25519_pk_to_curve25519(edwards)


def test_ed25519_signatures_verify_where_the_public_key_has_sign_zero():
    # XEdDSA §3: verification is Ed25519 verification under the point of sign 0.
    verified = 0
    for _, public, message, signature in ed25519_vectors():
        if public[31] & 128 == 0:
            primitives.verify(montgomery(public), message, signature)
            verified += 1
    assert verified > 400


def test_ed25519_signatures_fail_where_the_public_key_has_sign_one():
    refused = 0
    for _, public, message, signature in ed25519_vectors()[:200]:
        if public[31] & 128:
            with pytest.raises(BadSignature):
                primitives.verify(montgomery(public), message, signature)
            refused += 1
    assert refused > 50


def test_an_altered_ed25519_vector_does_not_verify():
    for _, public, message, signature in ed25519_vectors()[:100]:
        with pytest.raises(BadSignature):
            primitives.verify(montgomery(public), message + b"!", signature)


def test_our_signatures_are_ed25519_signatures_for_the_keys_of_the_vectors():
    for seed, public, message, _ in ed25519_vectors()[:100]:
        scalar = hashlib.sha512(seed).digest()[:32]
        assert primitives.public_key(scalar) == montgomery(public)
        signature = primitives.sign(scalar, message)
        forced = public[:31] + bytes([public[31] & 127])
        assert sodium.crypto_sign_open(signature + message, forced) == message


def test_xeddsa_signs_the_known_vector():
    private = bytes(range(32))
    signature = primitives.sign(private, b"abc", nonce=bytes(64))
    public = primitives.public_key(private)
    assert public.hex() == "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
    assert signature.hex() == (
        "9e08f1ff35b27714cfbd465d112f54bb77189d2e4a5013a54e56c88a6092544d"
        "cf8e3d5da69e8e434e77bf7f3e8821c3b9d5b251e21b6d34509e301791b05401"
    )


def test_a_strict_verifier_refuses_the_signature_style_of_libsignal():
    # libsignal puts the sign of A into the top bit of s; strict XEdDSA refuses s ≥ 2^253.
    public = "ab7e717d4a163b7d9a1d8071dfe9dcf8cdcd1cea3339b6356be84d887e322c64"
    message = "05edce9d9c415ca78cb7252e72c2c4a554d3eb29485a0e1d503118d1a82d99fb4a"
    signature = (
        "5de88ca9a89b4a115da79109c67c9c7464a3e4180274f1cb8c63c2984e286dfb"
        "ede82deb9dcd9fae0bfbb821569b3d9001bd8130cd11d486cef047bd60b86e88"
    )
    with pytest.raises(BadSignature):
        primitives.verify(*(bytes.fromhex(part) for part in (public, message, signature)))


@pytest.mark.parametrize("name", ["rfc-5869-HKDF-SHA256.txt", "hkdf-generated.txt"])
def test_hkdf_agrees_with_published_vectors(name):
    for record in records(read(f"KDF/{name}"), "COUNT"):
        ikm, salt, info, expected = unhex(record, "ikm", "salt", "info", "okm")
        length = int(record["l"])
        assert primitives.hkdf(ikm, salt=salt, info=info, length=length) == expected


def test_hmac_agrees_with_rfc_4231():
    found = records(read("HMAC/rfc-4231-sha256.txt"), "Len")
    assert len(found) >= 5
    for record in found:
        key, message, expected = unhex(record, "key", "msg", "md")
        assert primitives.hmac_sha256(key, message) == expected


def use_keys(monkeypatch, *keys):
    """Replace what `seal` and `open_sealed` derive from their key: the ciphers stand alone."""
    monkeypatch.setattr(primitives, "_aead_inputs", lambda *arguments: (*keys, []))


@pytest.mark.parametrize("name", ["CBCGFSbox256", "CBCKeySbox256", "CBCMMT256", "CBCVarTxt256"])
def test_the_cbc_cipher_agrees_with_nist(name, monkeypatch):
    text = read(f"ciphers/AES/CBC/{name}.rsp").split("[DECRYPT]")[0]
    for record in records(text, "COUNT"):
        key, iv, plaintext, expected = unhex(record, "key", "iv", "plaintext", "ciphertext")
        use_keys(monkeypatch, key, b"mac", iv)
        sealed = primitives.seal(bytes(32), plaintext, b"")
        # NIST pads nothing; ours adds one block of padding and a tag after the same blocks.
        assert sealed[: len(plaintext)] == expected
        assert primitives.open_sealed(bytes(32), sealed, b"") == plaintext


def of_our_sizes(record):
    return record["IVlen"] == "96" and record["Taglen"] == "128"


def test_the_gcm_cipher_seals_as_nist_says(monkeypatch):
    found = filter(of_our_sizes, records(read("ciphers/AES/GCM/gcmEncryptExtIV256.rsp"), "Count"))
    checked = 0
    for record in found:
        key, iv, plaintext, data, expected, tag = unhex(
            record, "key", "iv", "pt", "aad", "ct", "tag"
        )
        use_keys(monkeypatch, key, iv)
        sealed = primitives.seal(bytes(32), plaintext, data, aead=primitives.AES_256_GCM)
        assert sealed == expected + tag
        checked += 1
    assert checked > 100


def test_the_gcm_cipher_opens_and_refuses_as_nist_says(monkeypatch):
    found = filter(of_our_sizes, records(read("ciphers/AES/GCM/gcmDecrypt256.rsp"), "Count"))
    opened = refused = 0
    for record in found:
        key, iv, data, ciphertext, tag = unhex(record, "key", "iv", "aad", "ct", "tag")
        use_keys(monkeypatch, key, iv)
        arguments = bytes(32), ciphertext + tag, data
        if "fail" in record:
            with pytest.raises(DecryptionFailed):
                primitives.open_sealed(*arguments, aead=primitives.AES_256_GCM)
            refused += 1
        else:
            plaintext = primitives.open_sealed(*arguments, aead=primitives.AES_256_GCM)
            assert plaintext == bytes.fromhex(record["pt"])
            opened += 1
    assert opened > 100
    assert refused > 100


ML_KEM = [(name, backend) for name, backend in kem.available() if name.startswith("ML-KEM")]


@pytest.mark.parametrize(("algorithm", "backend"), ML_KEM)
def test_ml_kem_agrees_with_the_known_answers(algorithm, backend):
    found = records(read(f"asymmetric/MLKEM/kat_MLKEM_{algorithm[7:]}.rsp"), "count")
    count = 20 if backend == "kyber-py" else 200
    mechanism = kem.get(algorithm, backend)
    for record in found[:count]:
        d, z, public, ciphertext, secret = unhex(record, "d", "z", "pk", "ct", "ss")
        pair = mechanism.generate(seed=d + z)
        assert pair.public == public
        assert mechanism.decapsulate(pair.private, ciphertext) == secret
        # A wrong ciphertext gives the secret of implicit rejection, and no error.
        wrong, rejected = unhex(record, "ct_n", "ss_n")
        assert mechanism.decapsulate(pair.private, wrong) == rejected


@pytest.mark.parametrize("algorithm", ["ML-KEM-768", "ML-KEM-1024"])
def test_ml_kem_with_chosen_coins_agrees_with_the_known_answers(algorithm):
    found = records(read(f"asymmetric/MLKEM/kat_MLKEM_{algorithm[7:]}.rsp"), "count")
    for record in found[:10]:
        public, coins, ciphertext, secret = unhex(record, "pk", "msg", "ct", "ss")
        assert kem.get(algorithm).encapsulate(public, coins=coins) == (ciphertext, secret)


IK_A, EK_A, IK_B, SPK_B, OPK_B = (KeyPair.from_private(bytes([i]) * 32) for i in range(1, 6))


def known_dhs():
    pairs = [(IK_A, SPK_B), (EK_A, IK_B), (EK_A, SPK_B), (EK_A, OPK_B)]
    return tuple(primitives.dh(ours.private, theirs.public) for ours, theirs in pairs)


def test_x3dh_derives_the_known_secrets():
    with_one_time = x3dh.derive(known_dhs(), info=b"MyProtocol")
    without = x3dh.derive(known_dhs()[:3], info=b"MyProtocol")
    assert with_one_time.hex() == "7d96573dc14e7ad039f8451adadeb19a49f6c6185c8f171d8a980197f59948e3"
    assert without.hex() == "e41fe70b5fa5693de00df672623c01e17df764bad3e5397115cf614f9a3c9ab7"


def test_x3dh_runs_to_the_known_secret_on_both_sides():
    signature = primitives.sign(IK_B.private, wire.encode_key(SPK_B.public))
    bundle = wire.PreKeyBundle(IK_B.public, 1, SPK_B.public, signature, 2, OPK_B.public)
    message, ours = x3dh.initiate(IK_A, bundle, ephemeral=EK_A, info=b"MyProtocol")
    theirs = x3dh.respond(IK_B, SPK_B, OPK_B, message, info=b"MyProtocol")
    assert ours == theirs
    assert ours.secret == x3dh.derive(known_dhs(), info=b"MyProtocol")


def test_pqxdh_derives_the_known_secret():
    info = pqxdh.info_for("ML-KEM-1024", "MyProtocol")
    secret = pqxdh.derive(known_dhs(), b"\x06" * 32, info=info)
    assert info == b"MyProtocol_CURVE25519_SHA-256_ML-KEM-1024"
    assert secret.hex() == "090c97cd8f8b567345febd1995fc84772c9a7b382ec21acf1e6b17a48c265621"


def test_the_ratchet_derives_the_known_keys():
    root, chain = ratchet.kdf_rk(b"\x07" * 32, known_dhs()[0], info=b"MyProtocol Ratchet")
    following, message_key = ratchet.kdf_ck(chain)
    assert [key.hex() for key in (root, chain, message_key, following)] == [
        "97b3a7822d946ba6a715f010f23c6e8a3f635a3dae600678c3c0b25901a77b7d",
        "ede3a37cacb69d2ef879c8ed1fd3d63928cff44da6ed8fe010f7c17cdc4e2e1f",
        "31b203f116b319e5cd5bfef1a0b935dfe10b86ca3b15db2a6446f9049f0644e6",
        "3f3de8c9a7e187efb0b34b9e8446c3fb924819d4e8247c4e7c73bf13c9ab7c9f",
    ]
