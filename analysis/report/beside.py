"""What other commands left in a sweep's folder: films and pages, the verdict on maps, decisions."""

import base64
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis import believe_table
from analysis.believe_agents import FILE as BELIEVE
from analysis.believe_agents import agent_of, stress_of
from analysis.files import read_json
from analysis.groups import evaluation_games
from analysis.report.values import (
    Value,
    cell,
    column,
    items,
    link,
    pictures,
    rounded,
    section,
    shown_path,
    table,
    text,
)
from analysis.runs import Problem, Run
from attn_ppo.formats import fixed, plain
from attn_ppo.interpret.believe.measure import FORMAT
from attn_ppo.interpret.believe.verdict import compared, verdict
from attn_ppo.interpret.believe.verdict_words import words

STRESS, LAMBDA = "figures/stress.csv", "figures/believe_lambda.png"
LARGEST_FILM, ALL_FILMS = 400_000, 1_500_000  # bytes that are put into the page
FILMS = ("videos/*.mp4", "films/*.mp4")
ENTROPY = (
    "Attention's entropy is that of the steps measured here; the table of scores has that of all "
    "steps of the evaluation's games, so that the two differ."
)
NOT_HERE = ("Polarity", "Sensitivity")  # notes on tables that are in believe.md alone
AGENTS = ("*.safetensors", "checkpoint*.pt")  # what films can be made of


def watch_section(runs: Sequence[Run], root: Path, out: Path) -> Value | None:
    """Films, the small ones in the page, or how to make some, and links to pages of agents.

    None without any of these, and without agents to make them of.
    """
    folders = [root, *(run.folder for run in runs if run.folder != root)]
    films = [film for each in folders for pattern in FILMS for film in sorted(each.glob(pattern))]
    pages = sorted(root.glob("*.html")) + [run.folder / "page.html" for run in runs]
    pages = [page for page in dict.fromkeys(pages) if page.is_file() and page != out]
    blocks: list[Value] = []
    if films:
        blocks.append({"kind": "videos", "videos": _films(films, root, out)})
    elif any(agent for run in runs for pattern in AGENTS for agent in run.folder.glob(pattern)):
        blocks.append(
            text(f"There are no films of these agents yet. To make some: {_films_by(root)}")
        )
    blocks += _links("Pages to explore agents:", pages, root, out)
    return section("watch", "Watch the agents", blocks) if blocks else None


def files_section(root: Path, out: Path) -> Value | None:
    """Links to figures and tables; None without any."""
    kinds = ("*.pdf", "*.csv")
    files = [path for kind in kinds for path in sorted((root / "figures").glob(kind))]
    return section("files", "Figures and tables", _links("", files, root, out)) if files else None


def _links(title: str, paths: Sequence[Path], root: Path, out: Path) -> list[Value]:
    links = [{"text": shown_path(path, root), "href": link(path, out)} for path in paths]
    head = [text(title)] if title else []
    return [*head, {"kind": "links", "links": links}] if links else []


def _films_by(root: Path) -> str:
    return shlex.join(["python", "-m", "analysis.videos", str(root)])


def _films(films: Sequence[Path], root: Path, out: Path) -> list[Value]:
    """Each with its link; the small ones with their bytes, as far as there is room."""
    found, room = [], ALL_FILMS
    for film in films:
        video = {"text": shown_path(film, root), "href": link(film, out)}
        size = film.stat().st_size
        if size <= min(LARGEST_FILM, room):
            room -= size
            video["data"] = f"data:video/mp4;base64,{base64.b64encode(film.read_bytes()).decode()}"
        found.append(video)
    return found


