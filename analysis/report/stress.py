"""What `make stress` measured of a sweep: its section of the report."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.report.values import Value, cell, column, items, pictures, rounded, section, table
from analysis.runs import Problem
from attn_ppo.formats import fixed, plain


def stress_section(root: Path, out: Path) -> tuple[Value | None, list[Problem]]:
    """What `make stress` measured and drew, from its files in figures/; None without a table."""
    path = root / "figures/stress_table.csv"
    if not path.is_file():
        return None, []
    try:
        frame = pd.read_csv(path, dtype={"settings": str}, keep_default_na=True)
        rows = [_stress(row) for row in frame.to_dict("records")]
        drawn = pictures(root / "figures/stress.png", out, "Score lost in changed games, by λ")
    except (OSError, ValueError, KeyError) as error:
        what = f"{path.name} can't be read ({str(error).splitlines()[0]}); left out"
        return None, [Problem("note", path, what)]
    heads = [
        column("game", "game", left=True),
        column("lambda", "λ"),
        column("settings", "settings", left=True),
        column("change", "change", left=True),
        column("unchanged", "score"),
        column("changed", "score, changed"),
        column("lost", "lost, %", "95 % interval over seeds; of a single seed over its games"),
        column("seeds", "seeds"),
        column("games", "games"),
    ]
    blocks = [*drawn, items(words(frame)), table(heads, rows)]
    return section("stress", "What changed games cost", blocks), []


def words(frame: pd.DataFrame) -> list[str]:
    """What the changes are, how many of their intervals say that something is lost, and which."""
    known = frame.dropna(subset=["lost_percent_low"])
    lost = known.query("lost_percent_low > 0")
    gained = known.query("lost_percent_high < 0")
    told = [
        "Games are changed in ways that would cost a person nothing, such as other colours, "
        "actions that stick, or another start. A change and no change are matched: the same "
        "seeds, the same random numbers. Scores are of these games, which are others than those of "
        "the table of scores.",
        f"Intervals: {len(known)}. Above 0, where score is lost: {len(lost)}; below, where it is "
        f"gained: {len(gained)}. Each stands for itself: of true zeros one in twenty is missed by "
        "chance. "
        "Brackets: 95 % intervals over seeds; of a single seed over its games.",
    ]
    for what, rows in (("Lost", lost), ("Gained", gained)):
        if len(rows):
            told.append(f"{what}: {'; '.join(map(_told, rows.to_dict('records')))}.")
    return told


def _told(row: dict[Any, Any]) -> str:
    sign = 1 if row["lost_percent_low"] > 0 else -1
    ends = [sign * row[name] for name in ("lost_percent_low", "lost_percent_high")][::sign]
    settings = "" if isinstance(row["settings"], float) else f" {row['settings']}"
    mean, low, high = (fixed(each, 0) for each in (sign * row["lost_percent"], *ends))
    over = f"{row['seeds']} seeds" if row["seeds"] > 1 else f"one seed, {row['games']} games"
    who = f"{row['env']} λ = {plain(row['lambda'])}{settings}"
    return f"{row['change']}, {who}, {mean} % [{low}, {high}] ({over})"


def _stress(row: dict[Any, Any]) -> list[Value]:
    low, high = row["lost_percent_low"], row["lost_percent_high"]
    ends = "" if math.isnan(low) else f" [{fixed(low, 0)}, {fixed(high, 0)}]"
    settings = "" if isinstance(row["settings"], float) else row["settings"]
    return [
        cell(row["env"]),
        cell(plain(row["lambda"])),
        cell(settings),
        cell(row["change"]),
        cell(rounded(row["score_unchanged"]), row["score_unchanged"]),
        cell(rounded(row["score_changed"]), row["score_changed"]),
        cell(f"{fixed(row['lost_percent'], 0)}{ends}", row["lost_percent"]),
        cell(row["seeds"]),
        cell(row["games"]),
    ]
