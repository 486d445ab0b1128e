"""Every task is complete, its answer passes, and each of its mistakes is recognised.

One worker answers many tasks at once: a batch holds one submission for each of them.
"""

import itertools
import json
import re

import pytest
from submissions import corpus

from x3dhlab import course
from x3dhlab.grading import engine, feedback, judge, report
from x3dhlab.grading.runner import Submission
from x3dhlab.grading.task import Case, Mistake, Task, Witness
from x3dhlab.grading.tasks import TASKS, generic, of_lesson

EACH = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())


def judged(text, task, seed=7, seconds=2.0):
    (result,) = judged_all(text, [task], seed, seconds)
    return result


def judged_all(text, tasks, seed=7, seconds=2.0):
    submission = Submission("answer.py", text.encode())
    results, _ = engine.judge_submission(submission, tasks, seed, seconds, True)
    return results


def judged_batch(pairs, seed=7):
    """The results of (task, text) pairs, at most one for each task."""
    text = corpus.batch([(task.function, text) for task, text in pairs])
    return judged_all(text, [task for task, _ in pairs], seed)


@EACH
def test_a_task_has_everything_a_learner_needs(task):
    assert task.function in (task.id.split(".")[1], task.id.replace(".", "_"))
    assert of_lesson(task.lesson) and task.points > 0 and task.minutes > 0
    assert all((task.title, task.statement, task.why, task.section, task.reference))
    assert all((task.hints.nudge, task.hints.principle, task.hints.step))
    names = [mistake.name for mistake in task.mistakes]
    assert len(names) >= 5 and len(set(names)) == len(names)
    assert all(mistake.misconception and mistake.cure for mistake in task.mistakes)
    assert task.section.startswith(f"Lesson {task.lesson}, “")
    assert all(name in task.statement + task.signature for name in task.parameters)


def test_every_function_has_one_name_in_the_course():
    names = [task.function for task in TASKS.values()]
    assert len(set(names)) == len(names)


@EACH
def test_the_headings_that_feedback_names_are_in_the_lesson(task):
    lessons = {lesson.number: lesson for lesson in course.lessons()}
    if task.lesson not in lessons:
        pytest.skip(f"lesson {task.lesson} is not written yet")
    path = course.root() / "notebooks" / lessons[task.lesson].file
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join(course.source(cell) for cell in cells if cell["cell_type"] == "markdown")
    headings = {line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("##")}
    sections = [task.section, *(m.section for m in task.mistakes if m.section)]
    named = {name for section in sections for name in re.findall("“(.+?)”", section)}
    assert named <= headings


@EACH
def test_the_reference_passes_with_twenty_seeds(task):
    assert judged(corpus.reference(task), task, range(20)).passed


@EACH
def test_cases_depend_on_the_seed_only(task):
    def inputs(seed):
        return [(case.arguments, case.steps) for case in task.cases(seed)]

    assert task.cases(3) == task.cases(3)
    assert inputs(3) != inputs(4)
    assert [case.about for case in task.cases(3)] and task.tried_on == list(
        dict.fromkeys(case.about for case in task.cases(0))
    )


@pytest.mark.parametrize("place", range(max(len(task.mistakes) for task in TASKS.values())))
def test_a_named_mistake_is_rejected_and_named_in_few_lines(place):
    chosen = [(task, task.mistakes[place]) for task in TASKS.values() if place < len(task.mistakes)]
    pairs = [(task, corpus.mistake(task, mistake)) for task, mistake in chosen]
    for (task, mistake), result in zip(chosen, judged_batch(pairs, seed=11), strict=True):
        found = (task.id, result.passed, result.points, result.mistake)
        assert found == (task.id, False, 0, mistake.name)
        assert mistake.misconception[:40] in result.feedback.likely
        _is_short_and_in_order(report.lines(result))


def _is_short_and_in_order(lines):
    """Called, got, expected, likely mistake, cure, where to read: at most twelve lines."""
    labels = [line.split()[0] for line in lines[1:] if line[2:3].strip()]
    assert labels == ["called", "got", "expected", "likely", "cure", "read"]
    assert len(lines) <= report.LINES and all(len(line) <= report.WIDTH for line in lines)


@EACH
def test_what_is_special_about_a_call_is_never_cut_off(task):
    for case in itertools.chain(*map(task.cases, range(3))):
        called = feedback._show_call(task, case, len(case.steps) or None)
        shown = report.TaskResult("", task.id, "", False, 0, 1, feedback=report.Feedback(called))
        assert "".join(case.about.split()) in "".join("".join(report.lines(shown)).split())


