"""Where a target comes from: its evidence traced down the network onto the four input frames.

Tracer.tree -> tree.Tree.

A node is a unit of a layer at a position; its relevance is its contribution to the target along its
path. Each unit is a sum over its inputs, to which its relevance is distributed in proportion to
weight x activation (gradient x activation along the path; LRP-0 of Bach et al. 2015): the relevance
of the children plus the bias is the parent's. Only the n strongest children are kept; `coverage`
is the share that they hold.

The log probability of an action a is no sum of evidence: log pi(a) = z_a - sum_b pi(b) z_b - H(pi)
for logits z. Its root is the part that depends on the logits' differences, and vanishes where no
action is preferred; the entropy is told apart, as the tree's `offset`.

What isn't a sum counts as a constant factor: the ELU as elu(z) / z, the normalisation, and, for
actions and value, the attention. The 512 units of the body have no position on the frames and are
summed over.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from attn_ppo.compute import layers
from attn_ppo.interpret.network import Seen, heeded_scores, ignores_shift, opened_copy
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.interpret.tree.growth import Growth, Layer
from attn_ppo.interpret.tree.peaks import peaks
from attn_ppo.interpret.tree.tree import ATTENTION_ROOTS, LEVELS, Tree
from attn_ppo.model import ActorCritic
from attn_ppo.schema import Range, check_choice, check_whole

CHILDREN = Range(1, 16)  # of a node; 16 of each make half a million nodes


class Tracer:
    """Traces the targets of a network, in float64, so that relevance is conserved."""

    def __init__(self, model: ActorCritic):
        self._model = opened_copy(model).double()
        layers = [layer for layer in self._model.encoder if isinstance(layer, nn.Conv2d)]
        self._convolutions = [(*_weights(layer), layer.stride[0]) for layer in layers]

    @torch.no_grad()
    def tree(
        self, obs: np.ndarray, *, root: str = "attention", action: int = 0, n: int = 3
    ) -> Tree:
        """The tree of (4, 84, 84) uint8 `obs`, with the `n` strongest children of each node.

        For attention the roots are the peaks of each map, at most n, whose relevance is their
        score as `heeded_scores` has it. For the other LEVELS the root is the target less the tree's
        `offset`, of `action` where it needs one, and its children are the n most prominent cells.
        Raises ConfigError for a root or an action that the agent doesn't have, or an `n` outside
        CHILDREN.
        """
        self._check(root, action, n)
        pixels = torch.from_numpy(np.ascontiguousarray(obs))[None].double() / 255
        activations = [pixels]  # the input of each convolution, and the output of the last
        for layer in self._model.encoder:
            pixels = layer(pixels)
            if isinstance(layer, nn.ReLU):
                activations.append(pixels)
        growth, features, offset = Growth(n), activations.pop(), 0.0
        if root in ATTENTION_ROOTS:
            layer = self._from_attention(growth, features, direct=root == "attention_direct")
        else:
            layer, offset = self._from_target(growth, features, root, action)
        down = zip(reversed(activations), reversed(self._convolutions), strict=True)
        first = len(LEVELS[root]) - len(self._convolutions)
        for level, (below, (weight, bias, stride)) in enumerate(down, first):
            layer = growth.through(layer, level, below[0].numpy(), weight, bias, stride)
        return Tree(root, LEVELS[root], **growth.columns(), offset=offset)

    def _from_attention(self, growth: Growth, features: Tensor, *, direct: bool) -> Layer:
        """The roots, the hidden units and the units of the last convolution, all at one cell."""
        assert self._model.attention is not None
        into, activate, out = self._model.attention.score
        normal, norm = _normalized(features)
        before = into(normal)
        hidden = activate(before)
        scores = out(hidden)
        attention = self._model.attention.gate(scores)[0].numpy()
        (w1, b1), (w2, b2) = _weights(into), _weights(out)

        found = [
            (k, peak.row, peak.column, rank)
            for k, heights in enumerate(attention)
            for rank, peak in enumerate(peaks(heights, growth.n))
        ]
        k, row, column, rank = np.array(found, np.int64).reshape(-1, 4).T
        heeded = heeded_scores(self._model, scores)[0].numpy()
        roots = growth.add(-1, 0, rank, k, row, column, heeded[k, row, column])

        mean, shared = np.zeros(len(b1)), b2[k]  # (hidden,), (roots,)
        if ignores_shift(self._model.attention.gate):
            mean, shared = hidden.mean((2, 3))[0].numpy(), np.zeros(len(k))
        z, a = (x[0].numpy()[:, row, column].T for x in (before, hidden))
        above = w2[k, :, 0, 0]  # (roots, hidden)
        factor = np.divide(a, z, out=np.ones_like(z), where=z != 0)
        if direct:
            slopes = (above * factor) @ w1[:, :, 0, 0]  # (roots, 64)
            constant = (above * (factor * b1 - mean)).sum(1) + shared
            nodes = _Nodes(roots, row, column, slopes, constant)
            return _strongest_features(growth, 1, nodes, normal, norm)
        unit, place, rank = growth.strongest(roots, above * (a - mean), shared)
        row, column = row[place], column[place]
        a, above, factor = (x[place, unit] for x in (a, above, factor))
        units = growth.add(roots[place], 1, rank, unit, row, column, above * (a - mean[unit]))

        slopes = (above * factor)[:, None] * w1[unit, :, 0, 0]  # (units, 64)
        constant = above * (factor * b1[unit] - mean[unit])
        nodes = _Nodes(units, row, column, slopes, constant)
        return _strongest_features(growth, 2, nodes, normal, norm)

    def _from_target(
        self, growth: Growth, features: Tensor, root: str, action: int
    ) -> tuple[Layer, float]:
        """The root, its cells and the units of the last convolution at these; and the offset."""
        model, normal, norm = self._model, features, np.ones(features.shape[2:])
        if model.attention is not None:
            normal, norm = _normalized(features)
            sums = model.attention.gate(model.attention.score(normal)).sum(1, keepdim=True)
            normal, norm = normal * sums, norm * sums[0, 0].numpy()
        with torch.enable_grad():
            attended = normal.flatten(1).requires_grad_(True)
            none = attended.new_zeros(0)
            seen = Seen(none, none, none, none, *model.decide(attended))
            target = TARGETS[root](seen, torch.tensor([action]))
            (gradient,) = torch.autograd.grad(target.sum(), attended)
        slopes = gradient.view_as(normal)[0].numpy()
        relevance = slopes * normal[0].numpy()  # (64, 7, 7)
        log_probs = seen.log_probs.detach()
        offset = float((log_probs.exp() * log_probs).sum()) if root == "log_prob" else 0.0
        cells, total = relevance.sum(0), float(target.detach()) - offset

        zero, chosen = np.zeros(1, np.int64), np.array([0 if root == "value" else action])
        top = growth.add(-1, 0, zero, chosen, zero, zero, np.array([total]))
        strong = sorted(peaks(np.abs(cells), growth.n), key=lambda peak: -peak.height)
        places = [(peak.row, peak.column) for peak in strong]
        row, column = np.array(places, np.int64).reshape(-1, 2).T
        growth.close(top, np.array([total - cells.sum()]), np.array([np.abs(cells).sum()]))
        rank = np.arange(len(row))
        index = growth.add(top[0], 1, rank, 0 * rank, row, column, cells[row, column])
        nodes = _Nodes(index, row, column, slopes[:, row, column].T, np.zeros(len(row)))
        return _strongest_features(growth, 2, nodes, normal, norm), offset

    def _check(self, root: str, action: int, n: int) -> None:
        model = self._model
        allowed = [name for name in LEVELS if model.attention or name not in ATTENTION_ROOTS]
        check_choice("root", root, allowed)
        check_whole("action", action, Range(0, model.policy_head.out_features - 1))
        check_whole("n", n, CHILDREN)


class _Nodes(NamedTuple):
    """Nodes just above the last convolution, as columns (P,); each reads the features of a cell."""

    index: np.ndarray  # among all nodes
    row: np.ndarray
    column: np.ndarray
    slopes: np.ndarray  # (P, 64) of the target by the normalised features of the cell
    constant: np.ndarray  # the part of the relevance that goes to constants


def _strongest_features(
    growth: Growth, level: int, nodes: _Nodes, normal: Tensor, norm: np.ndarray
) -> Layer:
    """The strongest channels of the last convolution below each node, added as its children.

    `normal` (1, 64, 7, 7) are the normalised features: the channels times `norm` (7, 7).
    """
    inputs = nodes.slopes * normal[0].numpy()[:, nodes.row, nodes.column].T
    channel, place, rank = growth.strongest(nodes.index, inputs, nodes.constant)
    row, column, parent = nodes.row[place], nodes.column[place], nodes.index[place]
    index = growth.add(parent, level, rank, channel, row, column, inputs[place, channel])
    slope = nodes.slopes[place, channel] * norm[row, column]
    return Layer(channel, row, column, slope, index)


def _normalized(features: Tensor) -> tuple[Tensor, np.ndarray]:
    """The normalised features, and the factor (7, 7) that each cell's are multiplied by."""
    normal = layers.normalize_channels(features)
    sizes = features[0].square().sum(0).clamp_min(1e-12).rsqrt()
    return normal, sizes.numpy()


def _weights(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()
