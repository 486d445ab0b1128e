"""What lesson 13 claims: lies of a server, who notices them, what a defence does not stop."""

import pytest

from x3dhlab import fingerprint, scenes
from x3dhlab.attacks import careless, server
from x3dhlab.attacks.server import (
    Later,
    Replay,
    Scripted,
    SwapIdentity,
    WithholdOneTime,
    drain,
)
from x3dhlab.attacks.targets import opened
from x3dhlab.errors import (
    BadSignature,
    DecryptionFailed,
    IdentityChanged,
    IdentityMismatch,
    OldMessage,
    RateLimited,
    Refused,
    StoreUnavailable,
    UsedPreKey,
)
from x3dhlab.grading import feedback, judge
from x3dhlab.grading.tasks import TASKS, of_lesson
from x3dhlab.party import LocalTransport, Party
from x3dhlab.scenes.server import DEFENCES, FIRST, LATER, LIES, PACKAGE, keys_of, rehearse
from x3dhlab.service.limits import FetchLimits, Limit
from x3dhlab.service.store import PreKeyStore
from x3dhlab.widgets import FALLS, HOLDS

EVERYTHING = dict.fromkeys(DEFENCES, True)


def network():
    return LocalTransport(PreKeyStore())


def people(transport, alice=Party, bob=Party, **options):
    pair = alice("Alice", transport, **options), bob("Bob", transport, **options)
    for party in pair:
        party.publish()
    return pair


def answers(task):
    """The reference answer of a task, as a function."""
    space = {}
    exec(TASKS[task].given + TASKS[task].reference, space)
    return space[TASKS[task].function]


def errors(party):
    return [type(received.error) for received in party.receive() if received.error]


# A server that somebody scripts


def honest(state, direction, frame):
    return [(state or 0) + 1, [frame]]


def test_a_script_that_changes_nothing_is_not_noticed_and_sees_every_frame():
    there = Scripted(network(), honest)
    alice, bob = people(there)
    alice.send("Bob", b"one")
    assert opened(bob) == b"one"
    bob.send("Alice", b"two")
    assert opened(alice) == b"two"
    assert there.state == 7  # two uploads, a bundle, and each message up and down
    assert there.count("Bob") == 9


def test_frames_are_plain_data_with_the_fields_of_the_wire():
    seen = []
    there = Scripted(network(), lambda s, d, frame: [seen.append((d, frame)), [frame]])
    alice, bob = people(there)
    alice.send("Bob", b"one")
    bob.receive()
    kinds = [(d, f["what"], f["from"], f["to"], f.get("about")) for d, f in seen]
    assert kinds == [
        ("up", "publication", "Alice", "server", "Alice"),
        ("up", "publication", "Bob", "server", "Bob"),
        ("down", "bundle", "server", "Alice", "Bob"),
        ("up", "message", "Alice", "Bob", None),
        ("down", "message", "Alice", "Bob", None),
    ]
    bundle = seen[2][1]
    assert bundle["identity_key"] == bob.identity.public
    assert {type(value) for value in bundle.values()} <= {str, int, bytes, type(None)}


def when_alice_writes(lie):
    def on_frame(state, direction, frame):
        hers = frame["what"] == "message" and frame["from"] == "Alice" and direction == "up"
        return [state, lie(frame) if hers else [frame]]

    return on_frame


@pytest.mark.parametrize(
    ("lie", "reads"),
    [
        (lambda frame: [], []),
        (lambda frame: [frame, frame], [("Alice", b"noon", None), ("Alice", None, OldMessage)]),
        (
            lambda frame: [frame | {"data": frame["data"][:-1] + b"?"}],
            [("Alice", None, DecryptionFailed)],
        ),
        (lambda frame: [frame | {"from": "Carol"}], [("Carol", b"noon", None)]),
    ],
    ids=["dropped", "doubled", "altered", "relabelled"],
)
def test_four_small_lies(lie, reads):
    alice, bob = people(Scripted(network(), when_alice_writes(lie)))
    alice.send("Bob", b"noon")
    found = [(r.sender, r.plaintext, type(r.error) if r.error else None) for r in bob.receive()]
    assert found == reads


def test_a_script_may_swallow_a_bundle_or_an_upload():
    def nothing(state, direction, frame):
        return [state, []]

    inner = network()
    Party("Bob", inner).publish()
    there = Scripted(inner, nothing)
    with pytest.raises(StoreUnavailable):
        Party("Alice", there).send("Bob", b"one")
    Party("Carol", there).publish()
    with pytest.raises(Refused):
        inner.count("Carol")


