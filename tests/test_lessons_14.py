"""What lesson 14 claims: who reads and who writes with which stolen key, by runs; and the model."""

import itertools
import re
from pathlib import Path

import nbformat
import pytest

from x3dhlab import course, pqxdh, scenes, x3dh
from x3dhlab.attacks import targets, thieves, threats, weakened
from x3dhlab.attacks.server import SwapOneTime
from x3dhlab.errors import DecryptionFailed, IdentityMismatch, UsedPreKey
from x3dhlab.grading.tasks import thefts as tasks
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import concat, deterministic, dh, public_key, sign, verify
from x3dhlab.proof import verdicts
from x3dhlab.scenes import thefts
from x3dhlab.trace import record
from x3dhlab.wire import PreKeyBundle, encode_key

ROOT = Path(__file__).parent.parent
MODEL = (ROOT / "notebooks/14_x3dh.pv").read_text(encoding="utf-8")
LESSON = nbformat.read(ROOT / "notebooks/14_stolen_keys.ipynb", as_version=4).cells
TEXT = "\n".join(cell.source for cell in LESSON if cell.cell_type == "markdown")
KEYS = ("IK_A", "EK_A", "DHs", "IK_B", "SPK_B")
PHONES = ("IK_A", "SPK_A", "IK_B", "SPK_B")


def subsets(names):
    return itertools.chain.from_iterable(
        itertools.combinations(names, size) for size in range(len(names) + 1)
    )


def oracle():
    made: dict = {}
    exec(tasks.KDF + tasks.PAIRS + tasks.RECOVER + tasks.THREATS, made)
    return made


# The thief's own hands, the closure of the trace, and the task's answer say the same


@pytest.mark.parametrize("one_time", [1, 0])
def test_what_the_thief_reads_is_what_the_closure_finds(one_time):
    run = thieves.recording(one_time)
    run.pair.deliver(run.data)
    halves = thieves.private_halves(run.pair, "IK_A", "IK_B", "SPK_B") | run.random
    for names in subsets(KEYS):
        stolen = {name: halves[name] for name in names}
        found = by_hand(run, stolen)
        closure = run.trace.closure(stolen.values())
        assert found == (run.secret in closure, verdicts(run.trace, closure=closure)[0].readable)


def by_hand(run, stolen):
    """Whether the thief gets SK, and the text, by hand."""
    told = []
    for act in (thieves.secret_of, thieves.read_first):
        try:
            told.append(act(run.data, run.bundle, stolen) in (run.secret, thieves.TEXT))
        except weakened.MissingTerm:
            told.append(False)
    return tuple(told)


@pytest.mark.parametrize("one_time", [True, False])
def test_the_answer_to_recover_secret_computes_the_sk_of_a_real_run(one_time):
    run = thieves.recording(int(one_time))
    message = x3dh.InitialMessage.decode(run.data)
    public = thieves._public(run.bundle, message.identity_key, message.ephemeral_key)
    public.setdefault("OPK_B", None)
    halves = thieves.private_halves(run.pair, "IK_A", "IK_B", "SPK_B") | run.random
    for names in subsets(("IK_A", "EK_A", "IK_B", "SPK_B")):
        secret = oracle()["recover_secret"](public, {name: halves[name] for name in names})
        assert secret in (None, run.secret)
        assert (secret is not None) == by_hand(run, {n: halves[n] for n in names})[0]


@pytest.mark.parametrize("names", list(subsets(PHONES)), ids=" ".join)
def test_the_answer_to_threats_is_what_the_runs_find(names):
    told = oracle()["threats"](attacker(names, serves=True, one_time=True))
    assert told["as_alice"] == thieves.tried("write to Bob as Alice", names).succeeded
    assert told["as_bob"] == thieves.tried("write to Alice as Bob", names).succeeded
    for one_time in (True, False):
        told = oracle()["threats"](attacker(names, one_time=one_time))
        goal = "one-time key used" if one_time else "pool was empty"
        goal = f"read a recorded message, {goal}"
        assert told["recorded"] == thieves.tried(goal, names).succeeded
    if "IK_A" not in names:  # with it, SK can be had without the text
        served = oracle()["threats"](attacker(names, serves=True, one_time=True))
        goal = "read the next first message, as the server"
        assert served["next"] == thieves.tried(goal, names).succeeded


def attacker(names, serves=False, compared=True, one_time=True):
    facts = {"stolen": list(names), "serves": serves}
    return facts | {"compared": compared, "one_time": one_time}


