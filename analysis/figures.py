"""All figures and tables of a sweep: `python -m analysis.figures [runs/<name>] [--out DIR]`.

Those that are there, of the same runs and options by the same code, are left as they are.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis import drawn, sources
from analysis.flag_rates import flags_of
from analysis.groups import lambdas_of, order_games, variants_in
from analysis.margin import add_margin, margin_of
from analysis.outputs import KINDS, folder_of
from analysis.problems import told
from analysis.runs import Problem, Run
from analysis.sources import Source
from attn_ppo import config
from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.formats import columns
from attn_ppo.lifecycle.disk import disk_error
from attn_ppo.schema import check_choice
from attn_ppo.variants import Variant

SDS = {"sample": 1, "study": 0}  # what is taken off n in its denominator
DEFAULT_KINDS = ("png", "pdf")
MOST_FLAGS = 10  # that are told of many runs


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the figures, prints problems and paths; 0, or 2 without runs, 4 on a disk error."""
    options = _options(arguments)
    out = options.out
    try:
        ddof = SDS[check_choice("--sd", options.sd, SDS)]
        named = dict.fromkeys(options.format.split(","))
        kinds = [check_choice("--format", kind, KINDS) for kind in named]
        margin = margin_of(options.margin)
        source, runs, problems = sources.read(options.source)
        print(summary(source, runs, problems, in_full=options.problems))
        out = folder_of(out, source.folder / "figures")
        written = _drawn(runs, out, redraw=options.redraw, ddof=ddof, kinds=kinds, margin=margin)
    except (ConfigError, RunError) as error:
        return report(error)
    except OSError as error:
        return report(disk_error(Path(error.filename or out or config.default_root()), error))
    if written:
        print("look at", *(f"  {path}" for path in written), sep="\n")
    return ExitCode.DONE


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
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
    parser.add_argument("--redraw", action="store_true", help="also where nothing has changed")
    return parser.parse_args(arguments)


def _drawn(runs: Sequence[Run], out: Path, *, redraw: bool, **options: Any) -> list[Path]:
    """The files that were written; none, and a line that says so, where nothing has changed."""
    digest = drawn.digest_of(runs, **options)
    if not redraw and (when := drawn.since(out, digest)):
        kept = "left as they are (--redraw draws them again)"
        print(f"{out}: nothing changed since {when}, {kept}")
        return []
    from analysis.drawing import make_figures  # late: matplotlib and seaborn take a second or two

    return drawn.write(out, digest, lambda folder: make_figures(runs, folder, **options))


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
    return "\n".join([*lines, *told(problems, source, in_full=in_full), *flagged])


def _runs_of(variant: Variant, runs: Sequence[Run]) -> str:
    count = sum(run.variant == variant for run in runs)
    return f"settings {variant.letter}, {count} run{'s' * (count > 1)}:"


if __name__ == "__main__":
    process.finish(main)
