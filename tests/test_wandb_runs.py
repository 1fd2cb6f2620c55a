"""Runs read from W&B: its server, or its files, give the tables that their folders give."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from starting import train
from wandb_files import records, sync
from wandb_server import WandbServer

from analysis import wandb_runs
from analysis.groups import last_games
from analysis.runs import NoRunsError, Run, read_runs
from analysis.wandb_folders import updates_of
from analysis.wandb_log import Log, read_log
from analysis.wandb_runs import read_offline, read_wandb
from attn_ppo.errors import ConfigError, RunError

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder", "nobody_logged_in")
SWEEP = Path("runs/tiny")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Two finished runs, one of them without attention, recorded offline."""
    folder = tmp_path_factory.mktemp("trained")
    tiny = ["name=tiny", "ppo.num_epochs=1", "total_steps=640", "wandb.mode=offline"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert train(*tiny, "lambda=0.005").returncode == 0
        assert train(*tiny, "attention.gate=none", "axes=[attention.gate]").returncode == 0
    return folder / SWEEP


@pytest.fixture
def sweep(trained: Path, in_empty_folder: None) -> Path:  # noqa: ARG001
    """A copy of them."""
    return Path(shutil.copytree(trained, SWEEP))


@pytest.fixture
def synced(sweep: Path, server: WandbServer) -> WandbServer:  # noqa: ARG001
    """A server that they were uploaded to."""
    for log in logs():
        sync(log.absolute().parent)
    return server


def logs() -> list[Path]:
    return sorted(SWEEP.rglob("*.wandb"))


def check_same(runs: list[Run], others: list[Run]) -> None:
    """Fails unless two readings of a sweep agree in all that figures and claims use."""
    assert len(runs) == len(others) > 0
    for run, other in zip(runs, others, strict=True):
        assert other.config == run.config
        assert other.variant == run.variant
        pd.testing.assert_frame_equal(other.metrics, run.metrics, check_exact=True)
        assert last_games(other).tolist() == last_games(run).tolist()
        assert other.evaluation == run.evaluation
        assert (other.unfinished, other.inexact_at) == (run.unfinished, run.inexact_at)


def test_folder_server_and_files_give_the_same(sweep: Path, synced: WandbServer):
    runs, problems = read_runs(sweep)
    assert (len(runs), problems) == (2, [])
    assert runs[0].evaluation is not None
    assert len(runs[0].evaluation["scores"]) == 2
    files, problems = read_offline(sweep)
    assert problems == []
    check_same(runs, files)
    served, problems = read_wandb("tester/attn_ppo")
    assert problems == []
    check_same(runs, served)
    for name in ("tiny", runs[0].config.name):
        check_same(runs, read_wandb(f"wandb:tester/attn_ppo/{name}")[0])
    group = next(iter(synced.runs.values())).fields["groupName"]
    assert len(read_wandb(f"tester/attn_ppo/{group}")[0]) == 1
    with pytest.raises(NoRunsError, match="no runs to draw in wandb:tester/attn_ppo/other"):
        read_wandb("tester/attn_ppo/other")


def test_what_was_downloaded_is_used_again(synced: WandbServer):
    runs = read_wandb("attn_ppo")[0]
    first = synced.calls.count("HistoryPage")
    assert first == 2
    check_same(runs, read_wandb("attn_ppo")[0])
    assert synced.calls.count("HistoryPage") == first
    # one goes on: it alone is asked for again
    run = synced.runs[str(runs[0].status["wandb_id"])]
    last = run.rows[-1]
    more = {"_step": last["_step"] + 1, "update": 21, "env_steps": 672}
    run.by_step[more["_step"]] = last | more
    run.summary |= {"env_steps": 672}
    again = read_wandb("attn_ppo")[0]
    assert synced.calls.count("HistoryPage") == first + 1
    assert sorted(run.env_steps for run in again) == [640, 672]


def test_every_row_and_every_run_is_read(synced: WandbServer, monkeypatch):
    monkeypatch.setattr(wandb_runs, "PAGE", 7)  # 20 rows: 3 pages
    runs = read_wandb("attn_ppo")[0]
    assert [len(run.metrics) for run in runs] == [20, 20]
    assert synced.calls.count("HistoryPage") == 2 * 3


def test_states(synced: WandbServer):
    first, second = synced.runs.values()
    first.exit_code, second.exit_code = None, 75
    second.summary |= {"status/state": "preempted", "status/cause": "SIGTERM: saved"}
    states = {run.status["wandb_id"]: run.unfinished for run in read_wandb("attn_ppo")[0]}
    assert states[first.name] == "running at 640 of 640 agent steps"
    assert states[second.name] == "preempted (SIGTERM: saved) at 640 of 640 agent steps"


def test_what_w_and_b_does_not_have_is_said(synced: WandbServer):
    for run in synced.runs.values():  # as earlier versions sent it
        kept = ("env_steps", "evaluation/score_mean", "evaluation/attention_entropy")
        run.summary = {key: value for key, value in run.summary.items() if key in kept}
    runs, problems = read_wandb("attn_ppo")
    assert [last_games(run).tolist() for run in runs] == [[], []]
    assert {problem.what for problem in problems} == {
        "W&B doesn't have single games and the evaluation's single scores of it"
    }
    # its rows may come a while after it was told that there are some
    late = next(iter(synced.runs.values()))
    del late.by_step[20]
    late.summary["env_steps"] = 640
    late.summary["changed"] = 1
    problems = read_wandb("attn_ppo")[1]
    assert any("doesn't have its last rows yet" in problem.what for problem in problems)


def test_aggregates_are_no_runs(synced: WandbServer):
    run = next(iter(synced.runs.values()))
    run.fields["jobType"] = "aggregates"
    assert len(read_wandb("attn_ppo")[0]) == 1


def test_a_log_reads_as_w_and_b_s_own_tool_reads_it(sweep: Path):
    assert sweep.is_dir()
    for log in logs():
        own, theirs = read_log(log), records(log.parent)
        rows = [{k: "NaN" if v != v else v for k, v in row.items()} for row in own.rows]
        assert rows == [r["history"]["item"] for r in theirs if r["type"] == "history"]
        (about,) = (r["run"] for r in theirs if r["type"] == "run")
        assert own.config == about["config"]["update"]
        assert own.about["group"] == about["run_group"]
        assert own.exit_code == 0
        summary: dict = {}
        for record in theirs:
            if record["type"] == "summary":
                summary |= record["summary"]["update"]
        assert own.summary["_wandb"]["runtime"] == summary.pop("_wandb.runtime")
        assert {k: v for k, v in own.summary.items() if k != "_wandb"} == summary


def test_a_torn_log_is_read_as_far_as_it_is_whole(sweep: Path):
    log = logs()[0]
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) // 2])
    half = read_log(log)
    assert 0 < len(half.rows) < 20
    assert half.exit_code is None
    log.write_bytes(b"")
    runs, problems = read_offline(sweep)
    assert len(runs) == 1
    assert [(p.kind, p.what) for p in problems] == [("skipped", f"{log.name} is no log of W&B's")]
    for log in logs():
        log.write_bytes(b"")
    with pytest.raises(NoRunsError, match="none of 2 can be read"):
        read_offline(sweep)