def test_a_message_made_by_the_answer_opens_on_bobs_phone():
    pair = targets.friends()
    bundle = PreKeyBundle.decode(pair.network.fetch("Bob", "Mallory"))
    number = bundle.signed_prekey_id
    private = thieves.private_halves(pair, "SPK_B")["SPK_B"]
    carol = KeyPair.generate().public
    fields = {name: getattr(bundle, name) for name in PreKeyBundle.__dataclass_fields__}
    made = {**oracle()}
    exec(tasks.KDF + tasks.IMPERSONATE, made)
    fresh = KeyPair.generate().private
    sent = made["impersonate_to_bob"](carol, [number, private], fields, fresh, b"Carol here")
    message = x3dh.InitialMessage(*[sent[n] for n in list(sent)[:4]], payload=sent["sealed"])
    ring = pair.bob.device.ring
    keys = ring.identity, ring.signed[number].pair, ring.one_time[message.one_time_prekey_id]
    agreement = x3dh.respond(*keys, message)
    opened = weakened.open_sealed(agreement.secret, message.payload, agreement.associated_data)
    assert opened == b"Carol here"


# The first sitting


def matrix(goals=thieves.GOALS):
    return {
        goal: [name for name, keys in thefts.THEFTS.items() if thieves.tried(goal, keys).succeeded]
        for goal in goals
    }


EXPECTED = {
    "read a recorded message, one-time key used": [],
    "read a recorded message, pool was empty": ["IK_B and SPK_B"],
    "read the next first message, as the server": ["IK_B", "IK_B and SPK_B"],
    "write to Bob as Alice": ["IK_A", "SPK_B", "IK_B and SPK_B"],
    "write to Alice as Bob": ["IK_B", "IK_B and SPK_B"],
}


def test_the_matrix_is_what_its_answer_says():
    assert matrix() == EXPECTED


def test_the_matrix_shows_these_runs():
    shown = scenes.theft_matrix("test.14")
    for row, fallen in enumerate(EXPECTED.values()):
        for column, name in enumerate(thefts.THEFTS):
            shown.predict(row, column, "falls" if name in fallen else "holds")
    shown.reveal()
    assert shown.outcome["right"] == shown.outcome["of"] == 20


def test_without_dh1_everybody_writes_to_bob(monkeypatch):
    """The row about writing rests on DH1: where it needs no secret, nothing stops anybody."""
    monkeypatch.setitem(weakened.PAIRS, "DH1", ("EK_A", "SPK_B"))
    monkeypatch.setattr(x3dh, "derive", lambda dhs, **_: bytes(32))
    assert thieves.tried("write to Bob as Alice", ()).succeeded


def test_deleting_ends_it_and_rotating_does_not():
    pair = thieves.talked(targets.friends())
    pair.bob.verify("Alice")
    stolen = thieves.private_halves(pair, "SPK_B")
    bundle = PreKeyBundle.decode(pair.network.fetch("Bob", "Mallory"))
    bare = thieves.replace(bundle, one_time_prekey_id=None, one_time_prekey=None)
    pair.bob.rotate(now=1)
    _, data = thieves.write_as(pair.alice.identity.public, bare, stolen)
    assert pair.deliver(data) == thieves.LIE and pair.bob.alarms == []
    pair.bob.send("Alice", b"for whoever wrote last")
    with pytest.raises(DecryptionFailed):
        targets.opened(pair.alice)
    pair.bob.retire(before=1)
    _, data = thieves.write_as(pair.alice.identity.public, bare, stolen)
    with pytest.raises(UsedPreKey):
        pair.deliver(data)


def test_the_thief_of_spk_b_holds_a_conversation_in_a_strangers_name():
    pair = targets.friends()
    stolen = thieves.private_halves(pair, "SPK_B")
    bundle = PreKeyBundle.decode(pair.network.fetch("Bob", "Mallory"))
    stranger = KeyPair.generate().public
    state, data = thieves.write_as(stranger, bundle, stolen)
    assert pair.deliver(data, "Carol") == thieves.LIE
    pair.bob.send("Carol", b"Who are you?")
    ((_, answer),) = pair.network.collect("Carol")
    AD = x3dh.associated_data(stranger, pair.bob.identity.public)
    inner = thieves.Message.decode(answer)
    assert thieves.ratchet.decrypt(state, inner, AD)[1] == b"Who are you?"


def later(**change):
    experiment = scenes.read_later()
    experiment.set(**change)
    return experiment.outcome["verdict"], dict(experiment.outcome["facts"])


