"""`python -m bench.learning`: what our PPO and Stable-Baselines3's learn from the same settings.

Trains both on a game, several seeds each, ours without attention: the plain Nature CNN that the
peer has. `--contenders` names others: ours with attention at lambda 0 (softmax), and two controls
of it, uniform maps (uniform), and maps whose sum is 1 at each cell, which leave the normalisation
of the features alone (normalized). Draws the curves with intervals over seeds, and tests how far
each is from ours without, and attention from its controls. Runs that are finished are not made
again: the same command goes on.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.equivalence import difference
from analysis.panels import DPI, agg_figure, footnote, style, tint
from analysis.stats import mean_interval
from attn_ppo.arguments import Parser, whole
from attn_ppo.atari import games
from attn_ppo.compute.devices import available_cpus
from attn_ppo.errors import ConfigError, ExitCode, report
from attn_ppo.formats import short_number
from attn_ppo.lifecycle.disk import replacing, write_atomically
from attn_ppo.schema import Range, check_choice
from bench.race import environment

LAST_GAMES = 100
POINTS = 100
STEPS, SEEDS, JOBS = Range(10_000, 10**9), Range(0, 10**9), Range(1, 1024)
OURS, PEER = "attn_ppo, no attention", "Stable-Baselines3"
ATTENTION = "attn_ppo, attention"
UNIFORM, NORMALIZED = "attn_ppo, uniform maps", "attn_ppo, normalisation alone"
CONTROLS = {UNIFORM: "with uniform maps", NORMALIZED: "with normalisation alone"}
CONTENDERS = {
    "none": OURS,
    "sb3": PEER,
    "softmax": ATTENTION,
    "uniform": UNIFORM,
    "normalized": NORMALIZED,
}
SETTINGS = {
    "none": ["attention.gate=none"],
    "softmax": ["attention.gate=softmax"],
    "uniform": ["attention.gate=uniform"],
    "normalized": ["attention.gate=uniform", "attention.maps=49"],  # 49 x 1/49
}
PANELS = {
    "Beside Stable-Baselines3": (OURS, PEER),
    "Attention and its controls": (OURS, ATTENTION, UNIFORM, NORMALIZED),
}
LOOKS = {
    OURS: ("#20508f", "-"),
    PEER: ("#c2571a", "-"),
    ATTENTION: ("#2a8a5c", "-"),
    UNIFORM: ("#8a4fa3", "--"),
    NORMALIZED: ("#8b6b12", ":"),
}


def main(arguments: Sequence[str]) -> int:
    """Trains what isn't there yet, draws, prints; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        games.rom_id(options.game)
        options.steps = whole("steps", options.steps, STEPS)
        options.seeds = [whole("seeds", seed, SEEDS) for seed in options.seeds]
        for name in options.contenders:
            check_choice("contenders", name, CONTENDERS)
        options.jobs = whole("jobs", options.jobs or str(available_cpus()), JOBS)
    except ConfigError as error:
        return report(error)
    options.out.mkdir(parents=True, exist_ok=True)
    tables = train(options)
    lines = told(tables, options)
    path = options.out / options.game
    write_atomically(path.with_suffix(".md"), "\n".join(lines) + "\n")
    with replacing(path.with_suffix(".png")) as temporary, style():
        draw(tables, options.game, options.steps).savefig(
            temporary, format="png", dpi=DPI, metadata={"Software": None}
        )
    print("\n".join([*lines, f"look at {path}.png"]))
    return ExitCode.DONE


def train(options: argparse.Namespace) -> dict[str, list[pd.DataFrame]]:
    """The games of each contender's runs, a table a seed. Raises SystemExit where a run fails."""
    with ThreadPoolExecutor(options.jobs) as pool:
        made = {
            CONTENDERS[name]: [pool.submit(_games, name, options, seed) for seed in options.seeds]
            for name in options.contenders
        }
        try:
            return {who: [future.result() for future in each] for who, each in made.items()}
        finally:  # one failed: the runs at work end, none begins
            pool.shutdown(cancel_futures=True)


def told(tables: Mapping[str, Sequence[pd.DataFrame]], options: argparse.Namespace) -> list[str]:
    """Tables in Markdown: means over seeds at the end and over the run, and the differences."""
    at = np.linspace(options.steps / POINTS, options.steps, POINTS)
    curves = {who: [curve(table, at) for table in each] for who, each in tables.items()}
    measures = {
        f"last {LAST_GAMES} games": lambda each: each[-1],
        "mean over the run": np.nanmean,
    }
    what = f"{options.game}, {short_number(options.steps)} agent steps"
    lines = [f"| {what} | | seeds | mean [95 %] | each |", "| --- | --- | ---: | ---: | --- |"]
    tests = [""]
    for name, measure in measures.items():
        found = {who: np.array([measure(c) for c in each]) for who, each in curves.items()}
        for who, scores in found.items():
            mean = mean_interval(scores)
            each = ", ".join(f"{score:.4g}" for score in scores)
            spread = f"{mean.value:.4g} [{mean.low:.4g}, {mean.high:.4g}]"
            lines.append(f"| {who} | {name} | {mean.n} | {spread} | {each} |")
        pairs = [(who, OURS) for who in found if who != OURS and OURS in found]
        pairs += [(ATTENTION, other) for other in CONTROLS if {ATTENTION, other} <= found.keys()]
        for who, other in pairs:
            apart = difference(found[other], found[who])
            less = CONTROLS.get(other, "ours without")
            tests.append(
                f"{who}, less {less}, {name}: {apart.value:.3g} "
                f"[{apart.low:.3g}, {apart.high:.3g}], p = {apart.p:.2g} (Welch)."
            )
    return [
        *lines,
        *tests,
        "",
        f"Raw scores of training games, of which {LAST_GAMES} are averaged.",
    ]


