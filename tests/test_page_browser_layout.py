"""What is in sight on which screen, in a real Chromium; nothing cut off, nothing hidden."""

import io
from typing import Any

import numpy as np
import pytest
from pages import scrub
from PIL import Image

pytest_plugins = "pages"
pytestmark = pytest.mark.slow

SIZES = {"wide": (1920, 1080), "laptop": (1440, 900), "small": (900, 700), "phone": (390, 844)}
MOVING = (".view.screen", ".view.input:visible", ".actions", ".readings-now", "[data-trace]")


def box(page: Any, selector: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of each that is visible."""
    boxes = [each.bounding_box() for each in page.locator(selector).all() if each.is_visible()]
    return [(b["x"], b["y"], b["x"] + b["width"], b["y"] + b["height"]) for b in boxes]


@pytest.fixture
def open_at(open_page):
    def open_(name: str, size: str) -> Any:
        page = open_page(name)
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        return page

    return open_


@pytest.mark.parametrize("name", ["one.html", "two.html", "bare.html"])
@pytest.mark.parametrize("size", ["laptop", "wide"])
def test_all_that_moves_with_the_scrubber_is_in_sight(open_at, name, size):
    page = open_at(name, size)
    bar = box(page, ".transport")[0][1]
    for selector in MOVING:
        found = box(page, selector)
        assert found, selector
        for left, top, right, bottom in found:
            assert (left, top) > (0, 0), selector
            assert right <= SIZES[size][0], selector
            assert bottom <= bar, selector


def test_on_a_phone_the_game_comes_first_and_the_controls_are_folded(open_at):
    page = open_at("two.html", "phone")
    bar = box(page, ".transport")[0][1]
    game = box(page, '.panel[data-run="0"] .view.screen')[0]
    assert game[0] >= 0
    assert game[2] <= 390
    assert game[3] - game[1] > 300  # large, and above all but the names
    assert game[1] < 250
    for selector in ('.panel[data-run="0"] .view.screen', '.panel[data-run="0"] .actions'):
        assert box(page, selector)[0][3] <= bar
    assert not page.is_visible("#controls")
    page.click("#show-controls")
    assert page.get_attribute("#show-controls", "aria-expanded") == "true"
    assert page.is_visible('#controls button[data-value="map:1"]')
    assert box(page, "#controls")[0][1] > game[1] + 100  # one still sees what one changes
    assert box(page, "#controls")[0][3] <= bar + 1
    page.click('#controls button[data-value="map:1"]')
    page.click("#show-controls")
    assert not page.is_visible("#controls")
    assert "map 2" in page.locator(".legend-title").first.inner_text()


@pytest.mark.parametrize("name", ["two.html", "six.html"])
@pytest.mark.parametrize("size", list(SIZES))
def test_nothing_is_wider_than_its_screen(open_at, name, size):
    page = open_at(name, size)
    numbers = ".readings-now dd > span:first-child"
    page.eval_on_selector_all(numbers, "all => all.forEach(it => (it.textContent = '0.00249'))")
    assert page.locator(numbers).count() >= 8  # the longest that a number comes to
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    for panel in page.locator(".panel").all():
        edge = panel.bounding_box()["x"] + panel.bounding_box()["width"]
        for part in panel.locator("dd, li, .view, .legend-ticks span").all():
            if part.is_visible():
                within = part.bounding_box()
                assert within["x"] + within["width"] <= edge, part.inner_text()
    readings = page.locator(".readings").all()
    for chart, reading in zip(page.locator(".chart").all(), readings, strict=True):
        whole, part = chart.bounding_box(), reading.bounding_box()
        assert part["x"] >= whole["x"]
        assert reading.evaluate("it => it.scrollWidth <= it.clientWidth")
        assert part["x"] + part["width"] <= whole["x"] + whole["width"] + 0.5


@pytest.mark.parametrize("size", list(SIZES))
def test_probabilities_have_bars_to_read_and_whole_names(open_at, size):
    page = open_at("two.html", size)
    for bar in page.locator(".actions .track").all():
        assert bar.bounding_box()["width"] >= 60
    assert page.eval_on_selector_all(
        ".actions .action", "all => all.every(a => a.scrollWidth <= a.clientWidth)"
    )


@pytest.mark.parametrize("size", list(SIZES))
def test_the_game_has_square_pixels(open_at, size):
    page = open_at("one.html", size)
    left, top, right, bottom = box(page, ".view.screen")[0]
    assert (right - left) / (bottom - top) == pytest.approx(160 / 210, rel=0.01)
    left, top, right, bottom = box(page, ".view.input")[0]
    assert (right - left) / (bottom - top) == pytest.approx(1, rel=0.01)


def test_the_button_of_the_theme_says_so(open_page):
    page = open_page("one.html")
    for name in ("auto", "light", "dark", "auto"):
        assert page.inner_text("#theme") == f"Theme: {name}"
        page.click("#theme")


def test_no_bookmark_hides_another(open_at):
    """Both runs have the same bookmarks, at the same steps."""
    page = open_at("two.html", "phone")
    marks = page.eval_on_selector_all(
        ".marks .mark",
        "all => all.map(mark => mark.getBoundingClientRect())"
        ".map(({left, top, right, bottom}) => [left, top, right, bottom])",
    )
    assert len(marks) == 2 * len({round(mark[0]) for mark in marks}) > 0
    for number, one in enumerate(marks):
        for other in marks[:number]:
            assert one[0] != other[0] or one[3] <= other[1] or other[3] <= one[1]
    page = open_at("two.html", "laptop")
    shown = box(page, "#bookmarks")[0]
    assert shown[3] - shown[1] >= 100
    assert shown[3] <= box(page, ".transport")[0][1]


@pytest.mark.parametrize("keys", [[], ["ArrowUp"] * 10, ["ArrowRight"] * 8 + ["ArrowUp"] * 6])
def test_a_turned_tree_is_whole(open_page, keys):
    """Nothing but the ground touches the edges of the view."""
    page = open_page("one.html")
    scrub(page, 11)
    view = page.locator("#tree-3d")
    view.scroll_into_view_if_needed()
    page.wait_for_selector(".stage-3d .labels .level", timeout=30_000, state="attached")
    view.focus()
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    seen = np.asarray(Image.open(io.BytesIO(page.locator(".stage-3d").screenshot())).convert("RGB"))
    inner = seen[4:-4, 4:-4]  # within the ring of the focus
    ground = inner[0, 0]
    for edge in (inner[:2], inner[-2:], inner[:, :2], inner[:, -2:]):
        assert (edge == ground).all()
    rows, columns = np.nonzero((inner != ground).any(-1))
    tall, across = np.ptp(rows) / inner.shape[0], np.ptp(columns) / inner.shape[1]
    assert max(tall, across) > 0.75  # and it is as large as fits
