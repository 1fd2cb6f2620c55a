"""The verdict's tables and figures: what is in them, and chance drawn where it is."""

import re
from typing import Any

import pandas as pd
import pytest
from believe_results import agent, method, on_object

from analysis import believe_figures
from analysis.believe_table import save_tables, to_text
from analysis.panels import save
from attn_ppo.interpret.believe.verdict import compared, verdict

LAMBDAS = ("0", "0.0005", "0.005")


@pytest.fixture(scope="module")
def rows():
    """Three lambdas of Breakout with two seeds, one of Pong, without cause, with one."""
    agents = [
        agent(lambda_, seed, objects=[on_object("ball", 0.4 + seed / 10, lift=lift + seed)])
        for lambda_, lift in ((0, 1.0), (0.0005, 2.0), (0.005, 3.0))
        for seed in (0, 1)
    ]
    bare = method(None, similarity=None)
    return verdict(
        [*agents, agent(game="Pong", objects=[on_object("moving", None)], attention=bare)]
    )


def test_the_table_on_the_terminal_has_lambdas_side_by_side(rows):
    lines = to_text(rows).splitlines()
    assert re.split("  +", lines[0]) == ["Breakout", *(f"λ = {x}, 2 seeds" for x in LAMBDAS)]
    (lift,) = (line for line in lines if line.startswith("lift (ball)"))
    # means 1.5, 2.5, 3.5; SD 0.7071, error 0.5, t of one degree 12.706: half 6.35
    lifts = ["1.50 [-4.85, 7.85]", "2.50 [-3.85, 8.85]", "3.50 [-2.85, 9.85]"]
    assert re.split("  +", lift) == ["lift (ball)", *lifts]
    assert "Changed by new weights: gradient yes, guided_backprop no." in lines
    pong = lines[next(n for n, line in enumerate(lines) if line.startswith("Pong")) :]
    assert not any(line.startswith("agreement with cause") for line in pong)


def test_files(rows, tmp_path):
    paths = save_tables(rows, compared(rows), "**Breakout**", tmp_path / "out/believe")
    assert [path.name for path in paths] == [
        "believe.md",
        "believe.csv",
        "believe_objects.csv",
        "believe_methods.csv",
    ]
    table = pd.read_csv(paths[1])
    assert table["lift"].tolist() == [1.5, 2.5, 3.5, 2]
    assert table["lift_n"].tolist() == [2, 2, 2, 1]
    assert table["passing"].tolist() == ["gradient"] * 4
    objects = pd.read_csv(paths[2]).set_index(["env", "lambda", "object"])
    assert objects.loc[("Breakout", 0, "ball"), "importance"] == 0.45
    methods = pd.read_csv(paths[3]).set_index(["env", "lambda", "method"])
    assert methods.loc[("Breakout", 0, "guided_backprop"), "passes"] == 0
    text = paths[0].read_text()
    assert text.startswith("# Verdict\n\n**Breakout**\n\n## Breakout\n")
    assert "| KL if edited (nats) | λ = 0, 2 seeds |" in text
    assert "| Breakout | lift | 0.005 | 2.00" in text
    assert "corrected by Holm" in text
    (line,) = re.findall(r"\| λ = 0.005, seed 1 \|.*", text)
    # score, entropy, how long it stays, lift, its own mean ...; there are no games with other maps
    assert re.split(r" \| ", line)[1:6] == ["12.0", "1.50", "3.0", "4.00", "1.00"]
    assert line.endswith("| - | - |")


def marks(figure: Any, gid: str) -> list[Any]:
    return [line for panel in figure.axes for line in panel.lines if line.get_gid() == gid]


def test_measures_against_lambda(rows):
    figure: Any = believe_figures.draw_against_lambda(rows)
    dots = [marks(figure, f"lift {lambda_}")[0].get_ydata()[0] for lambda_ in ("0", "0.005")]
    assert dots == [1.5, 3.5]
    panels: list[Any] = [panel for panel in figure.axes if panel.get_title(loc="left") == "lift"]
    chance = [line.get_ydata()[0] for line in panels[0].lines if line.get_gid() == "chance"]
    assert chance == [pytest.approx(1.1)]  # of even attention


def test_objects_and_methods(rows):
    figure: Any = believe_figures.draw_objects(rows)
    assert [dot.get_xdata()[0] for dot in marks(figure, "importance ball")] == [0.45, 0.45, 0.45]
    assert not marks(figure, "importance moving")
    figure = believe_figures.draw_methods(rows)
    thresholds = {line.get_xdata()[0] for line in marks(figure, "chance")}
    assert thresholds == {0, 0.5}
    (dot,) = {dot.get_xdata()[0] for dot in marks(figure, "similarity guided_backprop")}
    assert dot == 0.8


def test_names_on_the_left_are_whole_in_the_picture(rows, tmp_path):
    figure: Any = believe_figures.draw_methods(rows)
    save(figure, tmp_path / "methods")
    figure.set_dpi(150)
    figure.draw_without_rendering()
    assert min(label.get_window_extent().x0 for label in figure.axes[0].get_yticklabels()) > 0
