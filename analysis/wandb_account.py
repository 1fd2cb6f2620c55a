"""W&B's API for who is logged in, and names of what is there: connect, Place, place_of, runs_in."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.lifecycle import wandb_environment, wandb_session

PREFIX = "wandb:"  # of a source on W&B, on a command line
AGGREGATES = "aggregates"  # the job type of runs that hold means over others, and weren't trained
NOBODY = "needs W&B, where nobody is logged in"
SECONDS = 30  # for one answer
PAGE = 100  # runs in one answer


class Place(NamedTuple):
    """A project on W&B, or a part of its runs: a sweep's by its name, or a group's."""

    entity: str
    project: str
    part: str | None = None

    @property
    def path(self) -> str:
        """`entity/project`, as W&B's API asks for."""
        return f"{self.entity}/{self.project}"

    def __str__(self) -> str:
        return PREFIX + "/".join(filter(None, self))


@contextlib.contextmanager
def connect(why: str) -> Iterator[Any]:
    """W&B's API, `why` is the value that asked for it, for an error.

    Raises ConfigError where nobody is logged in, RunError where the server doesn't answer or
    refuses. Errors of calls within are RunErrors, too.
    """
    try:
        standing = wandb_session.standing()
        import wandb
    except ImportError:
        raise _refused(why, "needs W&B, which is not installed") from None
    if not standing.logged_in:
        raise _refused(why, NOBODY)
    if standing.no_answer:
        raise RunError(ExitCode.RUN_FAILED, standing.no_answer)
    with wandb_environment.heeded():
        wandb_session.set_up()
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        try:
            yield wandb.Api(timeout=SECONDS)
        except (wandb.Error, ConnectionError) as error:
            cause = wandb_session.cause_of(error)
            raise RunError(ExitCode.RUN_FAILED, f"W&B: {cause}") from None
        finally:
            wandb_session.shut_down()


def place_of(text: str, api: Any) -> Place:
    """`entity/project`, `entity/project/sweep`, or `project` of who is logged in."""
    words = text.removeprefix(PREFIX).strip("/").split("/", 2)
    if not all(words):
        raise ConfigError("", text, f"{PREFIX}entity/project, or {PREFIX}entity/project/sweep")
    if len(words) == 1:
        words.insert(0, str(api.default_entity))
    return Place(*words)


def project_of(settings: RunConfig, status: Mapping[str, Any]) -> str:
    """The project that a run is in or would be, `entity/project` where the entity is known."""
    known = status.get("wandb_known") or {}
    project = settings.wandb.project or known.get("project") or os.environ.get("WANDB_PROJECT")
    entity = settings.wandb.entity or os.environ.get("WANDB_ENTITY")
    return "/".join(filter(None, (entity, project or wandb_session.PROJECT)))


def runs_in(place: Place, api: Any) -> list[Any]:
    """W&B's runs there that were trained, with settings and summaries, the oldest first."""
    try:
        every = list(api.runs(place.path, per_page=PAGE, lazy=False))
    except ValueError as error:  # no such project
        wrong, allowed = f"isn't there ({wandb_session.cause_of(error)})", "a project on W&B"
        raise ConfigError("", str(place), allowed, wrong=wrong) from None
    trained = [run for run in every if run.job_type != AGGREGATES]
    return [run for run in trained if place.part in (None, run.group, run.config.get("name"))]


def aggregates_in(place: Place, api: Any) -> list[Any]:
    """W&B's runs in a project that hold means over others; none where there's no project yet."""
    try:
        return [run for run in api.runs(place.path, per_page=PAGE) if run.job_type == AGGREGATES]
    except ValueError:
        return []


def _refused(value: str, why: str) -> ConfigError:
    return ConfigError("", value, "wandb login, or WANDB_API_KEY, first", wrong=why)
