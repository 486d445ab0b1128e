"""What the tests of the service share: devices that sign in, and a service with a set clock."""

import base64
import contextlib
import json
from dataclasses import dataclass, field, replace

import httpx
from websockets.sync.client import connect

from x3dhlab import prekeys
from x3dhlab.primitives import sign
from x3dhlab.service.accounts import statement
from x3dhlab.service.running import running

b64 = base64.b64encode


def text(data):
    return b64(data).decode()


@dataclass
class Clock:
    """Time that a test sets, in seconds."""

    now: float = 1_000_000.0

    def __call__(self):
        return self.now


@dataclass
class Device:
    """A name, keys, and the header of a token."""

    name: str
    ring: object = field(default_factory=lambda: prekeys.generate(one_time=3), repr=False)
    header: dict = field(default_factory=dict, repr=False)

    @property
    def identity(self):
        return self.ring.identity

    def publication(self, **changes):
        return replace(prekeys.publication(self.ring), **changes)

    def answer(self, challenge, **changes):
        """The signed challenge, as `POST /v1/tokens` wants it."""
        signature = sign(self.identity.private, statement(self.name, challenge))
        return {
            "name": self.name,
            "identity_key": text(self.identity.public),
            "challenge": text(challenge),
            "signature": text(signature),
        } | changes


class Desk:
    """A service on the loopback address, at a time that stands still, and a client of it."""

    def __init__(self, url="sqlite://", **options):
        self.clock = options.setdefault("clock", Clock())
        self.service = running(url, **options)

    def __enter__(self):
        self.service.start()
        self.core = self.service.application.state.core
        self.client = httpx.Client(base_url=self.service.url, timeout=60, trust_env=False)
        return self

    def __exit__(self, *problem):
        self.client.close()
        self.service.stop()

    @contextlib.contextmanager
    def socket(self, device):
        """The WebSocket of a device; its first frame, `ready`, is read."""
        url = self.service.url.replace("http", "ws") + "/v1/socket"
        header = device.header if device else {}
        with connect(url, additional_headers=header, proxy=None) as socket:
            if device:
                first = json.loads(socket.recv(timeout=60))
                assert first["type"] == "ready", str(first)
            yield socket

    def ask(self, device, method, path, **content):
        headers = (device.header if device else {}) | content.pop("headers", {})
        return self.client.request(method, path, headers=headers, **content)

    def challenge(self, name):
        answer = self.client.post("/v1/challenges", json={"name": name})
        assert answer.status_code == 200, answer.text
        return base64.b64decode(answer.json()["challenge"])

    def sign_in(self, device):
        answer = self.client.post("/v1/tokens", json=device.answer(self.challenge(device.name)))
        assert answer.status_code == 200, answer.text
        device.header = {"Authorization": f"Bearer {answer.json()['token']}"}
        return device

    def publish(self, device, publication=None):
        data = (publication or device.publication()).encode()
        path = f"/v1/users/{device.name}/keys"
        return self.ask(device, "PUT", path, json={"publication": text(data)})

    def fetch(self, device, name, number=None):
        headers = {"Idempotency-Key": number} if number else {}
        return self.ask(device, "POST", f"/v1/users/{name}/bundles", headers=headers)

    def send(self, device, name, envelope=b"sealed", number="1"):
        told = {"id": number, "envelope": text(envelope)}
        return self.ask(device, "POST", f"/v1/mailboxes/{name}/messages", json=told)

    def waiting(self, device, after=0):
        path = f"/v1/mailboxes/{device.name}/messages?after={after}"
        return self.ask(device, "GET", path).json()["messages"]

    def acknowledge(self, device, sequences, name=None):
        path = f"/v1/mailboxes/{name or device.name}/acknowledgements"
        return self.ask(device, "POST", path, json={"sequences": sequences})

    def counter(self, name, **labels):
        return self.core.metrics.registry.get_sample_value(f"x3dhlab_{name}_total", labels)
