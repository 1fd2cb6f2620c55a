"""The report's charts in a real Chromium: what is on their axes, in words and at any width."""

from itertools import pairwise
from pathlib import Path

import pytest
from synthetic import write_sweep as write_synthetic
from test_analysis_runs import write_run

from analysis.report.__main__ import main

pytest_plugins = "pages"
pytestmark = pytest.mark.slow

ROWS = """\
1,10,40,0,5,7,1.5
2,20,80,10,5,4,1.5
3,30,120,20,5,3,1.5
4,40,160,{last},5,1,1.5
"""
# Each text of a chart with where it is on the screen; those of axes with which axis it is.
TEXTS = """charts => charts.flatMap(chart => [...chart.querySelectorAll(
  "svg:not(.tip) text, p.axis")].filter(it => it.textContent && !it.closest(".tip")).map(it => {
    const { left, right, top, bottom } = it.getBoundingClientRect();
    const label = it.closest("[aria-label]")?.getAttribute("aria-label") ?? "";
    return { chart: charts.indexOf(chart), label, text: it.textContent, left, right, top, bottom };
  }))"""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with sweep.html, and near.html, far.html and beyond.html: a human scores 30.5."""
    folder = tmp_path_factory.mktemp("reports")
    write_synthetic(folder / "sweep", games=2, lambdas=3, seeds=3, updates=60)
    for name, last in (("near", 26), ("far", 20), ("beyond", 40)):
        rows = ROWS.format(last=last)
        write_run(folder / name, rows=rows, evaluation=(last, 0.5))
        write_run(folder / name, lambda_="0.005", rows=rows, evaluation=(last, 0.5))
    for name in ("sweep", "near", "far", "beyond"):
        assert main([str(folder / name), "--out", str(folder / f"{name}.html")]) == 0
    return folder


@pytest.mark.parametrize("measure", ["score", "human", "entropy"])
@pytest.mark.parametrize("width", [320, 390, 900, 1280])
def test_no_text_is_cut_and_no_ticks_touch(open_page, width, measure):
    page = open_page("sweep.html")
    page.set_viewport_size({"width": width, "height": 844})
    page.click(f'#measure button[data-value="{measure}"]')
    page.wait_for_timeout(300)
    texts = page.eval_on_selector_all("figure.panel", TEXTS)
    assert len({each["chart"] for each in texts}) == 7  # 3 of intervals, 2 of curves, 2 scatters
    for each in texts:
        assert each["left"] >= 0, each
        assert each["right"] <= width, each
    for chart in range(7):
        ticks = [t for t in texts if t["chart"] == chart and t["label"] == "x-axis tick label"]
        assert len(ticks) >= 2
        for one, other in pairwise(ticks):
            assert one["right"] + 6 <= other["left"], (one, other)


def notes(page) -> list[str]:
    return page.locator("#charts .panel h3 .hint").all_text_contents()


@pytest.mark.parametrize(
    ("name", "lines", "note"),
    [
        ("far", 0, "random play 1.37, human 30.5: above this axis"),
        ("near", 2, "random play 1.37, human 30.5"),  # 30.5 < 26 + 0.25 x 26 = 32.5
        ("beyond", 2, "random play 1.37, human 30.5"),
    ],
)
def test_a_human_is_a_line_where_there_is_room_for_it(open_page, name, lines, note):
    page = open_page(f"{name}.html")
    page.wait_for_selector("#charts svg")
    assert page.locator("#charts svg .human line").count() == lines  # of curves and scatter
    assert page.locator("#charts svg .random line").count() == 2
    assert notes(page) == [note, note]
    page.click('#measure button[data-value="human"]')
    # 20 points are (20 - 1.367) / (30.5 - 1.367) = 0.64 of a human, 26 are 0.85
    share = note.replace("1.37", "0").replace("30.5", "1")
    assert notes(page) == [share, share]
    page.click('#measure button[data-value="entropy"]')
    assert page.locator("#charts svg .human line").count() == lines // 2  # of the scatter
    assert notes(page) == ["", note]


def test_headings_and_captions_say_what_is_on_the_axes(open_page):
    page = open_page("sweep.html")
    page.wait_for_selector("#charts svg")

    def told() -> tuple[list[str], list[str]]:
        heads = page.locator("#charts h2").all_text_contents()
        return heads, page.locator("#charts > p.hint").all_text_contents()

    heads, hints = told()
    assert heads == ["Score during training", "Final score and attention entropy"]
    assert "mean raw score of the last 100 training games" in hints[0]
    page.click('#measure button[data-value="human"]')
    heads, hints = told()
    assert heads[0] == "Human-normalised score during training"
    assert heads[1] == "Final human-normalised score and attention entropy"
    page.click('#measure button[data-value="entropy"]')
    heads, hints = told()
    assert heads == ["Attention entropy during training", "Final score and attention entropy"]
    assert "in nats, summed over maps" in hints[0]
    assert "score" not in hints[0]
    assert "random play" not in hints[0]


def test_what_others_scored_is_below_the_curves(open_page):
    page = open_page("near.html")
    told = "Breakout, published: 131 (the study) to 430 (CleanRL XLA) after 10M steps"
    assert page.locator("#others li").all_text_contents() == [told]


def test_a_lambda_has_its_hue_on_light_and_dark(open_page):
    page = open_page("sweep.html")
    swatches = "all => all.map(it => getComputedStyle(it).backgroundColor)"
    both = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        both.append(page.eval_on_selector_all("#lambdas .swatch", swatches))
    # lambda 0, 0.0005 and 0.005: nearly black and white, purple, red
    assert both[0] == ["rgb(6, 5, 26)", "rgb(126, 36, 130)", "rgb(244, 103, 92)"]
    assert both[1] == ["rgb(240, 240, 252)", "rgb(229, 169, 231)", "rgb(243, 85, 73)"]
