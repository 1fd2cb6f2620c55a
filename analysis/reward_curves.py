"""Score over training: a line a lambda or variant (mean over seeds), a band of one SD.

The study's first figure (Nikulin et al. 2019), with agent steps below and emulator frames above.
"""

from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.captions import count_text, human_text, others_text, random_text
from analysis.curves import FRAMES_AXIS, caption, draw_curves
from analysis.groups import LAST_GAMES, last_games
from analysis.layout import layout_of, left_out_text, legend_handles, with_counts
from analysis.panels import (
    draw_humans,
    draw_random_play,
    footnote,
    gap,
    grid,
    human_handles,
    legend,
    random_handles,
    share_y,
    style,
)
from analysis.runs import Run


def draw_reward_curves(runs: Sequence[Run], *, ddof: int = 1) -> Figure:
    """The figure; its lines have the ids `mean <group>` and `seed <group> <seed>`, bands `sd`.

    The band's SD has n - `ddof` in its denominator.
    """
    layout = layout_of(runs, runs)
    drawn = [run for run in runs if run.variant not in layout.left_out]
    with style():
        figure, panels = grid(
            layout.places,
            columns=layout.columns,
            title="Score during training",
            x_label="agent steps",
            y_label="mean raw score of the last 100 games",
            notes=with_counts(layout, drawn),
            above=FRAMES_AXIS,
        )
        draw_curves(panels, layout, drawn, ddof=ddof)
        shown = {place: [r for r in drawn if layout.place(r) == place] for place in panels}
        for place, panel in panels.items():
            draw_random_play(panel, shown[place])
        share_y(panels)
        above = draw_humans(panels, shown)
        lines = [*random_handles(drawn), *human_handles(panels)]
        colors = legend_handles(layout, drawn, ms=5, lw=2)
        legend(figure, [*colors, *[gap()] * bool(lines), *lines])
        about = (games_text(drawn), random_text(drawn), human_text(above), others_text(drawn))
        footnote(figure, f"{caption(drawn, ddof, *about)} {left_out_text(layout)}")
    return figure


def games_text(runs: Sequence[Run]) -> str:
    """How many games a point is the mean of, and what that means for the first points."""
    text = "The first 100 games of a run favour short ones, which are over first."
    counts = {len(last_games(run)) for run in runs} - {0}
    if counts and min(counts) < LAST_GAMES:
        text += f" At its end a line is the mean of {count_text(counts)} training games."
    return text