@EACH
def test_no_two_mistakes_and_no_reference_are_alike(task):
    cases = task.cases(5)

    def outcomes(source):
        return [judge.outcome(task, source, case) for case in cases]

    def alike(left, right):
        return all(a.equals(b) for a, b in zip(left, right, strict=True))

    right = outcomes(task.reference)
    found = [(mistake, outcomes(mistake.source)) for mistake in task.mistakes]
    assert not [mistake.name for mistake, ours in found if alike(right, ours)]
    for (one, ours), (other, theirs) in itertools.permutations(found, 2):
        if alike(ours, theirs):
            assert one.tell or other.tell, (one.name, other.name)
            assert not (other.tell and re.search(other.tell, one.source))


@EACH
def test_every_mistake_is_diagnosed_as_itself_with_other_inputs(task):
    for seed in (2, 3):
        cases = task.cases(seed)
        wanted = [judge.outcome(task, task.reference, case) for case in cases]
        for mistake in task.mistakes:
            got = [judge.outcome(task, mistake.source, case) for case in cases]
            found = judge.diagnose(task, cases, wanted, got, mistake.source)
            assert found is mistake, mistake.name


@pytest.mark.parametrize("kind", corpus.LAZY)
def test_a_lazy_submission_fails(kind):
    text = "\n".join(corpus.lazy(task, kind) for task in TASKS.values())
    results = judged_all(text, list(TASKS.values()))
    assert [result.task for result in results if result.passed or result.points] == []


WITNESS_OF_BOTH = {
    ("hunt.find_03", "hunt.find_04"),  # one byte more breaks the tag, too
    ("hunt.find_08", "audit.counterexample_6"),  # the same list, the same gap
    ("audit.counterexample_6", "hunt.find_08"),
}
"""Task and another one whose answer is a true witness for it as well."""


def distances():
    """Every distance between two tasks; each sixth in an ordinary run."""
    for distance in range(1, len(TASKS)):
        yield pytest.param(distance, marks=[] if distance % 6 == 1 else pytest.mark.full)


@pytest.mark.parametrize("distance", [*distances()])
def test_the_answer_to_another_task_fails(distance):
    tasks = list(TASKS.values())
    others = tasks[distance:] + tasks[:distance]
    pairs = [(task, corpus.copy(task, other)) for task, other in zip(tasks, others, strict=True)]
    passed = [result.task for result in judged_batch(pairs) if result.passed]
    right = zip(tasks, others, strict=True)
    assert passed == [task.id for task, o in right if (task.id, o.id) in WITNESS_OF_BOTH]


@pytest.mark.parametrize("way", corpus.WAYS)
def test_delegating_to_the_package_fails_and_is_named(way):
    lessons = dict.fromkeys(task.lesson for task in TASKS.values())
    for tasks in map(of_lesson, lessons):  # an exercise is one file, and has its own modules
        text = "".join(corpus.delegation(task, way) for task in tasks)
        for result in judged_all(text, tasks):
            found = (result.task, result.passed, result.mistake)
            assert found == (result.task, False, "delegated to the package")


def test_a_late_check_is_told_from_a_right_answer_by_one_bundle():
    task = TASKS["x3dh.initiate"]
    late = next(m for m in task.mistakes if m.name == "check after use")
    differing = [
        case.about
        for case in task.cases(1)
        if not judge.outcome(task, late.source, case).equals(
            judge.outcome(task, task.reference, case)
        )
    ]
    assert differing == ["a bundle with a bad signature and a signed prekey of low order"]


def test_a_wrong_secret_is_explained_by_its_kdf_input():
    task = TASKS["x3dh.initiate"]
    text = corpus.reference(task)
    for change, words in [
        (
            "kdf([dhs[1], dhs[0], *dhs[2:]])",
            "bytes 32–95 of the KDF input: DH1 and DH2 are swapped",
        ),
        ("kdf([dhs[0], dhs[2], dhs[1], *dhs[3:]])", "bytes 64–127"),
        ("kdf(dhs[:2] + dhs[3:])", "missing: DH3"),
        ("kdf(dhs + [bytes(32)])", "the last is 32 zero bytes"),
    ]:
        assert words in judged(text.replace(": kdf(dhs)", f": {change}"), task).feedback.got


