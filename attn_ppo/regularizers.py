"""What lambda weighs, one of REGULARIZERS, and what `diversity` weighs, the maps' overlap."""

import torch
from torch import Tensor

from attn_ppo.config import RegularizerSettings

LEAST_APART = 1e-30  # least probability that two maps part: its inverse, a gradient, is finite


def entropy(attention: Tensor, _scores: Tensor, _: RegularizerSettings) -> Tensor:
    """How widely the attention is spread, the study's: within [0, K log(H W)]."""
    return attention_entropy(attention)


def target_entropy(attention: Tensor, _scores: Tensor, settings: RegularizerSettings) -> Tensor:
    """How far the entropy is from `settings.target`, at either side: within [0, K log(H W)]."""
    assert settings.target is not None  # config.py requires one
    return (attention_entropy(attention) - settings.target).abs()


# Each takes attention (B, K, H, W) and scores (B, K, H, W) before the gate -> (B,), nats.
REGULARIZERS = {"entropy": entropy, "target_entropy": target_entropy}


def attention_entropy(attention: Tensor) -> Tensor:
    """Entropy over cells, summed over maps: (B, K, H, W) -> (B,), nats, within [0, K log(H W)]."""
    return map_entropies(attention).sum(-1)


def map_entropies(attention: Tensor) -> Tensor:
    """Entropy over the cells of each map: (B, K, H, W) -> (B, K), nats, within [0, log(H W)].

    The clamp keeps the gradient finite at weight 0, to which the regulariser drives cells.
    """
    shares = _shares(attention)
    return -(shares * shares.clamp_min(torch.finfo(shares.dtype).tiny).log()).sum(-1)


def map_overlap(attention: Tensor) -> Tensor:
    """-log P(a glance at each of two maps meets different cells), summed over the pairs of maps:
    (B, K, H, W) -> (B,), nats, within [0, 69.1 K (K - 1) / 2]; 0 for fewer than two maps.

    1 - P = sum_i p_i q_i is the disagreement term of Li et al. 2018, off the diagonal of A A^T in
    Lin et al. 2017. The logarithm is ours: where both maps have come down to one cell, gradients
    of any bounded measure die out in the softmax, while this one still moves the cell's score by
    a half. P is summed from products, as 1 - sum_i p_i q_i would round to 0 there.
    """
    shares = _shares(attention)
    elsewhere = shares @ (1 - shares.new_ones(shares.shape[-1]).diag())  # q but for cell i
    apart = (shares @ elsewhere.transpose(1, 2)).clamp_min(LEAST_APART)
    return -apart.log().triu(1).sum((1, 2))


def map_movement(attention: Tensor) -> Tensor:
    """How much maps differ between samples, their mean total variation distance from the batch's
    mean map: (B, K, H, W) -> (), within [0, 1); nan without maps."""
    shares = _shares(attention)
    return (shares - shares.mean(0)).abs().sum(-1).mean() / 2


def _shares(attention: Tensor) -> Tensor:
    """(B, K, H, W) -> (B, K, H W), each map summing to one, which the sigmoid gate's don't."""
    weights = attention.flatten(2)
    return weights / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
