"""The room of a workshop: joining, hostile input, restart and end; and what leaves a laptop."""

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from importlib.resources import files

import httpx
import pytest

from x3dhlab import cli, course, progress
from x3dhlab.classroom import places, reporter, room, server
from x3dhlab.classroom.places import Event
from x3dhlab.course import CourseProblem
from x3dhlab.service.guard import CLIENTS

TASK, PREDICTION, QUESTION = "x3dh.initiate", "04.kci", "04.empty-pool"
MISTAKE = next(iter(places.of_course()[TASK].mistakes))
OPTIONS = places.of_course()[PREDICTION].options
FAILED = Event(TASK, "failed", MISTAKE)
HERE = "192.0.2.7"


@pytest.fixture
def kept(tmp_path):
    """A room on a file of its own."""
    made = room.Room(tmp_path / "room.db")
    yield made
    made.close()


@pytest.fixture
def desk(kept):
    """The page of that room, asked without a network."""
    return Desk(kept)


class Desk:
    """Asks the application as the address `client`."""

    def __init__(self, kept, **limits):
        self.room, self.app = kept, server.application(kept, **limits)

    async def request(self, method, path, *, client=HERE, token="", **content):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, client=(client, 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://room") as asking:
            headers |= content.pop("headers", {})
            return await asking.request(method, path, headers=headers, **content)

    def get(self, path, **facts):
        return asyncio.run(self.request("GET", path, **facts))

    def post(self, path, json=None, **facts):
        return asyncio.run(self.request("POST", path, json=json, **facts))

    def join(self, name, **facts):
        return self.post("/api/join", {"code": self.room.code, "name": name}, **facts)

    def report(self, token, *events, first=1):
        told = [reporter._said(event) for event in events]
        return self.post("/api/report", {"first": first, "events": told}, token=token)

    def names(self):
        state = self.get("/api/room", token=self.room.token).json()
        return [learner["name"] for learner in state["learners"]]


def rows(kept, table):
    return [tuple(row) for row in kept._rows(f"SELECT * FROM {table}")]


# Joining


def test_a_code_may_be_typed_in_small_letters_with_spaces(kept):
    typed = f" {kept.code[:3].lower()} {kept.code[3:].lower()} "
    assert kept.join(typed, "Ana").name == "Ana"


@pytest.mark.parametrize("code", ["", "AAAAAA", "é" * 6, "\ud800", "A" * 200])
def test_a_wrong_code_lets_nobody_in(desk, code):
    asked = json.dumps({"code": code, "name": "Ana"}).encode()
    answer = desk.post("/api/join", content=asked, headers={"Content-Type": "application/json"})
    assert answer.status_code in (403, 422) and desk.names() == []


def test_nicknames_are_made_unique_and_stay_short(kept):
    joined = [
        kept.join(kept.code, name).name for name in ("Ana", "ana", "ＡＮＡ", "x" * 24, "X" * 24)
    ]
    assert joined == ["Ana", "ana 2", "ＡＮＡ 3", "x" * 24, "X" * 22 + " 2"]


@pytest.mark.parametrize(
    "name", ["Zoë", "李明", "Ana-Luísa O'Neill", "user_7", "Dr. X", " two  words "]
)
def test_a_name_of_letters_digits_and_a_few_signs_is_welcome(kept, name):
    assert kept.join(kept.code, name).name == " ".join(name.split())


@pytest.mark.parametrize(
    "name",
    ["", "   ", "x" * 25, "<script>alert(1)</script>", "<b>", "a&b", 'a"b', "-a", "a\x00b",
     "a\x1b[2J", "\u202eana", "a\u200bb", "a/../b", "=1+1", "😀", "\u0301a"],
)  # fmt: skip
def test_any_other_name_is_refused(desk, name):
    answer = desk.join(name)
    assert answer.status_code == 422 and "nickname" in answer.json()["problem"].lower()
    assert desk.names() == []


def test_a_token_brings_a_learner_back_under_the_same_name(kept):
    first = kept.join(kept.code, "Ana")
    kept.report(first.token, 1, [FAILED] * 3)
    assert kept.join(kept.code, "Ana", first.token) == room.Joined(first.token, "Ana", 3)
    assert kept.join(kept.code, "Ana", "forged").name == "Ana 2"


# What is counted


def test_three_times_the_same_mistake_is_stuck_until_a_pass(kept):
    token = kept.join(kept.code, "Ana").token
    kept.report(token, 1, [FAILED] * (room.STUCK - 1))
    assert kept.snapshot()["learners"][0]["stuck"] == []
    kept.report(token, room.STUCK, [FAILED])
    told = {"place": TASK, "mistake": MISTAKE, "times": room.STUCK}
    assert kept.snapshot()["learners"][0]["stuck"] == [told]
    kept.report(token, room.STUCK + 1, [Event(TASK, "passed")])
    assert kept.snapshot()["learners"][0]["stuck"] == []
    (task,) = kept.snapshot()["tasks"]
    assert (task["passed"], task["tried"], task["mistakes"][0]["times"]) == (1, 1, room.STUCK)


def test_two_mistakes_twice_each_are_not_stuck(kept):
    token, other = kept.join(kept.code, "Ana").token, list(places.of_course()[TASK].mistakes)[1]
    kept.report(token, 1, [FAILED, Event(TASK, "failed", other)] * (room.STUCK - 1))
    assert kept.snapshot()["learners"][0]["stuck"] == []


def test_an_event_that_comes_again_is_counted_once(kept):
    token = kept.join(kept.code, "Ana").token
    assert [kept.report(token, 1, [FAILED, FAILED]) for _ in range(5)] == [2] * 5
    assert kept.report(token, 2, [FAILED, FAILED]) == 3
    assert kept.snapshot()["tasks"][0]["mistakes"][0]["times"] == 3


def test_the_first_prediction_counts_and_after_the_reveal_none(kept):
    tokens = [kept.join(kept.code, name).token for name in ("Ana", "Ben", "Cleo")]
    first, second = (Event(PREDICTION, option=option.key) for option in OPTIONS[:2])
    kept.report(tokens[0], 1, [first, second])
    kept.report(tokens[1], 1, [second])
    assert kept.shown() == {"learners": 3, "shown": None}
    kept.reveal(PREDICTION)
    kept.report(tokens[2], 1, [first])
    shown = kept.shown()["shown"]
    assert [option["count"] for option in shown["options"]][:2] == [1, 1]
    assert (shown["answers"], shown["late"], shown["revealed"]) == (2, 1, True)
    assert [option["text"] for option in shown["options"] if option["correct"]]
    kept.reveal(None)
    assert kept.shown()["shown"] is None


def test_every_prediction_of_the_course_has_one_right_option_or_none_and_different_keys():
    asked = [place for place in places.of_course().values() if place.kind == "prediction"]
    assert asked
    for place in asked:
        assert len({option.key for option in place.options}) == len(place.options) > 2
        assert sum(option.correct for option in place.options) <= 1


# Who may see and do what


@pytest.mark.parametrize("path", ["/api/room", "/api/reveal", "/api/end"])
def test_a_learners_token_opens_nothing_of_the_instructor(desk, path):
    learner = desk.join("Ana").json()["token"]
    for token in ("", learner, "é", desk.room.code):
        headers = {"Authorization": f"Bearer {token}".encode("latin-1")}
        ask = desk.get if path == "/api/room" else desk.post
        facts = {} if path == "/api/room" else {"json": {"place": PREDICTION}}
        assert ask(path, headers=headers, **facts).status_code == 401
    assert desk.room.kept("shown") == "" and desk.room.file.exists()


def test_the_class_page_knows_no_name_and_no_prediction_before_the_reveal(desk):
    token = desk.join("Ana").json()["token"]
    desk.report(token, Event(PREDICTION, option=OPTIONS[0].key), FAILED)
    told = desk.get("/api/class").text
    assert "Ana" not in told and PREDICTION not in told and MISTAKE not in told
    assert desk.post("/api/reveal", {"place": PREDICTION}, token=desk.room.token).is_success
    told = desk.get("/api/class").text
    assert PREDICTION in told and "Ana" not in told


@pytest.mark.parametrize("place", ["", "04.nothing", TASK, QUESTION, "<script>"])
def test_only_a_prediction_can_be_revealed(desk, place):
    answer = desk.post("/api/reveal", {"place": place}, token=desk.room.token)
    assert (answer.status_code == 422) == bool(place)
    assert desk.room.kept("shown") == ""


def test_a_page_that_waits_is_told_what_is_new(desk):
    async def story():
        before = (await desk.request("GET", "/api/class")).json()["version"]
        ask = desk.request("GET", "/api/class", params={"since": before})
        waiting = asyncio.create_task(ask)
        asked = {"code": desk.room.code, "name": "Ana"}
        await desk.request("POST", "/api/join", json=asked)
        return before, (await asyncio.wait_for(waiting, 60)).json()

    before, after = asyncio.run(story())
    assert after["learners"] == 1 and after["version"] != before


def test_a_page_that_waits_in_vain_gets_the_same_state(desk, monkeypatch):
    monkeypatch.setattr(server, "PATIENCE", 0.001)
    before = desk.get("/api/class").json()
    assert desk.get("/api/class", params={"since": before["version"]}).json() == before


def test_only_so_many_pages_wait(desk, monkeypatch):
    monkeypatch.setattr(server, "MOST_WAITING", 0)
    before = desk.get("/api/class").json()
    assert desk.get("/api/class", params={"since": before["version"]}).json() == before


# Hostile input


MALFORMED = {
    "nothing": b"",
    "half": b'{"code": ',
    "no object": b"[]",
    "deep": b"[" * 15000,
    "deep objects": b'{"a":' * 3000,
    "no text": b"\xff\xfe\x00",
    "half a pair": b'{"code": "\\ud800", "name": "\\udfff"}',
    "numbers": b'{"code": 1, "name": 2}',
    "a long number": b'{"first": 1' + b"0" * 5000 + b', "events": []}',
    "not a number": b'{"first": NaN, "events": [{"place": "a"}]}',
    "negative": b'{"first": -1, "events": [{"place": "a"}]}',
    "beyond the column": b'{"first": 9223372036854775808, "events": [{"place": "a"}]}',
    "a flag": b'{"first": true, "events": [{"place": "a"}]}',
    "too many": json.dumps({"first": 1, "events": [{"place": "a"}] * 21}).encode(),
    "none": b'{"first": 1, "events": []}',
    "long words": json.dumps({"first": 1, "events": [{"place": "a" * 201}]}).encode(),
    "a further field": b'{"first": 1, "events": [{"place": "a", "code": "x = 1"}]}',
    "twice": b'{"code": "A", "code": {}, "name": "b"}',
}


@pytest.mark.parametrize("path", ["/api/join", "/api/report", "/api/reveal"])
@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused_and_nothing_is_said_back(desk, path, content):
    token = desk.room.token if path == "/api/reveal" else desk.join("Ana").json()["token"]
    headers = {"Content-Type": "application/json"}
    answer = desk.post(path, content=content, token=token, headers=headers)
    assert 400 <= answer.status_code < 500
    assert list(answer.json()) == ["problem"] and len(answer.content) < 300
    assert desk.join("Ben").is_success


def test_what_is_not_called_json_is_refused(desk):
    asked = json.dumps({"code": desk.room.code, "name": "Ana"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = desk.post("/api/join", content=asked, headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert desk.names() == []


def test_what_is_too_long_is_refused_before_it_is_read_to_its_end(desk):
    read = []

    async def endless():
        while True:
            read.append(server.BODY_LIMIT)
            yield b" " * server.BODY_LIMIT

    assert desk.post("/api/join", content=endless()).status_code == 413
    assert desk.post("/api/join", content=b"x" * (server.BODY_LIMIT + 1)).status_code == 413
    assert len(read) <= 3 and desk.join("Ana").is_success


def test_a_request_that_never_arrives_is_given_up(desk, monkeypatch):
    monkeypatch.setattr(server, "BODY_SECONDS", 0.001)
    told = []

    async def story():
        async def send(message):
            told.append(message)

        await desk.app({"type": "http", "client": (HERE, 5)}, asyncio.Event().wait, send)

    asyncio.run(story())
    assert told[0]["status"] == 408


def test_ten_thousand_joins_from_one_address_harm_nobody(kept):
    desk = Desk(kept)
    token = desk.join("Ana").json()["token"]

    async def flood():
        transport = httpx.ASGITransport(desk.app, client=("198.51.100.9", 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://room") as asking:
            asked = {"code": kept.code, "name": "Mallory"}
            sent = [await asking.post("/api/join", json=asked) for _ in range(10_000)]
        return [answer.status_code for answer in sent]

    codes = asyncio.run(flood())
    assert set(codes) <= {200, 429, 503} and codes.count(429) > 5_000
    assert desk.report(token, FAILED).is_success
    assert "Ana" in desk.names() and len(desk.names()) <= room.MOST_LEARNERS
    assert desk.join("Ben").is_success


def test_ten_thousand_joins_from_everywhere_push_out_only_who_did_nothing(kept):
    token = kept.join(kept.code, "Ana").token
    kept.report(token, 1, [FAILED])
    for number in range(10_000):
        kept.join(kept.code, f"m{number}")
    names = [learner["name"] for learner in kept.snapshot()["learners"]]
    assert "Ana" in names and len(names) == room.MOST_LEARNERS
    assert kept.report(token, 2, [FAILED]) == 2


def test_a_room_full_of_learners_at_work_refuses_one_more(kept, monkeypatch):
    monkeypatch.setattr(room, "MOST_LEARNERS", 2)
    for name in ("Ana", "Ben"):
        kept.report(kept.join(kept.code, name).token, 1, [FAILED])
    with pytest.raises(room.NotAllowed) as refused:
        kept.join(kept.code, "Cleo")
    assert refused.value.data["status"] == 503


def test_each_client_has_a_rate_and_the_list_of_clients_is_bounded():
    now = [0.0]
    rate = server.Rate(3, 1, clock=lambda: now[0])
    assert [rate.take("a") for _ in range(5)] == [True] * 3 + [False] * 2
    assert rate.take("b")
    now[0] += 2
    assert [rate.take("a") for _ in range(3)] == [True, True, False]
    for number in range(2 * CLIENTS):
        rate.take(str(number))
    assert len(rate._buckets) == CLIENTS


def test_a_learner_who_reports_without_end_is_slowed_and_the_others_are_not(desk):
    ana, ben = (desk.join(name).json()["token"] for name in ("Ana", "Ben"))
    codes = [desk.report(ana, FAILED, first=n + 1).status_code for n in range(100)]
    assert codes[0] == 200 and 429 in codes
    assert desk.report(ben, FAILED).is_success


def test_one_address_is_slowed_whatever_it_asks(kept):
    desk = Desk(kept, everything=lambda: server.Rate(3, 0.001))
    codes = [desk.get("/nothing").status_code for _ in range(5)]
    assert codes == [404] * 3 + [429] * 2
    assert desk.get("/", client="192.0.2.8").is_success


def test_no_word_that_is_not_the_courses_is_kept(desk):
    token = desk.join("Ana").json()["token"]
    bad = "<img src=x onerror=alert(1)>"
    told = [
        Event(bad),
        Event(TASK, bad, bad, bad),
        Event(TASK, "failed", f"raised {bad}"),
        Event(PREDICTION, option=bad),
        Event(PREDICTION, "passed", MISTAKE),
    ]
    assert desk.report(token, *told).is_success
    desk.room._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"onerror" not in desk.room.file.read_bytes()
    assert "onerror" not in desk.get("/api/room", token=desk.room.token).text
    names = [row[2] for row in rows(desk.room, "mistakes")]
    assert names == [places.SOME_ERROR]


def test_a_client_cannot_make_the_file_grow(kept):
    token = kept.join(kept.code, "Mallory").token
    everything = [
        Event(place.id, "failed", mistake, option.key if option else "")
        for place in places.of_course().values()
        for mistake in ("", *place.mistakes)
        for option in (*place.options, None)
    ]
    sizes = []
    for turn in range(3):
        kept.report(token, 1 + turn * len(everything), everything)
        sizes.append([len(rows(kept, name)) for name in ("chosen", "tried", "mistakes")])
    assert sizes[0] == sizes[1] == sizes[2] and all(sizes[0])


@pytest.mark.parametrize(
    "path", ["/", "/class", "/static/room.js", "/api/class", "/api/room", "/no"]
)
def test_every_answer_forbids_what_is_not_the_pages_own(desk, path):
    headers = desk.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"


def test_a_refusal_carries_the_same_headers(kept):
    desk = Desk(kept, everything=lambda: server.Rate(1, 0))
    answers = [desk.post("/api/join", content=b"x" * 99_999), desk.get("/")]
    assert [answer.status_code for answer in answers] == [413, 429]
    assert all("Content-Security-Policy" in answer.headers for answer in answers)


def test_the_pages_ask_nobody_else_and_hold_no_script_of_their_own():
    static = files("x3dhlab.classroom") / "static"
    texts = {n: (static / n).read_text() for n in [*server.PAGES.values(), *server.FILES]}
    for name, text in texts.items():
        assert not re.search(r"https?://|//\w+\.|innerHTML|eval\(", text), name
    for name in server.PAGES.values():
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=", texts[name])
    assert re.search("https?://", "see http://there")


def test_the_description_of_the_interface_is_not_served(desk):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert desk.get(path).status_code == 404


# Restart and end


def test_a_restart_loses_nothing(kept):
    token = kept.join(kept.code, "Ana").token
    kept.report(token, 1, [FAILED, Event(PREDICTION, option=OPTIONS[1].key)])
    kept.reveal(PREDICTION)
    before = kept.snapshot() | {"now": 0}
    kept.close()
    again = room.Room(kept.file)
    assert again.snapshot() | {"now": 0} == before
    assert (again.code, again.token) == (kept.code, kept.token)
    assert again.report(token, 3, [FAILED]) == 3
    again.close()


def test_the_end_deletes_every_file(kept):
    kept.report(kept.join(kept.code, "Ana").token, 1, [FAILED])
    assert len(list(kept.file.parent.iterdir())) > 1  # what SQLite keeps beside it
    kept.end()
    assert list(kept.file.parent.iterdir()) == []
    with pytest.raises(room.NotAllowed, match="ended"):
        kept.snapshot()


def test_what_a_killed_server_left_beside_its_file_is_deleted_too(kept, tmp_path):
    kept.join(kept.code, "Ana")
    left = tmp_path / "left"
    left.mkdir()
    for path in tmp_path.glob("room.db*"):
        (left / path.name).write_bytes(path.read_bytes())
    assert len(list(left.iterdir())) == 3
    room.delete(left / "room.db")
    assert list(left.iterdir()) == []


def test_after_the_end_everybody_is_told_so(desk):
    token = desk.join("Ana").json()["token"]
    assert desk.post("/api/end", {}, token=desk.room.token).is_success
    answers = [desk.report(token, FAILED), desk.join("Ben"), desk.get("/api/class")]
    assert [answer.status_code for answer in answers] == [410] * 3
    assert not desk.room.file.exists()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_only_its_owner_reads_the_file(kept):
    assert kept.file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"my notes", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_no_room_is_left_alone(tmp_path, content):
    file = tmp_path / "mine.db"
    file.write_bytes(content)
    for act in (room.Room, room.delete, server.end):
        with pytest.raises(CourseProblem, match="no room"):
            act(file)
    assert file.read_bytes() == content and list(tmp_path.iterdir()) == [file]


def test_the_end_of_no_room_is_one_sentence(tmp_path):
    with pytest.raises(CourseProblem, match="There is no room"):
        server.end(tmp_path / "nothing.db")


def test_a_busy_port_is_named(kept):
    with contextlib.closing(server._listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CourseProblem, match=f"port {port} is busy"):
            server.serve(kept.file, port=port)


def test_the_terminal_says_who_reaches_the_room(kept):
    told = []
    server._tell(kept, "127.0.0.1", 1, told.append)
    server._tell(kept, "0.0.0.0", 1, told.append)
    told = "\n".join(told)
    assert "Only this machine reaches the room" in told and "--host 0.0.0.0" in told
    assert "Everybody in this network reaches the room. The connection is not encrypted." in told
    assert told.count(f"http://127.0.0.1:1/#{kept.token}") == 2  # it never crosses the network


SERVE = "from x3dhlab.classroom import server; server.serve({!r})"


@contextlib.contextmanager
def served(file):
    """The command in a process of its own. Yields the process and its address."""
    command = [sys.executable, "-u", "-c", SERVE.format(str(file))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = iter(process.stdout.readline, "")
        address = next(m[1] for m in (re.search(r"(http\S+)/class", line) for line in told) if m)
        try:
            yield process, address
        finally:
            if process.poll() is None:
                process.kill()


def test_a_killed_server_goes_on_and_the_command_ends_a_running_one(tmp_path):
    file = tmp_path / "room.db"
    with served(file) as (process, address):
        kept = room.Room(file)
        code = kept.code
        kept.close()
        asked = {"code": code, "name": "Ana"}
        joined = httpx.post(f"{address}/api/join", json=asked).json()
        bearer = {"Authorization": f"Bearer {joined['token']}"}
        told = {"first": 1, "events": [reporter._said(FAILED)]}
        assert httpx.post(f"{address}/api/report", json=told, headers=bearer).is_success
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    with served(file) as (process, address):
        told["first"] = 2
        answer = httpx.post(f"{address}/api/report", json=told, headers=bearer)
        assert answer.json() == {"seen": 2}
        with pytest.raises(CourseProblem, match="runs already"):
            server.serve(file)
        said = []
        server.end(file, say=said.append)
        assert process.wait(60) == 0 and "Deleted" in said[0]
    assert list(tmp_path.iterdir()) == []


# A learner's laptop


class Wire:
    """A stand-in for the network that can break; keeps what the room was asked."""

    def __init__(self, desk):
        self.desk, self.broken, self.asked, self.answer = desk, "", [], None

    def __call__(self, request):
        if self.broken == "gone":
            raise httpx.ConnectError("no route", request=request)
        self.asked.append(request)
        if self.answer is not None:
            return self.answer
        headers = {name: request.headers[name] for name in request.headers if name != "host"}
        facts = {"content": request.content, "headers": headers}
        answer = self.desk.post(request.url.path, **facts)
        if self.broken == "answer lost":
            raise httpx.ReadTimeout("no answer", request=request)
        return httpx.Response(answer.status_code, content=answer.content)


@pytest.fixture
def file(tmp_path):
    """The progress file of a workspace."""
    path = tmp_path / "work" / progress.FOLDER / progress.FILE
    path.parent.mkdir(parents=True)
    path.touch()
    return path


@pytest.fixture
def wire(desk):
    return Wire(desk)


@pytest.fixture
def laptop(wire, file):
    """Makes a reporter without its thread, and the list of what it said on the terminal."""

    def make(name="Ana", code=None):
        said = []
        code = wire.desk.room.code if code is None else code
        transport = httpx.MockTransport(wire)
        facts = {"say": said.append, "transport": transport}
        return reporter.Reporter(file, "http://room:1", name, code, **facts), said

    return make


def fail(file, mistake=MISTAKE, task=TASK):
    fact = {"passed": False, "points": 0, "mistake": mistake}
    progress.record("task", task, fact, file=file)


def times(kept):
    return sum(row[3] for row in rows(kept, "mistakes"))


def test_what_a_learner_does_reaches_the_page(laptop, file, kept):
    ana, _ = laptop()
    assert ana.look()
    fail(file)
    progress.record("prediction", PREDICTION, {"choice": OPTIONS[2].text}, file=file)
    progress.record("answer", QUESTION, {"choices": ["x"], "correct": True}, file=file)
    assert ana.look()
    state = kept.snapshot()
    assert state["learners"][0]["place"] == QUESTION
    assert state["learners"][0]["verdict"] == "passed"
    assert state["predictions"][0]["options"][2]["count"] == 1
    assert state["tasks"][0]["mistakes"][0]["name"] == MISTAKE


def test_what_was_done_before_joining_is_not_told(laptop, file, kept):
    fail(file)
    ana, _ = laptop()
    ana.look()
    assert kept.snapshot()["tasks"] == []


def test_a_line_that_is_half_written_is_told_when_it_is_whole(laptop, file, kept):
    ana, _ = laptop()
    fail(file)
    line = file.read_bytes()
    file.write_bytes(line[:20])
    ana.look()
    assert times(kept) == 0
    file.write_bytes(line + b"not json\n[]\n")
    ana.look()
    assert times(kept) == 1


def test_a_page_that_is_gone_costs_one_line_and_loses_nothing(laptop, file, kept, wire):
    ana, said = laptop()
    ana.look()
    wire.broken = "gone"
    for _ in range(30):
        fail(file)
        assert not ana.look()
    assert said.count(reporter.GONE) == 1
    wire.broken = ""
    assert ana.look() and times(kept) == 30
    assert ana.look() and times(kept) == 30


def test_an_answer_that_is_lost_counts_nothing_twice(laptop, file, kept, wire):
    ana, _ = laptop()
    ana.look()
    wire.broken = "answer lost"
    for _ in range(3):
        fail(file)
        assert not ana.look()
    wire.broken = ""
    assert ana.look() and times(kept) == 3


def test_a_room_that_comes_late_is_joined_later(laptop, file, kept, wire):
    wire.broken = "gone"
    ana, said = laptop()
    fail(file)
    assert not ana.look() and said == [reporter.GONE]
    wire.broken = ""
    assert ana.look() and times(kept) == 1


def test_what_waits_is_bounded_and_the_newest_stays(laptop, file, kept, wire, monkeypatch):
    monkeypatch.setattr(reporter, "MOST_WAITING", 3)
    wire.broken = "gone"
    ana, _ = laptop()
    for mistake in ["no answer"] * 5 + [MISTAKE]:
        fail(file, mistake)
    ana.look()
    wire.broken = ""
    ana.look()
    assert times(kept) == 3 and MISTAKE in [row[2] for row in rows(kept, "mistakes")]


def test_a_new_start_goes_on_under_the_same_name(laptop, file, kept):
    for number in range(3):
        ana, said = laptop()
        fail(file)
        ana.look()
        assert said == ["You are in the room as Ana."] and times(kept) == number + 1
    assert len(kept.snapshot()["learners"]) == 1
    assert file.with_name(reporter.FILE).stat().st_mode & 0o077 == 0 or os.name != "posix"


def test_a_learner_whom_the_room_forgot_joins_again(laptop, file, kept):
    ana, _ = laptop()
    ana.look()
    with kept._change() as db:
        db.execute("DELETE FROM learners")
    fail(file)
    assert not ana.look()
    assert ana.look() and times(kept) == 1


@pytest.mark.parametrize(("name", "code"), [("Ana", "WRONG1"), ("<b>", None)])
def test_a_room_that_refuses_says_why_before_the_course_opens(laptop, name, code):
    ana, _ = laptop(name, code)
    with pytest.raises(CourseProblem, match="leave out --room"):
        ana.start()


def test_a_room_that_ends_is_one_line_and_no_error(laptop, kept, monkeypatch):
    ana, said = laptop()
    ana.look()
    kept.end()
    fail(ana._file)
    monkeypatch.setattr(reporter, "PAUSE", 0.0)
    ana._run()
    assert said[-1] == "The room has ended. Just go on without it."


HOSTILE = {
    "no json": httpx.Response(200, content=b"<html>"),
    "another object": httpx.Response(200, json=[]),
    "no number": httpx.Response(200, json={"token": "t", "name": "n", "seen": "many"}),
    "a refusal in no words": httpx.Response(403, content=b"\xff"),
    "elsewhere": httpx.Response(302, headers={"Location": "http://elsewhere/"}),
    "broken": httpx.Response(500),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_page_stops_nobody(laptop, file, wire, answer):
    ana, said = laptop()
    wire.answer = answer
    fail(file)
    assert not ana.look() and said == [reporter.GONE]
    assert {request.url.host for request in wire.asked} == {"room"}


def test_a_hostile_page_writes_no_control_characters_on_the_terminal(laptop, wire):
    ana, said = laptop()
    wire.answer = httpx.Response(200, json={"token": "t", "name": "\x1b[2J\n" * 99, "seen": 0})
    ana.look()
    assert said and all(line.isprintable() and len(line) < 300 for line in said)


def test_the_pause_grows_while_nobody_answers_and_ends(laptop, wire):
    wire.broken = "gone"
    ana, _ = laptop()

    class Clock(threading.Event):
        pauses = []

        def wait(self, seconds):
            self.pauses.append(seconds)
            return len(self.pauses) > 20

    ana._stopped = Clock()
    ana._run()
    assert Clock.pauses[0] == reporter.PAUSE and max(Clock.pauses) <= reporter.LONGEST
    assert Clock.pauses[-1] > reporter.LONGEST / 2


@pytest.mark.parametrize(
    "url", ["room:1", "ftp://room", "http://", "http://me:secret@room", "file:///"]
)
def test_an_address_that_is_none_is_refused(tmp_path, url):
    with pytest.raises(CourseProblem, match="--room"), reporter.reporting(tmp_path, url, "a", "b"):
        pass


class Ear(threading.Thread):
    """Records every byte that reaches a port, and answers as a room would."""

    def __init__(self):
        super().__init__(daemon=True)
        self.heard, self._socket = b"", socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.told = threading.Semaphore(0)

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self._socket.accept()
                with stream:
                    self._serve(stream)

    def _serve(self, stream):
        request = b""
        while got := stream.recv(65536):
            self.heard += got
            request += got
            head, found, body = request.partition(b"\r\n\r\n")
            length = int((re.search(rb"content-length: (\d+)", head.lower()) or [0, 0])[1])
            if found and len(body) >= length:
                answer = b'{"token": "t0k3n", "name": "Ana", "seen": 0}'
                size = str(len(answer)).encode()
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: " + size + b"\r\n\r\n" + answer)
                self.told.release()
                request = b""


SECRET = "myOwnWords"


def test_nothing_but_nickname_place_verdict_mistake_and_option_leaves_a_laptop(
    tmp_path, monkeypatch
):
    ear = Ear()
    ear.start()
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    work = tmp_path / SECRET
    file = work / progress.FOLDER / progress.FILE
    file.parent.mkdir(parents=True)
    with reporter.reporting(work, ear.address, "Ana", "C0DE99"):
        assert ear.told.acquire(timeout=60)
        for mistake in (MISTAKE, f"raised {SECRET}", f"{SECRET}", "raised KeyError", 7, None):
            fail(file, mistake)
        fail(file, MISTAKE, f"task.{SECRET}")
        for kind in progress.KINDS:
            for name in (PREDICTION, QUESTION, TASK, f"04.{SECRET}", f"/home/{SECRET}/a.py", ""):
                for value in (SECRET, {"choice": SECRET, "text": SECRET, "path": SECRET}, [SECRET]):
                    progress.record(kind, name, value, file=file)
        choice = {"choice": OPTIONS[0].text, "confidence": "sure", "correct": False}
        progress.record("prediction", PREDICTION, choice, file=file)
        assert ear.told.acquire(timeout=60)
    heard = ear.heard.decode("ascii")
    assert SECRET not in heard and OPTIONS[0].key in heard and MISTAKE in heard
    bodies = re.findall(r"\r\n\r\n(\{.*?\})(?=POST|$)", heard)
    assert len(bodies) == heard.count("POST ") >= 2
    expect_only_words_of_the_course([json.loads(body) for body in bodies])
    expect_only_plain_headers(heard, bodies)


def expect_only_words_of_the_course(bodies):
    join, *reports = bodies
    assert join == {"code": "C0DE99", "name": "Ana", "token": ""}
    known = places.of_course()
    for report in reports:
        assert set(report) == {"first", "events"}
        for event in report["events"]:
            place = known[event["place"]]
            assert set(event) <= {"place", "verdict", "mistake", "option"}
            assert event.get("verdict") in (None, "passed", "failed")
            assert event.get("option") in (None, *(option.key for option in place.options))
            pythons = {"raised KeyError", places.SOME_ERROR}
            assert event.get("mistake") in {None, *place.mistakes, *pythons}


def expect_only_plain_headers(heard, bodies):
    heads = heard
    for body in bodies:
        heads = heads.replace(body, "")
    names = {
        "host", "accept", "accept-encoding", "connection", "user-agent", "content-length",
        "content-type", "authorization",
    }  # fmt: skip
    for line in heads.splitlines():
        name, found, value = line.partition(": ")
        assert not line or (found and name.lower() in names) or line.startswith("POST /api/")
        assert name.lower() != "user-agent" or value == "x3dhlab"
        assert name.lower() != "authorization" or value == "Bearer t0k3n"


def test_the_names_of_errors_are_pythons_own_or_not_told():
    place = places.of_course()[TASK]
    assert place.mistake("raised KeyError") == "raised KeyError"
    assert place.mistake("raised MyError") == place.mistake("raised print") == places.SOME_ERROR
    assert place.mistake("raised an error") == places.SOME_ERROR
    assert place.mistake("my words") == place.mistake(None) == ""


# The commands


def test_lab_with_a_room_reports_while_the_course_is_open(monkeypatch, tmp_path, desk):
    seen = []

    @contextlib.contextmanager
    def reporting(*facts):
        seen.append(facts)
        yield
        seen.append("over")

    monkeypatch.setattr(reporter, "reporting", reporting)
    monkeypatch.setattr(course, "lab", lambda *_, **__: seen.append("course"))
    options = ["--room", "http://room:1", "--name", "Ana", "--code", "ABC"]
    monkeypatch.setattr(sys, "argv", ["x3dhlab", "lab", str(tmp_path), *options])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    assert seen == [(tmp_path, "http://room:1", "Ana", "ABC"), "course", "over"]


def test_lab_without_a_room_loads_nothing_of_it(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "x3dhlab.classroom.reporter")
    monkeypatch.setattr(course, "lab", lambda *_, **__: None)
    monkeypatch.setattr(sys, "argv", ["x3dhlab", "lab", str(tmp_path)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "x3dhlab.classroom.reporter" not in sys.modules


def test_the_command_without_a_code_and_a_terminal_is_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    options = ["--room", "http://room:1", "--name", "Ana"]
    monkeypatch.setattr(sys, "argv", ["x3dhlab", "lab", str(tmp_path), *options])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == cli.UNABLE and "--code" in capsys.readouterr().err