def test_forward_secrecy_is_full_weak_or_none():
    assert later()[0] == "holds"
    assert later(one_time=thefts.EMPTY)[0] == "falls"
    assert later(deletes=False)[0] == "falls"
    verdict, facts = later(one_time=thefts.SWAPPED)
    assert (verdict, facts["Bob"]) == ("falls", "refuses: DecryptionFailed")
    for one_time in (thefts.FULL, thefts.EMPTY, thefts.SWAPPED):
        for theft in ("IK_B", "Bob's prekeys"):
            assert later(one_time=one_time, theft=theft, deletes=False)[0] == "holds"


def test_a_refused_message_keeps_its_one_time_key_alive():
    run = thieves.recording(served=SwapOneTime)
    before = set(run.pair.bob.device.ring.one_time)
    with pytest.raises(DecryptionFailed):
        run.pair.deliver(run.data)
    assert set(run.pair.bob.device.ring.one_time) == before


def nowhere(rows):
    """SK, the text and the private EK_A are found at no position."""
    return not any(rows["SK"] + rows["message 1, text"]) and "private" not in "".join(rows["EK_A"])


def test_the_positions_hold_what_the_lesson_says():
    rows = thefts.positions()
    assert nowhere(rows)
    after = {name: cells[-1] for name, cells in rows.items()}
    before = {name: cells[-2] for name, cells in rows.items()}
    assert "private" in before["OPK_B, the used one"] and not after["OPK_B, the used one"]
    assert rows["OPK_B, another one"][:2] == ["", "public"]
    assert rows["message 1, sealed"][:2] == ["yes", "yes"]


def test_the_claim_about_positions_fails_where_a_phone_keeps_the_text(monkeypatch):
    take = thefts.stolen
    monkeypatch.setattr(thefts, "stolen", lambda *holders: take(*holders) | {targets.TEXT})
    assert not nowhere(thefts.positions())


# The generator


@pytest.mark.parametrize("protocol", [x3dh, pqxdh])
def test_a_generator_needs_one_more_key_and_then_everything_falls(protocol):
    with deterministic("generator"), record() as trace:
        pair = targets.friends(protocol, one_time=1)
        before = len(trace.events)
        for one, other in ((pair.alice, pair.bob), (pair.bob, pair.alice)) * 2:
            one.send(other.name, targets.TEXT)
            targets.opened(other)
    made = {e.outputs[0][1] for e in trace.events[before:] if (e.kind, e.actor) == RANDOM_OF_ALICE}
    keys = thieves.private_halves(pair, "IK_A", "IK_B", "SPK_B")
    read = {
        name: sum(v.readable for v in verdicts(trace, made | {key})) for name, key in keys.items()
    }
    assert not any(v.readable for v in verdicts(trace, made))
    assert read == {"IK_A": 4, "IK_B": 0, "SPK_B": 4}


RANDOM_OF_ALICE = ("RANDOM", "Alice")


def test_the_picture_of_the_generator_agrees():
    lineage = scenes.repeated_generator()
    read = {}
    for more in ("IK_A", "IK_B", "SPK_B"):
        lineage.stolen = ["Alice's generator", more]
        read[more] = len(lineage.attack["read"])
    assert read == {"IK_A": 3, "IK_B": 0, "SPK_B": 3}


def test_a_start_value_is_found_by_trying_and_hedging_needs_the_secret():
    data = thieves.written_with(targets.friends(), 41)
    assert set(thieves.guess(data, range(60))) == {"EK_A", "DHs"}
    with pytest.raises(weakened.MissingTerm):
        thieves.guess(data, range(41))
    alice, carol = KeyPair.generate(), KeyPair.generate()
    made = [thieves.hedged(who, bytes(32)) for who in (alice, carol, alice)]
    assert made[0] == made[2] != made[1] != KeyPair.from_private(bytes(32))


# Sessions


def test_bob_answers_in_the_thiefs_session():
    found = thieves.new_session(thieves.talked(targets.friends()))
    assert (found.bob_reads, found.thief_reads, found.sessions) == (thieves.LIE, b"Done. Bob", 2)
    assert found.alice == "refuses: DecryptionFailed"


def test_a_resting_session_does_not_heal_and_the_one_in_use_does():
    pair = thieves.crossed(targets.friends())
    copy = pair.alice.device
    used, resting = copy.sessions[pair.bob.identity.public]
    thieves.talked(pair, 20)
    now = pair.alice.device.sessions[pair.bob.identity.public]
    assert [s.identifier for s in now] == [used.identifier, resting.identifier]
    assert now[1].ratchet == resting.ratchet and now[0].ratchet != used.ratchet
    assert thieves.old_session(pair, copy).thief_reads == b"Done. Bob"
    with pytest.raises(Exception, match="decrypt|tag|discarded|message"):
        healed = thieves.replace(copy, sessions={pair.bob.identity.public: (used,)})
        _, data = thieves.session.send(healed, pair.bob.identity.public, b"still here")
        pair.deliver(data)


