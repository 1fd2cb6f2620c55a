"""What looks wrong with a run, by its rows of metrics.csv and its settings: `flags`, each with the
likely reason and what to try. How often they are false alarms: docs/learning.md.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from attn_ppo.atari.reference_scores import random_play, scale
from attn_ppo.config import RunConfig
from attn_ppo.formats import fixed, plain, short_number
from attn_ppo.learning.bands import score

HELD = 10  # updates in a row that a flag has to hold
SHARE, LEAST_STEPS = 0.2, 50_000  # of the agent steps, the larger, after which a score must show
RECENT_GAMES = 100  # in a row's score
CERTAIN = 2.0  # standard errors above random play
NO_CHOICE = 0.01  # nats of policy entropy: the likeliest action has a probability of 0.998 or more
STILL = 0.03  # map_movement: between agents that collapsed, 0.016, and the stillest other, 0.06
NARROW = 0.5  # of the greatest attention entropy: below it still attention has collapsed
CELLS = 49
# The study's, see analysis/references.py; far above them a setting is the likely reason.
USUAL_RATE, USUAL_BONUS, COLLAPSES = 2.5e-4, 0.01, 0.002

RANDOM, POLICY, ATTENTION = "no better than random play", "policy fixed", "attention still"


class Flag(NamedTuple):
    """`kind` is one of RANDOM, POLICY and ATTENTION."""

    kind: str
    told: str
    """What was seen, the likely reason and what to try, in a line."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.told}"


def flags(rows: Sequence[Mapping[str, float]], settings: RunConfig) -> list[Flag]:
    """The flags that hold in each of the last HELD of `rows`; none of fewer rows.

    A row that lacks a column, as those of old runs do, raises no flag that is about it.
    """
    last = rows[-HELD:]
    if len(last) < HELD:
        return []
    found = {kind: seen for kind, seen in SEEN.items() if all(seen(r, settings) for r in last)}
    return [Flag(kind, TOLD[kind](last[-1], settings)) for kind in found]


class Follower:
    """A sink of rows that tells each flag once, when it begins to hold."""

    def __init__(
        self,
        settings: RunConfig,
        tell: Callable[[str], object],
        rows: Iterable[Mapping[str, float]] = (),
    ):
        """`rows` are those that a resumed run has already."""
        self._settings, self._tell = settings, tell
        self._rows = deque(rows, maxlen=HELD)
        self._told: set[str] = set()

    def write(self, row: Mapping[str, float]) -> None:
        """Takes the row of an update."""
        self._rows.append(row)
        for flag in self.flags:
            if flag.kind not in self._told:
                self._told.add(flag.kind)
                self._tell(f"{self._settings.label}: {flag}")

    @property
    def flags(self) -> list[Flag]:
        """Those that hold now."""
        return flags(list(self._rows), self._settings)


def _no_better(row: Mapping[str, float], settings: RunConfig) -> bool:
    late = _of(row, "env_steps") >= least_steps(settings)
    return late and _of(row, "episode_return") <= random_limit(settings)


def least_steps(settings: RunConfig) -> float:
    """The agent steps after which a score must show."""
    return max(LEAST_STEPS, SHARE * settings.trained_steps)


def random_limit(settings: RunConfig) -> float:
    """What the mean of 100 games must exceed to be better than random play; nan if unknown."""
    ends = scale(settings.env, settings.protocol)
    if ends is None:
        return math.nan
    played = random_play(settings.env, settings.protocol)
    if played is None:
        return ends.random  # the published one, of which no spread is known
    return played.mean + CERTAIN * played.sd * math.sqrt(1 / RECENT_GAMES + 1 / played.games)


def _policy_fixed(row: Mapping[str, float], _: RunConfig) -> bool:
    return _of(row, "policy_entropy") < NO_CHOICE


def _attention_still(row: Mapping[str, float], settings: RunConfig) -> bool:
    """Once it is narrow at any time, else from when a score must show: it starts out even."""
    if settings.attention.gate == "uniform":  # still by its nature
        return False
    late = _of(row, "env_steps") >= least_steps(settings)
    return _of(row, "map_movement") < STILL and (late or _is_narrow(row, settings))


def _is_narrow(row: Mapping[str, float], settings: RunConfig) -> bool:
    most = settings.attention.maps * math.log(CELLS)
    return _of(row, "attention_entropy") < NARROW * most


def _of(row: Mapping[str, float], column: str) -> float:
    """The cell; where there's none nan, for which no comparison holds."""
    return row.get(column, math.nan)


def _random_told(row: Mapping[str, float], settings: RunConfig) -> str:
    ends = scale(settings.env, settings.protocol)
    assert ends is not None
    found, steps = score(row["episode_return"]), short_number(row["env_steps"])
    seen = f"score {found} after {steps} steps, random play {score(ends.random)}; "
    if (rate := settings.ppo.learning_rate) > 2 * USUAL_RATE:
        return seen + _rate_told(rate)
    if settings.lambda_ >= COLLAPSES and _is_narrow(row, settings):
        return seen + _lambda_told(settings)
    if ends.random == 0:
        return f"{seen}random play never scores here, so rewards are rare: it needs more steps"
    return f"{seen}compare it with another seed; its settings are the usual ones, or near them"


def _policy_told(row: Mapping[str, float], settings: RunConfig) -> str:
    seen = f"policy entropy {row['policy_entropy']:.2g} nats, it tries nothing any more; "
    if (rate := settings.ppo.learning_rate) > 2 * USUAL_RATE:
        return seen + _rate_told(rate)
    if (bonus := settings.ppo.ent_coef) < USUAL_BONUS / 2:
        return f"{seen}ppo.ent_coef={plain(bonus)} rewards no trying: {USUAL_BONUS} is usual"
    return f"{seen}a step was too large: try ppo=annealed_clip, or a smaller ppo.learning_rate"


def _attention_told(row: Mapping[str, float], settings: RunConfig) -> str:
    movement = fixed(row["map_movement"], 3)
    if not _is_narrow(row, settings):
        seen = f"it is spread widely and alike in all states (movement {movement}): "
        return f"{seen}it hasn't learned where to look"
    seen = f"it came down to cells that are always the same (movement {movement}); "
    if settings.lambda_ >= COLLAPSES:
        return seen + _lambda_told(settings)
    if (rate := settings.ppo.learning_rate) > 2 * USUAL_RATE:
        return seen + _rate_told(rate)
    return f"{seen}compare it with another seed, and with lambda=0"


def _lambda_told(settings: RunConfig) -> str:
    if settings.lambda_schedule == "constant":
        instead = "a smaller one, or lambda_schedule=linear with a lambda_start"
    else:
        instead = "a smaller one, or a later lambda_start"
    return f"lambda={plain(settings.lambda_)} narrows attention before it has learned: {instead}"


def _rate_told(rate: float) -> str:
    return f"ppo.learning_rate={plain(rate)} is large: {plain(USUAL_RATE)} is usual"


SEEN = {RANDOM: _no_better, POLICY: _policy_fixed, ATTENTION: _attention_still}
TOLD = {RANDOM: _random_told, POLICY: _policy_told, ATTENTION: _attention_told}
