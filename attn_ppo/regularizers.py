"""What lambda weighs: measures of how widely the attention is spread."""

import torch
from torch import Tensor


def map_entropies(attention: Tensor) -> Tensor:
    """Entropy over the cells of each map: (B, K, H, W) -> (B, K), nats, within [0, log(H W)].

    Maps that don't sum to one (the sigmoid gate) are normalised first. The clamps keep the
    gradient finite where a cell has weight 0, which is where the regulariser drives it.
    """
    tiny = torch.finfo(attention.dtype).tiny
    weights = attention.flatten(2)
    weights = weights / weights.sum(-1, keepdim=True).clamp_min(tiny)
    return -(weights * weights.clamp_min(tiny).log()).sum(-1)


def attention_entropy(attention: Tensor) -> Tensor:
    """Entropy over cells, summed over maps: (B, K, H, W) -> (B,), nats, within [0, K log(H W)]."""
    return map_entropies(attention).sum(-1)
