"""Runs of different settings are told apart, and named by what differs."""

import dataclasses
from pathlib import Path

import pandas as pd
from test_analysis_figures import footnote, legend_texts, marks
from test_analysis_runs import FIRST, SECOND, STUDY, write_run

from analysis.entropy_scatter import draw_entropy_scatter
from analysis.figures import summary
from analysis.playing import by_game
from analysis.references import is_like_the_study
from analysis.reward_curves import draw_reward_curves
from analysis.runs import Run, read_runs
from analysis.score_table import score_table, to_markdown
from attn_ppo import config
from attn_ppo.atari.reference_scores import PROTOCOLS
from attn_ppo.config import RunConfig, as_dict
from attn_ppo.learning.study import STUDY_SETTINGS
from attn_ppo.schema import flatten
from attn_ppo.variants import Variant, variants_of

CLIP = (("clip_range: 0.2", "clip_range: 0.1"), ("range: false", "range: true"))
WIDE = (("learning_rate: 0.00025", "learning_rate: 0.001"), ("hidden: 8", "hidden: 64"))
NAMES = [  # in the order of their values
    "attention.hidden=8 ppo.anneal_clip_range=false ppo.clip_range=0.2 ppo.learning_rate=0.00025",
    "attention.hidden=8 ppo.anneal_clip_range=true ppo.clip_range=0.1 ppo.learning_rate=0.00025",
    "attention.hidden=64 ppo.anneal_clip_range=false ppo.clip_range=0.2 ppo.learning_rate=0.001",
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
    assert len({line.get_color() for line in means.values()}) == 3
    assert len({line.get_marker() for line in means.values()}) == 3
    assert {gid for gid in marks(scatter, "Breakout") if gid.startswith("path")} == set()
    named = [text.replace("\n     ", " ") for text in legend_texts(curves)]
    assert named[:3] == [f"{x}: {name}" for x, name in zip("ABC", NAMES, strict=True)]
    assert legend_texts(scatter)[:3] == legend_texts(curves)[:3]
    lines = summary(tmp_path, runs, []).splitlines()[1:]
    assert [" ".join(line.split()) for line in lines] == [
        f"settings {x}, 1 run: {name}" for x, name in zip("ABC", NAMES, strict=True)
    ]
    assert len({line.index("ppo.learning_rate") for line in lines}) == 1


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
    assert "Breakout λ = 0 B seed 2, running at 40 of 1k agent steps" in text


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
    assert str(problem) == f"skipped {again}: same settings and seed as {other}"


def test_of_equal_runs_the_one_that_got_furthest_counts(tmp_path):
    begun = write_run(tmp_path / "a", rows=FIRST[: FIRST.index("3,30")], state="preempted")
    further = write_run(tmp_path / "b", rows=FIRST[: FIRST.index("4,40")], state="failed")
    (run,), told = read_runs(tmp_path)
    assert run.folder == further
    assert f"skipped {begun}: same settings and seed as {further}" in map(str, told)
    assert (
        len(told) == 2
    )  # the other is unfinished; of the one that is skipped nothing else is told
    whole = write_run(tmp_path / "c", settings=[("name: sweep", "name: again")])
    (run,), told = read_runs(tmp_path)
    assert run.folder == whole
    expected = [f"skipped {each}: same settings and seed as {whole}" for each in (begun, further)]
    assert [str(problem) for problem in told] == expected


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
    assert is_like_the_study(of_the_study_s_steps(settings_of("total_steps=10_000_000")))
    for name, protocol in PROTOCOLS.items():
        assert settings_of(f"protocol={name}").protocol == protocol


def test_variants_are_numbered_by_value_and_lettered_beyond_z():
    letters = [Variant(number, ("a=1",)).letter for number in (0, 1, 25, 26, 27, 52)]
    assert letters == ["A", "B", "Z", "AA", "AB", "BA"]


def test_a_variant_is_named_by_a_group_s_option_where_all_runs_say_it(settings_of):
    machado = dataclasses.replace(settings_of("protocol=machado"), axes=("protocol=machado",))
    other = dataclasses.replace(settings_of(), axes=("protocol=baselines",))
    names = [variant.name for variant in variants_of([machado, other])]
    assert names == ["protocol=machado", "protocol=baselines"]
    more = [(run, ("ppo.clip_range=0.1", *run.axes)) for run in (machado, other)]
    clipped = [
        dataclasses.replace(run, axes=axes, ppo=dataclasses.replace(run.ppo, clip_range=0.1))
        for run, axes in more
    ]
    assert {variant.name for variant in variants_of([machado, other, *clipped])} == {
        f"ppo.clip_range={clip} protocol={name}"
        for clip in ("0.1", "0.2")
        for name in ("baselines", "machado")
    }
    # one run doesn't say it, or an option doesn't say all
    silent = dataclasses.replace(other, axes=())
    by_key = (
        "protocol.life_loss_ends_episode=true protocol.noop_max=30 protocol.press_fire=true "
        "protocol.sticky_actions=0"
    )
    assert variants_of([machado, silent])[1].name == by_key
    odd = dataclasses.replace(other, protocol=dataclasses.replace(other.protocol, noop_max=5))
    assert variants_of([machado, other, odd])[1].name == by_key


def test_other_weights_to_begin_with_are_named_as_in_a_path(settings_of):
    fresh = settings_of()
    raised = dataclasses.replace(fresh, init_from="runs/x", init_sha256="0123456789abcdef" * 4)
    names = [variant.name for variant in variants_of([raised, fresh])]
    assert names == ["init_from=01234567", "init_from=null"]


def test_regularisers_are_variants_as_any_setting(settings_of):
    runs = [
        settings_of("lambda=0.01", *words)
        for words in (
            [],
            ["diversity=0.1"],
            ["regularizer=target_entropy", "regularizer.target=3"],
            ["lambda_schedule=linear", "lambda_start=2048", "lambda_warmup=4096"],
        )
    ]
    assert [variant.short for variant in variants_of(runs)] == [
        "diversity=0 lambda_schedule=constant lambda_start=0 lambda_warmup=0 "
        "regularizer=entropy target=null",
        "diversity=0.1 lambda_schedule=constant lambda_start=0 lambda_warmup=0 "
        "regularizer=entropy target=null",
        "diversity=0 lambda_schedule=constant lambda_start=0 lambda_warmup=0 "
        "regularizer=target_entropy target=3",
        "diversity=0 lambda_schedule=linear lambda_start=2048 lambda_warmup=4096 "
        "regularizer=entropy target=null",
    ]


def test_three_settings_are_never_three_seeds_of_one(tmp_path):
    for seed, (clip, score) in enumerate([("0.1", 100), ("0.2", 200), ("0.3", 300)]):
        rows = FIRST.replace("4,40,160,20,", f"4,40,160,{score},")
        changed = [("clip_range: 0.2\n", f"clip_range: {clip}\n")]
        about = {"rows": rows, "evaluation": (score, 3), "scores": (score, score)}
        write_run(tmp_path / clip, seed=seed, settings=changed, **about)
    runs = read_runs(tmp_path)[0]
    table = score_table(runs)  # together 200 +- 100
    for measure in ("training_score", "evaluation_score"):
        assert table[f"{measure}_mean"].tolist() == [100, 200, 300]
        assert table[f"{measure}_seeds"].tolist() == [1, 1, 1]
        assert table[f"{measure}_sd"].isna().tolist() == [True] * 3
    curves, scatter = draw_reward_curves(runs), draw_entropy_scatter(runs)
    assert scatter is not None
    for figure in (curves, scatter):
        drawn = marks(figure, "Breakout")
        means = [drawn[f"mean 0.0 {letter}"] for letter in "ABC"]
        last = [m.get_ydata()[-1] for m in means] if figure is curves else None
        assert (last or [m.get_offsets()[0, 1] for m in means]) == [100, 200, 300]
        assert "3 seeds" not in footnote(figure)
    assert "200 ± 100" not in to_markdown(table)
    (agents,) = by_game(runs, None).values()
    assert [[run.config.seed for run in each] for each in agents] == [[0], [1], [2]]


def test_one_key_of_a_group_is_named_itself(settings_of):
    runs = [settings_of(), settings_of("ppo.clip_range=0.1")]
    axes = [("ppo=study",), ("ppo=mine",)]
    found = [dataclasses.replace(run, axes=each) for run, each in zip(runs, axes, strict=True)]
    assert [v.name for v in variants_of(found)] == ["ppo.clip_range=0.2", "ppo.clip_range=0.1"]


def of_the_study_s_steps(settings: RunConfig) -> Run:
    rows = pd.DataFrame({"env_steps": [10_000_000]})
    return Run(Path("run"), settings, rows, rows, None, {})


def test_no_setting_is_forgotten_before_the_study_s_number_is_shown(settings_of):
    settings = settings_of("total_steps=10_000_000")
    irrelevant = {"env", "lambda", "seed", "name", "compute.backend", "checkpoint.anchor_steps"}
    for key in set(config.identity(settings)) - irrelevant:
        section, _, name = key.rpartition(".")
        if section:
            changed = dataclasses.replace(getattr(settings, section), **{name: "other"})
            run = of_the_study_s_steps(dataclasses.replace(settings, **{section: changed}))
        else:
            run = of_the_study_s_steps(dataclasses.replace(settings, **{key: 20_000_000}))
        assert not is_like_the_study(run), key
