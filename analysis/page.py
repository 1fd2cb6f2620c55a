"""Makes an offline page that shows agents at play: `python -m analysis.page [FOLDER ...]`.

For the folder of a run, or of several, shown side by side: page.html in the folder, or in the one
that they share. For a sweep's folder, by default the newest in runs/: `<Game>.html` for each game,
with the first agent of each lambda and settings side by side, up to six. Takes a minute or two for
two agents on two idle processors, and says so once it has begun.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from analysis.outputs import file_of, folder_of
from analysis.playing import (
    MOST_AGENTS,
    Parser,
    TimeLeft,
    by_game,
    check_writable,
    exit_code,
    is_run,
    names_of,
    play_options,
    side_by_side,
    told_apart,
)
from analysis.problems import told
from analysis.runs import CURVES, newest_root, read_runs
from analysis.sources import folder_with_agents
from attn_ppo.arguments import whole
from attn_ppo.errors import ConfigError, ExitCode
from attn_ppo.interpret.network import OpenAgent, open_agent
from attn_ppo.interpret.play.record import recorded
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.play.screens import NotTheSameGame
from attn_ppo.interpret.saliency.targets import TARGETS, check_target
from attn_ppo.interpret.show.measured import Measured, measure, steps_to_measure
from attn_ppo.interpret.show.page import Choice, Played, write_page
from attn_ppo.interpret.tree.tracer import CHILDREN
from attn_ppo.interpret.tree.tree import ATTENTION_ROOTS, LEVELS
from attn_ppo.schema import Range

CAUSES = Range(0, 100_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages and prints where they are; returns the exit code."""
    return exit_code(lambda: _write_pages(_options(arguments)), "the page")


def _write_pages(options: argparse.Namespace) -> int:
    pages = _pages(options)
    for path in pages:
        check_writable("--out", path)
    written = [_page(path, folders, options) for path, folders in pages.items()]
    print("look at", *(f"  {path}" for path in written), sep="\n")
    return ExitCode.DONE


def _pages(options: argparse.Namespace) -> dict[Path, list[Path]]:
    """The pages to write, and the folders of the runs on each."""
    given = [folder_with_agents(each, "show") for each in options.folders or [newest_root()]]
    if len(given) > 1 or is_run(given[0]):
        if len(given) > MOST_AGENTS:
            allowed = f"up to {MOST_AGENTS} folders of runs"
            raise ConfigError("", f"{len(given)} folders", allowed, wrong="are too many")
        shared = Path(os.path.commonpath([folder.resolve() for folder in given]))
        beside = given[0] if len(given) == 1 else shared
        return {file_of(options.out, beside / "page.html"): given}
    runs, problems = read_runs(given[0], CURVES)
    for line in told(problems, given[0]):
        print(line)
    pages, out = {}, folder_of(options.out, given[0])
    for game, agents in by_game(runs, options.agent_seed).items():
        shown = side_by_side(game, agents, given[0], options.agent_seed)
        pages[out / f"{game}.html"] = [runs[0].folder for runs in shown]
    return pages


def _page(path: Path, folders: Sequence[Path], options: argparse.Namespace) -> Path:
    """Records the runs' agents, explains the recordings, writes the page; returns its path."""
    agents = [open_agent(folder) for folder in folders]
    for agent in agents:
        check_target(agent.model, TARGETS[options.target])
    choice = Choice(options.target, options.methods, _roots(agents, options), options.children)
    recordings = [
        recorded(folder, agent, **play_options(options))
        for folder, agent in zip(folders, agents, strict=True)
    ]
    recordings = told_apart(agents, recordings)
    measured = _measured(path.name, agents, recordings, options.causes)
    played = list(map(Played, agents, recordings, measured))
    total = sum(len(each.recording) for each in played)
    print(f"{path.name}: explaining {total} steps", flush=True)
    time_left = TimeLeft(total)
    with tqdm(total=total, desc="explaining", unit="step", disable=None) as bar:

        def on_step() -> None:
            bar.update()
            time_left()

        write_page(path, played, choice, on_step)
    return path


def _measured(
    name: str, agents: Sequence[OpenAgent], recordings: Sequence[Recording], count: int
) -> list[Measured | None]:
    """The objects of each recording, with their importance at `count` steps.

    None where they aren't known, or where the emulator of today plays another game.
    """
    steps = [steps_to_measure(recording, count) for recording in recordings]
    total = sum(map(len, steps))
    if total:
        print(f"{name}: editing objects at {total} steps", flush=True)
    measured: list[Measured | None] = []
    with tqdm(total=total, desc="editing", unit="step", disable=None if total else True) as bar:
        for agent, recording, chosen in zip(agents, recordings, steps, strict=True):
            try:
                measured.append(measure(agent, recording, chosen, bar.update))
            except NotTheSameGame as error:
                print(f"warning: no objects of {recording.about.label}: {error}", flush=True)
                measured.append(None)
    return measured


def _roots(agents: Sequence[OpenAgent], options: argparse.Namespace) -> tuple[str, ...]:
    """The roots of the trees: those of --trees, else all that every agent has.

    Raises ConfigError where one of --trees is the attention's and an agent has none.
    """
    attentive = all(agent.model.attention is not None for agent in agents)
    roots = tuple(root for root in LEVELS if attentive or root not in ATTENTION_ROOTS)
    if not options.trees:
        if not attentive and any(a.model.attention is not None for a in agents):
            print("no trees of the attention: not all of the agents have one")
        return roots
    asked = names_of("--trees", options.trees, LEVELS)
    for root in set(asked) - set(roots):
        allowed = f"{', '.join(roots)}, or folders of agents that all have attention"
        raise ConfigError("--trees", root, allowed, wrong="needs attention, which an agent lacks")
    return asked


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.page", __doc__, "runs/demo --steps 150")
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="of runs, or of one sweep; default: the newest in runs/",
    )
    parser.add_argument("--trees", help=f"roots of the trees; default: all, {', '.join(LEVELS)}")
    parser.add_argument(
        "--children", default="3", help=f"of a node in a tree, {CHILDREN}; default: 3"
    )
    parser.add_argument(
        "--causes",
        default="50",
        help=f"steps at which each object is edited, to see what matters, {CAUSES}; default: 50",
    )
    parser.add_argument("--out", type=Path, help="the file, or for a sweep's folder the folder")
    options = parser.options(arguments)
    options.children = whole("--children", options.children, CHILDREN)
    options.causes = whole("--causes", options.causes, CAUSES)
    if options.trees:
        names_of("--trees", options.trees, LEVELS)
    return options


if __name__ == "__main__":
    process.finish(main)
