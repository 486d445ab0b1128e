"""The deck of pictures and the guide in Chromium, at a projector's size, light and dark."""

import axe
import browser
import pytest

from x3dhlab import course
from x3dhlab.classroom import guide, present

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]


@pytest.fixture(params=[False, True], ids=["light", "dark"])
def projector(request):
    """(page, console problems, "light" or "dark"); a request to the network is a problem."""
    with browser.browser(width=1280, height=720, dark=request.param) as (page, problems):
        page.on(
            "request",
            lambda asked: asked.url.startswith(("file:", "data:")) or problems.append(asked.url),
        )
        yield page, problems, "dark" if request.param else "light"


def now(page):
    return page.locator("#where").inner_text()


def test_a_deck_is_stepped_by_keys_and_fills_the_screen(projector, tmp_path):
    page, problems, theme = projector
    lesson = present.lesson("04")
    claims = [shown.claim for shown in present.pictures(present.part(lesson))]
    last = len(claims)
    page.goto(present.present("04", out=tmp_path / "deck.html").as_uri())
    assert now(page) == f"1 of {last}"
    for key, place in [
        ("ArrowRight", 2),
        ("ArrowDown", 3),
        ("ArrowLeft", 2),
        ("End", last),
        ("ArrowRight", last),
        ("Home", 1),
        ("ArrowLeft", 1),
    ]:
        page.keyboard.press(key)
        assert now(page) == f"{place} of {last}"
        assert page.locator("section:visible p").inner_text() == claims[place - 1]
    page.get_by_role("button", name="Next").click()
    assert now(page) == f"2 of {last}"
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    page.keyboard.press("F")
    page.wait_for_function("document.fullscreenElement === null")
    assert problems == []


def test_each_picture_of_a_deck_fits_and_passes_axe(projector, tmp_path):
    page, problems, theme = projector
    page.goto(present.present("04", out=tmp_path / "deck.html").as_uri())
    total = int(now(page).split()[-1])
    for number in range(1, total + 1):
        assert now(page) == f"{number} of {total}"
        assert axe.violations(page, "body") == []
        box = page.locator("section:visible img").bounding_box()
        assert box["height"] > 360 and box["y"] + box["height"] < 720
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        browser.screenshot(page, f"present 04 {number} {theme}")
        page.keyboard.press("ArrowRight")
    page.get_by_text("The same in words").locator("visible=true").click()
    assert axe.violations(page, "body") == []
    assert problems == []


def test_the_guide_passes_axe_and_shows_a_picture_on_the_whole_screen(projector, tmp_path):
    page, problems, theme = projector
    path = guide.write(course.paths()[0].name, tmp_path / "guide.html")
    page.goto(path.as_uri())
    assert axe.violations(page, "body") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    browser.screenshot(page, f"guide {theme}")
    button = page.get_by_role("button", name="Full screen").nth(3)
    button.click()
    page.wait_for_function("document.fullscreenElement?.tagName === 'FIGURE'")
    browser.screenshot(page, f"guide picture {theme}")
    box = page.locator("figure:fullscreen img").bounding_box()
    assert box["height"] > 400
    assert problems == []


def test_the_printed_guide_has_a_page_or_two_a_section(tmp_path):
    way = course.paths()[0]
    path = guide.write(way.name, tmp_path / "guide.html")
    with browser.browser() as (page, _):
        page.goto(path.as_uri())
        printed = page.pdf(prefer_css_page_size=True)
    count = printed.count(b"/Type /Page\n")
    assert len(way.sections) < count <= 2 + 2 * len(way.sections)
