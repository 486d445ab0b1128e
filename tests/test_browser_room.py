"""The pages of a room in Chromium: thirty learners, a reveal by keyboard, the projector."""

import re
import subprocess
import sys
from contextlib import contextmanager

import axe
import browser
import httpx
import pytest

from x3dhlab.classroom import places, room

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="no Chromium is installed"),
]

LEARNERS, STUCK = 30, 3
PROJECTOR = {"width": 1280, "height": 720}
LEAST = 24  # pixels of what is read from the last row
PREDICTION, LATER = "04.kci", "04.drop-dh1"
TASK, NEXT_TASK = "x3dh.initiate", "x3dh.respond"
OPTIONS = places.of_course()[PREDICTION].options
SCRIPT = "<img src=x onerror='document.title=1'><script>document.title=2</script>"
COMMAND = "from x3dhlab.classroom import server; server.serve({!r}, port={})"


@contextmanager
def served(file, port=0):
    """The command in a process of its own. Yields its address and the instructor's."""
    command = [sys.executable, "-u", "-c", COMMAND.format(str(file), port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = iter(process.stdout.readline, "")
        found = next(m for m in (re.search(r"(http\S+)/(#\S+)", line) for line in told) if m)
        try:
            yield found[1], f"{found[1]}/{found[2]}"
        finally:
            process.kill()


class Class:
    """Thirty learners, of whom the page sees what their laptops would tell."""

    def __init__(self, address, code):
        self._client = httpx.Client(base_url=address, timeout=60)
        self._next, self.tokens = {}, []
        for number in range(LEARNERS):
            asked = {"code": code, "name": f"learner {number:02}"}
            self.tokens.append(self._post("join", asked, "").json()["token"])

    def _post(self, what, told, token):
        headers = {"Authorization": f"Bearer {token or 'none'}"}
        answer = self._client.post(f"/api/{what}", json=told, headers=headers)
        assert answer.is_success, answer.text
        return answer

    def tell(self, number, *events):
        token = self.tokens[number]
        first = self._next.get(number, 1)
        self._next[number] = first + len(events)
        self._post("report", {"first": first, "events": list(events)}, token)

    def work(self):
        """Everybody predicts, half of them try a task, three of those are stuck."""
        mistakes = list(places.of_course()[TASK].mistakes)
        for number in range(LEARNERS):
            option = OPTIONS[number % 3].key
            self.tell(number, {"place": PREDICTION, "option": option})
        for number in range(LEARNERS // 2):
            wrong = {"place": TASK, "verdict": "failed", "mistake": mistakes[number % 2]}
            self.tell(number, *[wrong] * (3 if number < STUCK else 1))
        for number in range(STUCK, 10):
            self.tell(number, {"place": TASK, "verdict": "passed"})
        for number in range(5, 10):
            wrong = {"place": NEXT_TASK, "verdict": "failed", "mistake": "syntax error"}
            self.tell(number, wrong)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A class at work: address of the page, that of the instructor, the class, its code."""
    file = tmp_path_factory.mktemp("room") / "room.db"
    made = room.Room(file)
    code = made.code
    made.close()
    with served(file) as (address, instructor):
        group = Class(address, code)
        group.work()
        yield address, instructor, group, code


def opened(page, address):
    page.goto(address)
    # A function that waits inside the page would need `eval`, which the page forbids.
    page.locator("#here", has_text=re.compile("[1-9]")).wait_for()


def small(page, selector):
    """The elements whose text is smaller than what is read from the last row."""
    return page.locator(selector).evaluate_all(
        """(found, least) => found
          .filter(e => e.textContent && e.checkVisibility())
          .filter(e => parseFloat(getComputedStyle(e).fontSize) < least)
          .map(e => e.outerHTML)""",
        LEAST,
    )


def broken(page):
    """The numbers that do not stand on one line."""
    return page.locator(".count").evaluate_all(
        """found => found
          .filter(e => e.offsetHeight > 1.9 * parseFloat(getComputedStyle(e).fontSize))
          .map(e => e.outerHTML)"""
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_instructor_sees_who_is_where_who_is_stuck_and_what_was_predicted(running, dark):
    _, instructor, _, code = running
    with browser.browser(**PROJECTOR, dark=dark) as (page, problems):
        opened(page, instructor)
        assert "#" not in page.url  # the token is in no address that can be read over a shoulder
        assert page.locator("#here").inner_text() == str(LEARNERS)
        assert page.locator("#stuck-count").inner_text() == str(STUCK)
        assert page.locator("#code").inner_text() == code
        assert page.locator("#stuck li").count() == STUCK
        card = page.locator("#predictions article").filter(has_text=PREDICTION)
        assert card.locator(".count").all_inner_texts() == ["10", "10", "10", "0"]
        task = page.locator("#tasks article").filter(has_text=TASK).first
        assert "7 of 15 passed" in task.inner_text()
        where = page.locator("#places tr").all_inner_texts()
        assert sum(int(row.split("\t")[1]) for row in where) == LEARNERS
        assert "learner 00 (failed, stuck)" in "".join(where)
        assert small(page, ".figure, .count") == broken(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PROJECTOR["width"]
        assert axe.violations(page, "body") == []
        browser.screenshot(page, f"room-{'dark' if dark else 'light'}")
        assert problems == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_reveal_by_keyboard_reaches_the_class_on_the_projector(running, dark):
    address, instructor, _, _ = running
    with browser.browser(**PROJECTOR, dark=dark) as (page, problems):
        colours = "dark" if dark else "light"
        elsewhere = page.context.browser.new_context(viewport=PROJECTOR, color_scheme=colours)
        projector = elsewhere.new_page()
        opened(projector, f"{address}/class")
        assert projector.get_by_role("heading").inner_text() == "Predict first"
        assert axe.violations(projector, "body") == []
        opened(page, instructor)
        card = page.locator("#predictions article").filter(has_text=PREDICTION)
        button = card.get_by_role("button")
        reach(page, button)
        page.keyboard.press("Enter")
        projector.get_by_text(places.of_course()[PREDICTION].title).wait_for()
        right = projector.locator("#options li.right")
        assert "✓ right" in right.inner_text()
        assert projector.locator("#options .count").all_inner_texts() == ["10", "10", "10", "0"]
        assert "learner 0" not in projector.content()
        assert small(projector, "h1, .count, .words, p") == broken(projector) == []
        assert height(projector) <= PROJECTOR["height"]
        assert axe.violations(projector, "body") == []
        browser.screenshot(projector, f"class-{colours}")
        page.locator("button:focus", has_text="On the class page").wait_for()
        assert axe.violations(page, "body") == []
        clear = page.get_by_role("button", name="Clear the class page")
        reach(page, clear)
        page.keyboard.press("Space")
        projector.locator("#waiting").wait_for()
        assert problems == []


def reach(page, target):
    """Press Tab until the element has the focus; a keyboard must come everywhere."""
    page.evaluate("document.activeElement.blur()")
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("e => e === document.activeElement"):
            outline = target.evaluate("e => getComputedStyle(e).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError("Tab does not reach the element")


def height(page):
    """Pixels of the whole page: not more than the projector has, so that nothing is scrolled."""
    return page.evaluate("document.documentElement.scrollHeight")


def test_every_prediction_of_the_course_fits_on_the_projector(running):
    address, *_ = running
    with browser.browser(**PROJECTOR) as (page, _):
        opened(page, f"{address}/class")
        tall = {}
        for place in places.of_course().values():
            if place.kind == "prediction":
                show(page, place)
                assert small(page, "h1, .count, .words, p") == []
                tall[place.id] = height(page)
        assert {id: found for id, found in tall.items() if found > PROJECTOR["height"]} == {}
        assert tall


def show(page, place):
    """What the page would show of a prediction, through its own script."""
    options = [{"text": o.text, "correct": o.correct, "count": 30} for o in place.options]
    asked = {"place": place.id, "title": place.title, "options": options, "revealed": True}
    page.evaluate(
        """async asked => {
          const { distribution } = await import("/static/shared.js");
          document.getElementById("waiting").hidden = true;
          document.getElementById("revealed").hidden = false;
          document.getElementById("question").textContent = asked.title;
          document.getElementById("options").replaceChildren();
          distribution(document.getElementById("options"), asked);
        }""",
        {**asked, "answers": 120},
    )


def test_the_focus_stays_while_the_class_goes_on(running):
    _, instructor, group, _ = running
    with browser.browser(**PROJECTOR) as (page, problems):
        opened(page, instructor)
        card = page.locator("#predictions article").filter(has_text=PREDICTION)
        card.get_by_role("button").focus()
        earlier = places.of_course()[LATER].options[0].key
        for number in range(LEARNERS):
            group.tell(number, {"place": LATER, "option": earlier})
        page.locator("#predictions article").filter(has_text=LATER).get_by_text(
            f"{LEARNERS} of {LEARNERS}"
        ).wait_for()
        assert card.get_by_role("button").evaluate("e => e === document.activeElement")
        assert problems == []


def test_without_its_token_the_page_shows_nothing(running):
    address, *_ = running
    with browser.browser(**PROJECTOR) as (page, _):
        page.goto(address)
        page.get_by_text("no valid token").wait_for()
        assert page.locator("#here").inner_text() == "0"
        assert axe.violations(page, "body") == []


def test_markup_from_others_is_text(tmp_path):
    """Even in a file that something else has written."""
    file = tmp_path / "room.db"
    kept = room.Room(file)
    token = kept.join(kept.code, "Mallory").token
    kept.report(token, 1, [places.Event(TASK, "failed", "syntax error")] * 3)
    with kept._change() as db:
        db.execute("UPDATE learners SET name = ?", (SCRIPT,))
        db.execute("UPDATE mistakes SET name = ?", (SCRIPT,))
    kept.close()
    with served(file) as (_, instructor), browser.browser() as (page, problems):
        opened(page, instructor)
        assert SCRIPT in page.locator("#stuck").inner_text()
        assert SCRIPT in page.locator("#places").inner_text()
        assert page.locator("main :is(img, script)").count() == 0
        assert page.title() == "The room · x3dhlab" and problems == []


def test_the_page_says_that_the_room_is_gone_and_finds_it_again(tmp_path):
    file = tmp_path / "room.db"
    kept = room.Room(file)
    kept.join(kept.code, "Ana")
    kept.close()
    with browser.browser() as (page, _):
        with served(file) as (address, instructor):
            opened(page, instructor)
        page.get_by_text("The room does not answer").wait_for()
        with served(file, port=int(address.rpartition(":")[2])):
            page.get_by_text("The room does not answer").wait_for(state="detached")
            assert page.locator("#here").inner_text() == "1"
            httpx.post(
                f"{address}/api/end",
                headers={"Authorization": f"Bearer {instructor.rpartition('#')[2]}"},
                json={},
            )
            page.get_by_text("The room has ended").wait_for()
