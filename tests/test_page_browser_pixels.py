"""Which pixels the page paints, and how strongly, in a real Chromium."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from pages import pixels, played, scrub, show

from attn_ppo.interpret.receptive_field import DEFAULT, KERNELS
from attn_ppo.interpret.show.page import Choice, Played, write_page
from attn_ppo.interpret.show.shades import Shades

pytest_plugins = "pages"
pytestmark = pytest.mark.slow

OVERLAY = ".view.input:not([hidden]) canvas.overlay >> nth=-1"


def painted(page: Any) -> np.ndarray:
    """(84, 84, 4) RGBA of the overlay at each of the input's pixels."""
    flat = np.array(pixels(page, OVERLAY)).reshape(-1, 4)
    side = int(len(flat) ** 0.5)
    at = np.arange(84) * side // 84
    return flat.reshape(side, side, 4)[at[:, None], at]


def opacity(page: Any) -> np.ndarray:
    return painted(page)[..., 3]


def ticks(page: Any) -> list[str]:
    text = page.locator(".legend-ticks").inner_text()
    return text.replace("\N{MULTIPLICATION SIGN}", "x").split()


@pytest.fixture
def open_planted(open_page, files, monkeypatch):
    """Opens the page of a recording, with saliency maps put where they are known."""

    def open_(
        maps: dict[str, np.ndarray],
        recording: dict[str, Any] | None = None,
        scale: float = 1.0,
        **about: Any,
    ) -> Any:
        agent, plain, _ = played()
        plain = dataclasses.replace(plain, **(recording or {}))
        plain = dataclasses.replace(plain, about=dataclasses.replace(plain.about, **about))
        step = {name: Shades((127 * each).astype(np.int8), scale) for name, each in maps.items()}
        monkeypatch.setattr(
            "attn_ppo.interpret.show.page.shades", lambda *_: iter([step] * len(plain))
        )
        choice = Choice(methods=tuple(maps), roots=("value",))
        write_page(files / "planted.html", [Played(agent, plain)], choice, lambda: None)
        return open_page("planted.html")

    return open_


def one(rows: int, row: int, column: int) -> np.ndarray:
    map_ = np.zeros((rows, rows))
    map_[row, column] = 1
    return map_


def test_grad_cam_lies_on_what_its_cells_see(open_planted):
    """Cell (0, 0) sees the rows and columns 0 to 35, and (6, 3) rows 48 to 83, columns 24 to 59."""
    page = open_planted({"grad_cam": one(7, 0, 0)})
    show(page, "method:grad_cam")
    found = opacity(page)
    assert found[35, 35] > 0
    assert found[36, 36] == found[35, 36] == found[36, 35] == 0
    assert len(np.unique(found[:36, :36])) == 1
    page = open_planted({"grad_cam": one(7, 6, 3)})
    show(page, "method:grad_cam")
    assert np.argwhere(opacity(page) > 0).min(0).tolist() == [48, 24]
    assert np.argwhere(opacity(page) > 0).max(0).tolist() == [83, 59]


def test_spots_lie_at_their_pixels_and_fade_to_the_next(open_planted):
    """Spot (2, 3) is centred on pixel (10, 15); (10, 18) is 3 of the 5 pixels on to the next."""
    page = open_planted({"sarfa": one(17, 2, 3)})
    show(page, "method:sarfa")
    page.locator("#opacity").fill("100")
    found = opacity(page)
    assert found[10, 15] == found.max() == 255
    # 0.4 of full strength, drawn over 0.4 ** 0.7 = 0.527 of the picture: 134 of 255
    assert found[10, 18] == pytest.approx(134, abs=1)
    assert found[10, 20] == found[15, 15] == found[5, 15] == found[10, 10] == 0
    page = open_planted({"sarfa": one(17, 16, 16)})  # the last, at pixel 80, holds to the rim
    show(page, "method:sarfa")
    found = opacity(page)
    assert found[75, 75] == 0 < found[76, 76] < found[80, 80] == found[83, 83]


