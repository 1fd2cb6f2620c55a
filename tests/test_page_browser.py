"""The page in a real Chromium, from file://: nothing is asked for, and what is clicked is drawn."""

import dataclasses
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import browser
import numpy as np
import planted
import pytest
import recordings
import torch

from attn_ppo.interpret.jumps import jumps
from attn_ppo.interpret.network import OpenAgent, see_all
from attn_ppo.interpret.page import Choice, Played, write_page
from attn_ppo.regularizers import map_entropies

pytestmark = pytest.mark.slow

STEPS = 12
HOSTILE = "<img src=x onerror=\"document.title='broken in'\"><script>1</script>{{DATA}}"
METHODS = ("gradient", "vargrad", "grad_cam")


def played(*, seed: int = 3, name: str = "demo", gate: Any = "softmax") -> Played:
    """The planted agent, that sees its spot grow brighter step by step, and a second, even map."""
    model = planted.planted(gate)
    frames = np.stack([planted.scene(spot=20 * t)[0, 3].numpy() for t in range(1, STEPS + 1)])
    screens = np.zeros((STEPS, 210, 160), np.uint8)
    screens[np.arange(STEPS), 10 * np.arange(STEPS)] = 1  # a line that moves down
    palette = np.zeros((256, 3), np.uint8)
    palette[:2] = (30, 40, 50), (200, 72, 72)
    recording = dataclasses.replace(
        recordings.planted(np.full((1, 7, 7), 1 / 49), steps=STEPS, seed=seed, name=name),
        frames=frames, screens=screens, palette=palette,
        rewards=np.eye(STEPS, dtype=np.float32)[4] * 7,
    )  # fmt: skip
    seen = see_all(model, torch.from_numpy(recording.observations()))
    even = torch.full_like(seen.attention, 1 / 49)  # none, where there is no attention
    attention = torch.cat([seen.attention, even], 1)
    recording = dataclasses.replace(
        recording, value=seen.value.numpy(), log_probs=seen.log_probs.numpy(),
        attention=attention.numpy(), entropy=map_entropies(attention).numpy(),
    )  # fmt: skip
    return Played(OpenAgent(None, model, 10_240, "w"), recording)  # pyright: ignore


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with one.html, two.html (side by side, hostile names) and bare.html."""
    folder = tmp_path_factory.mktemp("pages")
    choice = Choice(methods=METHODS)
    write_page(folder / "one.html", [played()], choice, lambda: None)
    both = [played(seed=1, name=HOSTILE), played(seed=2)]
    about = dataclasses.replace(both[0].recording.about, game=HOSTILE)
    both[0] = both[0]._replace(recording=dataclasses.replace(both[0].recording, about=about))
    write_page(folder / "two.html", both, choice, lambda: None)
    bare = Choice(methods=METHODS, roots=("margin",))
    write_page(folder / "bare.html", [played(gate="none")], bare, lambda: None)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path, missing = browser.find()
    if not path:
        pytest.skip(missing)
    with browser.chromium(*browser.SOFTWARE_GL) as started:
        yield started


@pytest.fixture
def open_page(chromium, files):
    """Opens one of the files; at the end: nothing was requested, and nobody complained."""
    opened, requests, complaints = [], [], []

    def open_(name: str, **options: Any) -> Any:
        page = chromium.new_page(viewport={"width": 1400, "height": 1000}, **options)
        page.set_default_timeout(15_000)
        opened.append(page)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"file://{files}/{name}")
        page.wait_for_selector("#app[aria-busy=false]", timeout=60_000)
        return page

    yield open_
    for page in opened:
        page.close()
    assert {url.partition("#")[0] for url in requests} <= {f"file://{p}" for p in files.iterdir()}
    assert complaints == []


def pixels(page: Any, selector: str) -> list[int]:
    """What a canvas shows, RGBA after RGBA."""
    return page.eval_on_selector(
        selector,
        "c => { const d = document.createElement('canvas'); d.width = c.width; d.height = c.height;"
        "const x = d.getContext('2d'); x.drawImage(c, 0, 0);"
        "return Array.from(x.getImageData(0, 0, c.width, c.height).data) }",
    )


def show(page: Any, overlay: str) -> None:
    """Lays this on the pictures; a second click would take it off again."""
    button = page.locator(f'button[data-value="{overlay}"]')
    if button.get_attribute("aria-pressed") != "true":
        button.click()
    assert button.get_attribute("aria-pressed") == "true"


def number(page: Any, name: str, run: int = 0) -> str:
    return page.text_content(f'.panel[data-run="{run}"] dd[data-number="{name}"]')


def scrub(page: Any, step: int) -> None:
    page.locator("#scrubber").fill(str(step))


def test_scrubbing_changes_screen_and_numbers(open_page):
    page = open_page("one.html")
    first = pixels(page, ".view.screen canvas")
    value = number(page, "value")
    scrub(page, 6)
    assert pixels(page, ".view.screen canvas") != first
    assert number(page, "value") != value
    assert number(page, "return").strip() == "7"  # the reward of step 4
    scrub(page, 0)
    assert pixels(page, ".view.screen canvas") == first
    assert number(page, "return").strip() == "0"


def test_keys(open_page):
    page = open_page("one.html")

    def at() -> int:
        return int(page.input_value("#scrubber"))

    first, *_, last = (jump.step for jump in jumps(played().recording))
    for key, step in (("ArrowRight", 1), ("Shift+ArrowRight", 11), ("ArrowLeft", 10), ("Home", 0),
                      ("End", 11), ("[", last), ("Home", 0), ("]", first)):  # fmt: skip
        page.keyboard.press(key)
        assert at() == step, key
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    for _ in range(200):  # the page's own rules forbid the eval that wait_for_function needs
        if at() > 1:
            break
        page.wait_for_timeout(100)
    assert at() > 1
    page.keyboard.press("Space")
    stopped = at()
    page.wait_for_timeout(400)
    assert at() == stopped
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")


def test_a_bookmark_leads_to_the_reward(open_page):
    page = open_page("one.html")
    page.click('#bookmarks button[data-step="4"]')
    assert number(page, "reward").strip().lstrip("+") == "7"


@pytest.mark.parametrize(
    "overlay", ["map:0", "map:1", "sum", *(f"method:{name}" for name in METHODS)]
)
def test_each_overlay_is_drawn_and_taken_off(open_page, overlay):
    page = open_page("one.html")
    scrub(page, 11)
    view = page.locator(".view.input:visible").first
    show(page, "none")
    without = view.screenshot()
    show(page, overlay)
    assert view.screenshot() != without
    show(page, "none")
    assert view.screenshot() == without


def test_attention_is_drawn_where_the_agent_looks(open_page):
    """The strongest overlay lies in the box of cell (2, 4), the rest of the picture is empty."""
    page = open_page("one.html")
    scrub(page, 11)
    show(page, "map:0")
    page.select_option("#kernel", "strongest")
    alpha = np.array(pixels(page, ".view.input canvas.overlay")).reshape(-1, 4)
    side = math.isqrt(len(alpha))
    strength = alpha[:, :3].sum(1).reshape(side, side) * (alpha[:, 3].reshape(side, side) > 0)
    rows, columns = (slice(part.start * side // 84, part.stop * side // 84) for part in planted.BOX)
    inside = strength[rows, columns].mean()
    outside = (strength.sum() - strength[rows, columns].sum()) / (
        strength.size - strength[rows, columns].size
    )
    assert inside > 3 * outside + 10


def test_opacity_scale_and_kernel_change_the_picture(open_page):
    page = open_page("one.html")
    scrub(page, 1)
    show(page, "method:gradient")
    look = page.locator(".view.input:visible").first.screenshot
    seen = [look()]
    page.locator("#opacity").fill("20")
    seen.append(look())
    page.click('#scale button[data-value="recording"]')
    seen.append(look())
    show(page, "map:0")
    seen.append(look())
    page.select_option("#kernel", "box_sum")
    seen.append(look())
    for before, after in pairwise(seen):
        assert before != after


def test_actions_have_their_names_and_probabilities(open_page):
    page = open_page("one.html")
    shown = page.locator('.panel[data-run="0"] .actions li')
    assert shown.count() == 4
    text = " ".join(shown.all_text_contents())
    assert all(name in text for name in ("NOOP", "FIRE", "RIGHT", "LEFT"))
    assert page.locator(".actions li.chosen").get_attribute("data-action") == "FIRE"


def test_a_click_on_a_trace_scrubs(open_page):
    page = open_page("one.html")
    area = page.locator('[data-trace="value"] .u-over')
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    assert 4 <= int(page.input_value("#scrubber")) <= 7


def test_the_tree_follows_its_sliders_and_its_nodes_show_their_boxes(open_page):
    page = open_page("one.html")
    scrub(page, 11)
    page.click('#tree-root button[data-value="attention"]')
    items = page.locator("#tree-list [role=treeitem]")
    page.wait_for_selector("#tree-list [role=treeitem]")
    page.locator("#tree-depth").fill("6")
    deep = page.locator("#coverage li").count()
    assert deep == 6
    page.locator("#tree-depth").fill("2")
    page.wait_for_timeout(400)
    assert page.locator("#coverage li").count() <= deep
    items.first.click()
    readout = page.text_content("#readout") or ""
    assert "2" in readout
    assert page.text_content('#readout dd[data-readout="box"]')
    assert page.locator("rect.outline.selected").count() > 0
    assert "%" in (page.text_content('#readout dd[data-readout="coverage"]') or "")


def test_trees_have_several_roots(open_page):
    page = open_page("one.html")
    scrub(page, 11)
    verdicts = set()
    for root in ("attention", "attention_direct", "value"):
        page.click(f'#tree-root button[data-value="{root}"]')
        page.wait_for_timeout(300)
        verdicts.add(" ".join(page.locator("#coverage li").all_text_contents()))
    assert len(verdicts) == 3


def test_the_tree_is_drawn_in_three_dimensions_and_turns(open_page):
    page = open_page("one.html")
    scrub(page, 11)
    view = page.locator("#tree-3d")
    view.scroll_into_view_if_needed()
    page.wait_for_selector(".stage-3d .labels .level", timeout=30_000, state="attached")
    page.wait_for_timeout(500)
    before = view.screenshot()
    box = view.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 30, steps=5)
    page.mouse.up()
    page.wait_for_timeout(800)
    assert view.screenshot() != before


def test_without_webgl_the_page_says_so_and_the_rest_works(chromium, files):
    """WebGL is taken away before the page's own script runs."""
    page = chromium.new_page()
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest) }"
    )
    page.goto(f"file://{files}/one.html")
    page.wait_for_selector("#app[aria-busy=false]", timeout=60_000)
    page.locator("#tree").scroll_into_view_if_needed()
    page.wait_for_selector("#no-webgl", timeout=20_000)
    assert "WebGL" in (page.text_content("#no-webgl") or "")
    scrub(page, 6)
    assert number(page, "return").strip() == "7"
    page.wait_for_selector("#tree-list [role=treeitem]")
    page.close()