def test_a_new_identity_key_shuts_the_old_one_out():
    pair = thieves.talked(targets.friends())
    alice = thieves.Party("Alice", pair.network)
    alice.send("Bob", b"new")
    (first,) = pair.bob.receive()
    pair.bob.accept_change("Alice", alice.identity.public)
    thief = thieves.Party("Alice", pair.network, identity=pair.alice.identity)
    thief.send("Bob", b"old")
    (second,) = pair.bob.receive()
    assert {type(first.error), type(second.error)} == {IdentityMismatch}


# Design B's table: the key figure

GROUPS = ((0,), (1, 2), (3,), (4,), (5, 6), (7,))  # the design's six rows


def standing(rows):
    """The numbers of design B's rows in which every answer stands."""
    whole = [all(row.stands(column) for column in threats.COLUMNS) for row in rows]
    return [n for n, group in enumerate(GROUPS, 1) if all(whole[place] for place in group)]


def test_two_of_design_bs_six_rows_stand():
    rows = threats.rows()
    assert standing(rows) == [1, 3]
    wrong = {(n, c) for n, row in enumerate(rows) for c in threats.COLUMNS if not row.stands(c)}
    secret, bob, alice = threats.COLUMNS
    assert wrong == {(2, secret), (2, alice), (4, alice), (5, secret), (7, bob), (7, alice)}
    assert "Two of design B's six rows stand as they are" in TEXT


def test_a_reason_names_the_keys_of_its_direction():
    found = [thieves.tried(f"write to {one} as {other}", ()).seen for one, other in PEOPLE]
    assert "IK_A or of SPK_B" in found[0] and "IK_B or of SPK_A" in found[1]


PEOPLE = ("Bob", "Alice"), ("Alice", "Bob")


def test_a_server_at_first_contact_is_both_people_whatever_it_has_stolen():
    for names in subsets(PHONES):
        told = oracle()["threats"](attacker(names, serves=True, compared=False))
        assert told["as_alice"] and told["as_bob"] and told["next"]


def test_the_claim_fails_where_spk_b_is_not_in_dh1(monkeypatch):
    monkeypatch.setitem(weakened.PAIRS, "DH1", ("IK_A", "IK_B"))
    assert 4 in standing(threats.rows())


def test_the_design_is_quoted_in_its_own_words():
    said = {words for row in threats.rows() for words, _ in row.says.values()}
    table = TEXT.split("## A table of attackers")[1].split("##")[0]
    missing = [words for words in said if words.replace("…", "messages") not in table]
    assert not missing


# The model stays in step with the package

NAMES = {"dh": dh, "pk": public_key, "encode_key": encode_key, "sign": sign}


def process(name):
    (text,) = re.findall(rf"^let {name} =\n(.*?)\.\n", MODEL, flags=re.M | re.S)
    return text


def play(name, known, model=None):
    """Carry out the `let` lines of a process with the package's functions."""
    values = dict(known, **NAMES, info=x3dh.INFO, F=x3dh.F)
    values["kdf"] = _kdf
    for target, expression in re.findall(r"let (\w+) = (.+) in$", model or process(name), re.M):
        if "open_sealed" not in expression:
            values[target] = eval(expression, {}, values)
    values["AD"] = concat(*values["AD"])
    return values


def _kdf(material, info):
    F, *dhs = material
    assert F == x3dh.F
    return x3dh.derive(tuple(dhs), info=info)


@pytest.fixture
def handshake():
    alice, ek = KeyPair.generate(), KeyPair.generate()
    pair = targets.friends(one_time=1)
    bundle = PreKeyBundle.decode(pair.network.fetch("Bob", "Alice"))
    message, agreement = x3dh.initiate(alice, bundle, ephemeral=ek)
    ring = pair.bob.device.ring
    hers = {"ik_a": alice.private, "ek_a": ek.private, "IK_B": bundle.identity_key}
    hers |= {"SPK_B": bundle.signed_prekey, "OPK_B": bundle.one_time_prekey}
    his = {
        "ik_b": ring.identity.private,
        "spk_b": ring.signed[ring.current].pair.private,
        "opk_b": ring.one_time[bundle.one_time_prekey_id].private,
        "IK_A": message.identity_key,
        "EK_A": message.ephemeral_key,
    }
    return agreement, hers, his, bundle


