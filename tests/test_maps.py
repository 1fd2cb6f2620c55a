"""Several saliency maps at once are those that each method gives alone, at less work."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from planted import scene
from recordings import UNIFORM, planted
from torch import Generator

from attn_ppo import config
from attn_ppo.interpret.network import opened
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.saliency import gradients, perturbation
from attn_ppo.interpret.saliency import maps as together
from attn_ppo.interpret.saliency.maps import maps_of_steps, maps_on_pixels, on_pixels, saliency_maps
from attn_ppo.interpret.saliency.methods import METHODS, Method
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.model import ActorCritic

OBS, ACTIONS = torch.cat([scene(), scene(elsewhere=90)]), torch.tensor([1, 2])


def agent(gate: str = "softmax") -> ActorCritic:
    settings = config.AttentionSettings(gate=gate, maps=2, hidden=16)
    return opened(ActorCritic(4, settings, Generator().manual_seed(0)))


@pytest.mark.parametrize("gate", ["softmax", "none"])
def test_they_are_what_each_method_gives_alone(gate):
    arguments = agent(gate), OBS, ACTIONS, TARGETS["log_prob"]
    found = saliency_maps(*arguments, list(METHODS), Generator().manual_seed(3))
    assert list(found) == list(METHODS)
    for name, method in METHODS.items():
        alone = method.function(*arguments, Generator().manual_seed(3))
        assert alone.abs().max() > 0, name
        torch.testing.assert_close(on_pixels(name, found[name]), alone, msg=name)


def test_they_stay_as_coarse_as_they_are():
    found = saliency_maps(
        agent(), OBS, ACTIONS, TARGETS["log_prob"], ["sarfa", "grad_cam"], Generator()
    )
    assert {name: tuple(each.shape) for name, each in found.items()} == {
        "sarfa": (2, 1, 17, 17),
        "grad_cam": (2, 1, 7, 7),
    }


def test_cells_and_spots_are_drawn_where_they_are():
    cells = torch.zeros(1, 1, 7, 7)
    cells[0, 0, 0, 0] = 1
    drawn = on_pixels("grad_cam", cells)[0, 0]
    assert drawn[[0, 35, 36, 0], [0, 35, 36, 36]].tolist() == [1, 1, 0, 0]  # it sees pixels 0..35
    spots = torch.zeros(1, 1, 17, 17)
    spots[0, 0, 2, 3] = 1  # its centre: row 5 * 2, column 5 * 3
    drawn = on_pixels("sarfa", spots)[0, 0]
    assert drawn[[10, 10, 11, 15], [15, 16, 16, 15]].tolist() == pytest.approx([1, 0.8, 0.64, 0])


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (list(METHODS), ["blurred", "noisy"]),
        (["perturbation_critic"], ["blurred"]),
        (["gradient"], []),
    ],
)
def test_what_they_share_is_computed_once(monkeypatch, methods, expected):
    done = []

    def count(module, function, what):
        real = getattr(module, function)
        monkeypatch.setattr(module, function, lambda *given: (done.append(what), real(*given))[1])

    count(perturbation, "perturbation_maps", "blurred")
    count(together, "smoothgrad_and_vargrad", "noisy")
    count(gradients, "_noisy_gradients", "noise of one method")
    saliency_maps(agent(), OBS, ACTIONS, TARGETS["log_prob"], methods, Generator())
    assert [each for each in done if each != "noise of one method"] == expected
    assert done.count("noise of one method") == expected.count("noisy")


def recorded(steps: int) -> Recording:
    """A recording of frames that all differ."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (steps, 84, 84), dtype=np.uint8)
    actions = rng.integers(0, 4, steps, dtype=np.uint8)
    return replace(planted(UNIFORM, steps=steps), frames=frames, actions=actions)


def test_steps_come_in_order_whatever_else_is_explained():
    model, target, recording = agent(), TARGETS["log_prob"], recorded(9)
    found = list(maps_of_steps(model, recording, target, ["gradient", "smoothgrad"], seed=3))
    assert len(found) == 9
    obs = torch.from_numpy(recording.observations())
    actions = torch.from_numpy(recording.actions.astype(np.int64))
    expected = METHODS["gradient"].function(model, obs, actions, target, Generator())
    gradients = torch.cat([each["gradient"] for each in found])
    torch.testing.assert_close(gradients, expected, atol=1e-8, rtol=1e-4)
    alone = maps_of_steps(model, recording, target, ["smoothgrad"], seed=3)
    for some, all_ in zip(islice(alone, 2), found, strict=False):
        assert some["smoothgrad"].equal(all_["smoothgrad"])
    (other, *_) = maps_of_steps(model, recording, target, ["smoothgrad"], seed=4)
    assert not other["smoothgrad"].equal(found[0]["smoothgrad"])


def test_chosen_steps_are_explained_like_all():
    model, target, recording = agent(), TARGETS["log_prob"], recorded(6)
    methods = ["smoothgrad", "grad_cam", "sarfa"]
    every = list(maps_of_steps(model, recording, target, methods, seed=3))
    some = list(maps_of_steps(model, recording, target, methods, seed=3, steps=[4, 2]))
    batch = maps_on_pixels(model, recording, target, methods, seed=3, steps=[4, 2])
    assert list(batch) == methods
    assert {name: maps.shape[1:] for name, maps in batch.items()} == {
        "smoothgrad": (4, 84, 84),
        "grad_cam": (1, 84, 84),
        "sarfa": (1, 84, 84),
    }
    for row, step in enumerate([4, 2]):
        for name in methods:
            assert some[row][name].equal(every[step][name])
            assert (batch[name][row] == on_pixels(name, every[step][name])[0].numpy()).all()


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_each_step_has_one_thread_and_a_fault_ends_them(monkeypatch):
    threads: list[int] = []

    def counting(_model, obs, _actions, _target, _rng):
        threads.append(torch.get_num_threads())
        if len(threads) == 12:
            raise ValueError("the twelfth")
        return torch.zeros(len(obs), 1, 84, 84)

    monkeypatch.setitem(METHODS, "counting", Method(counting, "", False, 0.01, frames=1))
    monkeypatch.setattr(together, "available_cpus", lambda: 3)
    found = maps_of_steps(agent(), recorded(60), TARGETS["value"], ["counting"], seed=0)
    next(found)
    assert torch.get_num_threads() == 2  # here
    with pytest.raises(ValueError, match="the twelfth"):
        list(found)
    assert 12 <= len(threads) <= 15
    assert set(threads) == {1}