@pytest.mark.parametrize("value", [None, [], [1], [1, {}], [1, [], []]])
def test_a_script_that_returns_something_else_is_told_so(value):
    with pytest.raises(TypeError, match="on_frame must return"):
        Party("Bob", Scripted(network(), lambda *_: value)).publish()


# A1


def test_a_bundle_of_the_servers_own_is_noticed_by_bob_when_nobody_relays():
    def only_the_bundle(state, direction, frame):
        if frame["what"] == "bundle" and frame["to"] == "Alice":
            number, key = state["one_time"][0]
            frame = frame | state["keys"]
            frame = frame | {"one_time_prekey_id": number, "one_time_prekey": key}
        return [state, [frame]]

    inner = network()
    there = Scripted(inner, only_the_bundle, keys_of(Party("front", inner)))
    alice, bob = people(there)
    alice.send("Bob", b"noon")
    assert errors(bob) == [DecryptionFailed] and not alice.alarms


def test_the_learners_server_stands_between_two_people(capsys):
    """`attack.swap_identity` with the package's programs: both texts pass both phones."""
    scenes.watch(answers("attack.swap_identity"), between=True)
    assert capsys.readouterr().out.splitlines() == [
        "  front reads, from Alice: “Meet me at noon.”",
        "Bob reads, from Alice: “Meet me at noon.”",
        "  back reads, from Bob: “Yes, at noon.”",
        "Alice reads, from Bob: “Yes, at noon.”",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "swapped for everybody",
        "the identity key only",
        "the honest one-time key left in",
        "labels changed on the way down",
        "no relabelled answers",
        "caught and not passed on",
        "the phones exchanged",
    ],
)
def test_a_mistake_in_the_labels_keeps_a_text_from_somebody(name, capsys):
    (wrong,) = [m for m in TASKS["attack.swap_identity"].mistakes if m.name == name]
    space = {}
    exec(wrong.source, space)
    scenes.watch(space["swap_identity"], between=True)
    read = capsys.readouterr().out.splitlines()
    bob, alice = "Bob reads, from Alice: “Meet", "Alice reads, from Bob: “Yes"
    assert not all(any(line.startswith(start) for line in read) for start in (bob, alice))


def test_nobody_notices_a_server_between_them_and_it_has_to_stay():
    lying = SwapIdentity(network())
    alice, bob = people(lying)
    for n in range(3):
        alice.send("Bob", b"a%d" % n)
        assert opened(bob) == b"a%d" % n
        bob.send("Alice", b"b%d" % n)
        assert opened(alice) == b"b%d" % n
    texts = [
        (who, b"%s%d" % (letter, n))
        for n in range(3)
        for who, letter in (("Alice", b"a"), ("Bob", b"b"))
    ]
    assert lying.read == texts and not alice.alarms + bob.alarms
    assert alice.pins["Bob"] != bob.identity.public
    lying.roles.clear()
    alice.send("Bob", b"late")
    assert errors(bob) == [DecryptionFailed]


def test_bob_may_write_first_to_a_server_between_them():
    lying = SwapIdentity(network())
    alice, bob = people(lying)
    bob.send("Alice", b"hello")
    assert opened(alice) == b"hello" and lying.read == [("Bob", b"hello")]


def test_safety_numbers_differ_only_with_a_server_between_them():
    for transport, equal in ((network(), True), (SwapIdentity(network()), False)):
        alice, bob = people(transport)
        alice.send("Bob", b"one")
        bob.receive()
        left, right = server.numbers(alice, bob)
        assert (left == right) == equal


# A2


def test_a_later_lie_is_blocked_and_an_accepted_key_is_read():
    inner = network()
    lying = SwapIdentity(inner)
    there = Later(inner, lying)
    alice, bob = people(there)
    alice.send("Bob", b"hello")
    bob.receive()
    there.strike()
    with pytest.raises(IdentityChanged):
        alice.send("Bob", b"noon", renew=True)
    assert lying.read == []
    role = lying.roles["Alice", "Bob"]
    assert alice.contacts["Bob"].changed_to == role.identity.public
    alice.accept_change("Bob", role.identity.public)
    alice.send("Bob", b"noon", renew=True)
    assert lying.read == [("Alice", b"noon")]
    assert errors(bob) == [IdentityMismatch]


# Prekeys


def test_a_forged_prekey_needs_a_client_that_does_not_check_and_a_later_theft():
    """The task's server, the package's clients, and one that takes every signature for good."""
    inner = network()
    signed, one_time = (server.KeyPair.generate() for _ in range(2))
    mine = {"signed_prekey": signed.public, "one_time_prekey": one_time.public}
    state = mine | {"waiting": [], "recorded": []}
    there = Scripted(inner, answers("attack.swap_signed_prekey"), state)
    alice, bob = people(there)
    with pytest.raises(BadSignature):
        alice.send("Bob", b"noon")
    trusting = Party("Carol", there, protocol=careless.UNCHECKED)
    trusting.send("Bob", b"noon")
    assert errors(bob) == [DecryptionFailed]
    ((sender, data),) = there.state["recorded"]
    assert sender == "Carol"
    assert server.open_recorded(data, bob.identity, signed, one_time) == b"noon"
    with pytest.raises(DecryptionFailed):
        server.open_recorded(data, server.KeyPair.generate(), signed, one_time)


