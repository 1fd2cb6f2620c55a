"""The report in a real Chromium, from file://: nothing is asked for, and numbers are the CSVs'."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from synthetic import write_sweep as write_synthetic
from test_analysis_runs import write_run
from test_report import DECISION, STRESS

from analysis.report.__main__ import main
from analysis.runs import read_runs
from analysis.score_table import save_score_table, score_table

pytest_plugins = "pages"
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
HOSTILE = "<img src=x onerror=\"document.title='broken in'\"><script>1</script>{{DATA}}"
FOLDED = "#runs details"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with sweep.html (2 games, 3 lambdas, 3 seeds), one.html and hostile.html."""
    folder = tmp_path_factory.mktemp("reports")
    write_synthetic(folder / "sweep", games=2, lambdas=3, seeds=3, updates=60, failed=1)
    (folder / "sweep/decision.json").write_text(json.dumps(DECISION))
    (folder / "sweep/figures").mkdir()
    (folder / "sweep/figures/stress_table.csv").write_text(STRESS)
    shutil.copy(ROOT / "results/study/figures/stress.png", folder / "sweep/figures")
    write_run(folder / "one", evaluation=(30, 0.5))
    hostile = write_run(folder / "hostile", state="failed")
    status = {"state": "failed", "cause": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    (hostile / "status.json").write_text(json.dumps(status))
    (folder / "hostile").rename(folder / "<b>hostile<")
    for name, root in (("sweep", "sweep"), ("one", "one"), ("hostile", "<b>hostile<")):
        assert main([str(folder / root), "--out", str(folder / f"{name}.html")]) == 0
    return folder


def drawn(page: Any, chart: int, kind: str) -> int:
    """How many lines or dots of a kind a chart has."""
    panel = page.locator("#charts .panel").nth(chart)
    return panel.locator(f"svg .{kind} path, svg .{kind} circle").count()


def test_numbers_are_those_of_the_csv(open_page, files, tmp_path):
    page = open_page("sweep.html")
    csv, _ = save_score_table(score_table(read_runs(files / "sweep")[0]), tmp_path / "score_table")
    head, *lines = [line.split(",") for line in csv.read_text().splitlines()]
    keys = page.eval_on_selector_all("#scores th", "all => all.map(th => th.dataset.key)")
    rows = page.eval_on_selector_all(
        "#scores tbody tr",
        "all => all.map(tr => [...tr.cells].map(td => [td.textContent, td.dataset.value]))",
    )
    assert len(rows) == len(lines) == 6
    for row, line in zip(rows, lines, strict=True):
        told, in_csv = dict(zip(keys, row, strict=True)), dict(zip(head, line, strict=True))
        assert told["game"][0] == in_csv["env"]
        assert told["lambda"][1] == in_csv["lambda"].removesuffix(".0")
        assert told["seeds"][1] == in_csv["seeds"]
        for key, name in (
            ("score", "evaluation_score_mean"),
            ("training_score", "training_score_mean"),
            ("entropy", "attention_entropy_mean"),
            ("random", "random_score_mean"),
        ):
            assert float(told[key][1]) == float(in_csv[name])


def test_question_and_answer_come_first_and_intervals_right_below(open_page):
    page = open_page("sweep.html")
    tops = [
        page.locator(selector).first.bounding_box()["y"]
        for selector in ("h1", ".headline", ".intervals svg", "#charts")
    ]
    assert tops == sorted(tops)
    assert tops[2] < 500
    assert "Up to which λ" in page.text_content("h1")
    assert (
        page.locator(".intervals svg .differences circle").count() == 6
    )  # 2 lambdas, 2 games, all
    assert page.locator(".intervals svg .intervals line").count() == 6
    # one seed of lambda 0 failed
    heads = page.locator(".intervals h3").all_text_contents()
    assert heads == [
        "all games n = 2 seeds",
        "BeamRider n = 2 seeds",
        "Breakout n = 3 seeds",
    ]


def test_figures_of_other_commands_are_in_the_page(open_page, files):
    (files / "sweep/figures/stress.png").rename(files / "elsewhere.png")
    page = open_page("sweep.html")
    picture = page.locator("#stress .picture img")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("async image => (await image.decode(), image.naturalWidth)") > 1000
    assert picture.get_attribute("alt") == "Score lost in changed games, by λ"


def test_curves_and_scatter_are_drawn_and_chosen(open_page):
    page = open_page("sweep.html")
    page.wait_for_selector("#charts svg")
    assert page.locator("#charts .panel").count() == 4  # curves and scatter of two games
    assert drawn(page, 0, "seeds") == 9
    assert drawn(page, 0, "means") == 3
    assert drawn(page, 2, "runs") == 9
    page.click('#lines button[data-value="mean"]')
    assert (drawn(page, 0, "seeds"), drawn(page, 0, "means")) == (0, 3)
    page.click('#lines button[data-value="seeds"]')
    assert (drawn(page, 0, "seeds"), drawn(page, 0, "means")) == (9, 0)
    page.click('#lambdas button[data-value="1"]')  # the first press shows this one alone
    assert drawn(page, 0, "seeds") == 3
    page.click('#lambdas button[data-value="2"]')
    assert drawn(page, 0, "seeds") == 6
    page.click('#games button[data-value="1"]')
    assert page.locator("#charts .panel").count() == 2
    page.click('#games button[data-value="1"]')  # none is left: all are back
    assert page.locator("#charts .panel").count() == 4


def test_the_y_axis_is_human_normalised_or_entropy(open_page):
    page = open_page("sweep.html")
    page.wait_for_selector("#charts svg")

    def label() -> str:
        return page.locator('#charts svg [aria-label="y-axis label"]').first.text_content()

    assert label() == "score"
    page.click('#measure button[data-value="human"]')
    assert label() == "human-normalised score"
    page.click('#measure button[data-value="entropy"]')
    assert label() == "attention entropy, nats"


def test_a_tooltip_tells_the_run(open_page):
    page = open_page("sweep.html")
    dot = page.locator("#charts .panel").nth(2).locator("svg .runs circle").first
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    told = page.locator("#charts .panel").nth(2).locator("svg .tip text").first.text_content()
    for part in ("λ = ", "seed", "score", "games", "nats", "agent steps", "finished", "/lambda="):
        assert part in told
    page.mouse.move(0, 0)


def test_names_and_causes_stay_text(open_page):
    page = open_page("hostile.html")
    assert page.title().startswith("<b>hostile<")
    assert HOSTILE in page.text_content("#problems")
    assert HOSTILE in page.text_content("#settings")
    assert page.locator("img, b").count() == 0
    assert page.locator("script").count() == 2


def levels(page: Any, selector: str, what: str) -> list[int]:
    color = page.eval_on_selector(selector, f"it => getComputedStyle(it).{what}")
    return [int(part) for part in color.strip("rgba()").split(",")[:3]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_and_the_switch(open_page, scheme):
    page = open_page("sweep.html", color_scheme=scheme)
    assert (min(levels(page, "body", "backgroundColor")) > 200) == (scheme == "light")
    line = "#charts svg .means path"  # of lambda 0: the one with most contrast
    page.wait_for_selector(line)
    assert (max(levels(page, line, "stroke")) < 60) == (scheme == "light")
    page.click("#theme")
    assert (min(levels(page, "body", "backgroundColor")) > 200) == (scheme == "dark")
    page.click("#theme")


def test_print_is_light_and_shows_everything(open_page):
    page = open_page("sweep.html", color_scheme="dark")
    page.wait_for_selector("#charts svg")
    assert page.get_attribute(FOLDED, "open") is None
    assert not page.is_visible("#runs table")
    page.emulate_media(media="print")
    assert min(levels(page, "body", "backgroundColor")) == 255
    assert max(levels(page, "#charts svg .means path", "stroke")) < 60
    page.wait_for_selector("#runs table", state="visible")
    assert not page.is_visible(".controls")
    for region in page.locator(".scroll").all():  # nothing is in a box that would have to scroll
        assert region.evaluate("it => getComputedStyle(it).overflowX") == "visible"
    assert page.pdf()[:5] == b"%PDF-"
    page.emulate_media(media="screen")
    page.wait_for_selector("#runs table", state="hidden")


@pytest.mark.parametrize("name", ["sweep.html", "one.html", "hostile.html"])
@pytest.mark.parametrize("width", [390, 800, 1400])
def test_nothing_is_wider_than_its_screen(open_page, name, width):
    page = open_page(name)
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.locator(".chart").all():
        inside, outside = chart.locator("svg").first.bounding_box(), chart.bounding_box()
        assert inside["width"] <= outside["width"] + 0.5
        assert inside["x"] + inside["width"] <= width


@pytest.mark.parametrize("damage", ["cut", "format"])
def test_damaged_data_is_told(chromium, files, tmp_path, damage):
    text = (files / "one.html").read_text("utf-8")
    whole = text.replace('{"format":1', '{"format":99' if damage == "format" else '{"form')
    assert whole != text
    (tmp_path / "p.html").write_text(whole, "utf-8")
    page = chromium.new_page()
    page.goto(f"file://{tmp_path}/p.html")
    page.wait_for_selector(".failure[role=alert]", timeout=30_000)
    assert "can't be shown" in (page.text_content(".failure") or "")
    page.close()
