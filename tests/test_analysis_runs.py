"""Reading run folders, whole, unfinished and broken. The folders are written here, as text."""

import json
import os
from pathlib import Path

import pytest

from analysis.files import column
from analysis.runs import NoRunsError, Run, newest_root, read_runs
from analysis.score_table import plus_minus
from attn_ppo.formats import fixed, short_number

CONFIG = """\
env: {env}
lambda: {lambda_}
seed: {seed}
total_steps: 45
name: sweep
device: cpu
ppo:
  num_envs: 2
  num_steps: 5
  num_epochs: 1
  num_minibatches: 1
  learning_rate: 0.00025
  anneal_learning_rate: true
  gamma: 0.99
  gae_lambda: 0.95
  clip_range: 0.2
  anneal_clip_range: false
  clip_value_loss: true
  ent_coef: 0.01
  vf_coef: 0.5
  max_grad_norm: 0.5
attention: {{gate: {gate}, maps: 2, hidden: 8}}
protocol: {{sticky_actions: {sticky}, noop_max: 30, life_loss_ends_episode: true, press_fire: true}}
wandb: {{mode: disabled, project: p, entity: null, tags: []}}
checkpoint: {{every_updates: 50}}
evaluation: {{episodes: 2}}
"""
HEADER = "update,env_steps,frames,episode_return,episode_length,attention_entropy,policy_entropy\n"
# 4 updates of 10 steps are all that fits in total_steps = 45. No game has finished in the first.
FIRST = """\
1,10,40,,,7,1.5
2,20,80,0,5,4,1.5
3,30,120,10,5,3,1.5
4,40,160,20,5,1,1.5
"""
SECOND = """\
1,10,40,4,5,7,1.5
2,20,80,4,5,5,1.5
3,30,120,4,5,3,1.5
4,40,160,8,5,2,1.5
"""

STUDY = (  # the lines of CONFIG that differ from the study
    ("total_steps: 45", "total_steps: 10000000"),
    ("num_envs: 2", "num_envs: 8"),
    ("num_steps: 5", "num_steps: 128"),
    ("num_epochs: 1", "num_epochs: 4"),
    ("num_minibatches: 1", "num_minibatches: 4"),
    ("hidden: 8", "hidden: 512"),
)
# 9,765 updates of 1,024 steps are what fits in ten million.
STUDY_ROWS = """\
1,1024,4096,,,7,1.5
9764,9998336,39993344,100,5,3,1.5
9765,9999360,39997440,120,5,1,1.5
"""


def write_run(
    root: Path,
    env="Breakout",
    lambda_="0",
    seed=0,
    *,
    rows=FIRST,
    state="done",
    evaluation=None,
    gate="softmax",
    sticky="0.0",
    settings=(),
    scores=(),
) -> Path:
    """A run's folder; `settings` are pairs of a line's text in CONFIG and what replaces it."""
    text = CONFIG.format(env=env, lambda_=lambda_, seed=seed, gate=gate, sticky=sticky)
    folder = root / env / f"lambda={lambda_}" / f"seed={seed}"
    folder.mkdir(parents=True)
    for before, after in settings:
        assert before in text
        text = text.replace(before, after)
    (folder / "config.yaml").write_text(text)
    (folder / "metrics.csv").write_text(HEADER + rows)
    (folder / "status.json").write_text(f'{{"state": "{state}", "cause": null}}')
    if evaluation:
        score, entropy = evaluation
        steps = rows.strip().split("\n")[-1].split(",")[1]
        told = f'"attention_entropy": {json.dumps(entropy)}, "env_steps": {steps}'
        text = f'"score_mean": {score}, {told}'
        (folder / "evaluation.json").write_text(f'{{{text}, "scores": {list(scores)}}}')
    if scores and not evaluation:
        games = "".join(f"{step},0,{score},5\n" for step, score in enumerate(scores, 1))
        header = "env_steps,env_index,episode_return,episode_length\n"
        (folder / "episodes.csv").write_text(header + games)
    return folder


def write_sweep(root: Path, games: list[str], lambdas: list[str], seeds: int) -> list[Run]:
    for game in games:
        for lambda_ in lambdas:
            for seed in range(seeds):
                write_run(root, game, lambda_, seed, rows=[FIRST, SECOND][seed % 2])
    return read_runs(root)[0]