def curve(table: pd.DataFrame, at: np.ndarray) -> np.ndarray:
    """(P,) mean score of the last 100 games finished by each of `at` (P,); nan before the first."""
    steps, scores = (table[name].to_numpy(float) for name in ("env_steps", "episode_return"))
    sums = np.concatenate([[0.0], scores.cumsum()])
    ends = np.searchsorted(steps, at, side="right")
    starts = np.maximum(0, ends - LAST_GAMES)
    with np.errstate(invalid="ignore"):
        return (sums[ends] - sums[starts]) / (ends - starts)


def draw(tables: Mapping[str, Sequence[pd.DataFrame]], game: str, steps: int) -> Figure:
    """Curves of single seeds, their means, and the means' 95 % intervals by Student's t."""
    drawn = {title: [who for who in each if who in tables] for title, each in PANELS.items()}
    drawn = {title: each for title, each in drawn.items() if set(each) - {OURS}} or drawn
    figure = agg_figure(3.1 + 3.9 * len(drawn), 4.8)
    panels = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
    for panel, (title, each) in zip(panels, drawn.items(), strict=True):
        for who in each:
            _curves(panel, who, tables[who], steps)
        panel.set_title(title, loc="left", fontsize=11, fontweight="bold")
        panel.set_xlabel("agent steps")
        panel.xaxis.set_major_formatter(lambda value, _: short_number(int(value)))
        panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(-0.02, -0.16))
    panels[0].set(ylabel=f"mean raw score, last {LAST_GAMES} games", ylim=(0, None))
    figure.suptitle(f"{game}: what the same settings learn", x=0.01, ha="left", fontsize=14)
    footnote(
        figure,
        "Thick: mean over seeds. Bands: its 95 % interval by Student's t. Thin: single seeds. "
        "All: Nature CNN, 8 games, 128 steps, 4 epochs of 4 minibatches, learning rate from "
        "2.5e-4 to 0, clip range 0.2 of ratio and value, one thread.",
    )
    return figure


def _curves(panel: Axes, who: str, tables: Sequence[pd.DataFrame], steps: int) -> None:
    at = np.linspace(steps / 25, steps, POINTS)
    color, line = LOOKS[who]
    curves = np.stack([curve(table, at) for table in tables])
    spans = [mean_interval(scores) for scores in curves.T]
    low, high = ([getattr(span, end) for span in spans] for end in ("low", "high"))
    panel.fill_between(at, low, high, color=color, alpha=0.12, lw=0)
    panel.plot(at, curves.T, color=tint(color, 0.5), lw=0.7)
    label = f"{who} (n = {len(tables)})"
    panel.plot(at, curves.mean(axis=0), color=color, ls=line, lw=2, label=label)


def _games(name: str, options: argparse.Namespace, seed: int) -> pd.DataFrame:
    """The games of one run of a contender, which is trained unless it has been."""
    path = _table(options, name, seed)
    if path.exists():
        return pd.read_csv(path)
    if name == "sb3":
        _run("bench.learning_sb3", options.game, str(seed), str(options.steps), str(path))
        return pd.read_csv(path)
    root, sweep = options.out / "runs", f"{name}-{options.steps}"
    _run(
        "attn_ppo.train",
        *(f"env={options.game}", f"seed={seed}", f"total_steps={options.steps}"),
        *(*SETTINGS[name], f"name={sweep}", f"root={root}", "evaluation.episodes=1"),
        *("wandb.mode=disabled", "compute.threads=1", "device=cpu"),
    )
    run = root / sweep / options.game / f"lambda=0/seed={seed}"
    write_atomically(path, (run / "episodes.csv").read_text())
    return pd.read_csv(path)


def _table(options: argparse.Namespace, name: str, seed: int) -> Path:
    """A finished run's games."""
    who = name if name == "sb3" else f"ours-{name}"
    return options.out / f"{who}-{options.game}-{short_number(options.steps)}-seed={seed}.csv"


def _run(module: str, *arguments: str) -> None:
    """Runs a child to its end. Raises SystemExit where it fails."""
    command = [sys.executable, "-m", module, *arguments]
    print(*command[1:], file=sys.stderr, flush=True)
    code = subprocess.run(command, env=os.environ | environment(1), check=False).returncode
    if code:
        raise SystemExit(code)


def _parser() -> Parser:
    parser = Parser("bench.learning", __doc__, "--steps 200000")
    add = parser.add_argument
    add("--game", type=games.named, default="Breakout", help="by its ALE name; default: Breakout")
    add("--steps", default="200000", help="agent steps; default: 200000")
    add("--seeds", nargs="+", default=["0", "1", "2"], help="default: 0 1 2")
    add("--contenders", nargs="+", default=["none", "sb3"], help=f"of {', '.join(CONTENDERS)}")
    add("--jobs", help="runs at once, a thread each; default: as many as processors")
    add("--out", type=Path, default=Path("bench/out/learning"), help="default: bench/out/learning")
    return parser


if __name__ == "__main__":
    process.finish(main)