def test_two_mistakes_at_once_are_named_by_the_case_that_is_shown():
    task = TASKS["x3dh.initiate"]
    wrong = next(m for m in task.mistakes if m.name == "no signature check").source
    text = task.given + wrong.replace(": kdf(dhs)", ": kdf([dhs[1], dhs[0], *dhs[2:]])")
    assert judged(text, task).mistake == "DH1 and DH2 swapped"


def test_a_wrong_answer_that_no_mistake_explains_gets_no_name():
    task = TASKS["start.shared_secret"]
    text = "def shared_secret(a, b):\n    return bytes(x ^ y for x, y in zip(a, b))\n"
    result = judged(text, task)
    assert (result.passed, result.mistake) == (False, "")


def test_a_bytes_subclass_and_a_lying_object_are_not_bytes():
    task = TASKS["start.hello"]
    for text in (
        "class B(bytes): pass\ndef hello(name):\n    return B(b'Hello, ' + name.encode() + b'!')\n",
        "class L:\n    __eq__ = lambda *a: True\ndef hello(name):\n    return L()\n",
        "def hello(name):\n    return bytearray(b'Hello, ' + name.encode() + b'!')\n",
    ):
        assert not judged(text, task).passed


def test_a_right_answer_is_told_what_it_was_tried_on():
    result = judged(corpus.reference(TASKS["keys.encode"]), TASKS["keys.encode"])
    assert "Tried on: a random key; a key that begins with 05; a value of 33 bytes;" in result.why


def test_two_mistakes_at_once_get_a_cause_for_each_wrong_entry():
    task = TASKS["goal.properties"]
    mistakes = (' and scenario["compared"],', ","), (" and kept", "")
    result = judged(generic.replaced(task.reference, *mistakes), task)
    assert (result.passed, result.mistake) == (False, "")
    assert "name_proven: it takes a secret with Bob" in result.feedback.got
    assert "agreed:" not in result.feedback.got
    assert "may be two at once" in result.feedback.likely and result.feedback.cure


@pytest.mark.parametrize(
    ("task", "change", "shown"),
    [
        ("design.score", ("100 * cost //", "100 * cost /"), "{effort: a value of type float}"),
        ("service.rate_limit", ("later - now", "later - 0.0 - now"), "retry_after: a va"),
    ],
)
def test_a_float_inside_a_result_is_named_as_that(task, change, shown):
    result = judged(generic.replaced(TASKS[task].reference, change), TASKS[task])
    assert (result.passed, result.mistake) == (False, "")
    assert shown in result.feedback.got and "float" not in result.feedback.expected
    assert "inside the result is of type float" in result.feedback.likely
    assert "`//`" in result.feedback.cure


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (' if dialect == "postgresql" else ""', "", 'near "FOR": syntax error'),
        ("return [", "return ['BEGIN'][: dialect == 'postgresql'] + [", "without COMMIT"),
    ],
)
def test_what_a_database_says_of_long_statements_is_not_cut_off(old, new, said):
    task = TASKS["store.take_atomically"]
    answer = task.given + generic.replaced(task.reference, (old, new))
    shown = " ".join(report.lines(judged(answer, task)))
    assert said in " ".join(shown.split())


def test_a_wait_that_a_float_made_a_second_too_long_is_explained():
    task = TASKS["service.rate_limit"]
    change = "later - now - credit", "later - now - credit + (credit == -40)"
    assert "one second off" in judged(generic.replaced(task.reference, change), task).feedback.got


def test_an_alien_inside_a_witness_is_no_witness():
    task = TASKS["store.take_atomically"]
    answer = "def take_atomically(dialect):\n    return ['COMMIT', b'', 1.5]\n"
    assert "is of type float" in judged(answer, task).feedback.likely


_TASK = TASKS["ratchet.decrypt"]
_RATCHET = _TASK.given + _TASK.reference


@pytest.mark.parametrize(
    ("right", "wrong", "parts"),
    [
        ("salt=RK, info", 'salt=state["RK"], info', "ratchet.dh_step"),
        ('"DHr": their_key, ', "", "ratchet.dh_step"),
        (
            "        CKr, message_key = kdf_ck(CKr)\n        kept",
            "        message_key, CKr = kdf_ck(CKr)\n        kept",
            "ratchet.skip and ratchet.bounded_skip",
        ),
    ],
)
def test_an_answer_on_wrong_parts_is_sent_to_these_parts(right, wrong, parts):
    assert _RATCHET.count(right) == 1
    result = judged(_RATCHET.replace(right, wrong), _TASK)
    assert not result.passed and not result.mistake
    assert result.feedback.cure.startswith(f"First pass {parts};")


