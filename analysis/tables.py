"""Writes runs as tables for other programs: `python -m analysis.tables [FOLDER] [--out DIR]`.

runs.csv and runs.parquet have a row a run: its settings, state, scores and entropies.
curves.parquet, with --csv also curves.csv, has a row for each of its updates, with all columns of
its metrics.csv. problems.csv says which runs are left out or unfinished, and why.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from tqdm import tqdm

from analysis import sources
from analysis.figures import summary
from analysis.files import column
from analysis.groups import (
    LAST_UPDATES,
    attention_entropy,
    evaluation_games,
    evaluation_score,
    last_games,
    mean_sd,
    training_score,
)
from analysis.outputs import folder_of
from analysis.runs import Problem, Run, read_metrics
from attn_ppo import config
from attn_ppo.arguments import Parser
from attn_ppo.atari.reference_scores import normalized
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.lifecycle.disk import disk_error, replacing, write_atomically
from attn_ppo.lifecycle.run_dir import METRICS
from attn_ppo.schema import flatten

WHOLE = ("update", "env_steps", "frames", "inexact_resumes")
RENAMED = {"lambda": "lambda_of_update"}  # beside the run's own, which it may be rising to
KEYS = {  # of a row of curves, which say whose it is
    "run": pa.int64(),
    "env": pa.string(),
    "lambda": pa.float64(),
    "seed": pa.int64(),
    "variant": pa.string(),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the tables, prints problems and paths; 0, or 2 without runs, 4 on a disk error."""
    parser = Parser("analysis.tables", __doc__, "runs/demo --out tables")
    parser.add_argument("source", nargs="?", metavar="FOLDER", help=sources.HELP)
    parser.add_argument("--out", type=Path, help="default: tables/ in FOLDER")
    parser.add_argument(
        "--csv", action="store_true", help="curves.csv too, as large as all of them"
    )
    options = parser.parse_args(arguments)
    out = options.out
    try:
        source, runs, problems = sources.read(options.source)
        print(summary(source, runs, problems))
        out = folder_of(out, source.folder / "tables")
        written = save_tables(runs, problems, out, csv=options.csv)
    except (ConfigError, RunError) as error:
        return report(error)
    except OSError as error:
        return report(disk_error(Path(error.filename or out or config.default_root()), error))
    print("look at", *(f"  {path}" for path in written), sep="\n")
    return ExitCode.DONE


def save_tables(
    runs: Sequence[Run], problems: Sequence[Problem], out: Path, *, csv: bool = False
) -> list[Path]:
    """Writes all tables into `out`, each whole or not at all; returns the paths."""
    out.mkdir(parents=True, exist_ok=True)
    table, amiss = runs_table(runs), problems_table(problems)
    write_atomically(out / "runs.csv", table.to_csv(index=False))
    write_atomically(out / "problems.csv", amiss.to_csv(index=False))
    with replacing(out / "runs.parquet") as pending:
        table.to_parquet(pending, index=False)
    names = ["curves.parquet", *["curves.csv"] * csv]
    with ExitStack() as stack:
        schema = curves_schema()
        pending = [stack.enter_context(replacing(out / name)) for name in names]
        kinds = (pyarrow.parquet.ParquetWriter, pyarrow.csv.CSVWriter)
        writers = [
            stack.enter_context(kind(str(path), schema))
            for kind, path in zip(kinds, pending, strict=False)
        ]
        for each in curves(runs):
            for writer in writers:
                writer.write_table(each)
    return [out / name for name in ("runs.csv", "runs.parquet", *names, "problems.csv")]


