"""A game's objects on the page in a real Chromium: boxes, importance, attention on each, chance."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import STEPS, pixels, played, scrub, show

from attn_ppo.interpret.show.measured import Measured
from attn_ppo.interpret.show.page import Choice, write_page

pytest_plugins = "pages"
pytestmark = pytest.mark.slow

INPUTS = ".view.input canvas.overlay"
NAN = np.nan


def measured() -> Measured:
    """A ball of 4 x 4 pixels that moves by 2 columns a step, a wall, and twelve pills for 3 steps.

    From step 4 on, without 8, the ball has an importance of 0.18 nats and the wall of 0.02. Of the
    two maps' attention the ball has 0.03 and 0.01, by chance 0.016; even attention gives it 0.01.
    """
    coverage = np.zeros((STEPS, 3, 84, 84), np.uint8)
    for t in range(STEPS):
        coverage[t, 0, 20:24, 40 + 2 * t : 44 + 2 * t] = 255
    coverage[:, 1, 60:68] = 255
    coverage[:3, 2, 4, :48:4] = 255
    importance = np.full((STEPS, 3), NAN)
    importance[4:, :2] = 0.18, 0.02
    importance[8] = NAN
    share, chance = np.empty((STEPS, 2, 3)), np.empty((STEPS, 2, 3))
    share[:, 0], share[:, 1] = (0.03, 0.1, 0.002), (0.01, 0.1, 0.002)
    chance[:] = 0.016, 0.1, 0.002
    even = np.tile([0.01, 0.2, 0.002], (STEPS, 1))
    for each in (even, share.swapaxes(0, 1)[0], share.swapaxes(0, 1)[1]):
        each[3:, 2] = NAN
    chance[3:, :, 2] = NAN
    names = ("ball", "wall", "pills")
    return Measured(names, "palette and memory", coverage, share, chance, even, importance)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with known.html, two runs of which one has objects, and pong.html."""
    folder = tmp_path_factory.mktemp("pages")
    choice = Choice(methods=("gradient",), roots=("value",))
    known, bare = played()._replace(measured=measured()), played(seed=2)
    write_page(folder / "known.html", [known], choice, lambda: None)
    write_page(folder / "two.html", [bare, known], choice, lambda: None)
    about = dataclasses.replace(bare.recording.about, game="Pong")
    pong = bare._replace(recording=dataclasses.replace(bare.recording, about=about))
    write_page(folder / "pong.html", [pong], choice, lambda: None)
    return folder


def opacity(page: Any, frame: int = 3) -> np.ndarray:
    """(84, 84) of the overlay on one of the input's frames, 3 the newest."""
    flat = np.array(pixels(page, f"{INPUTS} >> nth={frame}")).reshape(-1, 4)
    return flat.reshape(84, 84, 4)[..., 3]


def plain(text: str) -> str:
    return text.strip().replace("\N{MULTIPLICATION SIGN}", "x").replace("\N{EN DASH}", "-")


def ticks(page: Any) -> list[str]:
    return page.locator(".legend-ticks").inner_text().split()


def test_importance_is_painted_where_each_object_is_on_the_scale_of_attention(open_page):
    """The mean is 0.1 nats: the ball has 1.8 times it, of 8 for half strength, the wall 0.2."""
    page = open_page("known.html")
    scrub(page, 5)
    show(page, "objects:importance")
    page.locator("#opacity").fill("100")
    found = opacity(page)
    assert found[20:24, 50:54] == pytest.approx(255 * (1.8 / 8) ** 0.7, abs=1.5)  # 89.8
    assert found[60:68] == pytest.approx(255 * (0.2 / 8) ** 0.7, abs=1.5)  # 19.3
    found[20:24, 50:54] = found[60:68] = 0
    assert (found == 0).all()
    ours = ticks(page)
    assert "1x is the mean, 0.100 nats" in plain(page.inner_text(".legend-scope"))
    show(page, "map:0")
    assert ticks(page) == ours


def test_attention_on_an_object_is_painted_in_multiples_of_even(open_page):
    """(0.03 + 0.01) / 2 is 2 times the ball's 0.01; 0.1 is half the wall's 0.2."""
    page = open_page("known.html")
    scrub(page, 5)
    show(page, "objects:attention")
    page.locator("#opacity").fill("100")
    found = opacity(page)
    assert found[20:24, 50:54] == pytest.approx(255 * (2 / 8) ** 0.7, abs=1.5)  # 96.6
    assert found[60:68] == pytest.approx(255 * (0.5 / 8) ** 0.7, abs=1.5)  # 36.6


