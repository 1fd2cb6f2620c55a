"""What WANDB_* variables ask for: heeded by real wandb, or passed over with a word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from starting import SMALL, train
from wandb_files import ABOUT, records

from attn_ppo.lifecycle import wandb_environment, wandb_mirror
from attn_ppo.lifecycle.run_dir import mark_status
from attn_ppo.lifecycle.wandb_environment import heeded, note, without_those_of_one_run

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("nobody_logged_in")


def recorded(folder: Path) -> dict:
    """What an offline run says of itself."""
    (part,) = (folder / "wandb").iterdir()
    return next(r["run"] for r in records(part) if r["type"] == "run")


# ---------------------------------------------------------------- WANDB_MODE


@pytest.mark.parametrize(
    ("variable", "word", "mode"),
    [
        ("WANDB_MODE", "OFFLINE", "offline"),
        ("WANDB_MODE", " DryRun ", "offline"),
        ("WANDB_MODE", "Disabled", "disabled"),
        ("WANDB_DISABLED", "true", "disabled"),
        ("WANDB_DISABLED", "1", "disabled"),
        ("WANDB_DISABLED", "false", "online"),
        ("WANDB_MODE", "", "online"),
        ("WANDB_MODE", "Online", "online"),
        ("WANDB_MODE", "run", "online"),
        ("WANDB_MODE", "shared", "online"),
    ],
)
def test_every_word_for_less_than_online_is_heeded(
    start, server, said, monkeypatch, variable: str, word: str, mode: str
):
    monkeypatch.setenv(variable, word)
    sink = start("auto", run_id="kept")
    assert sink.mode == mode
    assert len(said) == (mode != "disabled")
    assert (server.calls == []) == (mode != "online")
    assert os.environ[variable] == word


@pytest.mark.parametrize("word", ["1", "true", "T", "yes", "y", "ON", " on "])
def test_every_word_for_yes_disables(word, monkeypatch):
    monkeypatch.setenv("WANDB_DISABLED", word)
    with heeded() as trouble:
        assert (os.environ["WANDB_MODE"], trouble) == ("disabled", "")


def test_a_mode_that_does_not_exist_is_offline(start, server, said, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offlin")
    assert start("auto").mode == "offline"
    assert said[0].startswith(
        "W&B: offline, WANDB_MODE=offlin is none of online, offline, disabled; wandb sync "
    )
    assert server.calls == []


# ---------------------------------------------------------------- what a run is called


def test_what_a_run_is_called_is_the_users(start, tmp_path: Path, said, monkeypatch):
    for name, value in {
        "WANDB_PROJECT": "my project",
        "WANDB_RUN_GROUP": "ablation: one",
        "WANDB_NAME": "the first",
        "WANDB_TAGS": "with space,a:b,Breakout",
        "WANDB_NOTES": "as a trial",
        "WANDB_JOB_TYPE": "training",
        "WANDB_RUN_ID": "chosen1",
        "WANDB_ENTITY": "team",
    }.items():
        monkeypatch.setenv(name, value)
    start("offline", run_dir=tmp_path / "a", project=None).finish()
    run = recorded(tmp_path / "a")
    names = ("project", "run_group", "display_name", "notes", "job_type", "run_id", "entity")
    assert [run[name] for name in names] == [
        "my project",
        "ablation: one",
        "the first",
        "as a trial",
        "training",
        "chosen1",
        "team",
    ]
    assert run["tags"] == ["study", "Breakout", "lambda=0.0005", "with space", "a:b"]
    assert len(said) == 1
    # the command line's own, and the id of a run that goes on, come first
    start("offline", run_dir=tmp_path / "b", project="asked for", run_id="kept").finish()
    run = recorded(tmp_path / "b")
    assert (run["project"], run["run_id"]) == ("asked for", "kept")


def test_a_resume_elsewhere_keeps_project_name_and_tags(settings_of, tmp_path: Path, monkeypatch):
    settings, said = settings_of("wandb.mode=offline", "wandb.tags=[mine]"), []
    with monkeypatch.context() as patch:
        patch.setenv("WANDB_PROJECT", "my project")
        patch.setenv("WANDB_NAME", "the first")
        patch.setenv("WANDB_TAGS", "with space")
        first = wandb_mirror.of_run(settings, tmp_path, None, said.append)
        first.finish()
    group = first.known["group"]
    assert group.startswith("default Breakout lambda=0 ")
    known = {"project": "my project", "name": "the first", "group": group}
    tags = ["mine", "default", "Breakout", "lambda=0", "with space"]
    assert first.known == known | {"tags": tags}
    mark_status(tmp_path, "preempted", wandb_known=first.known)
    monkeypatch.setenv("WANDB_NAME", "another")  # in another shell
    again = wandb_mirror.of_run(settings, tmp_path, first.run_id, said.append)
    again.finish()
    assert again.known == first.known
    fresh = wandb_mirror.of_run(settings, tmp_path / "new", None, said.append)
    fresh.finish()
    assert (fresh.known["project"], fresh.known["name"]) == ("attn_ppo", "another")


def test_without_variables_it_is_ours(start, tmp_path: Path, monkeypatch):
    with monkeypatch.context() as patch:
        for name in ("WANDB_PROJECT", "WANDB_NAME", "WANDB_TAGS", "WANDB_RUN_GROUP"):
            patch.setenv(name, "")  # as good as unset
        start("offline", run_dir=tmp_path / "run", project=None).finish()
    run = recorded(tmp_path / "run")
    assert (run["project"], run["run_group"]) == ("attn_ppo", "paper")
    assert (run["display_name"], run["tags"]) == (ABOUT["name"], ABOUT["tags"])


def test_an_id_that_has_rows_already_is_told(start, server, said, tmp_path: Path, monkeypatch):
    first = start("online", run_id="chosen1")
    first.write({"update": 1, "env_steps": 1024})
    first.finish()
    monkeypatch.setenv("WANDB_RUN_ID", "chosen1")
    start("online", run_dir=tmp_path / "another").finish()
    assert said[-1].endswith(", which has rows already: up to update 1 none is sent")
    assert server.runs["chosen1"].sent == [1]


# ---------------------------------------------------------------- what is passed over


def test_what_is_passed_over_is_told_in_a_line(start, said, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("WANDB_SAVE_CODE", "true")
    monkeypatch.setenv("WANDB_SILENT", "true")  # which it is
    monkeypatch.setenv("WANDB_CONSOLE", "wrap_raw")
    monkeypatch.setenv("WANDB_RESUME", "must")  # W&B would look for a run that isn't there
    sink = start("offline")
    assert (sink.mode, sink.finish()) == ("offline", True)
    private = "W&B gets rows, settings and videos alone, and prints nothing"
    parts = said[1].removeprefix("W&B: passed over: ").split("), ")
    assert sorted(part.rstrip(")") for part in parts) == [
        f"WANDB_CONSOLE ({private}",
        "WANDB_DIR (W&B's files are in the run's folder",
        "WANDB_RESUME (a run resumes by its own checkpoint",
        f"WANDB_SAVE_CODE ({private}",
    ]
    assert len(said) == 2
    assert not (tmp_path / "elsewhere").exists()
    assert os.environ["WANDB_RESUME"] == "must"  # left to others as it was


def test_the_runs_of_a_sweep_have_names_and_ids_of_their_own():
    environ = {"WANDB_NAME": "one", "WANDB_RUN_ID": "1", "WANDB_TAGS": "a", "PATH": "/bin"}
    assert without_those_of_one_run(environ) == {"WANDB_TAGS": "a", "PATH": "/bin"}
    assert note(environ) == ""
    assert note(environ, sweep=True) == (
        "W&B: passed over: WANDB_NAME (the runs of a sweep have their own), "
        "WANDB_RUN_ID (the runs of a sweep have their own)"
    )


def test_every_setting_that_is_passed_over_is_one_of_wandbs():
    from wandb import Settings

    known = Settings.model_fields.keys() | {"dir"}
    names = [wandb_environment._setting(name) for name in wandb_environment._REASONS]
    assert {*names, *wandb_environment.QUIET} <= known
    assert wandb_environment._setting("WANDB__DISABLE_STATS") == "x_disable_stats"


def test_a_variable_that_wandb_refuses_costs_a_line(start, said, monkeypatch):
    monkeypatch.setenv("WANDB_TAGS", "a,,b")
    assert start("offline").mode == "disabled"
    assert said == [
        "W&B: records nothing, run_tags: Value error, Tag at index 1 is empty. "
        "Tags must be between 1 and 64 characters; metrics.csv has it all"
    ]


def test_the_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.setenv("WANDB_DIR", "x")
    monkeypatch.setenv("WANDB_DISABLED", " Yes")
    monkeypatch.setenv("WANDB_CONSOLE", "wrap_raw")
    before = dict(os.environ)
    with heeded():
        assert os.environ["WANDB_MODE"] == "disabled"
        assert not {"WANDB_DIR", "WANDB_CONSOLE"} & os.environ.keys()
    assert dict(os.environ) == before
    with pytest.raises(ValueError, match="of W&B"), heeded():
        raise ValueError("of W&B")
    assert dict(os.environ) == before


def test_a_variable_that_is_blank_or_asks_for_what_is_so_anyway_needs_no_word():
    anyway = {"WANDB_SILENT": "TRUE", "WANDB_SAVE_CODE": "False", "WANDB_CONSOLE": "OFF"}
    assert note({"WANDB_DIR": " ", "WANDB_RESUME": "", "WANDB_DISABLE_GIT": " ", **anyway}) == ""
    why = "W&B gets rows, settings and videos alone, and prints nothing"
    told = note({**anyway, "WANDB_SILENT": "no"})
    assert told == f"W&B: passed over: WANDB_SILENT ({why})"


# ---------------------------------------------------------------- online without a log-in


@pytest.mark.usefixtures("in_empty_folder")
def test_online_without_a_login_is_refused_before_anything_begins(monkeypatch):
    for key, why in [("", "nobody is logged in"), ("short", "API key")]:
        monkeypatch.setenv("WANDB_API_KEY", key)
        refused = train("wandb.mode=online", "total_steps=64")
        assert refused.returncode == 2
        first, second = refused.stderr.splitlines()
        assert first == "error: wandb.mode=online is not allowed"
        assert second.startswith("allowed: auto, offline, disabled, since ")
        assert why in second
    assert not Path("runs").exists()
    code = "import sys; sys.modules['wandb'] = None\nfrom attn_ppo.train import main\n"
    code += f"sys.exit(main({['-m', 'seed=0,1', *SMALL, 'wandb.mode=online']!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith("auto, offline, disabled, since wandb is not installed\n")


@pytest.mark.usefixtures("in_empty_folder", "server")
def test_online_with_a_login_begins(capsys):
    from attn_ppo.launch import command_line, sweep

    sweep.check_folders(command_line.parse(["wandb.mode=online"]).configs)
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------- spaces and colons


def test_tags_and_projects_are_what_wandb_takes(settings_of):
    wandb = settings_of("wandb.tags=['first tag','a:b']", "wandb.project='my project'").wandb
    assert (wandb.tags, wandb.project) == (("first tag", "a:b"), "my project")
    assert settings_of("wandb.tags=[first tag,a:b]").wandb.tags == ("first tag", "a:b")
    assert settings_of("wandb.tags=[2026,'1e5',1.5]").wandb.tags == ("2026", "1e5", "1.5")
    assert settings_of().wandb.project is None