@pytest.mark.parametrize("withheld", [False, True])
@pytest.mark.parametrize("repeated", [False, True])
def test_replay_over_withheld_one_time_keys_needs_both(withheld, repeated):
    """Attacks compose: neither of the two alone makes a forgetful Bob read twice."""
    there = network()
    there = WithholdOneTime(there) if withheld else there
    there = Replay(there) if repeated else there
    alice, bob = people(there, bob=careless.ForgetsFirstMessages)
    alice.send("Bob", b"pay")
    found = bob.receive()
    assert [r.plaintext for r in found].count(b"pay") == (2 if withheld and repeated else 1)
    if repeated and not withheld:
        assert type(found[1].error) is UsedPreKey


def test_replay_over_withheld_one_time_keys_fails_against_the_package():
    alice, bob = people(Replay(WithholdOneTime(network())))
    alice.send("Bob", b"pay")
    assert errors(bob) == [OldMessage]


# Limits


def test_limits_move_the_damage():
    for limits, accounts, left in ((None, 1, 0), (FetchLimits(), 1, 54), (FetchLimits(), 30, 10)):
        there = LocalTransport(PreKeyStore(), limits)
        Party("Bob", there, one_time=60).publish()
        drain(there, "Bob", requesters=accounts, times=60)
        assert there.count("Bob") == left
    with pytest.raises(RateLimited):
        Party("Alice", there).send("Bob", b"hello")


def test_the_learners_limit_decides_as_the_package_does():
    pair, target = Limit(2, 600), Limit(4, 60)
    theirs = {"pair": [2, 600], "target": [4, 60], "buckets": {}}
    ours, decide = FetchLimits(pair, target), answers("defence.fetch_limit")
    times = [0, 0, 1, 1, 2, 30, 61, 200, 599, 600, 601, 2000]
    for n, now in enumerate(times):
        who = f"account {n % 3}"
        theirs, allowed = decide(theirs, who, "Bob", now)
        ours.now = now
        try:
            ours.check(who, "Bob")
            assert allowed
        except RateLimited:
            assert not allowed


@pytest.mark.parametrize("task", of_lesson("13") + of_lesson("14"), ids=lambda task: task.id)
def test_every_seed_catches_every_named_mistake(task):
    def outcomes(source, cases):
        return [judge.outcome(task, source, case) for case in cases]

    for cases in map(task.cases, range(40)):
        right = outcomes(task.reference, cases)
        for mistake in task.mistakes:
            pairs = zip(right, outcomes(mistake.source, cases), strict=True)
            assert not all(ours.equals(theirs) for ours, theirs in pairs), mistake.name


@pytest.mark.parametrize(
    ("task", "name", "differs"),
    [
        ("attack.swap_identity", "Bob's number for Mallory's key", "one_time_prekey_id"),
        ("attack.swap_signed_prekey", "the one-time key only", "signed_prekey"),
    ],
)
def test_feedback_on_long_frames_shows_what_differs(task, name, differs):
    task = TASKS[task]
    (wrong,) = [m for m in task.mistakes if m.name == name]
    for case in task.cases(1):
        wanted, got = (judge.outcome(task, s, case) for s in (task.reference, wrong.source))
        if wanted.equals(got):
            continue
        words = feedback.of_case(task, case, got, wanted, wrong)
        assert words.got != words.expected
        assert all(f"{{{differs}: " in text for text in (words.got, words.expected))
        assert max(map(len, (words.got, words.expected))) <= feedback.WIDE


def test_the_learners_digits_are_the_packages():
    ours = answers("fingerprint.safety_number")
    keys = "Alice", b"\x01" * 32, "Bob", b"\x02" * 32
    assert ours(*keys, fingerprint.ROUNDS) == fingerprint.safety_number(*keys)


