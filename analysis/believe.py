"""Whether to believe the maps of a sweep's agents: `python -m analysis.believe [FOLDER ...]`.

Lets each finished agent play, moves and removes objects in its game, and measures where attention
lies, whether it and the saliency methods' maps say what the agent acts on, and whether the maps
matter to the agent. Each agent's numbers are kept in its folder as believe.json and used again;
tables, figures and a verdict in words go to figures/ of the sweep.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.believe_agents import (
    Measured,
    agent_of,
    all_measured,
    measure_all,
    stress_of,
    write,
)
from analysis.believe_equal import EQUAL, alike
from analysis.believe_figures import FIGURES
from analysis.believe_moments import milestones_of
from analysis.believe_summary import summaries, told_on_wandb
from analysis.believe_table import save_tables, to_text
from analysis.believe_training import courses, moments, to_frame
from analysis.believe_training_figure import draw_training
from analysis.outputs import folder_of
from analysis.panels import save
from analysis.playing import check_writable, exit_code
from analysis.problems import told
from analysis.runs import CURVES, Run, newest_root, read_runs
from analysis.sources import folder_with_agents
from attn_ppo.arguments import Parser, whole
from attn_ppo.compute.devices import available_cpus
from attn_ppo.errors import ExitCode
from attn_ppo.interpret.believe.subject import Options
from attn_ppo.interpret.believe.verdict import Row, compared, verdict
from attn_ppo.interpret.believe.verdict_words import words
from attn_ppo.interpret.play.record import SEEDS, STEPS
from attn_ppo.schema import Range

LIMITS = {
    "steps": (STEPS, "agent steps to play"),
    "samples": (Range(5, 10_000), "of them at which objects are edited and maps are made"),
    "sanity": (Range(1, 1_000), "of these at which maps of randomised agents are made"),
    "games": (Range(0, 256), "whole games to play with each replacement of attention"),
    "seed": (SEEDS, "of the games that are played"),
}
JOBS = Range(1, 256)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the table and the verdict, and where they are; returns the exit code."""
    return exit_code(lambda: _believe(_options(arguments)), "the measures")


def _believe(options: argparse.Namespace) -> int:
    given = options.folders or [newest_root()]
    roots = [folder_with_agents(each, "measure") for each in given]
    code = ExitCode.DONE
    for root in roots:
        runs, problems = read_runs(root, CURVES)
        finished = [run for run in runs if not run.unfinished]
        print(f"{root}: {len(finished)} finished run{'s' * (len(finished) != 1)}", flush=True)
        print(*told(problems, root), sep="\n") if problems else None
        out = folder_of(options.out, root / "figures")
        check_writable("--out", out)
        stress = stress_of(out / "stress.csv")
        measured = all_measured(finished, options.measured, stress, options.jobs)
        if not measured.agents:
            print(f"error: no finished agent in {root} could be measured", file=sys.stderr)
            code = ExitCode.BAD_INPUT
            continue
        rows = verdict(measured.agents)
        summaries(measured, rows)
        written = _tell(rows, out / "believe")
        for name, draw in FIGURES.items():
            if figure := draw(rows):
                written += save(figure, out / f"believe_{name}")
        trained = _with_milestones(runs, measured)
        for how in EQUAL if options.equal else ():
            written += _equal(how, trained, options, out)
        if options.training:
            written += _training(trained, rows, options, out)
        print("look at", *(f"  {path}" for path in written), sep="\n")
        if options.wandb:
            told_on_wandb(measured)
    return code


def _tell(rows: Sequence[Row], stem: Path) -> list[Path]:
    """Prints table and verdict and writes both; returns the paths."""
    comparisons = compared(rows)
    text = words(rows, comparisons)
    print(to_text(rows), text, sep="\n", end="\n\n", flush=True)
    return save_tables(rows, comparisons, text, stem)


def _with_milestones(runs: Sequence[Run], measured: Measured) -> list[Run]:
    """The runs that were measured, and those that stopped but have milestones."""
    whole = {run.folder for run in measured.runs}
    return [run for run in runs if run.folder in whole or (run.unfinished and milestones_of(run))]


def _equal(how: str, runs: Sequence[Run], options: argparse.Namespace, out: Path) -> list[Path]:
    """The same of milestones at which `how` is alike, where the runs have them."""
    chosen, told = alike(runs, how)
    print(*told, sep="\n", flush=True)
    every = measure_all(chosen, options.measured, options.jobs)
    agents = [agent_of(subject.run, found) for subject, found, _ in every]
    return _tell(verdict(agents), out / f"believe_equal_{how}") if agents else []


def _training(
    runs: Sequence[Run], rows: Sequence[Row], options: argparse.Namespace, out: Path
) -> list[Path]:
    """Where attention lies at all milestones, where the runs have them."""
    chosen = moments(runs)
    if not chosen:
        print("Over training: not measured, runs have no milestones (checkpoint.milestones=10)")
        return []
    agents = len({wanted.run.folder for wanted in chosen})
    print(f"Over training: {len(chosen)} moments of {agents} agents", flush=True)
    found = measure_all(chosen, options.measured, options.jobs)
    told = courses([(wanted, measures) for wanted, measures, _ in found])
    table = out / "believe_training.csv"
    write(table, to_frame(told).to_csv(index=False, float_format="%.6g"))
    figure = draw_training(told, {row.game: row.key for row in rows})
    return [table, *(save(figure, table.with_suffix("")) if figure else [])]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.believe", __doc__, "runs/demo")
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="a sweep, or a run; default: the newest folder in runs/",
    )
    for name, default in Options()._asdict().items():
        limits, about = LIMITS[name]
        parser.add_argument(
            f"--{name}", default=str(default), help=f"{about}, {limits}; %(default)s"
        )
    jobs = available_cpus()
    parser.add_argument("--jobs", default=str(jobs), help=f"agents at a time, {JOBS}; {jobs}")
    parser.add_argument("--out", type=Path, help="default: figures/ in FOLDER")
    parser.add_argument(
        "--equal",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also measure milestones at which the runs' scores, and their policies' entropies, "
        "are alike, where runs have milestones",
    )
    parser.add_argument(
        "--training",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="also measure where attention lies at all milestones, where runs have them; about a "
        "minute each on one processor",
    )
    parser.add_argument(
        "--wandb",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="add a few numbers to the summaries of runs on W&B",
    )
    options = parser.checked(arguments)
    options.jobs = whole("--jobs", options.jobs, JOBS)
    options.measured = Options(
        **{name: whole(f"--{name}", getattr(options, name), LIMITS[name][0]) for name in LIMITS}
    )
    return options


if __name__ == "__main__":
    process.finish(main)
