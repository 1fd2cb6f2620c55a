"""Runs and groups as the charts take them: thin curves, final score, entropy, tooltips."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.entropy_scatter import games, position
from analysis.files import column
from analysis.groups import SCORE, Group, averaged, group, is_evaluated, mean_curve, mean_sd
from analysis.references import human_score, random_score
from analysis.report.values import Value, number, rounded, shown_path
from analysis.runs import Run
from attn_ppo.atari import reference_scores
from attn_ppo.formats import fixed
from attn_ppo.learning.flags import HELD, Flag, flags
from attn_ppo.variants import Variant

POINTS = 160  # of a run's curve: its rows, the first and the last among them
MEAN_POINTS = 120
CURVES = {"score": SCORE, "entropy": "attention_entropy"}  # columns of metrics.csv


class Places:
    """The numbers by which the page's data name games, lambdas and variants."""

    def __init__(self, games: Sequence[str], lambdas: Sequence[float], variants: Sequence[Variant]):
        self.game, self.lambda_, self.variant = (
            list(each).index for each in (games, lambdas, variants)
        )

    def of(self, key: Group) -> Value:
        """Where a group belongs."""
        return {
            "game": self.game(key.game),
            "lambda": self.lambda_(key.lambda_),
            "variant": self.variant(key.variant),
        }


def run_of(run: Run, place: Value, root: Path) -> Value:
    """One run."""
    entropy, score = position(run)
    return {
        **place,
        "seed": run.config.seed,
        "told": told(run, root),
        "finished": not run.unfinished,
        "evaluated": is_evaluated(run),
        "score": number(score),
        "entropy": number(entropy),
        "curve": curve(run),
    }


def told(run: Run, root: Path) -> list[str]:
    """The lines of its tooltip."""
    entropy, score = position(run)
    of = "evaluation" if is_evaluated(run) else "end of training"
    mean = f", mean of {count} game{'s' * (count > 1)}" if (count := len(games(run))) else ""
    human = normalized(run, score)
    lines = [run.label]
    lines += [f"score {rounded(score)}{mean}, {of}"]
    lines += [] if math.isnan(human) else [f"human-normalised {fixed(human, 3)}"]
    lines += [] if math.isnan(entropy) else [f"attention entropy {fixed(entropy, 3)} nats"]
    lines += [f"{run.env_steps:,} agent steps", run.unfinished or "finished"]
    lines += [f"! {flag.kind}" for flag in flags_of(run)]
    return [*lines, shown_path(run.folder, root)]


def flags_of(run: Run) -> list[Flag]:
    """What looks wrong with it, by its last updates."""
    return flags(run.metrics.tail(HELD).to_dict("records"), run.config)


def curve(run: Run) -> Value:
    """Some rows of its metrics, evenly spaced."""
    rows = len(run.metrics)
    kept = np.unique(np.linspace(0, rows - 1, min(rows, POINTS)).round().astype(int))
    of_each = {
        name: [number(each) for each in column(run.metrics, of)[kept]]
        for name, of in CURVES.items()
    }
    return {"steps": column(run.metrics, "env_steps")[kept].astype(int).tolist(), **of_each}


def group_of(members: Sequence[Run], place: Value) -> Value:
    """What the seeds of a group have in common."""
    used = averaged(members)
    (entropy, _, _), (score, _, _) = (mean_sd(v) for v in zip(*map(position, used), strict=True))
    mean = {"entropy": number(entropy), "score": number(score)}
    return {
        **place,
        "seeds": len(used),
        "begun": all(run.unfinished for run in members),
        "mean": None if None in mean.values() else mean,
        "curves": {name: _band_of(used, of) for name, of in CURVES.items()},
    }


def protocol_of(run: Run, place: Value) -> Value:
    """Random play, a human, and the human-normalised score as a line over the raw one."""
    at_random = random_score(run)
    zero, slope = normalized(run, 0.0), normalized(run, 1.0) - normalized(run, 0.0)
    return {
        "game": place["game"],
        "variant": place["variant"],
        "random": number(at_random.mean) if at_random else None,
        "human": number(human_score(run) or math.nan),
        "scale": None if math.isnan(zero) else [zero, slope],
    }


def normalized(run: Run, score: float) -> float:
    """A score of a run's game, 0 at random play and 1 for a human; nan where it isn't known."""
    return reference_scores.normalized(score, run.config.env, run.config.protocol)


def protocols(runs: Sequence[Run], places: Places) -> list[Value]:
    """One for each game and variant."""
    found = {}
    for key, members in group(runs).items():
        found.setdefault((key.game, key.variant), protocol_of(members[0], places.of(key)))
    return list(found.values())


def _band_of(runs: Sequence[Run], of: str) -> Value | None:
    found = mean_curve(runs, MEAN_POINTS, of=of)
    return None if found is None else _band(found.env_steps, found.mean, found.sd)


def _band(steps: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> Value:
    """One SD about the mean, none of it where a single seed has no SD."""
    sd = np.nan_to_num(sd)
    ends = {"mean": mean, "low": mean - sd, "high": mean + sd}
    numbers = {name: [number(each) for each in values] for name, values in ends.items()}
    return {"steps": steps.round().astype(int).tolist(), **numbers}
