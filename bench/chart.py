"""The race as a picture: a bar a contender, the fastest on top."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.panels import INK, QUIET, Axes, Figure, agg_figure, footnote, style
from attn_ppo.lifecycle.disk import replacing
from bench.contenders import CONTENDERS
from bench.pace import PARTS
from bench.report import WORK

COLORS = {"emulate": "#b9c4d0", "infer": "#5b8fd6", "update": "#20508f"}
FLOOR_COLOR = "#cc1f2f"
GAP = 6  # points between a bar and its label


def save(results: Mapping[str, Any], path: Path) -> None:
    """Writes the picture as a PNG."""
    figure = draw(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, style():
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})


def draw(results: Mapping[str, Any]) -> Figure:
    """The picture: milliseconds an agent step in parts."""
    rows = sorted(results["contenders"].values(), key=lambda row: row["agent_steps_per_second"])
    machine, versions = results["machine"], results["versions"]
    with style():
        figure = agg_figure(9, 1.7 + 0.52 * len(rows))
        panel = figure.subplots()
        left = _draw(panel, rows, results)
        figure.suptitle(
            f"One agent step of PPO on {results['game']}", x=0.01, ha="left", fontsize=14
        )
        packages = ", ".join(f"{name} {number}" for name, number in versions.items())
        footnote(
            figure,
            f"{machine['cpu']}, {machine['cores']} cores; {results['threads']} threads each. "
            f"{WORK}. Median of {len(rows[0]['rounds'])} interleaved rounds. Floor: the network's "
            f"multiplications at the rate of a matrix product, and the emulator alone. {packages}.",
        )
        _make_room(figure, panel, left)
    return figure


def _make_room(figure: Figure, panel: Axes, totals: Sequence[float]) -> None:
    """An x axis on which the longest bar and each label beside a bar end inside the panel."""
    for text in panel.texts:
        text.set_in_layout(False)  # else the panel is made narrower for them
    figure.draw_without_rendering()
    width = panel.get_window_extent().width
    labels = [text.get_window_extent().width + 2 * GAP * figure.dpi / 72 for text in panel.texts]
    ends = [total / (1 - label / width) for total, label in zip(totals, labels, strict=True)]
    panel.set_xlim(0, max(ends))


def _draw(panel: Axes, rows: list[dict[str, Any]], results: Mapping[str, Any]) -> list[float]:
    """Stacked bars, the rate at their ends, the floor across each; returns where the bars end."""
    left = [0.0] * len(rows)
    for part in PARTS:
        widths = [row["ms_per_agent_step"][part] for row in rows]
        panel.barh(range(len(rows)), widths, 0.62, left=left, color=COLORS[part], label=part)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    for index, (row, total) in enumerate(zip(rows, left, strict=True)):
        floor = 1e3 * results["floor_seconds"][row["gate"]]
        panel.plot(
            [floor] * 2,
            [index - 0.4, index + 0.4],
            color=FLOOR_COLOR,
            linewidth=2,
            label="floor" if index == 0 else None,
        )
        panel.annotate(
            _rate(row, results),
            (total, index),
            (GAP, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=9.5,
        )
    panel.set_yticks(range(len(rows)), [row["label"] for row in rows])
    for label, row in zip(panel.get_yticklabels(), rows, strict=True):
        ours = row["label"].startswith(CONTENDERS["ours"].label)
        label.set(color=INK, fontweight="bold" if ours else "normal", fontsize=10)
    panel.set_xlabel("milliseconds an agent step, less is better")
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", length=0)
    handles, names = panel.get_legend_handles_labels()
    panel.legend(
        handles[1:] + handles[:1],
        names[1:] + names[:1],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        frameon=False,
        labelcolor=QUIET,
        borderaxespad=0,
        handlelength=1.2,
    )
    return left


def _rate(row: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    """`253 steps/s, 1.31 x Stable-Baselines3`."""
    rate = f"{row['agent_steps_per_second']:,.0f} steps/s"
    against = CONTENDERS[results["against"]].label
    if not row["speedup"] or row["label"] == against:
        return rate
    return f"{rate}, {row['speedup']['median']:.2f} x {against}"
