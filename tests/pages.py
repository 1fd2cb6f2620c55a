"""Pages of the planted agent, opened in a real Chromium, and how tests work and read them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import planted
import pytest
import recordings
import torch

from attn_ppo.interpret.network import OpenAgent, see_all
from attn_ppo.interpret.show.page import Choice, Played, write_page
from attn_ppo.regularizers import map_entropies

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
        frames=frames,
        screens=screens,
        palette=palette,
        rewards=np.eye(STEPS, dtype=np.float32)[4] * 7,
    )
    seen = see_all(model, torch.from_numpy(recording.observations()))
    even = torch.full_like(seen.attention, 1 / 49)  # none, where there is no attention
    attention = torch.cat([seen.attention, even], 1)
    recording = dataclasses.replace(
        recording,
        value=seen.value.numpy(),
        log_probs=seen.log_probs.numpy(),
        attention=attention.numpy(),
        entropy=map_entropies(attention).numpy(),
    )
    return Played(OpenAgent(None, model, 10_240, "w"), recording)  # pyright: ignore


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with one.html, two.html (side by side, hostile names), six.html and bare.html."""
    folder = tmp_path_factory.mktemp("pages")
    choice = Choice(methods=METHODS)
    write_page(folder / "one.html", [played()], choice, lambda: None)
    both = [played(seed=1, name=HOSTILE), played(seed=2)]
    about = dataclasses.replace(both[0].recording.about, game=HOSTILE)
    both[0] = both[0]._replace(recording=dataclasses.replace(both[0].recording, about=about))
    write_page(folder / "two.html", both, choice, lambda: None)
    bare = Choice(methods=METHODS, roots=("margin",))
    write_page(folder / "bare.html", [played(gate="none")], bare, lambda: None)
    six = [played(seed=seed) for seed in range(1, 7)]
    one_map = six[2].recording  # whose numbers have the longest names
    one_map = dataclasses.replace(
        one_map, attention=one_map.attention[:, :1], entropy=one_map.entropy[:, :1]
    )
    six[2] = six[2]._replace(recording=one_map)
    write_page(folder / "six.html", six, bare, lambda: None)
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
