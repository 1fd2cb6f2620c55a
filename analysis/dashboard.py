"""A workspace for a project on W&B: `python -m analysis.dashboard [FOLDER | wandb:PROJECT]`.

Curves by game, lambda and variant, entropy of attention against score, means over all seeds, what
`make believe` measured, and videos. Saved on W&B where somebody is logged in, and written as JSON.
The same command again brings it up to date.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import contextlib
import hashlib
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis import sources
from analysis.claims import claims
from analysis.outputs import file_of
from analysis.runs import Run
from analysis.wandb_account import NOBODY, PREFIX, Place, connect, place_of, project_of
from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.lifecycle.disk import disk_error, write_atomically

UNKNOWN = "entity"  # whose project it is, where nobody is logged in to tell
JSON_FILE = "dashboard.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Saves the workspace or says how to, and where its JSON is; 0, 1 where W&B fails, 2, 4."""
    try:
        options = _options(arguments)
        source, runs, problems = sources.read(options.source, sources.CURVES)
        print(*problems, sep="\n") if problems else None
        own = str(source) if source.kind == "wandb" else project_of(runs[0].config, runs[0].status)
        project = options.project or own
        out = file_of(options.out, source.folder / "figures" / JSON_FILE)
        told = _saved(project, runs, out)
    except (ConfigError, RunError) as error:
        return report(error)
    except OSError as error:
        return report(disk_error(Path(error.filename or "."), error))
    except KeyboardInterrupt:
        print("stopped; nothing was saved", file=sys.stderr)
        return ExitCode.PREEMPTED
    print(told, f"as JSON: {out}", sep="\n")
    return ExitCode.DONE


def _saved(project: str, runs: Sequence[Run], out: Path) -> str:
    """Writes the workspace as JSON, saves it on W&B if it can; says where it is or what to do."""
    from analysis.dashboard_panels import groups_of, workspace

    groups, answer = groups_of(runs), claims(runs).answer

    def made(place: Place) -> Any:
        found = workspace(place, groups, answer)
        spec = found._to_model().spec.model_dump(by_alias=True, exclude_none=True, mode="json")
        out.parent.mkdir(parents=True, exist_ok=True)
        told = {"entity": place.entity, "project": place.project, "name": found.name, "spec": spec}
        write_atomically(out, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        return found

    try:
        with connect(project) as api:
            place = place_of(project, api)
            return f"look at {_save(made(place))}"
    except (ConfigError, RunError) as error:
        if isinstance(error, ConfigError) and error.wrong != NOBODY:
            raise
        *entity, name = project.removeprefix(PREFIX).split("/")[:2]
        made(Place(entity[0] if entity else UNKNOWN, name))
        why = "nobody is logged in" if isinstance(error, ConfigError) else error
        return f"not saved on W&B, {why}; to save it: wandb login, then this command again"


def _save(found: Any) -> str:
    """Saves the workspace in place of what this command saved earlier; its address.

    W&B knows a workspace by a name of its own, which is made from project and name here.
    """
    import wandb
    import wandb_workspaces.workspaces as ws

    what = f"{found.entity}/{found.project}/{found.name}"
    digits = hashlib.sha256(what.encode()).hexdigest()[:11]
    found._internal_name = f"nw-{digits}-v"
    app = wandb.Api()._service_api.app_url.rstrip("/")
    with contextlib.suppress(ValueError):  # there is none yet
        earlier = ws.Workspace.from_url(f"{app}/{found.entity}/{found.project}?nw={digits}")
        found._internal_id = earlier._internal_id
    return found.save().url


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.dashboard", __doc__, "runs/demo")
    parser.add_argument("source", nargs="?", metavar="RUNS", help=sources.HELP)
    parser.add_argument("--project", help="entity/project on W&B; default: that of the runs")
    parser.add_argument("--out", type=Path, help=f"default: figures/{JSON_FILE} in RUNS")
    options = parser.checked(arguments)
    if importlib.util.find_spec("wandb_workspaces") is None:
        wrong = "needs wandb-workspaces, which isn't installed"
        allowed = f"{sys.executable} -m pip install 'wandb-workspaces>=0.4,<0.5'"
        raise ConfigError("", "dashboard", allowed, wrong=wrong)
    return options


if __name__ == "__main__":
    process.finish(main)
