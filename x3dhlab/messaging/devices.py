"""A list of devices that the account's owner signed, so that the server cannot add one (A12).

The list has a version that counts up, and a name and an identity key for each device. The
account's identity key signs it; a sender checks that signature with the key pinned for the person,
and encrypts to the devices of the list, whatever others the server names.

Real systems differ. Signal's linked devices share the account's identity key pair: whoever can
make a session with that key is a device. WhatsApp gives each device its own identity key and has
the account's key sign for it. Sesame leaves both open. Not here: devices that vouch for
each other, a visible notice of every change, and the messages themselves; the lesson on devices
goes further.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from x3dhlab.errors import (
    BadSignature,
    IdentityMismatch,
    InvalidField,
    OldDeviceList,
    UnsignedDevice,
    expect,
)
from x3dhlab.keys import KeyPair
from x3dhlab.layout import Constant, Fixed, Layout, Many, Nested, Number, Variable
from x3dhlab.primitives import KEY_LENGTH, SIGNATURE_LENGTH, check_bytes, sign, verify

MAX_DEVICES = 16
NAME_LIMIT = 64  # bytes
STEP = "Sesame §3.1"

# The prekeys' signatures cover 05 ‖ key or an EncodeKEM: no list begins with such a byte.
_LABEL = b"x3dhlab device list"


@dataclass(frozen=True, slots=True)
class ListedDevice(Layout):
    """One device: its name as UTF-8 and its identity key."""

    device: bytes
    identity_key: bytes

    STEP = STEP
    LAYOUT = (
        Variable("device", NAME_LIMIT, "The device's name."),
        Fixed("identity_key", KEY_LENGTH, "The device's identity key."),
    )


@dataclass(frozen=True, slots=True)
class DeviceList(Layout):
    """What is signed: the account's identity key, the version, the devices."""

    account: bytes
    version: int
    listed: tuple[ListedDevice, ...]

    STEP = STEP
    LAYOUT = (
        Constant(
            "label", len(_LABEL).to_bytes(4, "big") + _LABEL, "What kind of statement is signed."
        ),
        Fixed("account", KEY_LENGTH, "The account's identity key."),
        Number("version", 8, "Counts up with each change."),
        Many("listed", ListedDevice, MAX_DEVICES, "How many devices follow."),
    )

    @property
    def devices(self) -> dict[str, bytes]:
        """Name → identity key."""
        return {one.device.decode(): one.identity_key for one in self.listed}


@dataclass(frozen=True, slots=True)
class SignedDeviceList(Layout):
    """A list and the account key's XEdDSA signature over its encoding."""

    content: DeviceList
    signature: bytes = field(repr=False)

    STEP = STEP
    LAYOUT = (
        Nested("content", DeviceList),
        Fixed("signature", SIGNATURE_LENGTH, "Sig(account, all bytes before)."),
    )


def sign_list(
    account: KeyPair, devices: Mapping[str, bytes], version: int, *, nonce: bytes | None = None
) -> bytes:
    """The signed list of `devices` (name → 32-byte identity key), encoded for the server."""
    expect(account, KeyPair, "account", step=STEP)
    expect(devices, Mapping, "devices", step=STEP)
    listed = tuple(
        ListedDevice(expect(name, str, "device name", step=STEP).encode(), identity)
        for name, identity in devices.items()
    )
    content = DeviceList(account.public, version, listed)
    signature = sign(account.private, content.encode(), nonce=nonce)
    return SignedDeviceList(content, signature).encode()


def check_list(data: bytes, account: bytes, known: DeviceList | None = None) -> DeviceList:
    """The list in `data`, if the pinned key `account` signed it and it is not older than `known`.

    Raises `IdentityMismatch` for another account, `UnsignedDevice` for a bad signature,
    `OldDeviceList` for a version below the known one, or the same one with other devices,
    `InvalidField` for a name that is no UTF-8 or stands twice.
    """
    check_bytes(account, "account", KEY_LENGTH, step=STEP)
    signed = SignedDeviceList.decode(data)
    content = signed.content
    if content.account != account:
        raise IdentityMismatch("the list is of another account", step=STEP)
    try:
        verify(account, content.encode(), signed.signature)
    except BadSignature as problem:
        raise UnsignedDevice("the account's key did not sign this list", step=STEP) from problem
    if known is not None and _goes_back(content, expect(known, DeviceList, "known", step=STEP)):
        raise OldDeviceList(
            f"version {content.version} of the list comes after version {known.version}",
            step=STEP,
            known=known.version,
            got=content.version,
        )
    _check_names(content)
    return content


def check_device(devices: DeviceList, name: str, identity_key: bytes) -> None:
    """Raise `UnsignedDevice` unless the list has this name with this identity key."""
    expect(devices, DeviceList, "devices", step=STEP)
    check_bytes(identity_key, "identity key", KEY_LENGTH, step=STEP)
    if devices.devices.get(name) != identity_key:
        raise UnsignedDevice(f"the account's key did not sign for {name}", step=STEP, name=name)


def fan_out(
    theirs: DeviceList, mine: DeviceList | None = None, this: bytes | None = None
) -> tuple[ListedDevice, ...]:
    """Sesame §3.3: whom a message is encrypted to: each device of theirs and my other ones.

    `this` is the identity key of the sending device.
    """
    expect(theirs, DeviceList, "theirs", step=STEP)
    own = () if mine is None else expect(mine, DeviceList, "mine", step=STEP).listed
    return theirs.listed + tuple(one for one in own if one.identity_key != this)


def _check_names(content):
    try:
        names = content.devices
    except UnicodeDecodeError as problem:
        raise InvalidField("a device's name is not UTF-8", step=STEP) from problem
    if len(names) < len(content.listed):
        raise InvalidField("two devices have the same name", step=STEP)


def _goes_back(content, known):
    return content.version < known.version or (
        content.version == known.version and content != known
    )
