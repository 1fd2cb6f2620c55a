"""A trained agent from Python: `attn_ppo.load`, of a run folder and of an exported file."""

import dataclasses
import hashlib
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import planted
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

import attn_ppo
from attn_ppo import config
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.launch import command_line
from attn_ppo.lifecycle import saved
from attn_ppo.lifecycle.saved import Saved
from attn_ppo.lifecycle.weights import HEADER
from attn_ppo.trained import TrainedAgent

SETTINGS = ["env=Breakout", "lambda=0.0005", "attention.maps=1", "attention.hidden=8"]
SPOT = planted.scene()[0].numpy()  # (4, 84, 84)
NOTHING = planted.scene(spot=20)[0].numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run folder with the agent of planted.py after 5 updates of 8 * 128 agent steps."""
    path = tmp_path_factory.mktemp("run")
    settings = command_line.parse(SETTINGS).configs[0]
    path.joinpath("config.yaml").write_text(config.to_yaml(settings))
    weights = planted.planted().state_dict()
    agent = {"model": weights, "optimizer": {}, "rng": torch.zeros(1), "backend": "torch"}
    rows = {"recent": [], "elapsed_seconds": 0.0, "sizes": {}}
    origin = {"circumstances": {}, "inexact_resumes": [], "threads": 1}
    saved.save(path, Saved(5, agent, rows, [], origin, None))  # pyright: ignore[reportArgumentType]
    return path


@pytest.fixture(scope="module")
def agent(folder) -> TrainedAgent:
    return attn_ppo.load(folder)


def test_an_agent_says_in_a_line_who_it_is(agent, folder):
    assert repr(agent) == (
        "TrainedAgent(Breakout lambda=0.0005 seed=0, 5,120 agent steps, 4 actions, "
        "1 attention map, on cpu)"
    )
    assert (agent.settings.env, agent.env_steps, agent.folder) == ("Breakout", 5_120, folder)
    assert agent.action_names == ("NOOP", "FIRE", "RIGHT", "LEFT")


def test_it_acts_and_looks_as_planted(agent):
    assert agent.act(SPOT, policy="greedy") == planted.LIKED == 1
    attention = agent.attention(SPOT)
    assert (attention.shape, attention.dtype) == ((1, 7, 7), np.float32)
    assert np.unravel_index(attention[0].argmax(), (7, 7)) == planted.CELL == (2, 4)
    assert attention.sum() == pytest.approx(1)


def test_actions_are_drawn_by_the_policy_with_the_seed(folder):
    """Of the four logits only that of action 1 is not 0.

    The spot's cell has feature 0 4 * 255 / 255 = 4, feature 1 4, normalised 0.7071 each; its
    attention is nearly 1. The body adds 0.1, the logit is 2 * 0.8071 = 1.6142 and pi(1|s) =
    e^1.6142 / (e^1.6142 + 3) = 5.0239 / 8.0239 = 0.626.
    """
    first, again = attn_ppo.load(folder, seed=3), attn_ppo.load(folder, seed=3)
    drawn = [first.act(SPOT) for _ in range(5)]
    assert drawn == [again.act(SPOT) for _ in range(5)]
    many = first.act(np.repeat(SPOT[None], 4_000, 0))
    assert (many.shape, many.dtype) == ((4_000,), np.int64)
    assert (many == 1).mean() == pytest.approx(0.626, abs=0.03)  # 4 standard deviations
    other = attn_ppo.load(folder, seed=4).act(np.repeat(SPOT[None], 50, 0))
    assert (
        other.tolist() != attn_ppo.load(folder, seed=3).act(np.repeat(SPOT[None], 50, 0)).tolist()
    )


def test_observations_in_every_layout_are_the_same(agent):
    expected = agent.attention(SPOT)
    last = np.moveaxis(SPOT, 0, -1)
    for one in (last, torch.from_numpy(SPOT), np.asfortranarray(SPOT)):
        np.testing.assert_array_equal(agent.attention(one), expected)
    for batch in (np.stack([SPOT, NOTHING]), np.stack([last, np.moveaxis(NOTHING, 0, -1)])):
        found = agent.attention(batch)
        assert found.shape == (2, 1, 7, 7)
        np.testing.assert_allclose(found[0], expected, atol=1e-6)
        assert agent.act(batch).shape == (2,)


@pytest.mark.parametrize(
    ("obs", "told"),
    [
        (SPOT / 255, "obs=an array of float64 is not allowed"),
        (torch.from_numpy(SPOT).float(), "obs=an array of torch.float32 is not allowed"),
        (SPOT[0], r"obs=an array of shape \(84, 84\) is not allowed"),
        (SPOT[:3], r"obs=an array of shape \(3, 84, 84\) is not allowed"),
        (SPOT[None][:0], r"obs=an array of shape \(0, 4, 84, 84\) is not allowed"),
        (SPOT[None, None], r"obs=an array of shape \(1, 1, 4, 84, 84\) is not allowed"),
        ("screen", "obs=an array of <U6 is not allowed"),
        ([SPOT, SPOT[0]], "obs=a ragged list is not allowed"),
    ],
)
def test_what_is_no_observation_is_told(agent, obs, told):
    for call in (agent.act, agent.attention, agent.explain):
        with pytest.raises(ConfigError, match=told) as error:
            call(obs)
        assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("method", METHODS)
def test_every_method_explains(agent, method):
    """The same map as its function gives, and most of it around the spot that is looked at."""
    maps = agent.explain(SPOT, method, action=1)
    assert (maps.shape, maps.dtype) == ((METHODS[method].frames, 84, 84), np.float32)
    np.testing.assert_array_equal(agent.explain(SPOT, method, action=[1]), maps)
    np.testing.assert_array_equal(agent.explain(SPOT, method), maps)  # the most likely action
    newest = np.abs(maps[-1])
    assert newest[planted.BOX].sum() > 0.5 * newest.sum()


def test_a_batch_is_explained_row_by_row(agent):
    both = agent.explain(np.stack([NOTHING, SPOT]), "gradient", action=[0, 1])
    assert both.shape == (2, 4, 84, 84)
    np.testing.assert_allclose(both[1], agent.explain(SPOT, "gradient", action=1), atol=1e-7)
    # d log pi(0) / d logit 1 = -pi(1), d log pi(1) / d logit 1 = 1 - pi(1): signs differ
    assert agent.explain(SPOT, "gradient", action=0)[3][planted.SPOT].sum() < 0
    assert both[1][3][planted.SPOT].sum() > 0
    value = agent.explain(SPOT, "gradient", target="value")
    assert value[3][planted.SPOT].sum() < 0  # it falls as the spot brightens


def test_noise_is_that_of_the_seed(agent):
    first, again, other = (agent.explain(SPOT, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"method": "smothgrad"}, "method=smothgrad .*nearest: smoothgrad"),
        ({"target": "logprob"}, "target=logprob .*nearest: log_prob"),
        ({"action": 4}, "action=4 .*a whole number from 0 to 3"),
        ({"action": -1}, "action=-1 .*a whole number from 0 to 3"),
        ({"action": [1, 2]}, r"action=of shape \(2,\) .*one for each of the 1 observations"),
        ({"seed": -1}, "seed=-1 .*a whole number from 0 to 4,294,967,295"),
    ],
)
def test_wrong_arguments_are_told(agent, arguments, told):
    with pytest.raises(ConfigError, match=f"(?s){told}"):
        agent.explain(SPOT, **arguments)


def test_an_agent_without_attention_has_no_maps_and_no_targets_of_them(agent):
    settings = dataclasses.replace(
        agent.settings, attention=dataclasses.replace(agent.settings.attention, gate="none")
    )
    blind = agent._agent._replace(settings=settings, model=planted.planted("none"))
    found = TrainedAgent(blind, agent.action_names, agent.folder, torch.device("cpu"), 0)
    assert found.attention(SPOT).shape == (0, 7, 7)
    assert "0 attention maps" in repr(found)
    for method in ("gradient", "smoothgrad", "grad_cam"):
        with pytest.raises(ConfigError, match="target=focus"):
            found.explain(SPOT, method, target="focus")


def test_it_plays_whole_games(agent):
    found, again, other = agent.play(2), agent.play(2), agent.play(2, seed=5)
    assert found["episodes"] == len(found["scores"]) == len(found["lengths"]) == 2
    assert found == again
    assert found["seeds"] != other["seeds"]
    for wrong in ({"episodes": 0}, {"seed": -1}):
        with pytest.raises(ConfigError):
            agent.play(**wrong)


def test_exported_weights_are_the_same_agent(agent, folder, tmp_path):
    file = attn_ppo.export(folder, tmp_path / "ball.safetensors")
    assert list(tmp_path.iterdir()) == [file]
    again = attn_ppo.load(file)
    assert repr(again) == repr(agent)
    assert (again.settings, again.weights) == (agent.settings, agent.weights)
    assert again.action_names == agent.action_names
    np.testing.assert_array_equal(again.explain(SPOT), agent.explain(SPOT))


def test_halves_are_the_same_agent_to_three_digits(folder, tmp_path):
    whole, half = (attn_ppo.export(folder, tmp_path / str(h), half=h) for h in (False, True))
    size = half.stat().st_size
    assert size < 0.51 * whole.stat().st_size
    exact, rounded = attn_ppo.load(whole), attn_ppo.load(half)
    pairs = zip(exact.model.parameters(), rounded.model.parameters(), strict=True)
    # 11 bits: half a unit of the last is 2^-11 of a weight; below 6e-5 there are fewer
    assert all(((a - b).abs() <= a.abs() / 2048 + 3e-8).all() for a, b in pairs)
    assert rounded.weights != exact.weights


def test_weights_in_a_folder_stand_in_for_its_checkpoint(agent, folder, tmp_path):
    (tmp_path / "config.yaml").write_bytes((folder / "config.yaml").read_bytes())
    attn_ppo.export(folder, tmp_path / "weights.safetensors")
    found = attn_ppo.load(tmp_path)
    assert (found.weights, found.env_steps) == (agent.weights, agent.env_steps)
    (tmp_path / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="can't be read"):
        attn_ppo.load(tmp_path)


def header_of(file: Path) -> dict[str, str]:
    """The metadata of a safetensors file: 8 bytes of length, then JSON."""
    data = file.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]


def test_the_header_says_which_agent_it_is(agent, folder, tmp_path):
    header = header_of(attn_ppo.export(folder, tmp_path / "a"))
    assert header.keys() == HEADER.keys()
    assert header["game"] == "Breakout"
    assert json.loads(header["action_names"]) == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    assert header["env_steps"] == "5120"
    assert header["settings"] == (folder / "config.yaml").read_text()
    assert header["weights_sha256"] == agent.weights
    assert header["rom_md5"] == "f34f08e5eb96e500e851a80be3277a56"  # ALE's md5.txt
    whole = (folder / "checkpoint.pt").read_bytes()  # its last 32 bytes are the digest
    assert header["checkpoint_sha256"] == hashlib.sha256(whole[:-32]).hexdigest()


def test_files_that_are_no_agent_are_told(folder, tmp_path):
    whole = attn_ppo.export(folder, tmp_path / "whole")
    data = bytearray(whole.read_bytes())
    data[-3] ^= 1  # within the weights
    cases = {
        "damaged": (bytes(data), "is damaged"),
        "cut": (bytes(data[:2_000]), "can't be read"),
        "text": (b"hello", "can't be read"),
        "other": (b"\x02\0\0\0\0\0\0\0{}", "is of another format"),
    }
    for name, (content, told) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=told) as error:
            attn_ppo.load(tmp_path / name)
        assert len(str(error.value).splitlines()) == 2


def with_header(file: Path, copy: Path, **changes: str) -> Path:
    """`copy`: the file with another header."""
    with safe_open(file, "pt") as opened:
        weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    copy.write_bytes(save(weights, metadata={**header_of(file), **changes}))
    return copy


@pytest.mark.parametrize(
    "changes",
    [
        {"env_steps": "many"},
        {"env_steps": "-5"},
        {"action_names": "NOOP, FIRE"},  # no JSON
        {"action_names": "4"},
        {"action_names": '{"NOOP": 0, "FIRE": 1, "RIGHT": 2, "LEFT": 3}'},
        {"action_names": "[0, 1, 2, 3]"},
        {"action_names": '["NOOP", "FIRE"]'},  # of four
    ],
)
def test_headers_that_another_program_has_written_are_told(folder, tmp_path, changes):
    whole = attn_ppo.export(folder, tmp_path / "whole")
    assert attn_ppo.load(with_header(whole, tmp_path / "same")).env_steps == 5_120
    with pytest.raises(ConfigError, match=f"has a header with {next(iter(changes))}=") as error:
        attn_ppo.load(with_header(whole, tmp_path / "other", **changes))
    assert len(str(error.value).splitlines()) == 2


def test_a_file_whose_weights_do_not_fit_its_settings(folder, tmp_path):
    text = (folder / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("hidden: 8", "hidden: 9"))
    (tmp_path / "checkpoint.pt").write_bytes((folder / "checkpoint.pt").read_bytes())
    file = attn_ppo.export(tmp_path, tmp_path / "file")
    with pytest.raises(ConfigError, match="weights that don't fit"):
        attn_ppo.load(file)
    with pytest.raises(ConfigError, match="weights that don't fit"):
        attn_ppo.load(tmp_path)


def test_folders_without_an_agent_are_told(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"config.yaml isn't there"):
        attn_ppo.load(tmp_path)
    (tmp_path / "config.yaml").write_text((folder / "config.yaml").read_text())
    for call in (attn_ppo.load, lambda path: attn_ppo.export(path, tmp_path / "file")):
        with pytest.raises(RunError, match="has no checkpoint yet") as error:
            call(tmp_path)
        assert error.value.code == ExitCode.NO_CHECKPOINT
    assert not (tmp_path / "file").exists()
    with pytest.raises(RunError, match=r"can't write .*No such file or directory"):
        attn_ppo.export(folder, tmp_path / "nowhere" / "file")


def test_devices_that_are_not_there_are_told(folder):
    with pytest.raises(ConfigError, match="device=gpu is not allowed\nallowed: auto, cpu, cuda"):
        attn_ppo.load(folder, device="gpu")
    if not torch.cuda.is_available():
        assert attn_ppo.load(folder, device="auto").device.type == "cpu"
        with pytest.raises(ConfigError, match="device=cuda:1 is not on this machine"):
            attn_ppo.load(folder, device="cuda:1")


def test_the_examples_in_the_document_run(folder, tmp_path, monkeypatch):
    text = (Path(__file__).parent.parent / "docs/agents.md").read_text("utf-8")
    first, shown, gymnasium, exported = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    monkeypatch.chdir(tmp_path)
    run = Path("runs/demo/Breakout/lambda=0/seed=0")
    shutil.copytree(folder, run)
    there: dict[str, Any] = {}
    exec(first + gymnasium + exported, there)
    assert there["obs"].shape == (4, 84, 84)
    assert there["agent"].folder == Path("breakout.safetensors")
    assert shown.startswith(">>> agent\nTrainedAgent(Breakout lambda=0 seed=0, 10,240 agent steps")


def test_the_document_s_calls_are_those_of_the_code():
    text = (Path(__file__).parent.parent / "docs/agents.md").read_text("utf-8")
    calls = re.findall(r"^\| `(?:agent\.)?(\w+)\((.*?)\)` \|", text, re.M)
    assert [name for name, _ in calls] == ["load", "act", "attention", "explain", "play"]
    for name, shown in calls:
        signature = inspect.signature(getattr(TrainedAgent, name, attn_ppo.load))
        bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
        text = str(inspect.Signature([each for each in bare if each.name != "self"]))
        assert f"({shown})" == text.replace("'", '"')


def test_import_is_instant_and_names_are_there():
    code = "import sys, attn_ppo; print(sorted(set(sys.modules) & {'torch', 'numpy', 'hydra'}));"
    code += "print(dir(attn_ppo)); print(attn_ppo.load.__module__); attn_ppo.laod"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    nothing, names, module = done.stdout.splitlines()
    assert nothing == "[]"
    assert {"load", "export", "TrainedAgent"} <= set(eval(names))
    assert module == "attn_ppo.trained"
    assert "AttributeError: module 'attn_ppo' has no attribute 'laod'" in done.stderr
