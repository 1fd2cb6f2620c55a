"""The page in a real Chromium, from file://: nothing is asked for, and what is clicked is drawn."""

import math
from itertools import pairwise

import numpy as np
import planted
import pytest
from pages import HOSTILE, METHODS, number, pixels, played, scrub, show

from attn_ppo.interpret.show.jumps import jumps

pytest_plugins = "pages"
pytestmark = pytest.mark.slow


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
    for key, step in (
        ("ArrowRight", 1),
        ("Shift+ArrowRight", 11),
        ("ArrowLeft", 10),
        ("Home", 0),
        ("End", 11),
        ("[", last),
        ("Home", 0),
        ("]", first),
    ):
        page.keyboard.press(key)
        assert at() == step, key
    page.keyboard.press("Home")
    page.click("#scale button >> nth=-1")  # which then leaves the space bar alone
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
    page.click('#scale button[data-value="frame"]')  # at other scales vargrad is next to nothing
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
    page.click('#scale button[data-value="frame"]')
    seen.append(look())
    show(page, "map:0")
    seen.append(look())
    page.select_option("#kernel", "box_sum")
    seen.append(look())
    for before, after in pairwise(seen):
        assert before != after


def test_the_scale_suits_the_overlay_until_one_is_chosen(open_page):
    page = open_page("two.html")

    def chosen() -> str | None:
        return page.get_attribute('#scale button[aria-pressed="true"]', "data-value")

    show(page, "map:0")
    assert chosen() == "uniform"
    show(page, "method:gradient")
    assert chosen() == "runs"
    page.click('#scale button[data-value="frame"]')
    show(page, "map:0")
    assert chosen() == "frame"


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