def test_next_to_nothing_does_not_glow(open_planted):
    """A gradient of 7e-8 nats a grey level is 0.00002 over all 255: noise; 4e-4 is full colour."""
    page = open_planted({"gradient": one(42, 20, 20)}, scale=7e-8)
    show(page, "method:gradient")
    assert opacity(page).max() <= 1
    page.click('#scale button[data-value="frame"]')  # who asks for it sees it
    assert opacity(page).max() > 100
    page = open_planted({"gradient": one(42, 20, 20)}, scale=4e-4)
    show(page, "method:gradient")
    assert opacity(page).max() > 100


def attention(*maps: np.ndarray) -> dict[str, Any]:
    return {
        "attention": np.stack([np.stack(maps)] * 12).astype(np.float32),
        "entropy": np.zeros((12, len(maps)), np.float32),
    }


EVEN = np.full((7, 7), 1 / 49)


@pytest.mark.parametrize(
    ("weights", "strength"),
    [
        (EVEN, 0.125),  # once uniform: 1/8
        (EVEN * 0.75 + one(7, 2, 4) * 0.25, None),  # 0.75 + 12.25 = 13 times uniform in one cell
        (one(7, 2, 4), 1.0),  # 49 times uniform
    ],
)
def test_attention_is_drawn_in_multiples_of_uniform(open_planted, weights, strength):
    page = open_planted({}, attention(weights))
    show(page, "map:0")
    page.locator("#opacity").fill("100")
    found = opacity(page)
    if strength is None:  # 0.5 + 0.5 log(13 / 4) / log(49 / 4) = 0.735
        assert found[40, 40] == pytest.approx(255 * 0.735**0.7, abs=1.5)
        strength = 0.75 / 8
        assert found[80, 80] == pytest.approx(255 * strength**0.7, abs=1.5)
    else:
        assert found[40, 40] == found.max() == pytest.approx(255 * strength**0.7, abs=1.5)
    assert ticks(page) == ["0", "1x", "4x", "49x"]


def test_all_maps_are_their_mean(open_planted):
    """Two maps, each on a cell of its own: 24.5 times uniform in both."""
    page = open_planted({}, attention(one(7, 0, 0), one(7, 6, 6)))
    show(page, "sum")
    page.locator("#opacity").fill("100")
    found = opacity(page)
    strength = 0.5 + 0.5 * np.log(24.5 / 4) / np.log(49 / 4)  # 0.8617
    assert found[0, 0] == found[83, 83] == pytest.approx(255 * strength**0.7, abs=1.5)
    assert found[0, 83] == 0


def test_a_gate_whose_weights_do_not_sum_to_one_is_drawn_in_shares_and_says_so(open_planted):
    page = open_planted({}, attention(np.full((7, 7), 0.9)), gate="sigmoid")
    show(page, "map:0")
    page.locator("#opacity").fill("100")
    assert opacity(page).min() == pytest.approx(255 * 0.125**0.7, abs=1.5)
    assert "sigmoid" in page.locator(".legend-unit").inner_text()


def test_the_kernels_are_those_of_the_videos(open_planted):
    page = open_planted({}, attention(one(7, 0, 0)))
    options = page.locator("#kernel option")
    names = [options.nth(i).get_attribute("value") for i in range(options.count())]
    assert names == list(KERNELS)
    assert page.input_value("#kernel") == DEFAULT


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_each_kernel_paints_as_in_python(open_planted, kernel):
    """Two cells whose boxes overlap, 0.8 and 0.2 of the attention; up to a factor by kernel."""
    weights = 0.8 * one(7, 1, 1) + 0.2 * one(7, 3, 2)
    page = open_planted({}, attention(weights))
    show(page, "map:0")
    page.select_option("#kernel", kernel)
    page.click('#scale button[data-value="frame"]')
    page.locator("#opacity").fill("100")
    expected = KERNELS[kernel](weights.astype(np.float32))
    strength = (expected / expected.max()) ** 0.7
    np.testing.assert_allclose(opacity(page), 255 * strength, atol=1.5)


def test_the_recordings_own_scale_marks_uniform(open_planted):
    page = open_planted({}, attention(EVEN * 0.5 + one(7, 2, 4) * 0.5))  # 0.5 + 24.5 at most
    show(page, "map:0")
    page.click('#scale button[data-value="recording"]')
    scrub(page, 3)
    assert ticks(page) == ["0", "1x", "≥25.0x"]
    assert page.locator(".legend-bar i").count() == 1
