"""Numbers, rows and objects as the verdict's sentences and tables call them."""

import math
from collections.abc import Sequence

from attn_ppo.formats import fixed, plain
from attn_ppo.interpret.believe.bootstrap import Interval
from attn_ppo.interpret.believe.verdict import Row
from attn_ppo.interpret.believe.verdict_measures import MOVING


def number(of: Interval, digits: int = 2) -> str:
    """`1.80 [1.52, 2.11]`, `1.80` without an interval, `-` where unknown."""
    if math.isnan(of.mean):
        return "-"
    ends = "" if math.isnan(of.low) else f" [{fixed(of.low, digits)}, {fixed(of.high, digits)}]"
    return f"{fixed(of.mean, digits)}{ends}"


def of_lambda(row: Row) -> str:
    """`λ = 0.0005`."""
    return f"λ = {plain(row.lambda_)}"


def having(rows: Sequence[Row], name: str) -> list[Row]:
    """Those where a measure is known."""
    return [row for row in rows if not math.isnan(row.cells[name].mean)]


def measured(row: Row, name: str) -> str:
    """`λ = 0.0005 (n = 3)`."""
    return f"{of_lambda(row)} (n = {row.cells[name].seeds})"


def others(row: Row, **named: str) -> str:
    """`0.72 for ..., 0.78 for ...`: what is known of the measures by their names."""
    means = {what: row.cells[name].mean for name, what in named.items()}
    known = {what: mean for what, mean in means.items() if not math.isnan(mean)}
    return ", ".join(f"{fixed(mean, 2)} for {what}" for what, mean in known.items())


def key_of(row: Row) -> str:
    """What attention is held against, with its article."""
    return "what moves" if row.key in ("", MOVING) else f"the {row.key}"