def test_two_runs_side_by_side_and_hostile_names_stay_text(open_page):
    page = open_page("two.html")
    assert page.locator(".panel").count() == 2
    scrub(page, 6)
    assert number(page, "return", 0) == number(page, "return", 1)
    assert page.title() != "broken in"
    assert HOSTILE in (page.text_content("body") or "")
    assert page.locator("img").count() == 0


def test_an_agent_without_attention(open_page):
    page = open_page("bare.html")
    assert page.locator('button[data-value="map:0"]').count() == 0
    show(page, "method:gradient")
    assert page.locator("#tree-list [role=treeitem]").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(open_page, scheme):
    page = open_page("one.html", color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(part) for part in background.strip("rgba()").split(",")[:3]]
    assert (min(levels) > 200) if scheme == "light" else (max(levels) < 60)


@pytest.mark.parametrize("damage", ["cut", "format"])
def test_damaged_data_is_told(chromium, files, tmp_path, damage):
    text = (files / "one.html").read_text()
    start = text.index('id="data">') + len('id="data">')
    end = text.index("</script>", start)
    data = text[start:end]
    (tmp_path / "p.html").write_text(
        text[:start] + (data[: len(data) // 2] if damage == "cut" else "AAAA") + text[end:]
    )
    page = chromium.new_page()
    page.goto(f"file://{tmp_path}/p.html")
    page.wait_for_selector(".failure[role=alert]", timeout=30_000)
    assert len(page.text_content(".failure") or "") > 20
    page.close()
