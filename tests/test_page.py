"""The page's file: what web/FORMAT.md promises, decoded as it says, and nothing that could run."""

import base64
import dataclasses
import gzip
import html
import json
import re
from typing import Any

import numpy as np
import planted
import pytest
import recordings

from attn_ppo.errors import ConfigError, RunError
from attn_ppo.interpret.network import OpenAgent, see_all
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.receptive_field import box
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.show.container import Container
from attn_ppo.interpret.show.jumps import Jump, jumps
from attn_ppo.interpret.show.measured import Measured
from attn_ppo.interpret.show.page import Choice, Played, write_page
from attn_ppo.interpret.tree.tracer import Tracer

HOSTILE = '</script><img src=x onerror="alert(1)">'
KINDS = {"u8": "u1", "i8": "i1", "u16": "<u2", "i16": "<i2", "f16": "<f2", "f32": "<f4"}


def decode(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header, and the arrays of the first run, by FORMAT.md alone."""
    data = re.search(r'<script type="text/plain" id="data">\s*([A-Za-z0-9+/=]+)\s*</script>', text)
    assert data
    block = gzip.decompress(base64.b64decode(data[1]))
    length = int.from_bytes(block[:4], "little")
    header = json.loads(block[4 : 4 + length])
    body = block[-(-(4 + length) // 8) * 8 :]
    arrays = {}
    for name, about in header["runs"][0]["arrays"].items():
        kind = np.dtype(KINDS[about["type"]])
        size = int(np.prod(about["shape"]))
        assert about["offset"] % 8 == 0
        array = np.frombuffer(body, kind, size, about["offset"]).reshape(about["shape"])
        arrays[name] = np.bitwise_xor.accumulate(array) if about["delta"] else array
    return header, arrays


@pytest.fixture(scope="module")
def played() -> Played:
    """Three steps of the planted agent; the spot is seen at the first and the last."""
    model = planted.planted()
    frames = np.stack([planted.scene(spot=spot)[0, 3].numpy() for spot in (255, 20, 200)])
    made_up = recordings.planted(np.full((1, 7, 7), 1 / 49), steps=3)
    recording = dataclasses.replace(made_up, frames=frames)
    seen = see_all(model, planted.torch.from_numpy(recording.observations()))
    recording = dataclasses.replace(recording, attention=seen.attention.numpy())
    return Played(OpenAgent(None, model, 10_240, "w"), recording)  # pyright: ignore


@pytest.fixture(scope="module")
def page(played, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(path, [played], Choice(), lambda: None)
    return path.read_text()


def test_the_games_arrays_come_back(played, page):
    header, arrays = decode(page)
    (run,) = header["runs"]
    assert (header["format"], run["steps"], run["maps"], run["screen"]) == (3, 3, 1, [210, 160])
    assert run["gate"] == "softmax"
    assert run["objects"] is None
    assert {"Breakout", "MsPacman"} <= set(header["games_with_objects"])
    assert run["actions"] == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    for name in (
        "palette",
        "screens",
        "frames",
        "filled",
        "games",
        "actions",
        "executed",
        "value",
        "rewards",
        "lives",
        "log_probs",
        "attention",
        "entropy",
    ):
        np.testing.assert_array_equal(arrays[name], getattr(played.recording, name))


def test_saliency_is_where_it_was_planted(page):
    header, arrays = decode(page)
    assert [method["name"] for method in header["methods"]] == list(METHODS)
    assert {method["signed"] for method in header["methods"]} == {True, False}
    gradient = arrays["saliency/gradient"][0] / 127 * arrays["scale/gradient"][0]
    assert gradient.shape == (42, 42)
    rows, columns = (slice(part.start // 2, part.stop // 2) for part in planted.SPOT)
    assert np.abs(gradient[rows, columns]).sum() > 0.9 * np.abs(gradient).sum()
    assert arrays["saliency/sarfa"].shape == (3, 17, 17)
    assert arrays["saliency/grad_cam"].shape == (3, 7, 7)
    assert arrays["saliency/grad_cam"][0].argmax() == 7 * planted.CELL[0] + planted.CELL[1]
    for name in METHODS:
        assert np.abs(arrays[f"saliency/{name}"]).max() == 127
        assert (arrays[f"scale/{name}"] >= 0).all()


def test_trees_are_the_tracer_s(played, page):
    header, arrays = decode(page)
    counts = arrays["tree/attention/counts"]
    assert [level["name"] for level in header["trees"][0]["levels"]][::5] == [
        "attention map",
        "input frame",
    ]
    tree = Tracer(played.agent.model).tree(played.recording.observations()[2], n=3)
    assert counts[2] == len(tree)
    last = slice(int(counts[:2].sum()), None)
    for name in ("parent", "level", "rank", "channel", "row", "column"):
        np.testing.assert_array_equal(arrays[f"tree/attention/{name}"][last], getattr(tree, name))
    np.testing.assert_allclose(
        arrays["tree/attention/total"][last], tree.total, rtol=1e-3, atol=1e-6
    )
    root = int(counts[:2].sum())
    assert (
        arrays["tree/attention/row"][root],
        arrays["tree/attention/column"][root],
    ) == planted.CELL
    level = header["trees"][0]["levels"][0]
    top, left = level["stride"] * planted.CELL[0], level["stride"] * planted.CELL[1]
    assert (slice(top, top + level["size"]), slice(left, left + level["size"])) == box(2, 4)


def test_objects_come_back(played, tmp_path):
    coverage = np.zeros((3, 2, 84, 84), np.uint8)
    coverage[:, 0, 1, 4] = coverage[1:, 1, 0, :8] = 255
    share, chance = np.array([[[0.25, np.nan]]] * 3), np.full((3, 1, 2), 0.125)
    even, importance = np.full((3, 2), 0.5), np.array([[np.nan] * 2, [0.75, 0], [np.nan] * 2])
    measured = Measured(("ball", "bricks"), "motion", coverage, share, chance, even, importance)
    page = [played._replace(measured=measured)]
    write_page(tmp_path / "p.html", page, Choice(methods=(), roots=("value",)), lambda: None)
    header, arrays = decode((tmp_path / "p.html").read_text())
    about = {"names": ["ball", "bricks"], "method": "motion", "steps": 1}
    assert header["runs"][0]["objects"] == about
    seen = np.unpackbits(arrays["objects/masks"], axis=-1).reshape(3, 2, 84, 84)
    np.testing.assert_array_equal(seen, coverage // 255)
    for name in ("share", "chance", "even", "importance"):
        np.testing.assert_array_equal(arrays[f"objects/{name}"], getattr(measured, name))


def test_the_same_page_again(played, page, tmp_path):
    write_page(tmp_path / "page.html", [played], Choice(), lambda: None)
    assert (tmp_path / "page.html").read_text() == page


def test_markup_in_names_stays_text(played, tmp_path):
    about = dataclasses.replace(played.recording.about, game=HOSTILE, name=HOSTILE)
    recording = dataclasses.replace(played.recording, about=about)
    write_page(
        tmp_path / "p.html",
        [played._replace(recording=recording)],
        Choice(methods=()),
        lambda: None,
    )
    text = (tmp_path / "p.html").read_text()
    assert HOSTILE not in text
    title = re.search(r"<title>(.*?)</title>", text)
    assert title
    assert HOSTILE in html.unescape(title[1])
    assert decode(text)[0]["runs"][0]["game"] == HOSTILE


def test_the_page_asks_for_nothing_outside(page):
    shell = page.replace(re.findall(r'id="data">(.*?)<', page, re.DOTALL)[0], "")
    assert not re.findall(r"<(?:link|iframe|img)\b", shell)
    assert not re.findall(r"<script[^>]+src=", shell)
    assert "default-src 'none'" in shell
    assert "{{" not in shell.partition("<script>")[0]


def test_several_runs_and_other_roots(played, tmp_path):
    steps = []
    choice = Choice(target="value", methods=("gradient",), roots=("value",), n=2)
    write_page(tmp_path / "p.html", [played, played], choice, lambda: steps.append(1))
    header, arrays = decode((tmp_path / "p.html").read_text())
    assert len(header["runs"]) == 2
    assert len(steps) == 6
    assert header["target"]["name"] == "value"
    assert header["trees"][0]["levels"][0] == {"name": "target", "stride": 0, "size": 84}
    assert arrays["tree/value/rank"].max() <= 1


def test_an_agent_without_attention(played, tmp_path):
    model = planted.planted("none")
    bare = dataclasses.replace(
        played.recording,
        attention=np.zeros((3, 0, 7, 7), np.float32),
        entropy=np.zeros((3, 0), np.float32),
    )
    plain = Played(played.agent._replace(model=model), bare)
    with pytest.raises(ConfigError, match="root=attention"):
        write_page(tmp_path / "p.html", [plain], Choice(methods=()), lambda: None)
    assert not list(tmp_path.iterdir())
    write_page(tmp_path / "p.html", [plain], Choice(roots=("margin",)), lambda: None)
    header, arrays = decode((tmp_path / "p.html").read_text())
    assert header["runs"][0]["maps"] == 0
    assert arrays["attention"].shape == (3, 0, 7, 7)


def test_a_full_disk_is_told(played, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("attn_ppo.interpret.show.page.write_atomically", full)
    with pytest.raises(RunError, match=r"p\.html"):
        write_page(tmp_path / "p.html", [played], Choice(methods=()), lambda: None)


def test_container_by_hand():
    container = Container()
    assert container.add(np.array([1, 3, 3], np.uint8), delta=True) == {
        "type": "u8",
        "shape": [3],
        "offset": 0,
        "delta": True,
    }
    assert container.add(np.array([0.5], np.float16))["offset"] == 8
    block = gzip.decompress(base64.b64decode(container.text({"a": 1})))
    # 4 bytes of length, 8 of header, 4 of padding; 1, 1 xor 3, 3 xor 3; half a one is 0x3800
    assert block == b"\x08\0\0\0" + b'{"a": 1}' + bytes(4) + b"\x01\x02\0" + bytes(
        5
    ) + b"\0\x38" + bytes(6)


def _line(values: list[float], **others: Any) -> Recording:
    steps = len(values)
    made_up = recordings.planted(np.full((1, 7, 7), 1 / 49), steps=steps)
    others = {"value": np.array(values, np.float32), **others}
    return dataclasses.replace(made_up, **others)


def test_jumps_of_every_kind_in_order():
    steps = 40
    value, rewards = np.zeros(steps), np.zeros(steps, np.float32)
    value[20:] = 2.5
    rewards[[3, 5]] = 4, 1  # the second is too close to the first
    lives = np.full(steps, 5, np.uint8)
    lives[10:30] = 4
    games = np.zeros(steps, np.int32)
    games[30:] = 1
    entropy = np.full((steps, 1), 3.0, np.float32)
    entropy[15:] = 1
    found = jumps(_line(value.tolist(), rewards=rewards, lives=lives, games=games, entropy=entropy))
    assert found == [
        Jump(3, "reward +4"),
        Jump(10, "life lost"),
        Jump(15, "attention entropy -2.00"),
        Jump(20, "value +2.50"),
        Jump(30, "new game"),
    ]


def test_what_comes_together_is_one_bookmark():
    lives = np.full(20, 5, np.uint8)
    lives[10:] = 4
    value = [1.0] * 10 + [0.25] * 10
    rewards = np.zeros(20, np.float32)
    rewards[10] = 50
    assert jumps(_line(value, lives=lives, rewards=rewards)) == [
        Jump(10, "life lost, reward +50, value -0.75")
    ]


def test_nothing_happens_nowhere_to_jump():
    assert jumps(_line([1.0] * 20)) == []
    assert jumps(_line([1.0] * 10 + [1.04] * 10)) == []  # too little
    assert jumps(_line([1.0] * 10 + [1.06] * 10)) == [Jump(10, "value +0.06")]
