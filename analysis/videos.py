"""Videos of a sweep's agents at play: `python -m analysis.videos [runs/<name>] [options]`.

Writes to videos/ of the sweep: `<Game>.mp4`, with its agents side by side by settings and lambda,
up to six, and for each `<Game>-[<settings>-]lambda=<lambda>-seed=<seed>-saliency.mp4`, with every
saliency method. The videos of runs that W&B knows go there as well.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.figures import summary
from analysis.outputs import folder_of
from analysis.playing import (
    Parser,
    TimeLeft,
    by_game,
    check_writable,
    exit_code,
    play_options,
    side_by_side,
    told_apart,
)
from analysis.runs import CURVES, Problem, Run, newest_root, read_runs
from analysis.sources import folder_with_agents
from analysis.videos_on_wandb import Mirror
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.formats import cut
from attn_ppo.interpret.network import OpenAgent, open_agent
from attn_ppo.interpret.play.record import recorded
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.show import mp4
from attn_ppo.interpret.show.video import compare, explain

SETTINGS_LENGTH = 128  # in a file's name, which may have 255 bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the videos and prints where they are; returns the exit code."""
    return exit_code(lambda: _videos_of_a_sweep(_options(arguments)), "the videos")


def _videos_of_a_sweep(options: argparse.Namespace) -> int:
    root = folder_with_agents(options.root or newest_root(), "film")
    runs, problems = read_runs(root, CURVES)
    print(summary(root, runs, problems), flush=True)
    chosen, out = by_game(runs, options.agent_seed), folder_of(options.out, root / "videos")
    check_writable("--out", out)
    mirror = Mirror(print) if options.wandb else None
    written = make_videos(chosen, out, options, mirror)
    if not written:
        print("error: no agent could be shown, see above", file=sys.stderr, flush=True)
        return ExitCode.BAD_INPUT
    print("look at", *(f"  {path}" for path in written), sep="\n")
    if mirror:
        mirror.tell_how_to_sync()
    return ExitCode.DONE


def make_videos(
    games: Mapping[str, Sequence[Sequence[Run]]],
    out: Path,
    options: argparse.Namespace,
    mirror: Mirror | None,
) -> list[Path]:
    """Videos of the first usable run of each game, settings and lambda; returns the paths."""
    written: list[Path] = []
    for game, agents in games.items():
        chosen = side_by_side(game, agents, out, options.agent_seed)
        shown = [found for runs in chosen if (found := _first_played(runs, options))]
        if not shown:
            continue
        path = out / f"{game}.mp4"
        recordings = told_apart([agent for _, agent, _ in shown], [made for *_, made in shown])
        print(f"{path.name}: {len(shown)} agent{'s side by side' * (len(shown) > 1)}", flush=True)
        mp4.write(path, compare(recordings), total=min(map(len, recordings)))
        written.append(path)
        for (run, agent, _), recording in zip(shown, recordings, strict=True):
            films = {"video/game": path}
            if options.saliency and (saliency := _explained(run, agent, recording, out, options)):
                films["video/saliency"] = saliency
                written.append(saliency)
            if mirror:
                mirror.show(run, films, env_steps=agent.env_steps)
    return written


def _first_played(
    runs: Iterable[Run], options: argparse.Namespace
) -> tuple[Run, OpenAgent, Recording] | None:
    """The first run whose agent can be loaded, with a recording; prints a line for each skipped."""
    for run in runs:
        try:
            agent = open_agent(run.folder)
            return run, agent, recorded(run.folder, agent, **play_options(options))
        except (ConfigError, RunError, OSError, KeyError, RuntimeError) as error:
            if isinstance(error, RunError) and error.code == ExitCode.DISK:
                raise
            print(Problem("skipped", run.folder, str(error).removeprefix("error: ")))
    return None


def _explained(
    run: Run, agent: OpenAgent, recording: Recording, out: Path, options: argparse.Namespace
) -> Path | None:
    """The path of the agent's saliency video; None, and a line, where the target doesn't exist."""
    about = recording.about
    target, seed = options.target, options.seed
    settings = cut(about.settings.replace(" ", ","), SETTINGS_LENGTH)
    words = [about.game, settings, f"lambda={about.lambda_}"]
    path = out / f"{'-'.join(filter(None, words))}-seed={about.seed}-saliency.mp4"
    try:
        frames = explain(agent, recording, target=target, methods=options.methods, seed=seed)
    except ConfigError as error:
        print(Problem("skipped", run.folder, str(error).removeprefix("error: ")))
        return None
    print(f"{path.name}: {len(options.methods)} methods, {len(recording)} steps", flush=True)
    mp4.write(path, _timed(frames, len(recording)), total=len(recording))
    return path


def _timed(frames: Iterator[np.ndarray], total: int) -> Iterator[np.ndarray]:
    """The frames; on the way it is told how long the rest takes."""
    time_left = TimeLeft(total)
    for frame in frames:
        yield frame
        time_left()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.videos", __doc__, "runs/demo --no-saliency")
    parser.add_argument(
        "root", nargs="?", type=Path, metavar="FOLDER", help="default: the newest folder in runs/"
    )
    parser.add_argument("--out", type=Path, help="default: videos/ in FOLDER")
    parser.add_argument(
        "--saliency",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="a video an agent with every method; takes most of the time",
    )
    parser.add_argument(
        "--wandb",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="send the videos to the runs on W&B, where they are there",
    )
    return parser.options(arguments)


if __name__ == "__main__":
    process.finish(main)