def runs_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a run, in the order of `runs`; what isn't there is empty.

    `run` numbers them. `score` is the evaluation's mean, else that of the last 100 training games,
    which `score_from` says; `normalized` is it on the scale from random play, 0, to a human, 1.
    Entropies are in nats, of the last 10 updates; `attention_entropy` of the evaluation where there
    is one. Settings have the names that they have on the command line.
    """
    rows = pd.DataFrame([_row(number, run) for number, run in enumerate(runs)])
    return pd.concat([rows, pd.DataFrame([_settings(run) for run in runs])], axis=1)


def _row(number: int, run: Run) -> dict[str, Any]:
    scores = {"evaluation": evaluation_score(run), "training": training_score(run)}
    known = [name for name, score in scores.items() if not math.isnan(score)]
    score = scores[known[0]] if known else math.nan
    settings = run.config
    return {
        "run": number,
        "folder": str(run.folder),
        "env": settings.env,
        "lambda": settings.lambda_,
        "seed": settings.seed,
        "variant": run.variant.letter,
        "variant_settings": run.variant.name,
        "state": run.status.get("state"),
        "unfinished": run.unfinished or "",
        "inexact_resumes": len(run.inexact_at),
        "updates": len(run.metrics),
        "env_steps": run.env_steps,
        "frames": run.env_steps * config.FRAMES_PER_STEP,
        "score": score,
        "score_from": known[0] if known else "",
        "normalized": normalized(score, settings.env, settings.protocol),
        "evaluation_score": scores["evaluation"],
        "evaluation_games": len(evaluation_games(run)),
        "training_score": scores["training"],
        "training_games": len(last_games(run)),
        "attention_entropy": attention_entropy(run),
        "training_attention_entropy": _last(run, "attention_entropy"),
        "training_policy_entropy": _last(run, "policy_entropy"),
    }


def _last(run: Run, name: str) -> float:
    """The mean of a column over the last updates; nan without it."""
    values = column(run.metrics, name) if name in run.metrics else np.array([])
    return mean_sd(values[~np.isnan(values)][-LAST_UPDATES:])[0]


def _settings(run: Run) -> dict[str, Any]:
    own = {"env", "lambda", "seed", "root"}  # which the row has, or which is one machine's
    return {
        key: " ".join(value) if isinstance(value, list) else value
        for key, value in flatten(config.as_dict(run.config)).items()
        if key not in own
    }


def problems_table(problems: Sequence[Problem]) -> pd.DataFrame:
    """A row a problem."""
    rows = [(each.kind, str(each.folder), " ".join(each.what.split())) for each in problems]
    return pd.DataFrame(rows, columns=["kind", "folder", "what"])


def curves_schema() -> pa.Schema:
    """Whose update it is, then the columns of metrics.csv."""
    columns = {RENAMED.get(name, name): _type(name) for name in METRICS}
    return pa.schema(list((KEYS | columns).items()))


def curves(runs: Sequence[Run]) -> Iterator[pa.Table]:
    """For each run the rows of its metrics.csv, read anew with all columns; empty where nan."""
    schema = curves_schema()
    for number, run in enumerate(tqdm(runs, "writing", unit="run", leave=False, disable=None)):
        metrics, _ = read_metrics(run.folder)
        own = (number, run.config.env, run.config.lambda_, run.config.seed, run.variant.letter)
        arrays = [
            pa.repeat(pa.scalar(value, kind), len(metrics))
            for value, kind in zip(own, KEYS.values(), strict=True)
        ]
        arrays += [_values(metrics, name) for name in METRICS]
        yield pa.table(arrays, schema)


def _values(metrics: pd.DataFrame, name: str) -> pa.Array:
    """A column of metrics.csv, empty where it's nan, or no whole number where it should be one."""
    if name not in metrics:
        return pa.nulls(len(metrics), _type(name))
    values = column(metrics, name)
    if name in WHOLE:
        is_whole = np.isfinite(values) & (np.floor(values) == values)
        values = np.where(is_whole, values, np.nan)
    return pa.array(values, from_pandas=True).cast(_type(name))


def _type(name: str) -> pa.DataType:
    return pa.int64() if name in WHOLE else pa.float64()


if __name__ == "__main__":
    process.finish(main)
