"""Whether maps lie on the objects that matter: their rank correlation with causal importance.

masses, signed_masses: of maps on objects · agreement -> Agreement · between_methods · beside:
further maps to hold against cause, of the attention and of the screen alone.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from attn_ppo.interpret.receptive_field import to_input

LEAST = 3  # pairs of which a correlation says anything: of two it is 1 or -1
NOTHING = 1e-6  # nats: less importance is float32's rounding, which must not be ranked
PATCH = 6  # pixels a side, of what is compared between methods and deleted
# These maps say what a brighter pixel would add to the target; other signed ones, what it adds.
PER_GREY_LEVEL = ("gradient", "smoothgrad", "guided_backprop")


class Agreement(NamedTuple):
    """Rank correlations (Spearman's) of a map's mass with causal importance; nan where undefined.

    `pooled` is the headline, of all pairs of a step and an object at once: it asks which object
    mattered and when. `timeless` is its mean over all shifts of the steps against one another in a
    circle: what a map earns by knowing which objects matter, but not when.
    """

    within: np.ndarray  # (S,) over the objects of a step
    over_time: np.ndarray  # (O,) over the steps, of an object
    pooled: float
    timeless: float


def agreement(mass: np.ndarray, importance: np.ndarray) -> Agreement:
    """How a map's `mass` on objects (S, O) ranks like their `importance` (S, O).

    A pair counts where both are known, not nan. Fewer than three pairs, or a side that is constant,
    give nan. Importance below NOTHING is none. For the polarity of a signed map take `pooled` of
    its `signed_masses` and of what the target loses, with its sign, when the object is removed.
    """
    importance = np.where(importance < NOTHING, 0, importance)
    shifted = [pooled(mass, np.roll(importance, by, 0)) for by in range(1, len(importance))]
    return Agreement(
        np.array([rank_correlation(*row) for row in zip(mass, importance, strict=True)]),
        np.array([rank_correlation(*row) for row in zip(mass.T, importance.T, strict=True)]),
        pooled(mass, importance),
        float(mean_of_known(np.array(shifted))) if shifted else np.nan,
    )


def pooled(mass: np.ndarray, importance: np.ndarray) -> float:
    """The rank correlation over all pairs of a step and an object, (S, O) each."""
    return rank_correlation(mass.ravel(), importance.ravel())


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, (N,) each, of what is known of both; ties share the mean of their ranks."""
    known = ~(np.isnan(one) | np.isnan(other))
    if known.sum() < LEAST:
        return np.nan
    return float(standard_ranks(one[known]) @ standard_ranks(other[known]))


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """(N,) ranks less their mean, of length one; nan where all values tie.

    The product of two is their rank correlation.
    """
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(counts) == 1:
        return np.full(len(values), np.nan)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]
    ranks = ranks - ranks.mean()
    return ranks / np.sqrt(ranks @ ranks)


def masses(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """(S, O) the mean |map| over each object's pixels; nan where the object is absent.

    `maps` (S, F, 84, 84) have a map for each frame or one for all four. `masks` (S, O, 4, 84, 84)
    are weights, such as 255 times the share of a pixel that the object covers. It is the mean and
    not the sum: an object isn't important for its size. With masks in whole numbers an even map's
    masses tie exactly.
    """
    found = np.full(masks.shape[:2], np.nan)
    for row, (each, weights) in enumerate(zip(maps, masks, strict=True)):
        weights = _of_frames(weights, len(each))
        size, total = weights.sum(1), weights @ np.abs(each, dtype=np.float64).ravel()
        found[row, size > 0] = total[size > 0] / size[size > 0]
    return found


def signed_masses(
    name: str, maps: np.ndarray, masks: np.ndarray, contrast: np.ndarray
) -> np.ndarray:
    """(S, O) what a signed map says each object adds to the target, in the target's unit.

    The sum of the map over the object's pixels; `masks` (S, O, 4, 84, 84) are 255 where it covers
    all of one. Maps per grey level are first multiplied by `contrast` (S, 4, 84, 84), how much
    brighter the pixels are than without objects; see `contrast_of`. nan where the object is absent.
    """
    found = np.full(masks.shape[:2], np.nan)
    for row, (each, weights) in enumerate(zip(maps, masks, strict=True)):
        added = each * contrast[row] if name in PER_GREY_LEVEL else each
        weights = _of_frames(weights, len(each)) / 255
        found[row] = np.where(weights.sum(1) > 0, weights @ added.ravel(), np.nan)
    return found


def contrast_of(obs: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(S, 4, 84, 84) grey levels: observations less the background, the median of all `frames`."""
    return obs.astype(np.float32) - np.median(frames, 0).astype(np.float32)


def between_methods(maps: Mapping[str, np.ndarray]) -> np.ndarray:
    """(M, M) rank correlation of |map| between methods over 6x6 patches, the mean over steps.

    nan where no step has two uneven maps.
    """
    ranked = np.stack(
        [[standard_ranks(each.ravel()) for each in patches(some)] for some in maps.values()]
    )  # (M, S, 196)
    return mean_of_known(np.einsum("msp,nsp->smn", ranked, ranked), 0)


def patches(maps: np.ndarray) -> np.ndarray:
    """(S, F, 84, 84) -> (S, 14, 14): the sum of |map| over frames and 6x6 pixels."""
    side = maps.shape[-1] // PATCH
    cut = np.abs(maps).reshape(*maps.shape[:2], side, PATCH, side, PATCH)
    return cut.sum((1, 3, 5), dtype=np.float64)


def beside(obs: np.ndarray, attention: np.ndarray) -> dict[str, np.ndarray]:
    """Maps (S, F, 84, 84) that no saliency method makes, by name, to be measured like the others.

    `attention`, where there is one: (S, K, 7, 7), summed over the agent's maps like its features
    are weighted, on pixels by the strongest box, so that uniform attention is even and says
    nothing. `brightness` and `motion`, each frame's change from the one before it, know the
    screen alone: a method worth its name agrees with cause better than they do.
    """
    pixels = obs.astype(np.float32)
    found = {"brightness": pixels, "motion": np.abs(np.diff(pixels, axis=1, prepend=pixels[:, :1]))}
    if attention.shape[1]:
        found = {"attention": to_input(attention.sum(1))[:, None], **found}
    return found


def _of_frames(weights: np.ndarray, frames: int) -> np.ndarray:
    """(O, 4, 84, 84) -> (O, F * 7056) float64; one map of four frames is weighed by their sum."""
    weights = weights.astype(np.float64)
    if frames == 1:
        weights = weights.sum(1)
    return weights.reshape(len(weights), -1)


def mean_of_known(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """The mean of what isn't nan; nan, without a warning, where nothing is known."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    total = np.where(known, values, 0).sum(axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
