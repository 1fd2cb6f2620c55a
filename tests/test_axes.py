"""Any key of a run's identity as an axis of a sweep, and where the runs then go."""

import itertools
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from starting import COMMAND, rows, train, wait_for

from attn_ppo import config
from attn_ppo.errors import ConfigError
from attn_ppo.launch import overrides
from attn_ppo.launch.command_line import parse
from attn_ppo.launch.settings import settings_at
from attn_ppo.lifecycle.run_dir import read_status


@pytest.fixture(autouse=True)
def _in_empty_folder(in_empty_folder, monkeypatch):
    monkeypatch.delenv("ATTN_PPO_ROOT", raising=False)
    return in_empty_folder


def folders(*arguments: str) -> list[str]:
    return [str(settings.folder) for settings in parse(["-m", *arguments]).configs]


GRIDS = {
    "seed=0,1": ["lambda=0/seed=0", "lambda=0/seed=1"],
    "attention.gate=softmax,none": [
        "attention.gate=softmax/lambda=0/seed=0",
        "attention.gate=none/lambda=0/seed=0",
    ],
    "protocol=baselines,machado": [
        "protocol=baselines/lambda=0/seed=0",
        "protocol=machado/lambda=0/seed=0",
    ],
    "protocol=glob(*,exclude=b*)": ["protocol=machado/lambda=0/seed=0"],
    # sorted by key, whatever the order of the command line, whose last key varies fastest
    "ppo.clip_range=1e-1,0.20 attention.maps=range(1,3)": [
        "attention.maps=1,ppo.clip_range=0.1/lambda=0/seed=0",
        "attention.maps=2,ppo.clip_range=0.1/lambda=0/seed=0",
        "attention.maps=1,ppo.clip_range=0.2/lambda=0/seed=0",
        "attention.maps=2,ppo.clip_range=0.2/lambda=0/seed=0",
    ],
    "ppo.clip_value_loss=true,false lambda=0.5": [
        "ppo.clip_value_loss=true/lambda=0.5/seed=0",
        "ppo.clip_value_loss=false/lambda=0.5/seed=0",
    ],
    "total_steps=1e6,2_000_000": [
        "total_steps=1000000/lambda=0/seed=0",
        "total_steps=2000000/lambda=0/seed=0",
    ],
    "attention.maps=choice(3)": ["attention.maps=3/lambda=0/seed=0"],
    "attention.maps=3 axes=[attention.maps]": ["attention.maps=3/lambda=0/seed=0"],
    "protocol=machado axes=[protocol,ppo]": ["ppo=study,protocol=machado/lambda=0/seed=0"],
}


@pytest.mark.parametrize("asked", GRIDS)
def test_what_a_sweep_varies_is_a_level_of_its_runs_paths(asked):
    expected = [f"runs/default/Breakout/{path}" for path in GRIDS[asked]]
    assert folders(*asked.split()) == expected


def test_a_level_that_would_be_too_long_is_cut():
    keys = [key for key in overrides.axis_keys() if key.startswith(("ppo.", "protocol."))]
    (settings,) = parse(["-m", f"axes=[{','.join(keys)}]"]).configs
    level = settings.folder.parts[3]
    assert len(level) == 200
    assert level.startswith("ppo.anneal_clip_range=false,ppo.anneal_learning_rate=true,")
    assert len(settings.axes) == len(keys) == 18
    other = parse(["-m", f"axes=[{','.join(keys)}]", "protocol.noop_max=7"]).configs[0]
    assert other.folder != settings.folder  # told apart by what was cut off


def test_axes_are_written_down_and_no_part_of_what_a_run_is():
    one = parse(["-m", "attention.gate=choice(none)", "root=elsewhere"]).configs[0]
    same = parse(["attention.gate=none"]).configs[0]
    assert config.identity(one) == config.identity(same)
    assert one.label == "Breakout attention.gate=none lambda=0 seed=0"
    Path("config.yaml").write_text(config.to_yaml(one))
    read = config.read("config.yaml")
    assert read.axes == ("attention.gate=none",)
    assert "elsewhere" not in Path("config.yaml").read_text()  # a machine's matter
    text = Path("config.yaml").read_text().replace("axes:\n- attention.gate=none\n", "")
    Path("config.yaml").write_text(text)
    assert config.read("config.yaml").axes == ()  # an earlier version's


def test_a_job_gets_what_its_run_will_have():
    asked = parse(["-m", "env=ms_pacman", "protocol=baselines,machado", "seed=3"])
    axes, root = (
        next((o for o in asked.overrides if o.startswith(key)), "") for key in ("axes", "root")
    )
    assert (axes, root) == ("axes=[protocol]", "")
    assert (
        settings_at(["env=ms_pacman", "protocol=machado", "seed=3", axes], None)
        == (asked.configs[1])
    )


INTERPOLATED = {
    "name=gate-${attention.gate}": ("name", "gate-softmax"),
    "name=${env}-${seed}-${attention.gate}": ("name", "Breakout-0-softmax"),
    "ppo.num_steps=${ppo.num_envs}": ("ppo.num_steps", 8),
    "lambda=${ppo.max_grad_norm}": ("lambda_", 0.5),
}


@pytest.mark.parametrize("asked", INTERPOLATED)
def test_a_key_can_have_anothers_value(asked):
    (settings,) = parse([asked]).configs
    key, value = INTERPOLATED[asked]
    for part in key.split("."):
        settings = getattr(settings, part)
    assert settings == value