def test_the_learners_alarm_answers_as_the_package_does():
    """`defence.pin_and_warn` beside a party: blocked, accepted, a third key refused."""
    decide, state = answers("defence.pin_and_warn"), {}
    first, second, third = (bytes([n]) * 32 for n in (1, 2, 3))

    def told(what, key=None):
        nonlocal state
        state, answer = decide(state, {"what": what, "peer": "Bob", "identity_key": key})
        return answer

    alice = Party("Alice", network())
    for key in (first, second):
        alice._meet("Bob", key)
        alice.contacts.setdefault("Bob", alice._meet("Bob", key))
    assert [told("seen", first), told("seen", second), told("send")] == [
        "pinned",
        "alarm",
        "blocked",
    ]
    with pytest.raises(IdentityChanged):
        alice.send("Bob", b"one")
    assert told("accept", third) == "refused"
    with pytest.raises(IdentityMismatch):
        alice.accept_change("Bob", third)
    assert told("accept", second) == "pinned"
    alice.accept_change("Bob", second)
    assert alice.pins["Bob"] == second and told("seen", second) == "ok"


# The console and the key figure


def test_an_honest_server_gives_nobody_anything_to_notice():
    for when in (FIRST, LATER):
        run = rehearse((), EVERYTHING, when)
        assert run.read == [("Bob", "Meet me at noon."), ("Alice", "Yes, at noon.")]
        assert not run.noticed and not run.server and not run.later and not run.stale


def the_claim_below_the_figure(table):
    first, _, all_of_it = range(3)
    between, old = table[LIES["identity"]], table[LIES["old"]]
    return between[first] and not between[all_of_it] and old[first] and old[all_of_it]


def test_comparing_finds_a_server_between_them_and_nothing_finds_an_old_prekey():
    table = scenes.unnoticed()
    assert the_claim_below_the_figure(table)
    assert list(table) == list(LIES.values())


@pytest.mark.parametrize("missing", ["compare", "prekeys"])
def test_the_claim_of_the_figure_fails_with_other_people(monkeypatch, missing):
    columns = dict(scenes.server.COLUMNS)
    name = list(columns)[2]
    if missing == "compare":
        columns[name] = (FIRST, EVERYTHING | {"compare": False})
    else:
        columns[name] = (LATER, EVERYTHING)  # who has seen a newer prekey notices
    monkeypatch.setattr("x3dhlab.scenes.server.COLUMNS", columns)
    assert not the_claim_below_the_figure(scenes.unnoticed())


@pytest.mark.parametrize(
    ("lie", "defence", "when", "gain"),
    [
        ("identity", "pins", LATER, "server"),
        ("signed", "signatures", FIRST, "later"),
        ("old", "prekeys", LATER, "stale"),
        ("device", "devices", FIRST, "server"),
    ],
)
def test_one_defence_is_what_stops_a_lie(lie, defence, when, gain):
    assert not getattr(rehearse([lie], PACKAGE, when), gain)
    assert getattr(rehearse([lie], PACKAGE | {defence: False}, when), gain)


@pytest.mark.parametrize(
    ("lie", "defence", "error"),
    [("identity", "compare", "unequal safety numbers"), ("withheld", "count", "his count")],
)
def test_what_people_do_finds_a_lie_and_stops_nothing(lie, defence, error):
    run = rehearse([lie], PACKAGE | {defence: True})
    assert [found for _, _, found in run.noticed] == [error]
    assert run.server or run.later


def test_the_console_runs_again_at_every_change_and_says_the_same_in_words():
    console = scenes.attack_console()
    assert console.report["verdict"] == FALLS and console.report["server"]
    console.set(lie_identity=False, lie_signed=True)
    assert console.report["verdict"] == HOLDS
    assert console.report["noticed"][0][2] == "BadSignature"
    text = repr(console)
    assert "Alice notices: BadSignature" in text and "the server reads: nothing" in text
    assert "exchanges Bob's signed prekey" in text and "plays Bob" not in text
    assert "BadSignature" in console._svg()


def test_two_lies_that_the_console_asks_about():
    both = rehearse(["replay", "withheld"], PACKAGE | {"record": False})
    assert both.read.count(("Bob", "Meet me at noon.")) == 2
    assert "a message is read twice, and nobody notices anything" in str(both)
    for lie in ("replay", "withheld"):
        alone = rehearse([lie], PACKAGE | {"record": False})
        assert alone.read.count(("Bob", "Meet me at noon.")) == 1 and "twice" not in str(alone)
    assert rehearse(["identity", "signed"]).noticed[0][2] == "BadSignature"


def test_the_console_refuses_what_a_switch_cannot_hold_and_survives_a_broken_message():
    console = scenes.attack_console()
    with pytest.raises(ValueError):
        console.set(when="never")
    console.values = {"when": 3}
    assert console.report["sentence"]


def test_a_run_that_stops_is_said():
    from x3dhlab.widgets import AttackConsole, Check

    def run(**_):
        raise RuntimeError("no power")

    console = AttackConsole("x", [("The server …", [Check("a", "b")])], run)
    assert "no power" in console.report["sentence"] and "nobody" in repr(console)
