"""The tree of the page in a real Chromium: sliders, roots, three dimensions or no WebGL."""

import numpy as np
import pytest
from pages import number, played, scrub

pytest_plugins = "pages"
pytestmark = pytest.mark.slow


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


def test_the_entropy_is_told_apart_from_the_action_s_tree(open_page):
    """The root's relevance is log pi(a|s) plus the policy's entropy."""
    page = open_page("one.html")
    scrub(page, 11)
    page.click('#tree-root button[data-value="log_prob"]')
    page.locator("#tree-list .node").first.click()
    told = page.text_content('#readout dd[data-readout="offset"]') or ""
    recording = played().recording
    log_probs = recording.log_probs[11].astype(float)
    entropy = -(np.exp(log_probs) * log_probs).sum()
    for nats in (log_probs[recording.actions[11]], entropy):
        assert f"{nats:.3g}".replace("-", "\N{MINUS SIGN}") in told
    page.click('#tree-root button[data-value="value"]')
    page.locator("#tree-list .node").first.click()
    assert not page.is_visible('#readout dd[data-readout="offset"]')