def test_a_name_for_each_value():
    assert folders("name=gate-${attention.gate}", "attention.gate=sigmoid,none") == [
        "runs/gate-sigmoid/Breakout/attention.gate=sigmoid/lambda=0/seed=0",
        "runs/gate-none/Breakout/attention.gate=none/lambda=0/seed=0",
    ]


def root_of(*arguments: str) -> str:
    return str(parse(arguments).configs[0].sweep_folder)


def test_where_runs_go(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert root_of() == "runs/default"
    assert root_of("root=mine") == "mine/default"
    assert root_of("root=~/mine", "name=a") == f"{tmp_path}/mine/a"
    assert root_of(f"root='{tmp_path}/with space, and comma'") == (
        f"{tmp_path}/with space, and comma/default"
    )
    monkeypatch.setenv("ATTN_PPO_ROOT", "~/it's all, 'here'\\")
    everywhere = f"{tmp_path}/it's all, 'here'\\"
    assert root_of() == f"{everywhere}/default"
    assert root_of("root=mine") == "mine/default"
    asked = parse(["-m", "seed=0,1"])  # its runs are told: they may lack the variable
    monkeypatch.delenv("ATTN_PPO_ROOT")
    (root,) = [text for text in asked.overrides if text.startswith("root=")]
    assert settings_at([root], None).sweep_folder == Path(everywhere, "default")
    assert [c.root for c in parse(["-m", "root=a,~/b"]).configs] == ["a", f"{tmp_path}/b"]


def test_a_root_that_cant_be_is_refused_at_once(tmp_path):
    Path("file").write_text("")
    for root, said in {
        "a/b": "root=a/b can't be made: there's no folder a\nallowed: a folder in one that is th",
        "file": "root=file can't be made: it is a file\nallowed: a folder in one that is there",
        "file/x": "root=file/x can't be made: there's no folder file",
        "": "root= is not allowed\nallowed: the path of a folder",
    }.items():
        done = train(f"root='{root}'", "total_steps=32", "evaluation.episodes=0")
        assert said in done.stderr
        assert len(done.stderr.splitlines()) <= 3
        assert done.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_search_is_checked_at_its_corners():
    argv = ["-m", "hydra/sweeper=basic", "lambda=interval(0,0.1)"]
    with pytest.raises(ConfigError, match=r"lambda=interval\(0,0.1\) is not allowed"):
        parse(argv)  # the basic sweeper has no points in it


def test_a_value_beside_those_of_a_sweep():
    short = ["total_steps=32", "evaluation.episodes=0"]
    assert train(*short).returncode == 0
    done = train(*short, "attention.gate=none")
    assert done.stderr == (
        "error: attention.gate=none differs from the run in runs/default/Breakout/lambda=0/seed=0\n"
        "allowed: attention.gate=softmax, as there; or its own name=, or a level of its own: "
        "axes=[attention.gate]\n"
    )
    done = train(*short, "regularizer=target_entropy", "ppo.anneal_learning_rate=false")
    assert "allowed: ppo.anneal_learning_rate=true, " in done.stderr  # as one types it
    assert ", regularizer.target=null, as there" in done.stderr
    assert train(*short, "attention.gate=none", "axes=[attention.gate]").returncode == 0
    run = Path("runs/default/Breakout/attention.gate=none/lambda=0/seed=0")
    assert read_status(run)["state"] == "done"


def test_the_runs_of_several_names_have_a_table_each():
    done = train("-m", "name=a,b", "total_steps=32", "evaluation.episodes=0")
    heads = re.findall(r"^(runs/\w+)\ngame .*\nBreakout .*\n(?:.+\n)*\n", done.stdout, re.MULTILINE)
    assert heads == ["runs/a", "runs/b"]


@pytest.mark.slow
def test_a_grid_of_variants_is_trained_killed_and_resumed(tmp_path):
    (tmp_path / "scratch").mkdir()
    options = ["attention.gate=softmax,none", "protocol=glob(*)", "lambda=0"]
    command = [*COMMAND, "-m", *options, "total_steps=256", "name=v", "root=scratch/runs"]
    command += ["ppo.num_epochs=1", "evaluation.episodes=0"]
    runs = [
        Path("scratch/runs/v/Breakout", f"attention.gate={g},protocol={p}", "lambda=0/seed=0")
        for g, p in itertools.product(("softmax", "none"), ("baselines", "machado"))
    ]
    begun = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    wait_for(lambda: rows(runs[1] / "metrics.csv"))
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    wait_for(lambda: not any(_is_alive(run) for run in runs))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 runs: 4 done" in done.stdout
    assert [read_status(run)["state"] for run in runs] == ["done"] * 4
    assert len(list(Path("scratch/runs").rglob("config.yaml"))) == 4
    for run, noops in zip(runs, [30, 0, 30, 0], strict=True):
        assert config.read(run / "config.yaml").protocol.noop_max == noops
        assert len(rows(run / "metrics.csv")) == 8
    assert not Path("runs").exists()
    again = train("-m", *options, *command[-5:])
    assert "4 done already" in again.stdout


def _is_alive(run: Path) -> bool:
    number = read_status(run).get("pid")
    return bool(number) and Path(f"/proc/{number}").exists()
