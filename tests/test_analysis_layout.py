"""Which panel and colour the runs of several variants get, and what names them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from test_analysis_figures import footnote, legend_texts, marks
from test_analysis_runs import SECOND, write_run

from analysis import layout
from analysis.entropy_scatter import draw_entropy_scatter
from analysis.reward_curves import draw_reward_curves
from analysis.runs import Run, read_runs


def write_grid(
    root: Path,
    clips: Sequence[str],
    *,
    gates: Sequence[str] = ("softmax",),
    games: Sequence[str] = ("Breakout",),
    lambdas: Sequence[str] = ("0",),
) -> list[Run]:
    """Two runs of each combination but that of a lambda without attention."""
    for clip in clips:
        settings = [("clip_range: 0.2\n", f"clip_range: {clip}\n")]
        for gate in gates:
            for game in games:
                for lambda_ in lambdas if gate != "none" else ("0",):
                    for seed in (0, 1):
                        about = {"settings": settings, "gate": gate, "evaluation": (10 + seed, 3)}
                        write_run(root / gate / clip, game, lambda_, seed, **about)
    return read_runs(root)[0]


def notes(figure: Figure) -> list[str]:
    """What stands below the titles, panel by panel; empty where nothing does."""
    return [_note(panel) for panel in figure.axes]


def _note(panel: Axes) -> str:
    return " ".join(
        " ".join(t.get_text().split()) for t in panel.texts if t.get_gid() == "settings"
    )


def ids(panel: Axes, kind: str) -> list[str]:
    return sorted(gid for each in panel.get_children() if (gid := each.get_gid() or "")[:4] == kind)


def scatter_of(runs: Sequence[Run]) -> Figure:
    figure = draw_entropy_scatter(runs)
    assert figure is not None
    return figure


def test_with_one_lambda_variants_share_a_panel_and_differ_in_colour(tmp_path):
    runs = write_grid(tmp_path, ["0.1", "0.2"], gates=["softmax", "none"])
    curves = draw_reward_curves(runs)
    (panel,) = curves.axes
    assert ids(panel, "mean") == [f"mean 0.0 {letter}" for letter in "ABCD"]
    assert legend_texts(curves) == [
        "A: attention.gate=none (no attention)\n     ppo.clip_range=0.1",
        "B: attention.gate=none (no attention)\n     ppo.clip_range=0.2",
        "C: attention.gate=softmax\n     ppo.clip_range=0.1",
        "D: attention.gate=softmax\n     ppo.clip_range=0.2",
        "random play",
    ]
    scatter = scatter_of(runs)
    assert ids(scatter.axes[0], "mean") == ["mean 0.0 C", "mean 0.0 D"]
    crosses, lines = marks(scatter, "Breakout"), marks(curves, "Breakout")
    for name in ("mean 0.0 C", "mean 0.0 D"):  # in both figures of one colour
        assert to_hex(crosses[name].get_facecolor()[0]) == lines[name].get_color()
    why = "Left out, without attention: 4 runs. With attention.gate=none there's no entropy."
    assert why in footnote(scatter)
    assert "2 seeds for each λ and settings." in footnote(scatter)


def test_with_several_lambdas_a_variant_has_a_panel_on_one_axis(tmp_path):
    write_grid(tmp_path, ["0.1", "0.2"], gates=["softmax", "none"], lambdas=["0", "0.001"])
    write_run(tmp_path, "Breakout", "0.001", 2, rows=SECOND.replace("40,160,8", "40,160,90"))
    curves = draw_reward_curves(read_runs(tmp_path)[0])
    assert notes(curves) == [
        "A: attention.gate=none (no attention) ppo.clip_range=0.1 n = 2",
        "B: attention.gate=none (no attention) ppo.clip_range=0.2 n = 2",
        "C: attention.gate=softmax ppo.clip_range=0.1 n = 2",
        "D: attention.gate=softmax ppo.clip_range=0.2 n = 2 at λ = 0; 3 at λ = 0.001",
    ]
    assert [ids(panel, "mean") for panel in curves.axes] == [
        ["mean 0.0 A"],
        ["mean 0.0 B"],
        ["mean 0.0 C", "mean 0.001 C"],
        ["mean 0.0 D", "mean 0.001 D"],
    ]
    assert len({panel.get_ylim() for panel in curves.axes}) == 1
    assert curves.axes[0].get_ylim()[1] > 90  # D's third seed
    assert legend_texts(curves) == ["λ = 0", "λ = 0.001", "random play", "a human"]
    scatter = scatter_of(read_runs(tmp_path)[0])
    assert notes(scatter) == [note for note in notes(curves) if "softmax" in note]


def test_rows_are_games_and_columns_variants(tmp_path):
    runs = write_grid(tmp_path, ["0.1", "0.2"], games=["Pong", "Breakout"], lambdas=["0", "0.001"])
    runs = [run for run in runs if (run.config.env, run.variant.letter) != ("Pong", "B")]
    figure = draw_reward_curves(runs)
    places = [panel.get_subplotspec() for panel in figure.axes]
    found = {
        (panel.get_title("left"), _note(panel)[0]): place and place.num1
        for panel, place in zip(figure.axes, places, strict=True)
    }
    assert found == {("Breakout", "A"): 0, ("Breakout", "B"): 1, ("Pong", "A"): 2}
    assert [panel.get_xlabel() for panel in figure.axes] == ["", "agent steps", "agent steps"]


@pytest.mark.parametrize(
    ("count", "panels", "columns"), [(1, 1, 1), (8, 1, 1), (9, 9, 3), (12, 12, 4), (30, 30, 4)]
)
def test_many_variants_get_panels_in_a_grid(count, panels, columns, tmp_path):
    runs = write_grid(tmp_path, [f"{number / 10:g}" for number in range(1, count + 1)])
    figure = draw_reward_curves(runs)
    place = figure.axes[0].get_subplotspec()
    assert place is not None
    assert (len(figure.axes), place.get_geometry()[1]) == (panels, columns)
    if panels > 1:  # in the order of the values, not of their texts: 0.9 comes before 1
        named = [
            f"{run.variant.letter}: ppo.clip_range={run.config.ppo.clip_range:g}" for run in runs
        ]
        assert notes(figure) == list(dict.fromkeys(named))
        assert notes(figure)[8:10] == ["I: ppo.clip_range=0.9", "J: ppo.clip_range=1"][: count - 8]


def test_what_there_is_no_room_for_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "MOST_PANELS", 7)
    clips = ["0.1", "0.2", "0.3", "0.4", "0.5"]
    runs = write_grid(tmp_path, clips, games=["Breakout", "Pong"], lambdas=["0", "0.001"])
    for figure in (draw_reward_curves(runs), scatter_of(runs)):
        assert len(figure.axes) == 6  # 3 variants of 2 games
        assert footnote(figure).endswith(
            "Not drawn, for want of room: settings D to E (2); see the table."
        )
        assert "no game finished" not in footnote(figure)


def test_random_play_has_a_line_for_each_protocol(tmp_path):
    write_run(tmp_path / "a", evaluation=(10, 3))
    machado = [
        ("noop_max: 30", "noop_max: 0"),
        ("life_loss_ends_episode: true", "life_loss_ends_episode: false"),
        ("press_fire: true", "press_fire: false"),
    ]
    write_run(tmp_path / "b", sticky="0.25", settings=machado, evaluation=(10, 3))
    runs = read_runs(tmp_path)[0]
    for figure in (draw_reward_curves(runs), scatter_of(runs)):
        assert len([each for each in figure.axes[0].lines if each.get_gid() == "random play"]) == 2
        assert "Random play: mean of 128 games, a line for each protocol." in footnote(figure)


def test_no_attention_is_said_where_it_is_no_variant(tmp_path):
    write_run(tmp_path, gate="none")
    write_run(tmp_path, "Pong")
    said = ["attention.gate=none (no attention)", ""]
    assert notes(draw_reward_curves(read_runs(tmp_path)[0])) == said


def test_uniform_attention_is_that_of_a_panel_s_number_of_maps(tmp_path):
    for maps in (1, 2):
        for lambda_ in ("0", "0.001"):
            changed = [("maps: 2", f"maps: {maps}")] * (maps != 2)
            write_run(tmp_path / str(maps), lambda_=lambda_, settings=changed, evaluation=(1, 3.5))
    figure = scatter_of(read_runs(tmp_path)[0])
    lines = [
        [min(np.ravel(line.get_xdata())) for line in panel.lines if line.get_gid() == "uniform"]
        for panel in figure.axes
    ]
    # ln 49 = 3.8918; twice that is too far from 3.5 to be drawn
    assert lines == [[pytest.approx(3.8918, abs=1e-4)], []]
    told = "Uniform attention (dashed where it fits): 3.89 nats a map."
    assert told in footnote(figure)
