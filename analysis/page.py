"""One offline page of agents at play: `python -m analysis.page RUN [RUN ...]`, a few minutes each.

RUN is a run's folder; several are shown side by side. The page is RUN/page.html unless --out says
otherwise, for several runs page.html in the folder that they share.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from attn_ppo.interpret.network import open_agent
from attn_ppo.interpret.page import Choice, Played, write_page
from attn_ppo.interpret.record import POLICIES, recorded
from attn_ppo.interpret.saliency import METHODS, check_score
from attn_ppo.interpret.scores import SCORES
from attn_ppo.interpret.tree import ATTENTION_ROOTS, LEVELS
from attn_ppo.run_dir import RunError
from attn_ppo.schema import ConfigError, nearest

BAD_INPUT = 2
MOST_RUNS = 6


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        path = _page(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    print(f"look at\n  {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis.page", description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN")
    parser.add_argument("--steps", type=int, default=300, help="to play (%(default)s)")
    parser.add_argument("--games", type=int, help="whole games to play, instead of --steps")
    parser.add_argument("--policy", default="stochastic", help=f"{' or '.join(POLICIES)}")
    parser.add_argument("--seed", type=int, default=0, help="of the games and the dice")
    parser.add_argument("--score", default="log_prob", help=f"to explain: {', '.join(SCORES)}")
    parser.add_argument("--methods", default=",".join(METHODS), help="default: all, %(default)s")
    parser.add_argument("--trees", help=f"what trees begin at; default: all of {','.join(LEVELS)}")
    parser.add_argument("--children", type=int, default=3, help="of a node (%(default)s)")
    parser.add_argument("--out", type=Path, help="default: page.html in the run's folder")
    return parser


def _page(options: argparse.Namespace) -> Path:
    folders, methods = options.runs, tuple(options.methods.split(","))
    if not 1 <= len(folders) <= MOST_RUNS:
        allowed = f"1 to {MOST_RUNS} run folders, runs/<name>/<env>/lambda=<lambda>/seed=<seed>"
        raise ConfigError("RUN", " ".join(map(str, folders)) or "(none)", allowed)
    roots = tuple(options.trees.split(",")) if options.trees else tuple(LEVELS)
    for key, names, known in (("score", [options.score], SCORES), ("methods", methods, METHODS),
                              ("trees", roots, LEVELS)):  # fmt: skip
        for name in names:
            if name not in known:
                raise ConfigError(key, name, ", ".join(known), nearest(name, known))
    agents = [open_agent(folder) for folder in folders]
    if not options.trees and not all(agent.model.attention for agent in agents):
        roots = tuple(root for root in LEVELS if root not in ATTENTION_ROOTS)
    for agent in agents:
        check_score(agent.model, SCORES[options.score])
    choice = Choice(options.score, methods, roots, options.children)
    played = [
        Played(agent, recorded(folder, agent, steps=options.steps, games=options.games,
                               policy=options.policy, seed=options.seed))
        for folder, agent in zip(folders, agents, strict=True)
    ]  # fmt: skip
    path = options.out or Path(os.path.commonpath(folders)) / "page.html"
    total = sum(len(each.recording) for each in played)
    with tqdm(total=total, desc="explaining", unit="step", disable=None) as bar:
        write_page(path, played, choice, bar.update)
    return path


if __name__ == "__main__":
    sys.exit(main())