def believe_section(
    runs: Sequence[Run], root: Path, out: Path
) -> tuple[Value | None, list[Problem]]:
    """Verdict and tables of what `make believe` measured of these agents as they are now."""
    agents, problems = [], []
    stress = stress_of(root / STRESS)
    for run in runs:
        try:
            measures = read_json(run.folder / BELIEVE, ("format", "env_steps", "weights"))
            if not measures:
                continue
            if measures["format"] != FORMAT or measures["env_steps"] != run.env_steps:
                raise ValueError(f"{BELIEVE} is of another agent or version; left out")
            lost = stress.get(measures["weights"], [])
            agents.append(agent_of(run, measures, evaluation_games(run).tolist(), lost))
        except (ValueError, OSError) as error:
            problems.append(Problem("note", run.folder, str(error)))
    if not agents:
        return None, problems
    rows = verdict(agents)
    try:
        blocks = pictures(root / LAMBDA, out, "Measures of attention against λ, beside chance")
    except OSError as error:
        blocks = []
        problems.append(Problem("note", root / LAMBDA, str(error)))
    blocks += _markdown(words(rows, compared(rows)))
    for head, members in believe_table.games_of(rows):
        heads = [column("measure", "measure", left=True)]
        heads += [column(name, name) for name in map(believe_table.head_of, members)]
        cells = [[cell(each) for each in line] for line in believe_table.cells_of(members)]
        blocks.append(table(heads, cells, head))
    notes = [note for note in believe_table.NOTES if not note.startswith(NOT_HERE)]
    blocks.append(items([*notes, ENTROPY], quiet=True))
    return section("believe", "Do the maps say what agents act on?", blocks), problems


def _markdown(verdict_words: str) -> list[Value]:
    """The verdict's lists, each below its heading."""
    lists: dict[str, list[str]] = {}
    heading = ""
    for line in filter(None, verdict_words.splitlines()):
        if line.startswith("- "):
            lists.setdefault(heading, []).append(line.removeprefix("- "))
        else:
            heading = line.strip("*")
    return [items(lines, heading) for heading, lines in lists.items()]


def decision_section(root: Path) -> tuple[Value | None, list[Problem]]:
    """What a sweep with `until=decided` asked, saw and decided; None where there is none."""
    path = root / "decision.json"
    try:
        said = read_json(path, ("asked", "budget", "spent", "state", "comparisons"))
        if not said:
            return None, []
        rows = [_comparison(each) for each in said["comparisons"]]
        looks = [_look(each, n, look) for each in said["comparisons"] for n, look in _looks(each)]
        asked = said["asked"]
        told = (
            f"State: {said['state']}. {said['spent']} of at most {said['budget']} runs; "
            f"{asked['seeds']} runs a cell at each look; margin {_percent(asked['margin'])}; "
            "chance of any wrong decision, of each question, at most "
            f"{_percent(asked['error'])}."
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, [Problem("note", path, f"it can't be used ({error}); left out")]
    found = section(
        "decision",
        "The sweep that stops when it is decided",
        [
            text(told),
            table(COMPARISON, rows),
            table(LOOK, looks, "Its looks: a statistic beyond its boundary decides"),
        ],
    )
    return found, []


COMPARISON = (
    column("cell", "cell", left=True),
    column("n", "n", "seeds of either"),
    column("score", "score"),
    column("at_zero", "score at λ = 0"),
    column("difference", "difference"),
    column("share", "of what is learned at λ = 0"),
    column("decision", "decision", left=True),
    column("look", "at look"),
)
LOOK = (
    column("cell", "cell", left=True),
    column("look", "look"),
    column("n", "n", "seeds of either"),
    column("difference", "difference"),
    column("statistic", "t of the difference"),
    column("boundary", "needs", "to be that far from 0"),
    column("margin_statistic", "t of no drop", "against the margin"),
    column("margin_boundary", "needs", "to be above that"),
)


def _comparison(said: dict[str, Any]) -> list[Value]:
    share = said["share"]
    decision = str(said["decision"])
    if said["within_margin"] and decision == "lower":
        decision += ", by less than the margin"
    return [
        cell(said["cell"]),
        cell(said["n"]),
        *(cell(_known(said[key])) for key in ("score", "score_at_zero", "difference")),
        cell("-" if share is None else f"{fixed(100 * share, 0)} %"),
        cell(decision),
        cell(said["look"] or "-"),
    ]


def _looks(said: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(said["looks"], 1))


def _look(said: dict[str, Any], number: int, look: dict[str, Any]) -> list[Value]:
    boundary = look["boundary"]
    return [
        cell(said["cell"]),
        cell(number),
        cell(look["n"]),
        cell(_known(look["difference"])),
        cell(_known(look["statistic"])),
        cell("-" if boundary is None else f"± {_known(boundary)}"),
        cell(_known(look.get("margin_statistic"))),
        cell(_known(look.get("margin_boundary"))),
    ]


def _known(value: float | None) -> str:
    return "-" if value is None else rounded(value)


def _percent(share: float | None) -> str:
    return "not asked" if share is None else f"{plain(100 * share)} %"
