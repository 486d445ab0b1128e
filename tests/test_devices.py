"""Signed device lists: what the server may not add, change, mix or bring back."""

from dataclasses import replace

import pytest

from x3dhlab.errors import (
    IdentityMismatch,
    Malformed,
    OldDeviceList,
    TooLarge,
    UnsignedDevice,
    WrongLength,
    WrongType,
)
from x3dhlab.keys import KeyPair
from x3dhlab.messaging import devices
from x3dhlab.messaging.devices import (
    DeviceList,
    ListedDevice,
    SignedDeviceList,
    check_device,
    check_list,
    fan_out,
    sign_list,
)
from x3dhlab.primitives import sign

BOB, MALLORY = (KeyPair.from_private(bytes([n]) * 32) for n in (3, 66))
PHONE, LAPTOP, ROGUE = (bytes([n]) * 32 for n in (11, 12, 13))
TWO = {"phone": PHONE, "laptop": LAPTOP}


def test_a_signed_list_comes_back_as_it_was_made():
    checked = check_list(sign_list(BOB, TWO, 1), BOB.public)
    assert (checked.account, checked.version, checked.devices) == (BOB.public, 1, TWO)


def add_rogue(signed):
    rogue = ListedDevice(b"tablet", ROGUE)
    return replace(signed, content=replace(signed.content, listed=(*signed.content.listed, rogue)))


LIES = {
    "a device more": add_rogue,
    "a device less": lambda s: replace(s, content=replace(s.content, listed=s.content.listed[:1])),
    "another key": lambda s: replace(
        s, content=replace(s.content, listed=(ListedDevice(b"phone", ROGUE),))
    ),
    "another name": lambda s: replace(
        s, content=replace(s.content, listed=(ListedDevice(b"fone", PHONE),))
    ),
    "another order": lambda s: replace(
        s, content=replace(s.content, listed=s.content.listed[::-1])
    ),
    "a later version": lambda s: replace(s, content=replace(s.content, version=9)),
    "no signature": lambda s: replace(s, signature=bytes(64)),
    "the server's signature": lambda s: replace(
        add_rogue(s), signature=sign(MALLORY.private, add_rogue(s).content.encode())
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_list_that_the_server_changed_is_refused(lie):
    signed = SignedDeviceList.decode(sign_list(BOB, TWO, 1))
    with pytest.raises(UnsignedDevice):
        check_list(LIES[lie](signed).encode(), BOB.public)


def test_every_flipped_bit_is_refused():
    data = sign_list(BOB, {"phone": PHONE}, 1)
    for bit in range(0, 8 * len(data), 5):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((UnsignedDevice, Malformed, IdentityMismatch)):
            check_list(bytes(flipped), BOB.public)


def test_a_list_of_another_account_is_refused():
    with pytest.raises(IdentityMismatch):
        check_list(sign_list(MALLORY, {"phone": ROGUE}, 5), BOB.public)


def test_a_signature_over_a_prekey_is_none_over_a_list():
    signed = SignedDeviceList.decode(sign_list(BOB, TWO, 1))
    assert signed.content.encode()[:1] != b"\x05"
    without_label = signed.content.encode()[4 + len(b"x3dhlab device list") :]
    forged = replace(signed, signature=sign(BOB.private, without_label))
    with pytest.raises(UnsignedDevice):
        check_list(forged.encode(), BOB.public)


def test_the_version_never_goes_back():
    old, new = (sign_list(BOB, listed, n) for n, listed in ((4, TWO), (5, {"phone": PHONE})))
    known = check_list(new, BOB.public, check_list(old, BOB.public))
    with pytest.raises(OldDeviceList) as caught:
        check_list(old, BOB.public, known)
    assert caught.value.data == {"known": 5, "got": 4}
    assert check_list(new, BOB.public, known) == known


def test_two_lists_of_one_version_are_refused():
    known = check_list(sign_list(BOB, TWO, 4), BOB.public)
    with pytest.raises(OldDeviceList):
        check_list(sign_list(BOB, {"phone": PHONE}, 4), BOB.public, known)


def test_a_device_that_the_list_does_not_have_is_refused():
    listed = check_list(sign_list(BOB, TWO, 1), BOB.public)
    check_device(listed, "phone", PHONE)
    for name, key in (("tablet", ROGUE), ("phone", ROGUE), ("phone", LAPTOP)):
        with pytest.raises(UnsignedDevice):
            check_device(listed, name, key)


def test_a_message_goes_to_each_device_of_theirs_and_to_my_other_ones():
    theirs = check_list(sign_list(BOB, TWO, 1), BOB.public)
    mine = check_list(sign_list(MALLORY, {"one": ROGUE, "two": PHONE}, 1), MALLORY.public)
    assert [one.identity_key for one in fan_out(theirs)] == [PHONE, LAPTOP]
    assert [one.device for one in fan_out(theirs, mine, ROGUE)] == [b"phone", b"laptop", b"two"]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: sign_list(BOB.public, TWO, 1), WrongType),
        (lambda: sign_list(BOB, [("phone", PHONE)], 1), WrongType),
        (lambda: sign_list(BOB, {b"phone": PHONE}, 1), WrongType),
        (lambda: sign_list(BOB, {"phone": PHONE[:31]}, 1), WrongLength),
        (lambda: sign_list(BOB, TWO, "1"), WrongType),
        (lambda: sign_list(BOB, TWO, -1), Malformed),
        (lambda: sign_list(BOB, {"x" * 65: PHONE}, 1), TooLarge),
        (lambda: sign_list(BOB, {str(n): PHONE for n in range(17)}, 1), TooLarge),
        (lambda: check_list(b"", BOB.public), Malformed),
        (lambda: check_list("list", BOB.public), WrongType),
        (lambda: check_list(sign_list(BOB, TWO, 1), BOB.public[:31]), WrongLength),
        (lambda: check_list(sign_list(BOB, TWO, 1), BOB.public, {}), WrongType),
        (lambda: check_device(None, "phone", PHONE), WrongType),
        (lambda: check_device(DeviceList(PHONE, 1, ()), "phone", None), WrongType),
        (lambda: fan_out([]), WrongType),
    ],
)
def test_wrong_values_are_refused(call, error):
    with pytest.raises(error):
        call()


def test_a_name_that_is_no_text_and_a_name_twice_are_refused():
    for listed in (
        (ListedDevice(b"\xff", PHONE),),
        (ListedDevice(b"phone", PHONE), ListedDevice(b"phone", LAPTOP)),
    ):
        content = DeviceList(BOB.public, 1, listed)
        data = SignedDeviceList(content, sign(BOB.private, content.encode())).encode()
        with pytest.raises(Malformed):
            check_list(data, BOB.public)


def test_the_limits_are_named():
    assert (devices.MAX_DEVICES, devices.NAME_LIMIT) == (16, 64)