def test_an_answer_on_right_parts_keeps_its_own_cause():
    result = judged(_RATCHET.replace("kept.pop(name", "kept.get(name"), _TASK)
    assert result.mistake == "key not deleted after use"
    assert "First pass" not in result.feedback.cure


def test_where_the_right_value_solves_the_task_only_its_digest_is_shown():
    withheld = [task for task in TASKS.values() if task.withheld]
    assert {task.id for task in withheld} == {"cast.who_stores", "goal.properties"}
    for task in withheld:
        result = judged(corpus.lazy(task, "empty dict"), task)
        assert re.fullmatch(
            "another value; it is not shown. Its salted digest is [0-9a-f]{8}, and yours .{8} "
            "[(]a short fingerprint .*[)]",
            result.feedback.expected,
        )
        assert "were expected" not in result.feedback.likely
    case = task.cases(1)[0]
    assert feedback._digest(case, {"a": 1, "b": 2}) == feedback._digest(case, {"b": 2, "a": 1})
    assert feedback._digest(case, True) != feedback._digest(task.cases(1)[1], True)


def _mistake(task, name):
    (found,) = [mistake for mistake in task.mistakes if mistake.name == name]
    return judged(corpus.mistake(task, found), task)


@pytest.mark.parametrize(
    ("task", "name", "calls", "got"),
    [
        ("prekeys.take_one", "the newest key first", "once", "{id:"),
        ("prekeys.take_one", "taken without removing", "2 times", "1. {id:"),
        ("inbox.accept_once", "unknown key taken for none", "once", "b'Hi Bob"),
        ("inbox.accept_once", "burns first", "2 times", "2. refused (UnknownPreKey)"),
        ("inbox.accept_once", "only the last message remembered", "3 times", "3. b'Hi Bob"),
    ],
)
def test_a_stateful_mistake_is_shown_with_its_shortest_sequence(task, name, calls, got):
    found = _mistake(TASKS[task], name).feedback
    assert found.called.startswith(f"{task.split('.')[1]} {calls}")
    assert got in found.got and found.got != found.expected


def test_refusing_a_second_spelling_at_once_is_as_good_as_recording_the_secret():
    task = TASKS["inbox.accept_once"]
    text = corpus.reference(task).replace(
        "    secret, data",
        '    if message["ephemeral_key"][31] & 128:\n        raise Replayed("spelling")\n'
        "    secret, data",
    )
    text = text.replace('hmac_sha256(secret, b"seen")', 'message["ephemeral_key"]')
    assert judged(text, task).passed


def test_a_state_may_have_any_form():
    task = TASKS["inbox.accept_once"]
    text = corpus.reference(task).replace('[*inbox["seen"], mark]', '{*inbox["seen"], mark}')
    assert judged(text, task).passed


def test_an_error_of_python_in_a_sequence_is_shown_with_its_line():
    task = TASKS["prekeys.take_one"]
    result = judged("def take_one(pool):\n    return [pool, nothing]\n", task)
    assert (result.passed, result.mistake) == (False, "raised NameError")
    assert "nothing" in result.feedback.got and "line 2" in result.feedback.got


@pytest.mark.parametrize(
    ("line", "error", "cause"),
    [
        ("for _ in (): x = 1\n    return x", "UnboundLocalError", "before it has a value"),
        ("return nothing", "NameError", "defined nowhere"),
        ("return (lambda a: a)()", "TypeError", "too many or too few"),
        ("return None + b''", "TypeError", "is None"),
        ("return 3[0]", "TypeError", "used as something"),
        ("return b'' + 'x'", "TypeError", "two types"),
        ("return len(3)", "TypeError", "does not take"),
        ("return None.x", "AttributeError", "is None"),
        ("return b''.x", "AttributeError", "no attribute"),
        ("return {}[1]", "KeyError", "no entry"),
        ("return [][0]", "IndexError", "shorter"),
        ("a, b = 1, 2, 3", "ValueError", "number of names"),
        ("return int('x')", "ValueError", "content"),
        ("return (-1).to_bytes(4, 'big')", "OverflowError", "does not fit"),
        ("return b'\\xff'.decode()", "UnicodeDecodeError", "no text"),
        ("return 1 % 0", "ZeroDivisionError", "zero"),
        ("return next(iter(()))", "StopIteration", "empty"),
        ("d = {1: 1}\n    for k in d: d[k + 1] = 1", "RuntimeError", "changed while"),
        ("return make_batch(*a)", "RecursionError", "calls itself"),
        ("assert not a", "AssertionError", "assert"),
        ("import nothing_like_this", "ModuleNotFoundError", "may not use"),
        ("return open('/etc/nothing')", "FileNotFoundError", "Python stopped"),
        ("raise type('Mine', (Exception,), {})", "Mine", "error of its own"),
        ("raise SystemExit", "SystemExit", "Python stopped"),
        ("raise NotImplementedError", "NotImplementedError", "still the stub"),
    ],
)
def test_an_error_of_the_answers_own_python_has_a_likely_cause_and_a_cure(line, error, cause):
    found = judged(f"def make_batch(*a):\n    {line}\n", TASKS["prekeys.make_batch"])
    assert found.mistake == f"raised {error}"
    assert cause in found.feedback.likely and found.feedback.cure


