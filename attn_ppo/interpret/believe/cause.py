"""What an agent acts on, in the real game: objects edited, the change in policy, value, attention.

Causes, REASONS · causes, by_object, lost_by_removal, dropped_shares · branches, judge.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from attn_ppo.interpret.believe.edit_kinds import Box, Edit, following
from attn_ppo.interpret.believe.replay import Branch, Replay
from attn_ppo.interpret.network import OpenAgent, Seen, see_all
from attn_ppo.interpret.play.recording import Recording

KEPT, ABSENT, OTHER_GAME, MISPLACED, ELSEWHERE, UNSEEN, NOT_RECORDED = range(7)
REASONS = (
    "kept",
    "the object is not on the screen",
    "score, lives or the end of the game differ",
    "the object is not where the edit puts it",
    "something else changed",
    "nothing to be seen",
    "the replay left the recorded game",
)
SPECKS = 4  # pixels of a screen that don't count: half a ball of Breakout
MARGIN = 5  # pixels around an object: it moves between the two frames of which a screen is made
NEAR = 4  # what the game may have moved an object in a frame
NO_IMPORTANCE = ("placebo", "recolour")


class Causes(NamedTuple):
    """How much an edit changes an agent, at each step. Where it was dropped all are nan."""

    steps: np.ndarray  # (S,)
    edits: tuple[Edit, ...]
    kl_forward: np.ndarray  # (S, E) KL(pi || pi_edited), nats
    kl_backward: np.ndarray  # (S, E) KL(pi_edited || pi), nats
    value: np.ndarray  # (S, E) absolute change
    attention: np.ndarray  # (S, E) total variation, from 0 to 1, mean over maps; nan without maps
    log_prob: np.ndarray  # (S, E) log pi(a) - log pi_edited(a) of the recorded action, nats, signed
    dropped: np.ndarray  # (S, E) uint8, why: an index into REASONS, 0 where it is kept


def causes(
    agent: OpenAgent,
    recording: Recording,
    replay: Replay,
    steps: Sequence[int] | np.ndarray,
    edits: Sequence[Edit],
) -> Causes:
    """Each edit at each of the replay's steps.

    An edit is held against the unedited branch. Its four steps have the recorded presses.
    """
    shown = recording.observations(np.asarray(steps, int))
    rows = [
        _at(agent, replay, int(step), seen, int(recording.actions[step]), edits)
        for step, seen in zip(steps, shown, strict=True)
    ]
    measures = np.array([row for row, _ in rows]).reshape(len(rows), len(edits), 5)
    dropped = np.array([row for _, row in rows], np.uint8).reshape(len(rows), len(edits))
    measures[dropped > 0] = np.nan
    at = np.asarray(steps, int)
    forward, backward, value, attention, log_prob = np.moveaxis(measures, -1, 0)
    return Causes(at, tuple(edits), forward, backward, value, attention, log_prob, dropped)


def by_object(measured: Causes) -> tuple[tuple[str, ...], np.ndarray]:
    """The objects' names and their importance (S, O): the mean KL(pi || pi_edited) of their edits.

    Without placebos and other colours; nan where no edit of the object was kept.
    """
    counted = [edit.kind not in NO_IMPORTANCE for edit in measured.edits]
    names = tuple(
        dict.fromkeys(edit.object for edit, yes in zip(measured.edits, counted, strict=True) if yes)
    )
    return names, _means(measured, measured.kl_forward, names, counted)


def lost_by_removal(measured: Causes, names: Sequence[str]) -> np.ndarray:
    """(S, O) what the recorded action's log-probability loses, nats, where objects are removed.

    The mean over an object's removals, above zero where the object spoke for the action; nan where
    none was kept.
    """
    removed = [edit.kind == "remove" for edit in measured.edits]
    return _means(measured, measured.log_prob, names, removed)


def _means(
    measured: Causes, effects: np.ndarray, names: Sequence[str], counted: Sequence[bool]
) -> np.ndarray:
    """(S, O) the mean of the effects (S, E) of each object's counted edits that were kept."""
    means = np.full((len(measured.steps), len(names)), np.nan)
    for column, name in enumerate(names):
        pairs = zip(measured.edits, counted, strict=True)
        own = [yes and edit.object == name for edit, yes in pairs]
        kept = measured.dropped[:, own] == KEPT
        sums = np.where(kept, effects[:, own], 0).sum(1)
        np.divide(sums, kept.sum(1), out=means[:, column], where=kept.any(1))
    return means


