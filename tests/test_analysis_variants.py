"""Runs of different settings are told apart, and named by what differs."""

from test_analysis_figures import footnote, legend_texts, marks
from test_analysis_runs import SECOND, STUDY, write_run

from analysis.entropy_scatter import draw_entropy_scatter
from analysis.figures import summary
from analysis.references import PROTOCOLS, STUDY_SETTINGS
from analysis.reward_curves import draw_reward_curves
from analysis.runs import Run, read_runs
from analysis.score_table import score_table, to_markdown
from attn_ppo.config import as_dict
from attn_ppo.schema import flatten

CLIP = (("clip_range: 0.2", "clip_range: 0.1"), ("range: false", "range: true"))
WIDE = (("learning_rate: 0.00025", "learning_rate: 0.001"), ("hidden: 8", "hidden: 64"))
NAMES = [
    "ppo.learning_rate=0.00025 ppo.clip_range=0.2 ppo.anneal_clip_range=false attention.hidden=8",
    "ppo.learning_rate=0.00025 ppo.clip_range=0.1 ppo.anneal_clip_range=true attention.hidden=8",
    "ppo.learning_rate=0.001 ppo.clip_range=0.2 ppo.anneal_clip_range=false attention.hidden=64",
]


def three_settings(root) -> list[Run]:
    write_run(root, seed=0, evaluation=(20, 1), scores=(20, 20))
    write_run(root, seed=1, settings=CLIP, rows=SECOND, evaluation=(8, 2), scores=(8, 8))
    write_run(root, seed=2, settings=WIDE, evaluation=(20, 3), scores=(20, 20))
    return read_runs(root)[0]


def test_seeds_of_different_settings_are_never_averaged(tmp_path):
    table = score_table(three_settings(tmp_path))
    assert table["variant"].tolist() == NAMES
    assert table["seeds"].tolist() == [1, 1, 1]
    assert table["training_score_mean"].tolist() == [20, 8, 20]
    assert table["training_score_sd"].isna().tolist() == [True, True, True]
    lines = to_markdown(table).splitlines()
    assert [line.split("|")[3].strip() for line in lines[2:5]] == ["A", "B", "C"]
    assert f"- Settings A: {NAMES[0]}" in lines
    assert f"- Settings C: {NAMES[2]}" in lines


def test_figures_draw_each_variant_and_name_it(tmp_path):
    runs = three_settings(tmp_path)
    curves, scatter = draw_reward_curves(runs), draw_entropy_scatter(runs)
    assert scatter is not None
    drawn = marks(curves, "Breakout")
    means = {gid: line for gid, line in drawn.items() if gid.startswith("mean")}
    assert set(means) == {"mean 0.0 A", "mean 0.0 B", "mean 0.0 C"}
    assert not any(gid.startswith("sd") for gid in drawn)
    assert (
        len({str(line.get_linestyle()) + str(line._dash_pattern) for line in means.values()}) == 3
    )
    assert {gid for gid in marks(scatter, "Breakout") if gid.startswith("path")} == set()
    named = [text.replace("\n     ", " ") for text in legend_texts(curves)]
    assert named[1:4] == [f"{x}: {name}" for x, name in zip("ABC", NAMES, strict=True)]
    assert legend_texts(scatter)[1:4] == legend_texts(curves)[1:4]
    assert summary(tmp_path, runs, []).splitlines()[1:] == [
        f"  settings {x}, 1 run: {name}" for x, name in zip("ABC", NAMES, strict=True)
    ]


def test_runs_of_different_lengths_are_not_averaged(tmp_path):
    longer = [("total_steps: 45", "total_steps: 1000")]
    rows = SECOND + "100,1000,4000,40,5,1,1\n"
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, settings=longer, rows=rows, state="preempted")
    runs = read_runs(tmp_path)[0]
    assert score_table(runs)["variant"].tolist() == ["total_steps=45", "total_steps=1000"]
    figure = draw_reward_curves(runs)
    ends = {gid: m.get_xdata()[-1] for gid, m in marks(figure, "Breakout").items() if "mean" in gid}
    assert ends == {"mean 0.0 A": 40, "mean 0.0 B": 1000}
    write_run(tmp_path, seed=2, settings=longer, rows=rows[: rows.index("100,")], state="running")
    text = footnote(draw_reward_curves(read_runs(tmp_path)[0]))
    assert "Breakout λ = 0 A seed 2, running at 40 of 1k agent steps" in text  # of most runs


def test_what_only_differs_between_games_is_no_variant(tmp_path):
    write_run(tmp_path)
    write_run(tmp_path, "Pong", settings=STUDY, rows=SECOND)
    assert [run.variant.name for run in read_runs(tmp_path)[0]] == ["", ""]


def test_the_same_seed_of_other_settings_is_another_run(tmp_path):
    write_run(tmp_path / "a")
    other = write_run(tmp_path / "b", settings=CLIP)
    again = write_run(tmp_path / "c", settings=[*CLIP, ("name: sweep", "name: again")])
    runs, (problem,) = read_runs(tmp_path)
    assert len(runs) == 2
    assert str(problem) == f"skipped {again}: same game, lambda and seed as {other}"


def test_what_saves_and_mirrors_a_run_is_no_variant(tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, settings=[("mode: disabled", "mode: offline")])
    write_run(tmp_path, seed=2, settings=[("every_updates: 50", "every_updates: 5")])
    table = score_table(read_runs(tmp_path)[0])
    assert table["seeds"].tolist() == [3]
    assert "settings" not in to_markdown(table).splitlines()[0]


def test_the_study_s_settings_and_the_protocols_are_those_of_conf(settings_of):
    ours = flatten(as_dict(settings_of()))
    assert {key: ours[key] for key in STUDY_SETTINGS} == STUDY_SETTINGS
    sections = ("ppo.", "attention.", "protocol.")
    assert set(STUDY_SETTINGS) == {key for key in ours if key.startswith(sections)}
    for name, protocol in PROTOCOLS.items():
        assert settings_of(f"protocol={name}").protocol == protocol
