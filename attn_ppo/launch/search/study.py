"""The trials of a search, in `search.db` beside its runs: an Optuna study, one per sweep.

A trial that was running when its search ended waits in there, and is the first to go on.
"""

import contextlib
import functools
import importlib
import json
import logging
import sqlite3
import urllib.parse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from attn_ppo.errors import ConfigError, shorten
from attn_ppo.formats import spelled

NAME = "search.db"
ENDED = ("complete", "fail")  # states of a trial that counts
PATIENCE = 10.0  # seconds for another program to let go of the file
ATTRIBUTE = "attn_ppo"  # of the study: what makes its trials comparable


class Trial(NamedTuple):
    """A trial as the study has it."""

    number: int
    state: str  # complete, fail, running, waiting
    params: dict[str, Any]


class Study:
    """The study of a sweep's folder, which this process alone may use."""

    def __init__(self, name: str, folder: Path, asked: Mapping[str, Any]):
        """Opens it, or creates it where there is none; `asked` is what its trials have in common.

        Raises ConfigError where the file is something else, or a search of other settings.
        """
        self.path, self.name = folder.absolute() / NAME, name
        check(folder / NAME, name, asked)
        try:
            self.optuna = optuna().create_study(
                study_name=name, storage=self.url, direction="maximize", load_if_exists=True
            )
            self.optuna.set_user_attr(ATTRIBUTE, dict(asked))
        except Exception as error:  # SQLAlchemy's, sqlite's, Optuna's
            raise _unusable(folder / NAME, error) from None

    @property
    def url(self) -> str:
        """Where SQLAlchemy finds it, from any working folder and whatever the path has in it."""
        path = urllib.parse.quote(str(self.path))
        return f"sqlite:///file:{path}?timeout=60&uri=true"

    def trials(self) -> list[Trial]:
        """All trials so far, by number."""
        found = self.optuna.get_trials(deepcopy=False)
        return [Trial(t.number, t.state.name.lower(), dict(t.params)) for t in found]

    def finished(self) -> int:
        """How many trials count: those that have a result or failed."""
        return sum(trial.state in ENDED for trial in self.trials())

    def let_wait(self) -> None:
        """Has the trials that nobody runs any more wait. Optuna gives these before new ones.

        With the parameters that they have, so that each goes on from its run's checkpoint.
        """
        states = optuna().trial.TrialState
        for trial in self.optuna.get_trials(deepcopy=False):
            if trial.state == states.RUNNING:
                self.optuna._storage.set_trial_state(trial._trial_id, states.WAITING)

    def as_run(self, values: Mapping[int, Mapping[str, Any]]) -> Any:
        """An Optuna study in memory with the values, by trial and key, that were run.

        A lambda that was drawn and run as 0 is 0 there, no longer on a log scale.
        """
        library, copy = optuna(), optuna().create_study(direction="maximize")
        trials = [t for t in self.optuna.get_trials() if t.params and t.state.is_finished()]
        has_zero = any(values.get(t.number, {}).get("lambda") == 0 for t in trials)
        for trial in trials:
            params, spaces = dict(trial.params), dict(trial.distributions)
            drawn_from: Any = spaces.get("lambda")
            if has_zero and hasattr(drawn_from, "high"):
                params["lambda"] = values[trial.number]["lambda"]
                high = drawn_from.high
                spaces["lambda"] = library.distributions.UniformDistribution(0.0, high)
            as_run = {"params": params, "distributions": spaces, "value": trial.value}
            copy.add_trial(library.trial.create_trial(state=trial.state, **as_run))
        return copy

    def seed(self, seed: int) -> int:
        """The sampler's, for what is drawn from here on: another one with each start."""
        drawn = sum(bool(trial.params) for trial in self.trials())
        return int(np.random.SeedSequence([seed, drawn]).generate_state(1)[0])


@functools.cache
def optuna() -> Any:
    """The library, an extra, which takes a second or two to import; it says no more than we do."""
    library = importlib.import_module("optuna")
    warnings.filterwarnings("ignore", message=".* is experimental")  # in there since years
    library.logging.set_verbosity(logging.WARNING)
    logging.getLogger("hydra_plugins").setLevel(logging.CRITICAL)  # of trials that failed
    return library


def check(path: Path, name: str, asked: Mapping[str, Any]) -> None:
    """Raises ConfigError unless `path` is free, or the study `name` of such a search. Reads only.

    Optuna would add its tables to any database, and a study of other settings to one of its own.
    """
    if not path.exists():
        return
    try:
        with contextlib.closing(_open(path)) as file:
            (said,) = file.execute("PRAGMA quick_check").fetchone()
            if said != "ok":
                raise sqlite3.DatabaseError(said)
            if not file.execute("SELECT * FROM sqlite_master").fetchone():
                return  # a process was killed before it had begun
            names = [name for (name,) in file.execute("SELECT study_name FROM studies")]
            rows = file.execute(
                "SELECT value_json FROM study_user_attributes WHERE key = ?", [ATTRIBUTE]
            ).fetchall()
    except sqlite3.Error as error:
        raise _unusable(path, error) from None
    if names not in ([name], []):
        raise _unusable(path, ValueError(f"it has the study {', '.join(names)}"))
    theirs = json.loads(rows[0][0]) if rows else dict(asked)
    ours = json.loads(json.dumps(dict(asked)))
    differing = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    if differing:
        there = ", ".join(f"{key}={spelled(theirs.get(key))}" for key in differing)
        here = " ".join(f"{key}={spelled(ours.get(key))}" for key in differing)
        wrong = f"differs from the search in {path}"
        allowed = f"{shorten(there, 300)}, as there; or give this search its own name="
        raise ConfigError("", here, allowed, wrong=wrong)


def _open(path: Path) -> sqlite3.Connection:
    quoted = urllib.parse.quote(str(path.absolute()))
    return sqlite3.connect(f"file:{quoted}?mode=ro", uri=True, timeout=PATIENCE)


def _unusable(path: Path, error: Exception) -> ConfigError:
    reason = str(error.__cause__ or error).partition("\n")[0] or type(error).__name__
    allowed = "a search's own, not open elsewhere; or move it away, or take another name="
    return ConfigError("", path, allowed, wrong=f"can't be used ({shorten(reason)})")
