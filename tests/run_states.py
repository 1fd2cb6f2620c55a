"""Folders of runs in any state, and the table of states as it is printed."""

import json
import re
from pathlib import Path

from attn_ppo import config, status
from attn_ppo.launch import command_line

HEADER = "update,env_steps,episode_return,attention_entropy,env_steps_per_second\n"


def make_run(*overrides: str, steps: int = 0, **recorded) -> Path:
    """A run's folder: 1024 steps of Breakout unless overridden, at 50 steps a second.

    `steps` of it are done and, unless `recorded` has other `env_steps`, saved.
    """
    texts = ["total_steps=1024", *overrides]
    settings = command_line.parse(texts).configs[0]
    folder = settings.folder
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config.to_yaml(settings))
    if steps:
        (folder / "metrics.csv").write_text(f"{HEADER}1,{steps},12.5,3.25,50.0\n")
    if recorded:
        (folder / "status.json").write_text(json.dumps({"env_steps": steps} | recorded))
    return folder


def shown(capsys, *arguments: str) -> tuple[int, dict[str, list[str]], str]:
    """Exit code, the cells of each run's line by its seed, and the last lines."""
    code = status.main(arguments)
    out = capsys.readouterr().out
    assert all(len(line) <= 120 for line in out.splitlines())
    lines = [re.split(" {2,}", line.strip()) for line in out.splitlines()]
    return code, {cells[2]: cells for cells in lines if len(cells) > 6}, out


def state_of(capsys) -> tuple[str, str]:
    """State and note of the only run, which has a note."""
    code, by_seed, _ = shown(capsys)
    cells = by_seed["0"]
    assert code == (cells[3] in ("failed", "killed"))
    return cells[3], cells[-1]