REFUSING = [task for task in TASKS.values() if re.search(r"raise \w+\(", task.reference)]


@pytest.mark.parametrize("task", REFUSING, ids=[task.id for task in REFUSING])
def test_an_error_raised_without_its_text_is_explained_as_that(task):
    bare = re.sub(r"raise (\w+)\(.*\)", r"raise \1", corpus.reference(task))
    found = judged(bare, task)
    assert found.mistake == "raised TypeError"
    assert "without a text" in found.feedback.likely
    assert re.search(r'raise \w+\("what is wrong"\)', found.feedback.cure)


def test_an_exercise_that_asks_to_raise_shows_how():
    shown = {}
    for path in (course.root() / "exercises").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join(course.source(cell) for cell in cells)
        shown[path.name[:2]] = re.search(r'raise (?!NotImplemented)\w+\("', text)
    lessons = {task.lesson for task in REFUSING} & set(shown)
    assert {"02", "06", "08", "10", "12"} <= lessons
    assert [lesson for lesson in sorted(lessons) if not shown[lesson]] == []


def test_a_long_call_keeps_its_short_arguments():
    task = TASKS["matrix.readable"]
    for case in task.cases(7):
        called = feedback._show_call(task, case, None)
        assert f"after={case.arguments[2]})" in called and case.about in called


def test_entries_that_are_right_are_said_to_be_right():
    task = TASKS["braid.chunks_needed"]
    below = generic.replaced(corpus.reference(task), ("max(0, ", "("))
    assert judged(below, task).feedback.got.endswith("}, and the right value for the rest")
    none = generic.replaced(corpus.reference(task), ("max(0, ", "(-100 - "))
    assert "for the rest" not in judged(none, task).feedback.got


@pytest.mark.parametrize("mark", ['hmac_sha256(secret, b"seen")', "secret", "message"])
@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("left", 'inbox["seen"].append(mark)'),
        ("left", 'inbox["seen"] = [*inbox["seen"], mark]'),
        ("return", 'inbox.update(one_time_prekeys=left, seen=[*inbox["seen"], mark])'),
        ("return", "one_time.pop(number, None)"),
        ("plaintext", 'inbox["seen"].append(mark)'),
        ("plaintext", "one_time.pop(number, None)"),
        ("secret", 'inbox["one_time_prekeys"] = {}'),
    ],
)
def test_an_inbox_that_is_changed_in_place_has_a_likely_cause_and_a_cure(before, line, mark):
    task = TASKS["inbox.accept_once"]
    text = generic.replaced(task.reference, (f"    {before}", f"    {line}\n    {before}"))
    text = text.replace('hmac_sha256(secret, b"seen")', mark)
    found = judged(task.given + text, task)
    assert not found.passed and found.feedback.likely and found.feedback.cure


@pytest.mark.parametrize("form", ["secret", "secret.hex()", "(1, {secret + b'x'})"])
def test_a_secret_that_is_kept_where_a_digest_should_be_is_named(form):
    task = TASKS["inbox.accept_once"]
    text = corpus.reference(task).replace('hmac_sha256(secret, b"seen")', form)
    found = judged(text, task)
    assert found.mistake == "the secret as the record"
    assert "what is kept holds SK" in found.feedback.got


