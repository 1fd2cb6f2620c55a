"""A trained agent from Python: `attn_ppo.load` of a run folder, and what the agent does."""

import dataclasses
import inspect
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
from planted_run import write_planted_run

import attn_ppo
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.trained import TrainedAgent

SPOT = planted.scene()[0].numpy()  # (4, 84, 84)
NOTHING = planted.scene(spot=20)[0].numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_planted_run(tmp_path_factory.mktemp("run"))


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
