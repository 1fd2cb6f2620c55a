"""decision.json beside a sweep's runs: what a sweep with `until=decided` asked, saw and decided.

    until        "decided"
    asked        what may not change from one start to the next: `cells` (game, axes and lambda, as
                 in `Breakout lambda=0.005`), `seeds` (runs a cell and look), `first_seed`,
                 `margin`, `looks` (planned at first), `error` (chance of any wrong decision, of
                 each question), `random` (what random play scores, by cell; null where the margin
                 isn't asked), `settings`
    budget       runs at most
    spent        runs that count: those looked at, and those that failed
    state        going on | decided | budget spent | budget too small (for what is left: no further
                 run is worth it) | runs failed
    looks        one each: `scores` (cell -> seed -> mean score of its evaluation), `failed`
                 (cell -> seeds whose runs failed and were replaced)
    comparisons  one for each lambda but 0, in order: `cell`, `against`, and as of its last look
                 `n` (seeds of either), `score`, `score_at_zero`, `difference`, `share` (of the
                 score above random play at lambda 0; null where there's none), `decision` (lower |
                 higher | no drop beyond the margin | undecided | no detectable difference within
                 the budget | undecided: budget spent | undecided: runs failed), `look` (that
                 decided, from 1, or null), `within_margin`, and `looks`: for each of its looks `n`,
                 `difference`, `statistic`, `boundary`, `margin_statistic`, `margin_boundary`;
                 a boundary is null where no score could have reached it yet

`asked`, `looks` and `budget` are the record; all the rest follows from them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attn_ppo.errors import ConfigError
from attn_ppo.formats import fixed, printable
from attn_ppo.lifecycle.disk import write_atomically

NAME = "decision.json"
GOING_ON, DECIDED, RUNS_FAILED = "going on", "decided", "runs failed"
BUDGET_SPENT, BUDGET_SMALL = "budget spent", "budget too small"
UNDECIDED, HOPELESS = "undecided", "no detectable difference within the budget"


def read(sweep: Path) -> dict[str, Any] | None:
    """What is in a sweep's decision.json; None where there is none.

    Raises ConfigError where it can't be used.
    """
    path = sweep / NAME
    try:
        said = json.loads(path.read_text("utf-8"))
        if said["until"] != "decided" or "cells" not in said["asked"] or "looks" not in said:
            raise KeyError("until")
        return said
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        wrong = f"can't be used ({type(error).__name__})"
        allowed = "what a sweep with until=decided wrote; or move it away, or take another name="
        raise ConfigError("", path, allowed, wrong=wrong) from None


def write(sweep: Path, said: Mapping[str, Any]) -> None:
    """Writes decision.json, all of it or none."""
    write_atomically(sweep / NAME, json.dumps(said, indent=2, allow_nan=False) + "\n")


def table(said: Mapping[str, Any]) -> str:
    """Where each comparison stands, a line each, below how far the sweep is."""
    asked, compared = said["asked"], said["comparisons"]
    looks = len(said["looks"])
    head = f"{looks} look{'s' * (looks != 1)}, {said['spent']} of {said['budget']} runs: "
    done = sum(_is_decided(c) for c in compared)
    head += f"{done} of {len(compared)} decided against lambda 0"
    left = f"t, above {fixed(100 * (1 - asked['margin']), 0)}%"
    columns = ["cell", "n", "score", "at 0", "difference", "t", "needs"]
    columns += [left, "needs"] if asked["margin"] else []
    rows = [[*columns, "decision"], *(_cells(c, bool(asked["margin"])) for c in compared)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = (0, len(rows[0]) - 1)
    lines = [
        "  ".join(
            cell.ljust(width) if index in text else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([head, *lines, *_notes(said)])


def _is_decided(comparison: Mapping[str, Any]) -> bool:
    return comparison["look"] is not None


def _cells(comparison: Mapping[str, Any], margin: bool) -> list[str]:
    last = comparison["looks"][-1] if comparison["looks"] else {}
    share = comparison["share"]
    told = f" ({fixed(100 * share, 0)}%)" if share is not None else ""
    decision = comparison["decision"]
    if comparison["within_margin"] and decision == "lower":
        decision += ", by less than the margin"
    shown = [
        printable(comparison["cell"]),
        str(comparison["n"]),
        _number(comparison["score"], 1),
        _number(comparison["score_at_zero"], 1),
        _number(comparison["difference"], 1) + told,
        _number(last.get("statistic"), 2),
        "±" + _number(last.get("boundary"), 2) if last.get("boundary") is not None else "-",
    ]
    if margin:
        shown += [_number(last.get(f"margin_{name}"), 2) for name in ("statistic", "boundary")]
    return [*shown, decision]


def _notes(said: Mapping[str, Any]) -> Sequence[str]:
    failed = {
        cell: seeds for look in said["looks"] for cell, seeds in look["failed"].items() if seeds
    }
    return [
        f"failed, and replaced by other seeds: {printable(cell)} seed {', '.join(map(str, seeds))}"
        for cell, seeds in failed.items()
    ]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else fixed(value, digits)
