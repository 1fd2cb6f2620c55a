"""A sweep's means as a run on W&B: `python -m analysis.aggregates [FOLDER | wandb:PROJECT]`.

W&B's grouped charts average a sample of 100 runs at most and interpolate each as they like. This
averages all of them, as the figures do: for each game, lambda and variant the mean score over
agent steps, its 95 % interval and the number of seeds, the attention's entropy, and what the sweep
says of lambda. Only this command uploads it; no training run is touched.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import hashlib
import json
import math
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from analysis import sources
from analysis.claims import Claims, claims
from analysis.groups import Group, averaged, group, mean_curve
from analysis.margin import add_margin, margin_of
from analysis.runs import Run
from analysis.wandb_account import AGGREGATES, Place, aggregates_in, connect, place_of, project_of
from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.formats import cut, plain
from attn_ppo.lifecycle import wandb_session

POINTS = 200  # of a curve
ENTROPY = "attention_entropy"
CONFIDENCE = 0.95
Rows = dict[int, dict[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Uploads the means and says where they are; 0, 1 where W&B fails, 2 for bad input."""
    try:
        options = _options(arguments)
        source, runs, problems = sources.read(options.source, None)
        print(*problems, sep="\n") if problems else None
        found = claims(runs, margin=options.margin)
        with connect("aggregates") as api:
            project = options.project or (str(source) if source.kind == "wandb" else None)
            place = place_of(project or project_of(runs[0].config, runs[0].status), api)
            print(upload(runs, found, place, api))
    except (ConfigError, RunError) as error:
        return report(error)
    except KeyboardInterrupt:
        print("stopped; what was on W&B is still there", file=sys.stderr)
        return ExitCode.PREEMPTED
    return ExitCode.DONE


def upload(runs: Sequence[Run], found: Claims, place: Place, api: Any) -> str:
    """Puts a sweep's means on W&B in place of earlier ones; says where, or that they're there.

    W&B neither changes rows that it has nor gives the id of a deleted run again: each time it is a
    new run of the same name, and earlier ones go once it has arrived. One that was cut off goes on.
    """
    sweep = " ".join(sorted({run.config.name for run in runs}))
    rows, summary, about = curves(runs), summary_of(found), config_of(runs, sweep, found)
    content = json.dumps([rows, summary, about], sort_keys=True, default=str)
    about["digits"] = hashlib.sha256(content.encode()).hexdigest()
    stem = f"{AGGREGATES}-{cut(sweep.replace(' ', '-'), 64)}-"
    earlier = [run for run in aggregates_in(place, api) if run.id.startswith(stem)]
    same = [run for run in earlier if run.config.get("digits") == about["digits"]]
    if there := [run for run in same if run.state == "finished"]:
        return f"on W&B already: {there[0].url}"
    run_id = same[0].id if same else stem + secrets.token_hex(4)
    what = {"id": run_id, "entity": place.entity, "project": place.project, "config": about}
    what |= {"name": f"{sweep} {AGGREGATES}", "group": f"{sweep} {AGGREGATES}"}
    what |= {"job_type": AGGREGATES, "tags": [AGGREGATES]}
    with tempfile.TemporaryDirectory(prefix="attn_ppo-aggregates-") as folder:
        run = wandb_session.start("online", what | {"dir": folder}, finish_timeout=120.0)
        for step, row in enumerate(rows.values(), 1):
            if step >= run.starting_step:
                run.log(row, step=step)
        run.summary.update(summary)
        run.finish()
    for run_before in earlier:
        if run_before.id != run_id:
            run_before.delete()
    return f"look at {run.url}"


def curves(runs: Sequence[Run]) -> Rows:
    """By agent steps, ascending: mean, low, high and n of each group that has a score there.

    Groups have points of their own, so that nothing is extended beyond what its seeds share.
    """
    rows: Rows = {}
    for key, members in group(runs).items():
        used = averaged(members)
        for what, prefix in (("episode_return", "score"), (ENTROPY, "entropy")):
            for env_steps, values in _interval_curve(used, what):
                row = rows.setdefault(env_steps, {"env_steps": env_steps})
                row |= {f"{prefix}/{_name(key)}/{k}": v for k, v in values.items()}
    return {env_steps: rows[env_steps] for env_steps in sorted(rows)}


def name_of(game: str, lambda_: float, letter: str) -> str:
    """A group in W&B's names, `Breakout/lambda_0_0005_A`: it can't query those with other signs."""
    return f"{game}/lambda_{plain(lambda_)}_{letter}".rstrip("_").replace(".", "_")


def summary_of(found: Claims) -> dict[str, Any]:
    """What the sweep says of lambda, in words and by game and lambda."""
    kept = ("kept", "kept_low", "kept_high", "p_corrected", "seeds", "verdict")
    summary: dict[str, Any] = {"claims/answer": found.answer, "claims/margin": found.margin}
    for row in found.table().to_dict("records"):
        name = name_of(row["env"], row["lambda"], row["variant_letter"])
        summary |= {f"claims/{name}/{key}": row[key] for key in kept if row[key] == row[key]}
    return summary


def config_of(runs: Sequence[Run], sweep: str, found: Claims) -> dict[str, Any]:
    """What the means are of: each group by its name, with how many seeds."""
    groups = {
        _name(key): {
            "env": key.game,
            "lambda": key.lambda_,
            "variant": key.variant.name,
            "seeds": len(averaged(members)),
        }
        for key, members in group(runs).items()
    }
    interval = f"of the mean over seeds, {CONFIDENCE:.0%}, Student's t"
    told = {"kind": AGGREGATES, "name": sweep, "runs": len(runs), "interval": interval}
    return told | {"margin": found.margin, "groups": groups}


def _name(key: Group) -> str:
    return name_of(key.game, key.lambda_, key.variant.letter)


def _interval_curve(runs: Sequence[Run], of: str) -> Iterator[tuple[int, dict[str, float]]]:
    """(agent steps, mean, low, high, n) along a curve; of a single seed no interval."""
    curve = mean_curve(runs, POINTS, of=of)
    if curve is None:
        return
    n = len(curve.scores)
    t = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) if n > 1 else math.nan
    half = t * curve.sd / math.sqrt(n)
    for env_steps, mean, wide in zip(curve.env_steps, curve.mean, half, strict=True):
        values = {"mean": mean, "low": mean - wide, "high": mean + wide, "n": n}
        yield round(env_steps), {k: float(v) for k, v in values.items() if np.isfinite(v)}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.aggregates", __doc__, "runs/demo")
    parser.add_argument("source", nargs="?", metavar="RUNS", help=sources.HELP)
    parser.add_argument(
        "--project", help="entity/project to put them in; default: that of the runs"
    )
    add_margin(parser)
    options = parser.checked(arguments)
    options.margin = margin_of(options.margin)
    return options


if __name__ == "__main__":
    process.finish(main)
