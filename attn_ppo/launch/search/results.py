"""The trials of a search with their runs, as a table, and as trials.csv beside the runs.

What is shown of a trial is what was run: from the settings and the evaluation of its run's folder.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from attn_ppo import config, schema, status
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, RunError
from attn_ppo.formats import fixed, plain
from attn_ppo.launch.search import objective
from attn_ppo.launch.search.objective import Result
from attn_ppo.launch.search.study import Trial
from attn_ppo.launch.settings import settings_at
from attn_ppo.lifecycle.disk import write_atomically
from attn_ppo.lifecycle.run_dir import find_runs, is_done

NAME = "trials.csv"
COLUMNS = ("number", "state", "objective", "human_normalised_score", "score", "attention_entropy")


class Searched(NamedTuple):
    """What a search varies, by key as on the command line, and what its trials share."""

    space: dict[str, str]
    common: dict[str, Any]  # what makes trials comparable, the space included
    point: dict[str, str]  # `key=value` of every key that was given
    own: Path | None  # the user's folder of settings

    @property
    def keys(self) -> str:
        """The keys that are varied, for people."""
        return ", ".join(self.space)

    def settings(self, params: Mapping[str, Any]) -> RunConfig:
        """The settings of a trial's run. Raises ConfigError where they aren't allowed."""
        point = self.point | {key: f"{key}={value}" for key, value in params.items()}
        return settings_at(list(point.values()), self.own)


class Run(NamedTuple):
    """A trial and its run; without settings where they aren't allowed, as `note` says."""

    number: int
    state: str  # done, failed, or what `status` says of a run
    note: str
    values: dict[str, Any]  # of the keys that the search varies, as they were run
    settings: RunConfig | None
    result: Result | None


def of_study(trials: Iterable[Trial], searched: Searched) -> list[Run]:
    """The runs of a study's trials, in its order."""
    return [_run(trial, searched) for trial in trials if trial.params]


def of_folder(first: RunConfig, searched: Searched) -> list[Run]:
    """The runs in a sweep's folder, numbered as they are found."""
    found = []
    for number, folder in enumerate(find_runs(first.sweep_folder)):
        settings = config.read(folder / "config.yaml")
        values = {key: _value(settings, key, None) for key in searched.space}
        found.append(_with_folder(number, settings, values, failed=False))
    return found


def table(runs: Sequence[Run], searched: Searched) -> str:
    """A line per trial; the best is marked."""
    top = _best(runs)
    head = ("trial", "state", "objective", "human-normalised", "score", "attention entropy")
    rows: list[tuple[str, ...]] = [(*head, *searched.space, "note")]
    for run in runs:
        numbers = _numbers(run.result)
        shown = [short(run.values.get(key)) for key in searched.space]
        mark = "best" if run is top else run.note
        rows.append((str(run.number), run.state, *numbers, *shown, mark))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (1, len(rows[0]) - 1)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def best(runs: Sequence[Run], searched: Searched) -> str:
    """The best trial in a few words, and what to make of it."""
    top, done = _best(runs), sum(run.result is not None for run in runs)
    if not top or not top.settings:
        return "no trial has a result"
    point = " ".join(f"{key}={_exact(top.values[key])}" for key in searched.space)
    return (
        f"best of {done}: trial {top.number}, {point}\n"
        f"its run: {top.settings.folder}\n"
        "the best of several is partly luck: train it again with other seeds before you believe it"
    )


def line(run: Run, searched: Searched) -> str:
    """A trial that has ended, in a line."""
    point = " ".join(f"{key}={short(run.values.get(key))}" for key in searched.space)
    note = f": {run.note}" if run.note else ""
    objective, _, score, nats = _numbers(run.result)
    numbers = f", objective {objective} (score {score}, attention entropy {nats})"
    return f"trial {run.number} {point}: {run.state}{note}{numbers if run.result else ''}"


def write(runs: Sequence[Run], searched: Searched, folder: Path) -> Path:
    """Writes trials.csv into the sweep's folder, a row per trial; returns its path."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*COLUMNS, *searched.space, "folder", "note"])
    for run in runs:
        result = run.result or (None,) * 4
        values = [_exact(run.values.get(key)) for key in searched.space]
        where = run.settings.folder if run.settings else ""
        writer.writerow([run.number, run.state, *result, *values, where, run.note])
    path = folder / NAME
    write_atomically(path, buffer.getvalue())
    return path


def short(value: Any) -> str:
    """A value for a table: four significant digits."""
    return plain(float(f"{value:.4g}")) if isinstance(value, float) else _exact(value)


def _run(trial: Trial, searched: Searched) -> Run:
    try:
        settings = searched.settings(trial.params)
    except ConfigError as error:
        reason = str(error).partition("\n")[0].removeprefix("error: ")
        return Run(trial.number, "failed", reason, trial.params, None, None)
    values = {key: _value(settings, key, trial.params.get(key)) for key in searched.space}
    return _with_folder(trial.number, settings, values, failed=trial.state == "fail")


def _with_folder(number: int, settings: RunConfig, values: dict[str, Any], *, failed: bool) -> Run:
    """A trial with what its run's folder says."""
    (standing,) = status.look([(settings.folder, settings)])
    state, note, result = standing.state, standing.note, None
    if state == "done" and is_done(settings):
        try:
            result = objective.read(settings.folder, settings)
        except RunError as error:
            state, note = "failed", str(error)
    return Run(number, "failed" if failed else state, note, values, settings, result)


def _value(settings: RunConfig, key: str, given: Any) -> Any:
    """A key's value in the settings; of a config group, which they don't name, the one given."""
    return schema.flatten(config.as_dict(settings)).get(key, given)


def _best(runs: Iterable[Run]) -> Run | None:
    done = [(run.result.objective, -run.number, run) for run in runs if run.result]
    return max(done)[2] if done else None  # of equal ones the first


def _numbers(result: Result | None) -> tuple[str, ...]:
    if result is None:
        return ("-",) * 4
    entropy = result.attention_entropy
    nats = "-" if entropy is None or math.isnan(entropy) else fixed(entropy, 2)
    digits = (fixed(result.objective, 4), fixed(result.human_normalised, 4))
    return (*digits, fixed(result.score, 1), nats)


def _exact(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    return plain(value) if isinstance(value, float) else str(value)
