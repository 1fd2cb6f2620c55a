"""What is said before the runs of a command line begin, and once all of them are done."""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence

from attn_ppo.config import RunConfig
from attn_ppo.launch import parent
from attn_ppo.launch.conf_files import conf_dir
from attn_ppo.lifecycle import decision
from attn_ppo.lifecycle.run_dir import read_status

LITTLE = 0.001  # of the default, 10 million, 640 steps are left over: not worth a line


def say_first(configs: Sequence[RunConfig], overrides: Sequence[str]) -> None:
    """What will be otherwise than it was typed, a line each.

    That is an override whose key comes again, and a number of steps that whole updates make smaller
    by more than LITTLE.
    """
    for line in (*_replaced(overrides), *_rounded(configs)):
        print(line, flush=True)


def _replaced(overrides: Sequence[str]) -> Iterator[str]:
    """Hydra takes the last of a key's values; a wrapper's defaults may come first."""
    values: dict[str, str] = {}
    for override in overrides:
        key, _, value = override.partition("=")
        if values.get(key, value) != value and key != "axes":  # which the sweep adds to
            yield f"{key}={value} replaces {key}={values[key]}, given before it"
        values[key] = value


def _rounded(configs: Sequence[RunConfig]) -> Iterator[str]:
    rounded = (c for c in configs if c.trained_steps < (1 - LITTLE) * c.total_steps)
    lines = (
        f"total_steps={c.total_steps:,} becomes {c.trained_steps:,}: {c.num_updates:,} "
        f"update{'s' * (c.num_updates > 1)} of {c.ppo.batch_size:,} agent steps"
        for c in rounded
    )
    yield from dict.fromkeys(lines)


def say_last(configs: Sequence[RunConfig]) -> None:
    """Where the runs are and what can be made of them; nothing unless all are done.

    Nothing in a run of a sweep either: the sweep says it.
    """
    done = all(read_status(c.folder).get("state") == "done" for c in configs)
    if not done or parent.VARIABLE in os.environ:
        return
    python = shlex.quote(sys.orig_argv[0])  # as it was typed: make's isn't on the PATH
    package = "attn_ppo." if conf_dir().parent.name == "attn_ppo" else ""  # in a wheel
    for sweep in dict.fromkeys(shlex.quote(str(c.sweep_folder)) for c in configs):
        folder = shlex.quote(str(configs[0].folder)) if len(configs) == 1 else sweep
        shows = {f"{package}analysis.figures {sweep}": "curves, a table of scores"}
        if len(configs) > 1:
            shows[f"{package}analysis.report {sweep}"] = "the answer, with all of it on one page"
        if (configs[0].sweep_folder / decision.NAME).exists():
            shows[f"attn_ppo.status {sweep}"] = "what was decided, look by look"
        shows |= {
            f"{package}analysis.page {folder}": "what the agents look at",
            f"{package}analysis.videos {sweep}": "the same as videos",
        }
        print(f"done: {folder}; next:")
        for what, about in shows.items():
            print(f"  {python} -m {what:{max(map(len, shows))}}  # {about}")
