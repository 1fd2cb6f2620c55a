"""Do runs of other settings score otherwise? `python -m analysis.variants [FOLDER]`.

Holds runs that differ in more than game, lambda and seed against each other, within a game and
lambda: by their finished agents' games where all have been evaluated, else by their last 100
training games after as many agent steps as all have made. Prints a table with differences and
p-values (Welch's t over seeds, corrected by Holm for all of them), and writes it to figures/.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis import sources
from analysis.equivalence import Difference, difference, holm
from analysis.groups import (
    attention_entropy,
    evaluation_score,
    group,
    interpolate,
    is_evaluated,
    known_range,
)
from analysis.outputs import folder_of
from analysis.problems import told
from analysis.runs import Run
from analysis.stats import Interval, mean_interval
from attn_ppo import config
from attn_ppo.arguments import Parser, whole
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.formats import columns, fixed, plain, short_number
from attn_ppo.lifecycle.disk import disk_error, write_atomically
from attn_ppo.schema import Range, nearest
from attn_ppo.variants import Variant, short

STEPS = Range(1, 10**12)
UNKNOWN = Difference(math.nan, math.nan, math.nan, math.nan)
HEADS = ("game", "λ", "settings", "scored", "seeds", "score", "less the first", "p", "p, Holm")
HEADS += ("entropy (nats)",)
NOTES = (
    "Score: the mean over seeds of raw scores, in brackets its 95 % interval by Student's t; a "
    "single seed has none. Less the first: the first settings' score of the same game and λ taken "
    "away, with its 95 % interval and p by Welch's t. The last p is corrected by Holm for all of "
    "the table. That a difference isn't shown doesn't say that settings are alike. Entropy: of "
    "attention, summed over maps."
)


class Beside(NamedTuple):
    """The runs of a game, lambda and settings, held against those of the first settings."""

    game: str
    lambda_: float
    variant: Variant
    steps: int | None  # agent steps after which training games count; None: finished agents' games
    score: Interval
    less: Difference | None  # the first settings' score taken away; None of these themselves
    p: float  # corrected
    entropy: float  # of attention, nats, where the scores are from; nan without attention


def variants_beside(
    runs: Sequence[Run], first: Variant | None = None, at: int | None = None
) -> list[Beside]:
    """A row for each game, lambda and settings, where there are several settings.

    `first`: what the others are held against, by default the first in the order of values. `at`:
    agent steps after which training games are compared; runs that have made fewer don't count.
    """
    cells: dict[tuple[str, float], dict[Variant, list[Run]]] = {}
    for key, members in group(runs).items():
        cells.setdefault((key.game, key.lambda_), {})[key.variant] = members
    rows = []
    for (game, lambda_), of in cells.items():
        base = first if first in of else min(of)
        order = [base, *(variant for variant in of if variant != base)]
        if len(order) > 1:
            rows += _rows(game, lambda_, {variant: of[variant] for variant in order}, at)
    corrected = holm([row.less.p if row.less else math.nan for row in rows])
    return [row._replace(p=p) for row, p in zip(rows, corrected, strict=True)]


def _rows(
    game: str, lambda_: float, members: dict[Variant, list[Run]], at: int | None
) -> list[Beside]:
    steps = _common_steps([run for of in members.values() for run in of]) if at is None else at
    scores = {variant: _scores(of, steps) for variant, of in members.items()}
    base = next(iter(scores.values()))
    return [
        Beside(
            game,
            lambda_,
            variant,
            steps,
            mean_interval(each),
            difference(base, each) if number and len(base) and len(each) else None,
            math.nan,
            _mean(_entropies(members[variant], steps)),
        )
        for number, (variant, each) in enumerate(scores.items())
    ]


def _common_steps(runs: Sequence[Run]) -> int | None:
    """The last agent step that all have scores of; None where all finished agents have played."""
    if all(is_evaluated(run) and not run.unfinished for run in runs):
        return None
    ends = [known_range(run) for run in runs]
    return int(min((end[1] for end in ends if end), default=0))


def _scores(runs: Iterable[Run], steps: int | None) -> np.ndarray:
    """A score of each run, without those that have none there."""
    if steps is None:
        return np.array([evaluation_score(run) for run in runs])
    return np.array([interpolate(run, np.array([steps]))[0] for run in _reaching(runs, steps)])


def _entropies(runs: Iterable[Run], steps: int | None) -> list[float]:
    """The attention entropy of each run that has a score there; nan without attention."""
    if steps is None:
        return [attention_entropy(run) for run in runs]
    there = [run for run in _reaching(runs, steps) if run.config.attention.gate != "none"]
    return [float(interpolate(run, np.array([steps]), "attention_entropy")[0]) for run in there]


def _reaching(runs: Iterable[Run], steps: int) -> list[Run]:
    """Those with a score before and after so many steps."""
    ranges = [(run, known_range(run)) for run in runs]
    return [run for run, known in ranges if known and known[0] <= steps <= known[1]]


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def frame(rows: Sequence[Beside]) -> pd.DataFrame:
    """A row each; nan where unknown."""
    return pd.DataFrame(
        {
            "env": row.game,
            "lambda": row.lambda_,
            "settings": row.variant.name,
            "scored": "training" if row.steps else "evaluation",
            "env_steps": row.steps or math.nan,
            "seeds": row.score.n,
            "score": row.score.value,
            "score_low": row.score.low,
            "score_high": row.score.high,
            "less": less.value,
            "less_low": less.low,
            "less_high": less.high,
            "p": less.p,
            "p_corrected": row.p,
            "attention_entropy": row.entropy,
        }
        for row in rows
        for less in [row.less or UNKNOWN]
    )


def cells(rows: Sequence[Beside]) -> list[list[str]]:
    """The table as texts, under HEADS."""
    found = []
    for row in rows:
        digits = 0 if abs(row.score.value) >= 100 else 1
        scored = f"after {short_number(row.steps)} steps" if row.steps else "finished agents"
        less = row.less
        found.append(
            [
                row.game,
                plain(row.lambda_),
                short(row.variant.settings),
                scored,
                str(row.score.n),
                _with_ends(row.score, digits),
                _with_ends(less, digits) if less else "",
                _p(less.p) if less else "",
                _p(row.p) if less else "",
                "-" if math.isnan(row.entropy) else fixed(row.entropy, 2),
            ]
        )
    return found


def _with_ends(of: Interval | Difference, digits: int) -> str:
    if math.isnan(of.value):
        return "-"
    ends = "" if math.isnan(of.low) else f" [{fixed(of.low, digits)}, {fixed(of.high, digits)}]"
    return f"{fixed(of.value, digits)}{ends}"


def _p(p: float) -> str:
    return "-" if math.isnan(p) else "< 0.001" if p < 0.001 else fixed(p, 3)


def markdown(rows: Sequence[Beside]) -> str:
    """The table and how to read it."""
    lines = [HEADS, ["---"] * 4 + ["---:"] * 6, *cells(rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"# Settings beside each other\n\n{table}\n\n{NOTES}\n"


def named(text: str, variants: Iterable[Variant]) -> Variant:
    """The variant that `text` names, in full, short or by what it alone has. Raises ConfigError."""
    known = sorted(set(variants))
    for variant in known:
        if text in (variant.name, variant.short):
            return variant
    asked = set(text.split())
    having = [v for v in known if asked and asked <= {*v.name.split(), *v.short.split()}]
    if len(having) == 1:
        return having[0]
    names = [variant.short for variant in known if variant.settings]
    raise ConfigError("--against", text, ", ".join(names) or "nothing", nearest(text, names))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and paths; 0, or 2 without runs or settings, 4 on a disk error."""
    parser = Parser("analysis.variants", __doc__, "runs/demo --at 5000")
    parser.add_argument("source", nargs="?", metavar="FOLDER", help=sources.HELP)
    parser.add_argument("--against", metavar="SETTINGS", help="as in the table; default: the first")
    parser.add_argument("--at", help=f"agent steps, {STEPS}; default: as far as all are")
    parser.add_argument("--out", type=Path, help="default: figures/ in FOLDER")
    options = parser.parse_args(arguments)
    try:
        at = None if options.at is None else whole("--at", options.at, STEPS)
        source, runs, problems = sources.read(options.source)
        out = folder_of(options.out, source.folder / "figures")
        first = named(options.against, (r.variant for r in runs)) if options.against else None
        rows = variants_beside(runs, first, at)
        if not rows:
            raise RunError(ExitCode.BAD_INPUT, f"{source}: no game has runs of several settings")
        if at is not None and not any(row.score.n for row in rows):
            raise ConfigError("--at", str(at), f"up to {max(run.env_steps for run in runs):,}")
        print(*told(problems, source), sep="\n") if problems else None
        print(*columns([[f"{cell} " for cell in line] for line in [HEADS, *cells(rows)]]), sep="\n")
        out.mkdir(parents=True, exist_ok=True)
        written = [out / "variants.md", out / "variants.csv"]
        write_atomically(written[0], markdown(rows))
        write_atomically(written[1], frame(rows).to_csv(index=False, float_format="%.6g"))
    except (ConfigError, RunError) as error:
        return report(error)
    except OSError as error:
        return report(
            disk_error(Path(error.filename or options.out or config.default_root()), error)
        )
    print("look at", *(f"  {path}" for path in written), sep="\n")
    return ExitCode.DONE


if __name__ == "__main__":
    process.finish(main)