def dropped_shares(measured: Causes) -> dict[str, dict[str, float]]:
    """For each object the share of its edits, over steps, with each of REASONS; placebos as ''."""
    found: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(edit.object for edit in measured.edits):
        codes = measured.dropped[:, [edit.object == name for edit in measured.edits]]
        found[name] = {reason: float((codes == at).mean()) for at, reason in enumerate(REASONS)}
    return found


def branches(replay: Replay, step: int, edits: Sequence[Edit]) -> tuple[Branch, list[Branch]]:
    """The unedited branch to a step, and that of each edit."""
    before: list[np.ndarray] = []

    def remember(ram: np.ndarray) -> dict[int, int]:
        before.append(ram.copy())
        return {}

    plain = replay.branch(step, remember)
    return plain, [replay.branch(step, following(edit, before)) for edit in edits]


def judge(edit: Edit, plain: Branch, edited: Branch) -> int:
    """Why an edited branch says nothing of its object, as an index into REASONS."""
    if edit.kind == "placebo":
        return KEPT
    if not edit.place(plain.ram[-1]):
        return ABSENT
    if any((getattr(plain, name) != getattr(edited, name)).any() for name in ("rewards", "lives")):
        return OTHER_GAME
    if plain.over != edited.over:
        return OTHER_GAME
    if (plain.obs == edited.obs).all():
        return UNSEEN
    if _is_misplaced(edit, plain.ram[-1], edited.ram[-1]):
        return MISPLACED
    return ELSEWHERE if _elsewhere(edit, plain, edited) else KEPT


def _is_misplaced(edit: Edit, plain: np.ndarray, edited: np.ndarray) -> bool:
    wanted = edit.goal(plain)
    apart = ((int(edited[at]) - value + 128) % 256 - 128 for at, value in wanted.items())
    return any(abs(distance) > NEAR for distance in apart)


def _elsewhere(edit: Edit, plain: Branch, edited: Branch) -> bool:
    """Whether pixels differ, in any of the four screens, where the object neither was nor is."""
    for number, (here, there) in enumerate(zip(plain.screens, edited.screens, strict=True)):
        boxes = [*edit.place(plain.ram[number]), *edit.place(edited.ram[number])]
        if ((here != there) & ~covered(boxes, here.shape)).sum() > SPECKS:
            return True
    return False


def covered(boxes: Sequence[Box], shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) whether a pixel lies in one of the boxes or at most MARGIN beside it."""
    inside = np.zeros(shape, bool)
    for box in boxes:
        top, left = max(0, box.top - MARGIN), max(0, box.left - MARGIN)
        inside[top : box.top + box.height + MARGIN, left : box.left + box.width + MARGIN] = True
    return inside


def _at(
    agent: OpenAgent,
    replay: Replay,
    step: int,
    shown: np.ndarray,
    action: int,
    edits: Sequence[Edit],
) -> tuple[np.ndarray, list[int]]:
    """The five measures (E, 5) at a step, and why edits are dropped (E,)."""
    plain, edited = branches(replay, step, edits)
    dropped = [judge(edit, plain, each) for edit, each in zip(edits, edited, strict=True)]
    if np.abs(plain.obs.astype(int) - shown).max() > 1:  # by rounding
        dropped = [NOT_RECORDED] * len(edits)
    obs = np.stack([plain.obs, *(each.obs for each in edited)])
    effects = _effects(see_all(agent.model, torch.from_numpy(obs)), action)
    effects[(obs[1:] == obs[0]).all((1, 2, 3))] *= 0  # rows of a batch may differ by rounding
    return effects, dropped


def _effects(seen: Seen, action: int) -> np.ndarray:
    """(B, ...) the unedited first -> (B - 1, 5): both KLs, value, attention, log-probability."""
    log_probs, value = seen.log_probs.double(), seen.value.double()
    apart = log_probs[:1] - log_probs[1:]
    forward, backward = (
        (policy.exp() * change).sum(-1).clamp_min(0)  # below it by rounding
        for policy, change in ((log_probs[:1], apart), (log_probs[1:], -apart))
    )
    maps = seen.attention.double().flatten(2)
    maps = maps / maps.sum(-1, keepdim=True).clamp_min(1e-12)  # a sigmoid's don't sum to one
    variation = (maps[:1] - maps[1:]).abs().sum(-1).mean(-1) / 2
    columns = (forward, backward, (value[1:] - value[0]).abs(), variation, apart[:, action])
    return torch.stack(columns, -1).numpy()