def test_settings_come_from_the_config_and_not_from_the_path(tmp_path):
    write_run(tmp_path, "Breakout", "0.0005", 3).rename(tmp_path / "moved")
    (run,), problems = read_runs(tmp_path)
    assert (run.config.env, run.config.lambda_, run.config.seed) == ("Breakout", 0.0005, 3)
    assert run.folder == tmp_path / "moved"
    assert column(run.metrics, "policy_entropy").tolist() == [1.5] * 4
    assert run.env_steps == 40
    assert run.unfinished is None  # 40 of 45 steps: a fifth update doesn't fit
    assert problems == []


def test_config_files_of_others_are_not_runs(tmp_path):
    run = write_run(tmp_path)
    others = ["wandb/files", "Breakout/.hydra", "Breakout/lambda=0/seed=0/copy"]
    for other in [tmp_path / name for name in others]:
        other.mkdir(parents=True)
        (other / "config.yaml").write_text("x: 1")
    runs, problems = read_runs(tmp_path)
    assert ([r.folder for r in runs], problems) == ([run], [])


def test_linked_folders_are_followed_and_no_folder_is_read_twice(tmp_path):
    write_run(tmp_path / "elsewhere", seed=0)
    write_run(tmp_path / "elsewhere", "Pong", seed=1).rename(tmp_path / "alone")
    write_run(tmp_path / "runs", seed=2)
    links = {
        "runs/sweep": "elsewhere",  # a folder with runs
        "runs/one": "alone",  # a run
        "runs/again": "elsewhere/Breakout",
        "runs/Breakout/up": "runs",  # in a circle
        "runs/Breakout/beyond": "",  # above the root
        "elsewhere/back": "runs",
        "runs/gone": "nowhere",
    }
    for link, target in links.items():
        (tmp_path / link).symlink_to(tmp_path / target)
    runs, problems = read_runs(tmp_path / "runs")
    found = [str(run.folder.relative_to(tmp_path / "runs")) for run in runs]
    assert found == ["again/lambda=0/seed=0", "Breakout/lambda=0/seed=2", "one"]
    assert problems == []
    (tmp_path / "to_runs").symlink_to(tmp_path / "runs")
    assert len(read_runs(tmp_path / "to_runs")[0]) == 3


def test_episodes_are_read(tmp_path):
    folder = write_run(tmp_path)
    text = "env_steps,env_index,episode_return,episode_length\n12,1,3,6\n17,0,5,8\n19,"
    (folder / "episodes.csv").write_text(text)
    (run,), _ = read_runs(tmp_path)
    assert column(run.episodes, "episode_return").tolist() == [3, 5]


BROKEN = {
    "config: not yaml": ("config.yaml", "env: [", "readable config.yaml"),
    "config: binary": ("config.yaml", b"\xff\xfe\x00", "config.yaml"),
    "config: empty": ("config.yaml", "", "allowed"),
    "metrics: missing": ("metrics.csv", None, "no metrics.csv"),
    "metrics: empty": ("metrics.csv", "", "metrics.csv is empty"),
    "metrics: no row": ("metrics.csv", HEADER, "no whole row yet"),
    "metrics: column": ("metrics.csv", "update,env_steps\n1,10\n", "lacks the columns episode_ret"),
    "metrics: text": (
        "metrics.csv",
        HEADER + "1,10,40,oops,,7,1\n" + FIRST,
        "line 2: episode_retu",
    ),
    "metrics: no steps": ("metrics.csv", HEADER + "1,,40,1,,7,1\n" + FIRST, "line 2: env_steps is"),
    "metrics: fields": ("metrics.csv", HEADER + FIRST + "5,50,200,1,1,1,1,1,1\n", "metrics.csv: "),
    "metrics: binary": ("metrics.csv", b"\xff\xfe\xff\n\xff\n", "metrics.csv"),
}


