"""Adam, all weights in one fused call.

The results are torch.optim.Adam's. That class imports torch._dynamo on its first use, which takes
a quarter of a run's start-up time.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

BETAS = 0.9, 0.999


class Adam:
    """Kingma and Ba 2015, without weight decay. `learning_rate` may change between steps."""

    def __init__(self, weights: Iterable[Tensor], learning_rate: float, *, eps: float = 1e-8):
        self.learning_rate, self._eps = learning_rate, eps
        self._weights = list(weights)
        self._moments = [
            {
                "step": torch.zeros((), device=weight.device),
                "exp_avg": torch.zeros_like(weight),
                "exp_avg_sq": torch.zeros_like(weight),
            }
            for weight in self._weights
        ]

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for weight in self._weights:
            weight.grad = None

    @torch.no_grad()
    def step(self, max_norm: float = math.inf) -> Tensor:
        """One step against the gradients, which every weight must have; returns their length.

        Together they count as no longer than `max_norm`: the fused call divides them as it reads
        them, where torch.nn.utils.clip_grad_norm_ goes through all of them once more.
        """
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        steps, means, squares = (
            [each[name] for each in self._moments] for name in ("step", "exp_avg", "exp_avg_sq")
        )
        adam(
            self._weights,
            gradients,
            means,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.learning_rate,
            weight_decay=0.0,
            eps=self._eps,
            maximize=False,
            grad_scale=((norm + 1e-6) / max_norm).clamp_min(1),
        )
        return norm

    def state_dict(self) -> dict[str, Any]:
        """The moments of each weight, in torch.optim.Adam's format."""
        return {"state": dict(enumerate(self._moments))}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restores a `state_dict`, its own or torch.optim.Adam's."""
        for number, moments in enumerate(self._moments):
            for name, moment in moments.items():
                moment.copy_(saved["state"][number][name])
