"""All figures and tables of a sweep: `python -m analysis.figures [runs/<name>] [--out DIR]`."""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from analysis import sources
from analysis.aggregate_curves import draw_aggregate_curves
from analysis.claims import add_margin, margin_of
from analysis.comparisons import MARGIN
from analysis.entropy_curves import draw_entropy_curves
from analysis.entropy_scatter import draw_entropy_scatter
from analysis.flag_rates import flags_of
from analysis.frontier import draw_frontier
from analysis.groups import lambdas_of, order_games, variants_in
from analysis.intervals import draw_intervals
from analysis.outputs import folder_of
from analysis.panels import KINDS, save
from analysis.problems import told
from analysis.profiles import draw_profiles
from analysis.reward_curves import draw_reward_curves
from analysis.runs import Problem, Run
from analysis.score_table import save_score_table, score_table
from analysis.sources import Source
from attn_ppo import config
from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.formats import columns
from attn_ppo.lifecycle.disk import disk_error
from attn_ppo.schema import check_choice
from attn_ppo.variants import Variant

FIGURES: dict[str, Callable[..., Figure | None]] = {
    "reward_curves": draw_reward_curves,
    "entropy_curves": draw_entropy_curves,
    "entropy_scatter": draw_entropy_scatter,
    "frontier": draw_frontier,
    "aggregate_curves": draw_aggregate_curves,
    "intervals": draw_intervals,
    "profiles": draw_profiles,
}
SHARED = "no game with a human's score has a finished run of every line"
NEEDS = {  # why a figure isn't drawn
    "entropy_curves": "no run has attention",
    "entropy_scatter": "no run has both attention and a score",
    "frontier": "no game has finished runs of λ = 0 and of another",
    "aggregate_curves": SHARED,
    "intervals": SHARED,
    "profiles": f"{SHARED}, or of each a single one",
}
WITH_SD = ("reward_curves", "entropy_curves", "entropy_scatter")
SDS = {"sample": 1, "study": 0}  # what is taken off n in its denominator
DEFAULT_KINDS = ("png", "pdf")
MOST_FLAGS = 10  # that are told of many runs


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the figures, prints problems and paths; 0, or 2 without runs, 4 on a disk error."""
    parser = Parser("analysis.figures", __doc__, "runs/demo")
    parser.add_argument("source", nargs="?", metavar="FOLDER", help=sources.HELP)
    parser.add_argument("--out", type=Path, help="default: figures/ in FOLDER")
    parser.add_argument(
        "--sd",
        default="sample",
        help="sample: n - 1 in the denominator (default); study: n, as in the study's figures",
    )
    parser.add_argument(
        "--format",
        default=",".join(DEFAULT_KINDS),
        metavar="KINDS",
        help=f"of {', '.join(KINDS)}; default: %(default)s",
    )
    add_margin(parser)
    parser.add_argument("--problems", action="store_true", help="tell each run's, however many")
    options = parser.parse_args(arguments)
    out = options.out
    try:
        ddof = SDS[check_choice("--sd", options.sd, SDS)]
        named = dict.fromkeys(options.format.split(","))
        kinds = [check_choice("--format", kind, KINDS) for kind in named]
        margin = margin_of(options.margin)
        source, runs, problems = sources.read(options.source)
        print(summary(source, runs, problems, in_full=options.problems))
        out = folder_of(out, source.folder / "figures")
        written = make_figures(runs, out, ddof=ddof, kinds=kinds, margin=margin)
    except (ConfigError, RunError) as error:
        return report(error)
    except OSError as error:
        return report(disk_error(Path(error.filename or out or config.default_root()), error))
    print("look at", *(f"  {path}" for path in written), sep="\n")
    return ExitCode.DONE


def make_figures(
    runs: Sequence[Run],
    out: Path,
    *,
    ddof: int = 1,
    kinds: Sequence[str] = DEFAULT_KINDS,
    margin: float = MARGIN,
) -> list[Path]:
    """Writes every figure and table into `out`; returns the paths.

    SDs in figures have n - `ddof` in their denominator, those of the table n - 1. `margin` is the
    drop of the score that counts as nothing, as in `python -m analysis.claims`.
    """
    options: dict[str, dict[str, Any]] = {name: {"ddof": ddof} for name in WITH_SD}
    options["frontier"] = {"margin": margin}
    written: list[Path] = []
    for name, draw in FIGURES.items():
        figure = draw(runs, **options.get(name, {}))
        if figure is None:
            print(f"no {name}: {NEEDS[name]}")
        else:
            written += save(figure, out / name, kinds)
    return written + save_score_table(score_table(runs), out / "score_table")


def summary(
    source: Source | Path,
    runs: Sequence[Run],
    problems: Sequence[Problem],
    *,
    in_full: bool = False,
) -> str:
    """How many games, lambdas, seeds and runs were read; a line a variant, lines on problems."""
    counts = {
        "game": len(order_games(run.config.env for run in runs)),
        "lambda": len(lambdas_of(runs)),
        "seed": len({run.config.seed for run in runs}),
        "run": len(runs),
    }
    text = ", ".join(f"{count} {what}{'s' * (count > 1)}" for what, count in counts.items())
    finished = sum(not run.unfinished for run in runs)
    lines, variants = [f"{source}: {text}, {finished} finished"], variants_in(runs)
    if variants[0].settings:
        heads = [_runs_of(variant, runs) for variant in variants]
        texts = columns([[head, *v.settings] for head, v in zip(heads, variants, strict=True)])
        lines += [f"  {text}" for text in texts]
    flagged = [f"flag {run.folder}: {flag}" for run in runs for flag in flags_of(run)]
    if (more := len(flagged) - MOST_FLAGS) > 0 and not in_full:
        flagged[MOST_FLAGS:] = [f"and {more} more flags"]
    return "\n".join([*lines, *told(problems, in_full=in_full), *flagged])


def _runs_of(variant: Variant, runs: Sequence[Run]) -> str:
    count = sum(run.variant == variant for run in runs)
    return f"settings {variant.letter}, {count} run{'s' * (count > 1)}:"


if __name__ == "__main__":
    process.finish(main)
