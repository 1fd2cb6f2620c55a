"""Several saliency maps at once are those that each method gives alone, at less work."""

import pytest
import torch
from planted import scene
from torch import Generator

from attn_ppo import config
from attn_ppo.interpret.network import opened
from attn_ppo.interpret.saliency import gradients, perturbation
from attn_ppo.interpret.saliency import maps as together
from attn_ppo.interpret.saliency.maps import on_pixels, saliency_maps
from attn_ppo.interpret.saliency.methods import METHODS
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