def test_older_frames_show_objects_where_they_were(open_page):
    page = open_page("known.html")
    scrub(page, 5)
    page.click('#stack button[data-value="all"]')
    show(page, "objects:importance")
    page.check("#boxes")
    for frame, column in enumerate((44, 46, 48, 50)):  # 40 + 2 t at steps 2 to 5
        rows, columns = np.nonzero(opacity(page, frame)[:40])
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (
            20,
            23,
            column,
            column + 3,
        )
        box = page.locator(".view.input").nth(frame).locator("rect.object.over").first
        shown = " ".join(box.get_attribute(name) for name in ("x", "y", "width", "height"))
        assert shown == f"{column} 20 4 4"


def test_boxes_have_names_and_pills_have_none(open_page):
    page = open_page("known.html")
    assert page.locator("rect.object").count() == 0
    page.check("#boxes")
    screen = page.locator(".view.screen")
    assert screen.locator("rect.object.over").count() == 2  # twelve pieces are too many
    assert screen.locator(".names span").all_inner_texts() == ["ball", "wall"]
    page.uncheck("#boxes")
    assert page.locator("rect.object, .names span").count() == 0


def cells(page: Any, name: str) -> list[str]:
    row = page.locator(f'#objects tr:has(button[data-object="{name}"])')
    return [plain(each) for each in row.locator("td").all_inner_texts()]


def test_the_table_has_both_now_and_over_the_recording(open_page):
    page = open_page("known.html")
    scrub(page, 5)
    # 2 times even, 0.18 nats, 2 % of the attention, 0.02 / 0.016 = 1.25 times chance, 0.18 nats
    assert cells(page, "ball") == ["2.00x", "0.180", "2.0%", "1.25x", "0.180"]
    assert cells(page, "wall") == ["0.500x", "0.0200", "10%", "1.00x", "0.0200"]
    assert cells(page, "pills") == ["-", "-", "-", "1.00x", "-"]
    assert page.locator("#objects .unseen").all_inner_texts()[0].startswith("pills")
    bar = page.locator('#objects tr:has(button[data-object="ball"]) .bar').nth(1)
    assert bar.evaluate("it => it.style.width") == "22.5%"  # 1.8 / 8


def test_between_measured_steps_the_nearest_one_is_shown_and_named(open_page):
    page = open_page("known.html")
    show(page, "objects:importance")
    near = page.locator('[data-text="near"]')
    scrub(page, 8)
    assert near.inner_text() == "Importance as of step 7, the nearest measured."
    assert "as of step 7" in page.inner_text(".legend-title")
    assert opacity(page)[20:24, 56:60].min() > 0  # where the ball is now
    scrub(page, 7)
    assert near.inner_text() == ""
    scrub(page, 0)
    assert near.inner_text() == "Importance as of step 4, the nearest measured."


def test_traces_are_of_the_chosen_object_beside_chance(open_page):
    page = open_page("known.html")
    scrub(page, 5)

    def readings(trace: str) -> list[str]:
        chart = page.locator(f'.chart:has([data-trace="{trace}"])')
        texts = chart.locator("h3, b").all_inner_texts()
        return [plain(text) for text in texts]

    assert readings("object-attention") == ["Attention on ball", "2.00x", "1.60x"]
    assert readings("object-importance") == ["Importance of ball", "0.180"]
    drawn = pixels(page, '[data-trace="object-attention"] canvas')
    page.click('button[data-object="wall"]')
    assert page.get_attribute('button[data-object="wall"]', "aria-pressed") == "true"
    assert readings("object-attention") == ["Attention on wall", "0.500x", "0.500x"]
    assert readings("object-importance") == ["Importance of wall", "0.0200"]
    assert pixels(page, '[data-trace="object-attention"] canvas') != drawn


def test_where_objects_are_not_known_the_page_says_so(open_page):
    page = open_page("pong.html")
    told = page.inner_text("#objects .hint")
    assert told.startswith("Objects and their importance are known for ")
    assert "Breakout" in told
    assert told.endswith("; not for Pong.")
    assert page.locator("#boxes, #overlay-objects button, .objects-table").count() == 0
    page = open_page("two.html")
    assert page.inner_text("#objects .hint >> nth=0") == (
        "The objects of Breakout weren't measured for this page."
    )
    show(page, "objects:importance")
    titles = page.locator(".legend-title").all_inner_texts()
    assert titles[0] == "Not recorded for this run"
    assert titles[1].startswith("Causal importance of each object")
    assert page.locator("#objects-run button").count() == 1


@pytest.mark.parametrize("size", [(1440, 900), (900, 700), (390, 844)])
def test_nothing_is_wider_than_its_screen(open_page, size):
    page = open_page("known.html")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    card = page.locator("#objects").bounding_box()
    for part in page.locator("#objects td, #objects th, #objects .plot").all():
        if part.is_visible():
            within = part.bounding_box()
            assert within["x"] + within["width"] <= card["x"] + card["width"]