@pytest.mark.parametrize(
    "line",
    [
        "if verify(*a): return k",
        "if (verify(*a)):\n        return k",
        "ok=verify(*a)\n    if ok:\n        return k",
        "return verify(*a) and k",
        "return k if bool(verify(*a)) else None",
    ],
)
def test_the_text_tells_why_nothing_came_back(line):
    task = TASKS["keys.check_signed_prekey"]
    head = "def check_signed_prekey(i, k, s):\n    a = (i, encode_key(k), s)\n    "
    assert judged(f"{task.given}{head}{line}\n", task).mistake == "verdict taken as truth value"
    other = f"{head}verify(*a)  # if verify(*a)\n"
    assert judged(task.given + other, task).mistake == "nothing returned"


@pytest.mark.parametrize("steps", [3, [3], [["gave"]], [["won", 1]], [["gave", 1]] * 9, []])
def test_malformed_steps_are_no_answer(steps):
    task = TASKS["prekeys.take_one"]
    case = task.cases(1)[0]
    fact = {"returned": judge.plain.encode(steps), "after": [], "kept": {"list": []}}
    assert judge.heard(fact, case) is None


def test_a_more_exact_refusal_is_right_and_a_wider_one_is_not():
    wanted = judge.Outcome(error="Malformed")
    assert wanted.equals(judge.Outcome(error="Truncated"))
    assert not judge.Outcome(error="Truncated").equals(wanted)
    assert not wanted.equals(judge.Outcome(error="BadSignature"))
    assert not wanted.equals(judge.Outcome(error="!ValueError"))


@pytest.mark.parametrize(
    ("task", "name", "words"),
    [
        ("kdf.x3dh_secret", "DH1 and DH2 swapped", "bytes 32–95 of the KDF input: DH1 and DH2"),
        ("kdf.x3dh_secret", "no F", "missing: F"),
        ("kdf.x3dh_secret", "zeros for F", "bytes 0–31 of the KDF input: 32 zero bytes stands"),
        ("x3dh.respond", "DH1 and DH2 swapped", "bytes 32–95 of the KDF input: DH1 and DH2"),
        ("x3dh.respond", "EK where IK belongs", "bytes 32–63 of the KDF input: DH3 stands where"),
        ("kdf.bind", "label without length", "bytes 0–3 of the info, the length of the label"),
        ("kdf.associated_data", "raw keys", "bytes 0–31 are IK_A, bytes 32–63 are IK_B"),
    ],
)
def test_a_derived_value_is_explained_by_its_labelled_input(task, name, words):
    assert words in _mistake(TASKS[task], name).feedback.got


def test_a_valid_signature_with_another_nonce_is_explained():
    task = TASKS["prekeys.bundle"]
    text = corpus.reference(task).replace(", nonce=nonce)", ")")
    assert "without the given nonce" in judged(text, task).feedback.got


# Tasks that look for a witness: many answers are right


def _unequal_pair(case, value):
    (limit,) = case.arguments
    left, right = value
    if left == right:
        return "Both numbers are the same."
    return "" if left % limit == right % limit else "The remainders differ."


COLLIDE = Task(
    id="hunt.collide",
    lesson="15",
    title="",
    signature="collide(limit: int) -> list",
    statement="",
    why="It is a pair.",
    points=1,
    minutes=1,
    section="",
    modules=(),
    hints=None,
    reference="def collide(limit):\n    return [0, limit]\n",
    cases=lambda seed: [Case((seed + n,), "a limit") for n in (2, 5)],
    mistakes=(
        Mistake("the same twice", "def collide(limit):\n    return [7, 7]\n", "One input.", "Two."),
    ),
    witness=Witness("two numbers with the same remainder", _unequal_pair),
)


@pytest.mark.parametrize(
    ("answer", "objection"),
    [
        ("[limit + 1, 1]", ""),
        ("[0, limit]", ""),
        ("[0, 1]", "The remainders differ."),
        ("[4, 4]", "Both numbers are the same."),
        ("None", "it is None"),
        ("[1, 2, 3]", "another form"),
        ("'ab'", "another form"),
        ("[[], {}]", "another form"),
    ],
)
def test_any_witness_passes_and_an_objection_is_said(answer, objection):
    result = judged(f"def collide(limit):\n    return {answer}\n", COLLIDE)
    assert result.passed == (not objection)
    if objection and answer != "None":
        assert objection in result.feedback.got
        assert result.feedback.expected == COLLIDE.witness.goal


def test_a_mistake_is_named_by_its_objection():
    result = judged("def collide(limit):\n    return [4, 4]\n", COLLIDE)
    assert (result.mistake, result.feedback.likely) == ("the same twice", "One input.")
    assert judged("def collide(limit):\n    return [0, 1]\n", COLLIDE).mistake == ""