def test_parts_of_a_run_are_one(start, tmp_path: Path):
    """A run of updates 1 to 4, that was resumed offline from update 2: 3 comes twice."""
    folder = tmp_path / "run"
    config = json.loads(json.dumps({"env": "Breakout"}))
    for steps, kept in (((1, 2, 3), 10), ((3, 4), 20)):
        sink = start("offline", run_dir=folder, run_id="kept", config=config)
        for update in steps:
            sink.write({"update": update, "env_steps": 32 * update, "episode_return": kept})
        sink.finish()
    run = wandb_runs.joined([read_log(log) for log in sorted(folder.rglob("*.wandb"))])
    told = [(row["env_steps"], row["episode_return"]) for row in updates_of(run.rows)]
    assert told == [(32, 10), (64, 10), (96, 20), (128, 20)]
    assert run.state == "finished"
    ends = {None: "running", 75: "preempted", 3: "failed"}
    assert {code: wandb_runs.joined([Log({}, {}, [], {}, code)]).state for code in ends} == ends


@pytest.mark.parametrize("text", ["", "a//b", "wandb:"])
def test_what_is_no_project(text, server):  # noqa: ARG001
    with pytest.raises(ConfigError, match="wandb:entity/project"):
        read_wandb(text)


def test_not_logged_in_unreachable_unknown(server: WandbServer, monkeypatch):
    with pytest.raises(ConfigError, match=r"wandb:tester/none isn't there"):
        read_wandb("tester/none")
    server.die()
    with pytest.raises(RunError, match="does not answer") as error:
        read_wandb("tester/attn_ppo")
    assert error.value.code == 1
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(ConfigError, match="nobody is logged in"):
        read_wandb("tester/attn_ppo")
