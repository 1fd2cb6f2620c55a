"""Maps of gradients beside captum's."""

import captum.attr
import pytest
import torch
from explaining import ACTION, GATES, agent, explain, frames
from torch import Generator, Tensor, nn

from attn_ppo.interpret.network import see
from attn_ppo.interpret.saliency import gradients
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.model import ActorCritic


class Explained(nn.Module):
    """The target as the output of a module, as captum wants it."""

    def __init__(self, model: ActorCritic, target: str):
        super().__init__()
        self.model, self.target = model, TARGETS[target]

    def forward(self, pixels: Tensor, actions: Tensor) -> Tensor:
        return self.target(see(self.model, pixels), actions)


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-4) -> None:
    scale = theirs.abs().max().item()
    assert scale > 0
    torch.testing.assert_close(ours, theirs.float(), rtol=0, atol=tolerance * scale)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("target", ["log_prob", "value"])
@pytest.mark.parametrize("gate", GATES)
def test_like_captum(gate, target):
    model, obs = agent(gate), frames(2)
    pixels, actions = obs.float().requires_grad_(True), ACTION.expand(2)
    wrapped = Explained(model, target)
    peers = {
        "gradient": captum.attr.Saliency(wrapped).attribute(
            pixels, additional_forward_args=actions, abs=False
        ),
        "gradient_x_input": captum.attr.InputXGradient(wrapped).attribute(
            pixels, additional_forward_args=actions
        ),
        "guided_backprop": captum.attr.GuidedBackprop(wrapped).attribute(
            pixels, additional_forward_args=actions
        ),
    }
    for name, theirs in peers.items():
        close(explain(name, model, obs, target), theirs.detach())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["smoothgrad", "vargrad"])
def test_noise_like_captum(name):
    model, obs = agent(), frames(1)
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(Explained(model, "log_prob")))
    torch.manual_seed(3)
    theirs = tunnel.attribute(
        obs.float(),
        nt_type=name,
        nt_samples=50,
        stdevs=38.25,
        additional_forward_args=ACTION,
        abs=False,
    )
    assert isinstance(theirs, Tensor)
    close(explain(name, model, obs, seed=3), theirs.detach(), 1e-3)


@pytest.mark.parametrize("gate", ["softmax", "none"])
def test_integrated_gradients_like_captum(gate):
    model, obs = agent(gate), frames(1)
    peer = captum.attr.IntegratedGradients(Explained(model, "log_prob"))
    theirs = peer.attribute(
        obs.float(), n_steps=200, additional_forward_args=ACTION, internal_batch_size=50
    )
    ours = gradients.integrated_gradients(
        model, obs, ACTION, TARGETS["log_prob"], Generator(), steps=200
    )
    close(ours, theirs, 0.02)


@pytest.mark.parametrize("target", ["log_prob", "value"])
def test_grad_cam_like_captum(target):
    model, obs = agent("none"), frames(2)
    peer = captum.attr.LayerGradCam(Explained(model, target), model.encoder[5])
    actions = ACTION.expand(2)
    pixels = obs.float().requires_grad_(True)
    theirs = peer.attribute(pixels, additional_forward_args=actions, relu_attributions=True)
    assert isinstance(theirs, Tensor)
    close(gradients.grad_cam_cells(model, obs, actions, TARGETS[target]), theirs.detach()[:, 0])
