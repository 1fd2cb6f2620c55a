"""A sweep's report as plain values, which page.py writes: `gather`.

The fields are described in web/src/report/data.ts. There are no dates in it, so that the same
runs give the same page.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from analysis.claims import LOOKED
from analysis.curves import last_step
from analysis.groups import group, lambdas_of, order_games, variants_in
from analysis.panels import lambda_colors
from analysis.report.answer import answers_of
from analysis.report.beside import (
    believe_section,
    decision_section,
    files_section,
    watch_section,
)
from analysis.report.curves import Places, group_of, protocols, run_of
from analysis.report.settings import settings_section
from analysis.report.shades import on_dark
from analysis.report.stress import stress_section
from analysis.report.tables import flags_section, runs_section, score_notes, score_rows
from analysis.report.values import Value, cell, column, items, section, shown_path, table, text
from analysis.runs import Problem, Run
from attn_ppo.formats import plain, short_number
from attn_ppo.learning.bands import others
from attn_ppo.version import __version__

FORMAT = 1
QUESTION = "Up to which λ does sharpening attention cost nothing?"
MOST_PROBLEMS = 30  # more are folded away, until they are opened or printed


class Asked(NamedTuple):
    """What a report is made of, beside the runs."""

    root: Path  # below which the runs are
    out: Path
    command: str
    margin: float  # share of what is learned at lambda 0


def gather(runs: Sequence[Run], problems: Sequence[Problem], asked: Asked) -> Value:
    """All that the page shows."""
    games = order_games(run.config.env for run in runs)
    lambdas, variants = lambdas_of(runs), variants_in(runs)
    places = Places(games, lambdas, variants)
    groups = group(runs)
    answers = answers_of(runs, places, asked.margin)
    decided = LOOKED if (asked.root / "decision.json").exists() else ""
    sections, more = _sections(runs, asked)
    return {
        "format": FORMAT,
        "name": asked.root.resolve().name,
        "facts": facts(runs),
        "question": QUESTION,
        "warning": " ".join(filter(None, [answers.warning, decided])),
        "answers": answers.words,
        "margin": 100 * asked.margin,
        "marginWords": answers.margin,
        "games": games,
        "lambdas": _lambdas(lambdas),
        "variants": [{"letter": v.letter, "name": v.name} for v in variants],
        "lastStep": last_step(runs),
        "runs": [run_of(r, places.of(k), asked.root) for k, rs in groups.items() for r in rs],
        "groups": [group_of(members, places.of(k)) for k, members in groups.items()],
        "protocols": protocols(runs, places),
        "others": list(others([(run.config, run.env_steps) for run in runs])),
        "differences": answers.differences,
        "scores": score_rows(runs, answers.cells),
        "scoreNotes": score_notes(runs),
        "sections": [
            answers.section,
            flags_section(runs, asked.root),
            *sections,
            settings_section(runs),
            problems_section([*problems, *more], asked.root),
            runs_section(runs, asked.root, asked.out),
            made_section(runs, asked),
        ],
    }


def facts(runs: Sequence[Run]) -> str:
    """`24 runs (22 finished) · 2 games · 4 λ · 3 seeds · 500k agent steps`."""
    finished = sum(not run.unfinished for run in runs)
    steps = dict.fromkeys(short_number(run.config.total_steps) for run in runs)
    counts = {
        "game": len({run.config.env for run in runs}),
        "λ": len(lambdas_of(runs)),
        "seed": len({run.config.seed for run in runs}),
    }
    parts = [f"{len(runs)} run{'s' * (len(runs) > 1)}" + f" ({finished} finished)"]
    parts += [f"{n} {what}{'s' * (n > 1 and what != 'λ')}" for what, n in counts.items()]
    return " · ".join([*parts, f"{' or '.join(steps)} agent steps"])


def problems_section(problems: Sequence[Problem], root: Path) -> Value:
    """What failed, what isn't finished and what was left out, with the reasons."""
    if not problems:
        return section("problems", "What failed or was left out", [text("Nothing.")])
    heads = [column(name, name, left=True) for name in ("what", "folder", "reason")]
    rows = [
        [cell(p.kind), cell(shown_path(p.folder, root)), cell(" ".join(p.what.split()))]
        for p in problems
    ]
    title = f"What failed or was left out ({len(problems)})"
    return section("problems", title, [table(heads, rows)], folded=len(rows) > MOST_PROBLEMS)


def made_section(runs: Sequence[Run], asked: Asked) -> Value:
    """The command, and of how much."""
    lines = [
        f"{asked.command} (attn_ppo {__version__})",
        f"From {facts(runs)}.",
        "Scores are raw scores of whole games; an agent step is 4 emulator frames.",
        "The same runs give the same bytes; the page asks nothing of any network.",
    ]
    return section("made", "How this was made", [items(lines)])


def _sections(runs: Sequence[Run], asked: Asked) -> tuple[list[Value], list[Problem]]:
    """Those of what other commands left, where they did."""
    watch = watch_section(runs, asked.root, asked.out)
    found = [
        decision_section(asked.root),
        (watch, []),
        believe_section(runs, asked.root, asked.out),
    ]
    found += [stress_section(asked.root, asked.out), (files_section(asked.root, asked.out), [])]
    problems = [problem for _, of_section in found for problem in of_section]
    return [each for each, _ in found if each], problems


def _lambdas(lambdas: Sequence[float]) -> list[Value]:
    """Their names and colours, on white as in the figures and on dark of the same hue."""
    light = lambda_colors({0.0, *lambdas})  # without 0 none has its colour
    dark = dict(zip(light, on_dark(list(light.values())), strict=True))
    return [{"text": plain(x), "light": light[x], "dark": dark[x]} for x in lambdas]