def test_a_run_that_ended_before_it_had_a_config_is_named(tmp_path):
    good, bare = write_run(tmp_path), write_run(tmp_path, seed=1)
    (bare / "config.yaml").unlink()
    runs, (problem,) = read_runs(tmp_path)
    assert [run.folder for run in runs] == [good]
    assert str(problem) == f"skipped {bare}: it has no config.yaml"


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_run_is_skipped_and_named(tmp_path, case):
    name, content, why = BROKEN[case]
    good, broken = write_run(tmp_path, seed=0), write_run(tmp_path, seed=1)
    (broken / name).unlink()
    if content is not None:
        (broken / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if name == "config.yaml" and content == "":
        (broken / name).write_text("{}")
    runs, (problem,) = read_runs(tmp_path)
    assert [run.folder for run in runs] == [good]
    assert str(problem).startswith(f"skipped {broken}: ")
    assert why in str(problem)
    assert "\n" not in str(problem)


ODD = {
    "torn in the middle": ("metrics.csv", HEADER + FIRST + "5,50,2", "torn last line"),
    "torn but ended": ("metrics.csv", HEADER + FIRST + "5,50,2\n", "torn last line"),
    "torn in its last number": ("metrics.csv", HEADER + FIRST + "5,50,200,9,5,1,1.", "torn last"),
    "status is garbage": ("status.json", "{garb", "status.json can't be read"),
    "status is no object": ("status.json", "[]", "status.json has no state"),
    "evaluation is garbage": ("evaluation.json", b"\x80", "evaluation.json can't be read"),
    "evaluation has no score": ("evaluation.json", '{"x": 1}', "has no score_mean"),
    "evaluation is text": ("evaluation.json", '{"score_mean": "high"}', "score_mean is 'high'"),
    "evaluation is nan": ("evaluation.json", '{"score_mean": NaN}', "score_mean is nan"),
    "evaluation has odd scores": (
        "evaluation.json",
        '{"score_mean": 1, "scores": [1, "x"]}',
        "list of",
    ),
    "evaluation is older": ("evaluation.json", '{"score_mean": 1, "env_steps": 20}', "after 20 st"),
    "episodes are garbage": ("episodes.csv", "a,b\n1,2\n", "episodes.csv lacks the columns"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_run_is_kept_and_noted(tmp_path, case):
    name, content, why = ODD[case]
    folder = write_run(tmp_path)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (run,), (problem,) = read_runs(tmp_path)
    assert str(problem).startswith(f"note {folder}: ")
    assert why in str(problem)
    assert column(run.metrics, "env_steps").tolist() == [10, 20, 30, 40]
    assert (run.evaluation, run.unfinished) == (None, None)


@pytest.mark.parametrize("state", ["running", "failed", "preempted", "done"])
def test_an_unfinished_run_is_named(tmp_path, state):
    rows = FIRST if state != "done" else FIRST[: FIRST.index("4,40")]  # done, but an update short
    folder = write_run(tmp_path, state=state, rows=rows)
    (folder / "status.json").write_text(json.dumps({"state": state, "cause": "it\nsays so"}))
    (run,), (problem,) = read_runs(tmp_path)
    steps = 40 if state != "done" else 30
    assert run.unfinished == f"{state} (it) at {steps} of 40 agent steps"
    assert str(problem) == f"unfinished {folder}: {run.unfinished}"


def test_updates_written_twice_count_once(tmp_path):
    write_run(tmp_path, rows=FIRST + "3,30,120,11,5,3,1.5\n")
    (run,), _ = read_runs(tmp_path)
    assert column(run.metrics, "env_steps").tolist() == [10, 20, 30, 40]
    assert column(run.metrics, "episode_return").tolist()[2:] == [11, 20]


def test_the_same_run_in_two_folders_counts_once(tmp_path):
    first = write_run(tmp_path / "a")
    second = write_run(tmp_path / "b")
    (run,), (problem,) = read_runs(tmp_path)
    assert run.folder == first
    assert str(problem) == f"skipped {second}: same settings and seed as {first}"


def test_the_newest_sweep_is_the_one_written_to_last(tmp_path):
    for age, name in enumerate(("b", "a", "c")):
        folder = write_run(tmp_path / name)
        for file in folder.iterdir():
            os.utime(file, (1000 - age, 1000 - age))
    os.utime(tmp_path / "a/Breakout/lambda=0/seed=0/metrics.csv", (2000, 2000))
    (tmp_path / "d").mkdir()  # newer, but without runs
    assert newest_root(tmp_path) == tmp_path / "a"
    with pytest.raises(NoRunsError):
        newest_root(tmp_path / "d")


def test_halves_are_rounded_away_from_zero():
    # Python's own rounding goes to the even digit: 3.2 but 1.8, 0.12 but 0.38
    assert [fixed(x, 1) for x in (3.25, 1.75, -3.25, 2.0)] == ["3.3", "1.8", "-3.3", "2.0"]
    assert [fixed(x, 2) for x in (0.125, 0.375, 2.675)] == ["0.13", "0.38", "2.68"]
    assert (fixed(130.5, 0), fixed(float("nan"), 1)) == ("131", "nan")
    assert [short_number(x) for x in (12_250, 1_125_000, 0)] == ["12.3k", "1.13M", "0"]
    assert plus_minus(3.25, 0.125) == "3.25 ± 0.13"
    assert plus_minus(30.25, 1.75) == "30.3 ± 1.8"


def test_counts_are_told_in_three_digits():
    assert [short_number(x) for x in (7, 999, 9_999_360, 2.5e6)] == ["7", "999", "10M", "2.5M"]