def in_step(handshake, alice=None, bob=None):
    agreement, hers, his, _ = handshake
    ends = play("Alice", hers, alice), play("Bob", his, bob)
    return all(
        (end["SK"], end["AD"]) == (agreement.secret, agreement.associated_data) for end in ends
    )


def test_the_model_computes_what_the_package_computes(handshake):
    assert in_step(handshake)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DH1, DH2, DH3", "DH2, DH1, DH3"),
        ("dh(ek_a, OPK_B)", "dh(ik_a, OPK_B)"),
        ("DH3, DH4)", "DH3)"),
        ("(encode_key(IK_A), encode_key(IK_B))", "(encode_key(IK_B), encode_key(IK_A))"),
    ],
)
def test_a_model_that_is_changed_is_out_of_step(handshake, old, new):
    assert old in process("Alice")
    assert not in_step(handshake, alice=process("Alice").replace(old, new))


def test_the_model_checks_the_signature_that_the_package_makes(handshake):
    *_, bundle = handshake
    assert "if verify(IK_B, encode_key(SPK_B), signature) = true then" in process("Alice")
    assert "sign(ik_b, encode_key(SPK_B))" in process("Bob")
    verify(bundle.identity_key, encode_key(bundle.signed_prekey), bundle.signed_prekey_signature)


def test_info_and_f_are_the_packages():
    assert f'const info: bitstring.  (* "{x3dh.INFO.decode()}" *)' in MODEL
    assert f"`info` is {len(x3dh.INFO)} bytes and `F` is {len(x3dh.F)}" in TEXT
    assert re.search(rf"const F: bitstring\. +\(\* {len(x3dh.F)} bytes FF \*\)", MODEL)


def test_the_messages_have_the_fields_of_the_wire_in_order():
    fields = [n for n in PreKeyBundle.__dataclass_fields__ if "_id" not in n and "kem" not in n]
    bundle = ["IK_B", "SPK_B", "signature", "OPK_B"]
    assert re.search(r"in\(network, \((.*?)\)\)", process("Alice"))[1] == ", ".join(
        f"{name}: {'bitstring' if name == 'signature' else 'point'}" for name in bundle
    )
    assert [name.removesuffix("_key") for name in fields] == [
        "identity",
        "signed_prekey",
        "signed_prekey_signature",
        "one_time_prekey",
    ]
    first = [n for n in x3dh.InitialMessage.__dataclass_fields__ if "_id" not in n][:2]
    assert first == ["identity_key", "ephemeral_key"]
    assert "out(network, (IK_A, EK_A, seal(SK, text, AD)))" in process("Alice")


def queries():
    return dict(re.findall(r"\(\* (\w+), expected: (true|false) \*\)\nquery", MODEL))


def test_every_query_of_the_model_is_in_the_lesson_with_its_expected_answer():
    found = queries()
    assert len(found) == MODEL.count("\nquery ") == 4
    table = dict(re.findall(r"^\| `(\w+)` \|[^|]+\| (true|false) \|", TEXT, re.M))
    assert table == found
    assert "NOT RUN" in MODEL and "It is not run here" in TEXT


def test_every_name_of_the_model_is_declared_and_every_bracket_closed():
    bare = re.sub(r"\(\*.*?\*\)", " ", MODEL, flags=re.S)
    assert bare.count("(") == bare.count(")") and "*)" not in bare and "(*" not in bare
    declared = set(re.findall(r"(?:fun|const|type|event|let|new) (\w+)", bare))
    declared |= set(re.findall(r"(\w+): (?:scalar|point|key|bitstring)\b", bare))
    declared |= set(re.findall(r"reduc .*?; (\w+)\(", bare))
    declared |= set(re.findall(r"free ([\w, ]+):", bare)[1].split(", "))
    grammar = (
        "free channel private data equation forall reduc query attacker phase process true "
        "network bitstring in out if then let new event text type fun const"
    )
    known = declared | set(grammar.split(" "))
    assert set(re.findall(r"[A-Za-z_]\w*", bare)) <= known


def test_the_two_expected_attacks_run_in_the_course():
    attacks = {"secret_later": later(one_time=thefts.SWAPPED)[0] == "falls"}
    attacks["authentic"] = thieves.tried("write to Bob as Alice", ("SPK_B",)).succeeded
    assert attacks == {name: True for name, answer in queries().items() if answer == "false"}


def test_the_model_travels_with_the_lessons():
    assert course.course_files()["notebooks/14_x3dh.pv"] == MODEL.encode()
