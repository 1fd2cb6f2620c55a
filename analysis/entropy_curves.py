"""Attention entropy over training: a line a lambda or variant, a band of one SD, beside even maps.

Each point is the mean over the minibatches of an update, as metrics.csv has it.
"""

from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.curves import FRAMES_AXIS, caption, draw_curves
from analysis.groups import known_range, uniform_entropies
from analysis.layout import layout_of, left_out_text, legend_handles, with_counts
from analysis.panels import UNIFORM, footnote, gap, grid, legend, share_y, style, uniform_handle
from analysis.runs import Run
from attn_ppo.variants import NO_ATTENTION

ENTROPY = "attention_entropy"
TITLE, Y_LABEL = "Attention entropy during training", "attention entropy (nats, sum over maps)"


def draw_entropy_curves(runs: Sequence[Run], *, ddof: int = 1) -> Figure | None:
    """The figure, None if no run has attention; ids are those of the reward curves.

    The band's SD has n - `ddof` in its denominator.
    """
    having = [r for r in runs if r.config.attention.gate != "none" and known_range(r, ENTROPY)]
    if not having:
        return None
    layout = layout_of(runs, having)
    shown = [run for run in having if run.variant not in layout.left_out]
    with style():
        figure, panels = grid(
            layout.places,
            columns=layout.columns,
            title=TITLE,
            x_label="agent steps",
            y_label=Y_LABEL,
            notes=with_counts(layout, shown),
            above=FRAMES_AXIS,
        )
        draw_curves(panels, layout, shown, of=ENTROPY, ddof=ddof)
        for place, panel in panels.items():
            bounds = uniform_entropies(run for run in shown if layout.place(run) == place)
            for bound in bounds:
                panel.axhline(bound, **UNIFORM, gid="uniform")
            panel.set_ylim(0, 1.04 * max(bounds))
        share_y(panels)
        colors = legend_handles(layout, shown, ms=5, lw=2)
        legend(figure, [*colors, gap(), uniform_handle()])
        without = len(runs) - len(having)
        bare = f"Left out, with {NO_ATTENTION}: {without} run{'s' * (without > 1)}."
        text = caption(shown, ddof, "0 nats: each map on a single cell.", bare * bool(without))
        footnote(figure, f"{text} {left_out_text(layout)}")
    return figure
