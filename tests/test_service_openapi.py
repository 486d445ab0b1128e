"""The service keeps to its own description, whatever it is sent: no request makes it fail.

Schemathesis reads the OpenAPI description and makes requests that fit it and requests that do
not. Every answer must have a status, a type and a shape that the description names.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from service_desk import Desk, Device

from x3dhlab.service.app import Limits

EXAMPLES = 25  # requests for each operation and kind
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
bounded = settings(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def desk():
    with Desk(limits=Limits.none()) as desk:
        yield desk


@pytest.fixture(scope="module")
def bob(desk):
    bob = desk.sign_in(Device("Bob"))
    assert desk.publish(bob).status_code == 200
    return bob


@pytest.fixture(scope="module")
def described(desk):
    return schemathesis.openapi.from_url(f"{desk.service.url}/openapi.json")


@pytest.mark.parametrize("who", ["a stranger", "somebody signed in", "the owner"])
@pytest.mark.parametrize("kind", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_makes_the_service_fail(described, bob, who, kind):
    seen = set()
    for result in described.get_all_operations():
        operation = result.ok()
        try:
            some_case = operation.as_strategy(generation_mode=kind)
            attack(some_case, bob, who, seen)
        except Unsatisfiable:  # nothing about it can be wrong
            assert kind is GenerationMode.NEGATIVE
    assert (
        seen >= {200, 204, 404} if who == "the owner" and kind is GenerationMode.POSITIVE else seen
    )


def attack(some_case, bob, who, seen):
    """Make requests; `seen` gets the statuses of the answers."""

    @bounded
    @given(some_case)
    def attempt(case):
        if who == "the owner" and case.path_parameters:
            case.path_parameters["name"] = bob.name
        header = {} if who == "a stranger" else bob.header
        seen.add(case.call_and_validate(checks=CHECKS, headers=header).status_code)

    attempt()


def test_the_description_names_every_route_and_every_answer(desk):
    paths = desk.client.get("/openapi.json").json()["paths"]
    operations = {(m, p): o for p, ms in paths.items() for m, o in ms.items()}
    assert len(operations) == 13
    for (_, path), operation in operations.items():
        assert operation["tags"], path
        assert operation["description"], path
        assert {"422", "429", "503"} <= set(operation["responses"]), path
        assert ("401" in operation["responses"]) == (
            "security" in operation or path == "/v1/tokens"
        )
