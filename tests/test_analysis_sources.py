"""What a text names: a folder of runs, a project on W&B, files that W&B recorded offline."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_analysis_runs import write_run

from analysis import believe, claims, figures, page, sources, stress, tables, videos
from analysis.runs import NoRunsError
from attn_ppo.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "place", "folder"),
    [
        ("wandb:me/attn_ppo", "me/attn_ppo", "here/wandb/me/attn_ppo"),
        ("wandb:a-b/My.Project/first", "a-b/My.Project/first", "here/wandb/a-b/My.Project/first"),
        ("wandb:me/x/lambda = 0", "me/x/lambda = 0", "here/wandb/me/x/lambda---0"),
    ],
)
def test_a_project_on_wandb(text, place, folder, monkeypatch):
    monkeypatch.setenv("ATTN_PPO_ROOT", "here")
    source = sources.source_of(text)
    assert (source.kind, source.place, str(source), source.folder) == (
        "wandb",
        place,
        text,
        Path(folder),
    )


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("wandb:", None),
        ("wandb:project", None),
        ("wandb:me/x/group/more", None),
        ("wandb://me/x", "wandb:me/x"),
        ("WandB:me/x", "wandb:me/x"),
        ("wandb/me/x", "wandb:me/x"),
        ("https://wandb.ai/me/x", "wandb:me/x"),
        ("https://wandb.ai/me/x/runs/7232948e", "wandb:me/x"),
        ("wandb.ai/me/x/groups/first/workspace", "wandb:me/x/first"),
        ("wandb.ai/me", None),
    ],
)
def test_what_is_nearly_a_project_is_told_in_three_lines(text, nearest):
    with pytest.raises(ConfigError) as raised:
        sources.source_of(text)
    first, allowed, *rest = str(raised.value).split("\n")
    assert first == f"error: {text} names no runs on W&B"
    assert allowed.endswith("wandb:entity/project or wandb:entity/project/group")
    assert rest == ([f"nearest: {nearest}"] if nearest else [])


def log_of(folder: Path, offline: str = "offline-run-20260101_000000-abc") -> Path:
    """An empty one of W&B's, where W&B makes it."""
    log = folder / offline / "run-abc.wandb"
    log.parent.mkdir(parents=True)
    log.touch()
    (log.parent / "files").mkdir()
    (log.parent / "files/config.yaml").touch()  # W&B's own
    return log


def test_a_folder_of_runs_is_one_whatever_wandb_left_in_it(tmp_path):
    run = write_run(tmp_path)
    log_of(run / "wandb")
    for folder in (tmp_path, run, tmp_path / "nowhere"):
        assert sources.source_of(folder) == ("folder", str(folder))
    assert sources.source_of(tmp_path).folder == tmp_path


def test_files_that_wandb_recorded_offline(tmp_path):
    log = log_of(tmp_path / "copied/wandb")
    for path in (log, log.parent, tmp_path / "copied/wandb", tmp_path / "copied", tmp_path):
        assert sources.source_of(path) == ("offline", str(path))
    online = log_of(tmp_path / "other", "run-20260101_000000-abc")
    assert sources.source_of(online.parent.parent).kind == "offline"


def test_a_folder_that_is_there_is_one_whatever_it_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(Path("wandb/me/x"))
    assert sources.source_of("wandb/me/x") == ("folder", "wandb/me/x")


def test_each_source_has_its_reader(tmp_path, monkeypatch):
    run = write_run(tmp_path / "runs")
    log = log_of(tmp_path / "copied")
    asked = []
    reader = SimpleNamespace(
        read_wandb=lambda place: asked.append(place) or ([], []),
        read_offline=lambda folder: asked.append(folder) or ([], []),
    )
    monkeypatch.setitem(sys.modules, "analysis.wandb_runs", reader)
    monkeypatch.setattr("analysis.wandb_runs", reader, raising=False)
    source, (read,), problems = sources.read(tmp_path / "runs")
    assert (source.kind, read.folder, problems) == ("folder", run, [])
    assert sources.read("wandb:me/x") == (("wandb", "me/x"), [], [])
    assert sources.read(log)[0].kind == "offline"
    assert asked == ["me/x", log]


def test_the_newest_sweep_where_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTN_PPO_ROOT", str(tmp_path))
    with pytest.raises(NoRunsError):
        sources.read()
    write_run(tmp_path / "sweep")
    assert sources.read()[0] == ("folder", str(tmp_path / "sweep"))


@pytest.mark.parametrize("command", [figures, tables, claims], ids=lambda c: c.__name__)
def test_what_names_no_source_is_told(command, capsys):
    assert command.main(["wandb:project"]) == 2
    assert capsys.readouterr().err.startswith("error: wandb:project names no runs on W&B\nallowed:")


@pytest.mark.parametrize("command", [videos, page, believe, stress], ids=lambda c: c.__name__)
def test_a_command_that_needs_agents_says_that_wandb_has_none(command, capsys):
    assert command.main(["wandb:me/x"]) == 2
    first, second, *rest = capsys.readouterr().err.strip().split("\n")
    assert first.startswith("error: wandb:me/x has no agents to ")
    assert first.endswith(": W&B has numbers of runs, not their weights")
    assert (second, rest) == ("allowed: a folder of runs with their checkpoints", [])


def test_figures_tell_each_problem_where_they_are_asked_to(tmp_path, capsys):
    write_run(tmp_path)
    for seed in range(1, 14):
        (write_run(tmp_path, seed=seed) / "metrics.csv").unlink()
    lines = {}
    for option in ([], ["--problems"]):
        figures.main([str(tmp_path), "--out", str(tmp_path / "out"), *option])
        printed = capsys.readouterr().out.split("\n")
        lines[len(option)] = [line for line in printed if line.startswith(("skipped", "each"))]
    assert len(lines[0]) == 2
    assert lines[0][0].startswith("skipped 13 runs: no metrics.csv; the first is ")
    assert len(lines[1]) == 13
