"""What was measured of growth as a picture: a panel a question, empty where it was not asked."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from analysis.panels import DASHES, INK, QUIET, Axes, Figure, agg_figure, footnote, style
from attn_ppo.formats import short_number
from attn_ppo.lifecycle.disk import replacing
from bench.growth_report import RUNS, shares

DARK, MIDDLE, LIGHT = "#20508f", "#5b8fd6", "#b9c4d0"  # told apart in grey too
LOOKS = ((DARK, "o"), (MIDDLE, "s"), ("#8a9bb0", "^"), (INK, "D"))
AIM: dict[str, Any] = {"color": "#cc1f2f", "lw": 1.4, "ls": DASHES, "zorder": 3}
GAP = 5  # points between what is drawn and its label


def save(results: Mapping[str, Any], path: Path) -> None:
    """Writes the picture as a PNG."""
    figure = draw(results)
    with replacing(path) as temporary, style():
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})


def draw(results: Mapping[str, Any]) -> Figure:
    """Six panels."""
    machine, dates = results["machine"], {v["date"] for v in results.values() if "date" in v}
    with style():
        figure = agg_figure(11.5, 6.6)
        figure.suptitle(f"As work grows: {results['game']}", x=0.01, ha="left", fontsize=14)
        panels = figure.subplots(2, 3).ravel()
        for panel, (part, (title, fill)) in zip(panels, PANELS.items(), strict=True):
            panel.set_title(title, loc="left")
            if any(results.get(name) is None for name in part.split()):
                panel.text(0.5, 0.5, "not measured", ha="center", color=QUIET)
                panel.set(xticks=[], yticks=[])
            else:
                fill(panel, results)
        footnote(
            figure,
            f"{machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}; "
            f"{' to '.join(dict.fromkeys((min(dates), max(dates))))}. Medians; thin lines from the "
            "least to the most. An iteration has 1,024 agent steps whatever the environments.",
        )
    return figure


def _environments(panel: Axes, results: Mapping[str, Any]) -> None:
    """Agent steps a second of one run, a line a number of threads."""
    for (threads, rates), (color, marker) in zip(
        results["environments"]["threads"].items(), LOOKS, strict=False
    ):
        _line(panel, rates, color, marker, f"{threads} thread{'s' * (threads != '1')}")
    _sizes(panel, next(iter(results["environments"]["threads"].values())))
    panel.set(xlabel="environments", ylabel="agent steps/s", ylim=(0, None))
    panel.legend(frameon=False, labelcolor=INK, loc="lower right", fontsize=9)


def _at_once(panel: Axes, results: Mapping[str, Any]) -> None:
    """Agent steps a second of all runs together, beside as many times what one makes alone."""
    runs, cores = results["at_once"]["runs"], results["machine"]["cores"]
    if "1" in runs:
        most = min(cores, max(map(int, runs)))
        alone = runs["1"]["median"]
        ideal = [alone, alone * most, alone * most]
        at = [1, most, max(map(int, runs))]
        panel.plot(at, ideal, color=QUIET, lw=1.2, ls=DASHES, label="one run's, a core each")
    _line(panel, runs, DARK, "o", "measured")
    _sizes(panel, runs)
    panel.set(xlabel="one-thread runs at once", ylabel="agent steps/s together", ylim=(0, None))
    panel.legend(frameon=False, labelcolor=INK, loc="lower right", fontsize=9)


def _start(panel: Axes, results: Mapping[str, Any]) -> None:
    """Seconds a part of a start, the kernels built before; the other start in words."""
    caches = results["start"]["caches"]
    warm = caches["warm"]
    _bars(panel, list(warm["parts"].items()), "{:.2f}")
    total, cold = warm["seconds"]["median"], caches["cold"]["seconds"]["median"]
    panel.set_xlabel(f"seconds; {total:.1f} in all,\n{cold:.1f} where the kernels are built first")


def _memory(panel: Axes, results: Mapping[str, Any]) -> None:
    """Megabytes of a run."""
    sizes = results["memory"]["environments"]
    for key, color, marker in (("peak", DARK, "o"), ("resident", MIDDLE, "s")):
        known = {size: of[key] for size, of in sizes.items() if key in of}
        if known:
            at = list(map(int, known))
            look: dict[str, Any] = {"color": color, "marker": marker, "clip_on": False}
            panel.plot(at, list(known.values()), **look, label=key)
    _sizes(panel, sizes)
    panel.set(xlabel="environments", ylabel="MB a run", ylim=(0, None))
    panel.legend(frameon=False, labelcolor=INK, loc="lower right", fontsize=9)


def _overhead(panel: Axes, results: Mapping[str, Any]) -> None:
    """The share of a sweep's time that isn't training, against 1 %."""
    found = shares(results)
    bars = [(f"{short_number(steps)} steps", 100 * part) for steps, part in found.items()]
    _bars(panel, bars, "{:.3f} %", aim=1.0)
    launch = results["launching"]
    panel.set_xlabel(
        f"% of the time of {RUNS} runs, each with\n"
        f"{launch['a_run']['median']:.1f} s on one of {launch['jobs']} cores"
    )


def _telling(panel: Axes, results: Mapping[str, Any]) -> None:
    """Seconds of a table, against 2."""
    names = {"status": "status", "again": "again"}
    found = results["telling"]
    bars = [
        (f"{name}, {runs}", of["median"])
        for what, name in names.items()
        for runs, of in found[what].items()
    ]
    _bars(panel, bars, "{:.2f}", aim=2.0)
    panel.set_xlabel("seconds; again: the sweep's command,\nwith nothing left to do")


Fill = Callable[[Axes, Mapping[str, Any]], None]
PANELS: dict[str, tuple[str, Fill]] = {
    "environments": ("One run's speed", _environments),
    "at_once": ("Several runs' speed", _at_once),
    "memory": ("Memory", _memory),
    "start": ("Up to the first row of a run", _start),
    "launching telling at_once": ("A sweep outside of training", _overhead),
    "telling": ("A table of 180 and 540 runs", _telling),
}


def _line(panel: Axes, by_size: Mapping[str, Any], color: str, marker: str, label: str) -> None:
    """Medians, and thin lines from the least to the most."""
    at, of = [int(size) for size in by_size], list(by_size.values())
    look: dict[str, Any] = {"color": color, "marker": marker, "clip_on": False}
    panel.plot(at, [o["median"] for o in of], **look, label=label)
    panel.vlines(at, [o["low"] for o in of], [o["high"] for o in of], color=color, lw=0.9)


def _sizes(panel: Axes, sizes: Mapping[str, Any]) -> None:
    """A logarithmic x axis with a tick at each size."""
    panel.set_xscale("log", base=2)
    panel.set_xticks([int(size) for size in sizes], list(sizes))
    panel.xaxis.set_minor_locator(NullLocator())


def _bars(
    panel: Axes, bars: Sequence[tuple[str, float]], form: str, *, aim: float | None = None
) -> None:
    """A bar a name with its value at the end, and a line at the most that is aimed at."""
    values = [value for _, value in bars]
    panel.barh(range(len(bars)), values, 0.62, color=MIDDLE, zorder=2)
    for index, value in enumerate(values):
        at: dict[str, Any] = {"textcoords": "offset points", "va": "center", "zorder": 4}
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        text = form.format(value)
        panel.annotate(text, (value, index), (GAP, 0), **at, color=INK, fontsize=9, bbox=box)
    panel.set_yticks(range(len(bars)), [name for name, _ in bars], color=INK)
    panel.set_ylim(len(bars) - 0.4, -0.6)
    panel.set_xlim(0, 1.25 * max([*values, aim or 0]))
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", length=0)
    if aim is not None:
        panel.axvline(aim, **AIM)
