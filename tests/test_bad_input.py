"""Every way of asking for what can't be: what the user is told, how soon, and that nothing is left.

The runs themselves are replaced here by a note that they would have begun.
"""

import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from starting import SMALL

from attn_ppo import machine, overrides, schema, sweep, train
from attn_ppo.command_line import parse
from attn_ppo.games import known
from attn_ppo.schema import ConfigError

SECRETS = {"WANDB_API_KEY": "4f1c9a" * 7, "AWS_SECRET_ACCESS_KEY": "planted-8b2e"}


class Answer(NamedTuple):
    """What a command line came to."""

    code: int
    begun: bool  # runs would have begun, or Hydra would have shown something
    out: str
    err: list[str]


@pytest.fixture
def ask(in_empty_folder, monkeypatch, capsys):
    """Does what the arguments say, short of beginning a run, and checks what holds of them all."""
    begun = []
    for owner, name in ((train, "train"), (sweep, "run_all"), (sweep, "show")):
        monkeypatch.setattr(owner, name, lambda *_: begun.append(1) or 0)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def of(*arguments: str) -> Answer:
        begun.clear()
        code = train.main(arguments)
        out, err = capsys.readouterr()
        assert not any(secret in out + err for secret in SECRETS.values())
        assert list(in_empty_folder.iterdir()) == []
        return Answer(code, bool(begun), out, err.removesuffix("\n").split("\n") if err else [])

    return of


def check_told(answer: Answer) -> None:
    """Code 2 and two or three lines: what is wrong, what is allowed, the nearest name."""
    code, begun, out, lines = answer
    assert (code, begun, out) == (2, False, "")
    assert lines[0].startswith("error: ")
    assert lines[0].endswith(" is not allowed")
    assert lines[1].startswith("allowed: ")
    assert [line.partition(" ")[0] for line in lines[2:]] in ([], ["nearest:"])
    assert all(line.isprintable() and len(line) <= 510 for line in lines)


# What is asked, and what of the message must be there: the key with the value, the nearest name.
MISTAKES = {
    # games
    "env=Brekout": ["env=Brekout", "nearest: Breakout"],
    "env=breakout": ["nearest: Breakout"],
    "env=ALE/Breakout-v5": ["env=ALE/Breakout-v5", "nearest: Breakout"],
    "env=PongNoFrameskip-v4": ["nearest: Pong"],
    "env=space_invaders": ["nearest: SpaceInvaders"],
    "env=CartPole-v1": ["env=CartPole-v1", "single-player game"],
    "env=Combat": ["env=Combat", "single-player game"],
    "env=Joust": ["env=Joust", "single-player game"],
    "env=Warlords": ["env=Warlords", "single-player game"],
    "env=MazeCraze": ["env=MazeCraze", "single-player game"],
    "env=": ["env=", "single-player game"],
    "env": ["env", "key=value", "nearest: env"],
    "env=[Pong]": ["env=['Pong']"],
    "env=Breakout,Pong": ["env=Breakout,Pong", "add -m"],
    # keys
    "sed=0": ["sed=0", "nearest: seed"],
    "SEED=0": ["SEED=0", "nearest: seed"],
    "lamda=1": ["lamda=1", "nearest: lambda"],
    "gate=none": ["gate=none", "nearest: attention.gate"],
    "learning_rate=1": ["nearest: ppo.learning_rate"],
    "ppo.clip_rang=1": ["ppo.clip_rang=1", "nearest: ppo.clip_range"],
    "attention=softmax": ["attention=softmax", "attention.gate"],
    "se\ned=\x1b[31m0": ["se?ed=?[31m0", "nearest: seed"],
    "+foo=1": ["+foo=1", "added (+)"],
    "+seed=1": ["+seed=1", "nearest: seed"],
    "~seed": ["~seed", "removed (~)", "nearest: seed"],
    "seed@x=1": ["seed@x=1", "nearest: seed"],
    "=1": ["=1", "key=value"],
    "": ["an empty argument", "key=value"],
    "Breakout": ["Breakout", "key=value"],
    # numbers
    "lambda=abc": ["lambda=abc", "a number from 0 to 1,000"],
    "lambda=-1": ["lambda=-1", "from 0 to 1,000"],
    "lambda=nan": ["lambda=nan"],
    "lambda=inf": ["lambda=inf"],
    "lambda=1e400": ["lambda=inf"],
    "lambda=1e-13": ["lambda=1e-13", "0, or from 1e-12"],
    "lambda=true": ["lambda=True"],
    "lambda=null": ["lambda=None"],
    "lambda=[1,2]": ["lambda=[1, 2]"],
    "lambda={a:1}": ["lambda="],
    "lambda=": ["lambda="],
    "lambda=0,1": ["lambda=0,1", "add -m"],
    "ppo.clip_range=nan": ["ppo.clip_range=nan", "above 0"],
    "ppo.num_envs=0": ["ppo.num_envs=0", "from 1 to 1,024"],
    "ppo.num_envs=1.5": ["ppo.num_envs=1.5", "whole"],
    "ppo.num_minibatches=3": ["ppo.num_minibatches=3", "divisor", "1,024"],
    "ppo.num_minibatches=1024": ["ppo.num_minibatches=1024", "at least 2"],
    "seed=-1": ["seed=-1"],
    "seed=None": ["seed=None"],
    "seed=0.5": ["seed=0.5", "whole"],
    "seed='\N{ARABIC-INDIC DIGIT THREE}'": ["seed=\N{ARABIC-INDIC DIGIT THREE}"],
    "seed=" + "9" * 4999: ["seed=999", "grammar"],
    "seed=" + "[" * 4999: ["seed=[[[", "100 brackets"],
    "seed=" + "1," * 4999: ["seed=1,1,", "range(0,100)"],
    "total_steps=100": ["total_steps=100", "1,024"],
    "total_steps=1e99": ["total_steps="],
    # choices
    "ppo.clip_value_loss=1": ["ppo.clip_value_loss=1", "true or false"],
    "attention.gate=softmx": ["attention.gate=softmx", "nearest: softmax"],
    "wandb.mode=of": ["wandb.mode=of", "nearest: offline"],
    "compute.backend=cuda": ["compute.backend=cuda", "auto, kernels, torch, compile"],
    "device=gpu": ["device=gpu", "cuda:N"],
    "device=cuda:99": ["device=cuda:99", "what this machine has: auto, cpu"],
    "device=cuda:200": ["device=cuda:200"],
    "device=cuda:007": ["device=cuda:007", "cuda or cuda:N"],
    "experiment=paper": ["experiment=paper", "add -m"],
    "experiment=papr": ["experiment=papr", "nearest: paper"],
    "experiment=null": ["experiment=None", "paper, quick, smoke"],
    "protocol=machdo": ["protocol=machdo", "nearest: machado"],
    "protocol=glob(*)": ["protocol=glob(*)", "baselines, machado"],
    "engine=slurmm": ["engine=slurmm"],
    "ppo=3": ["ppo=3", "annealed_clip, study"],
    # text
    "wandb.tags=x": ["wandb.tags=x", "list"],
    "wandb.tags=['a b']": ["wandb.tags=a b"],
    "name=../x": ["name=../x"],
    "name=..": ["name=.."],
    "name=a/b": ["name=a/b"],
    "name=": ["name="],
    "name='<script>'": ["name=<script>"],
    "name='a\nb'": ["name=a?b"],
    "name=1e7": ["name=1e7", "reads as 10000000.0, quote it"],
    "name=2026_01_15": ["name=2026_01_15", "reads as 20260115, quote it"],
    "name=" + "a" * 65: ["name=aaa", "up to 64"],
    # grammar and interpolation
    "name=${oc.env:WANDB_API_KEY}": ["name=${...}", "no interpolation"],
    r"name=$\{oc.env:WANDB_API_KEY\}": ["name=${...}", "no interpolation"],
    "wandb.tags=['${oc.env:WANDB_API_KEY}']": ["wandb.tags=['${...}", "no interpolation"],
    "seed=???": ["seed=???"],
    "seed=0)": ["seed=0)", "quote"],
    "seed=1'": ["seed=1'", "quote"],
    "seed==1": ["seed==1"],
    "lambda=[range(0,1)]": ["lambda=[range(0,1)]"],
    # Hydra's own keys
    "hydra=1": ["hydra=1"],
    "hydra.foo=1": ["hydra.foo=1", "engine= picks the launcher"],
    "hydra.sweep.dir=../x": ["hydra.sweep.dir=../x", "name= the folder"],
    "hydra.run.dir=/tmp/x": ["hydra.run.dir=/tmp/x"],
    "hydra.job.env_copy=[WANDB_API_KEY]": ["hydra.job.env_copy=[WANDB_API_KEY]"],
    "hydra.sweeper._target_=os.system": ["hydra.sweeper._target_=os.system"],
    "hydra/launcher=basic": ["hydra/launcher=basic", "engine="],
    "hydra.launcher._target_=os.system": ["hydra.launcher._target_=os.system", "n_jobs"],
    "+hydra.launcher._target_=os.system": ["+hydra.launcher._target_=os.system"],
    "hydra.launcher.n_job=2": ["n_job=2", "engine=local", "nearest: hydra.launcher.n_jobs"],
    "hydra.launcher.n_jobs=0": ["hydra.launcher.n_jobs=0", "from 1 to 1,024, or -1"],
    "hydra.launcher.n_jobs=1.5": ["hydra.launcher.n_jobs=1.5"],
    "hydra.launcher.n_jobs=true": ["hydra.launcher.n_jobs=true"],
    "hydra.launcher.n_jobs=100000": ["hydra.launcher.n_jobs=100000"],
    "hydra.launcher.pre_dispatch=all": ["hydra.launcher.pre_dispatch=all"],
    # flags
    "--lamda": ["--lamda", "nearest: lambda"],
    "--env=Pong": ["--env=Pong", "nearest: env"],
    "--multi-run": ["--multi-run", "nearest: --multirun"],
    "--mul": ["--mul"],
    "--config-dir=x": ["--config-dir=x"],
    "-cn": ["--cfg=n"],
    "--cfg": ["--cfg=", "job, hydra, all"],
    "--cfg=jb": ["--cfg=jb", "nearest: job"],
}


@pytest.mark.parametrize("argument", MISTAKES, ids=lambda a: ascii(a[:50])[1:-1])
def test_a_mistake_is_told_in_three_lines(argument, ask):
    answer = ask(argument)
    check_told(answer)
    for part in MISTAKES[argument]:
        assert part in "\n".join(answer.err)


MISTAKES_TOGETHER = {
    "-m lambda=interval(0,1)": ["lambda=interval(0,1)"],
    "-m protocol=glob(*)": ["protocol=glob(*)", "baselines, machado"],
    "-m seed=range(3,3)": ["seed=range(3,3)", "at least one value"],
    "-m seed=range(0,3,0)": ["seed=range(0,3,0)", "range(start,stop,step)"],
    "-m lambda=range(0,inf)": ["lambda=range(0,inf)"],
    "-m lambda=range(nan,1)": ["lambda=range(nan,1)"],
    "-m lambda=choice(choice(0,1),2)": ["lambda=choice("],
    "-m lambda=0,0.0": ["name=default", "each run once"],
    "-m ppo.gamma=0.9,0.99": ["name=default", "each value of ppo.gamma"],
    "-m seed=range(10001)": ["seed=range(10001)", "at most 10,000", "10,001"],
    "-m seed=range(10000000)": ["seed=range(10000000)", "10,000,000"],
    "-m seed=shuffle(range(100000000))": ["100,000,000"],
    "-m lambda=range(0,1,1e-9)": ["lambda=range(0,1,1e-9)", "1,000,000,000"],
    "-m env=Pong,Qbert lambda=range(100) seed=range(100)": ["env=Pong,Qbert", "20,000"],
    "-m experiment=paper seed=range(1000)": ["seed=range(1000)", "36,000"],  # 6 games x 6 lambdas
    "-m experiment=paper seed=": ["seed="],
    "-m experiment=quick,smoke": ["experiment=quick,smoke", "one of", "whole sweep"],
    "-m engine=local,serial": ["engine=local,serial", "one of", "whole sweep"],
    "-m hydra.launcher.n_jobs=1,2": ["hydra.launcher.n_jobs=1,2", "one value"],
    "-m device=cuda:99 seed=0,1": ["device=cuda:99", "this machine has"],
    "-m device=cuda:99 engine=serial": ["device=cuda:99"],
    "-m env=Pong,Brekout seed=0,1": ["env=Brekout", "nearest: Breakout"],
    "-m ppo.num_minibatches=4,3": ["ppo.num_minibatches=3"],
    "engine=serial hydra.launcher.n_jobs=2": ["n_jobs=2", "engine=serial", "nothing"],
    "protocol=machado protocol=baselines": ["protocol=baselines", "protocol=machado"],
    "attention.gate=none lambda=0.1": ["lambda=0.1", "attention.gate=none"],
    "compute.backend=kernels compute.precision=bf16": ["compute.precision=bf16"],
    "lambda 0.5": ["lambda", "key=value"],
    "--lambda 0.5": ["--lambda", "nearest: lambda"],
    "--cfg job seed=0,1": ["seed=0,1", "--cfg"],
    "--cfg job seed=x": ["seed=x"],
    "--cfg job -p ppo": ["-p"],
}


@pytest.mark.parametrize("line", MISTAKES_TOGETHER)
def test_mistakes_of_several_arguments(line, ask):
    answer = ask(*line.split())
    check_told(answer)
    for part in MISTAKES_TOGETHER[line]:
        assert part in "\n".join(answer.err)


def test_no_line_of_a_message_is_endless():
    told = str(ConfigError("k" * 999, "v" * 999, "a\n" * 999, "seed")).split("\n")
    assert [len(line) for line in told] == [7 + 80 + 1 + 80 + 15, 9 + 500, 13]


def test_every_game_is_found_under_its_other_names():
    games = known()
    for game, rom in games.items():
        assert schema.nearest(game.lower(), games) == game
        assert schema.nearest(rom, games) == game
        if len(game) > 3:  # Et is in too many words
            assert schema.nearest(f"ALE/{game}-v5", games) == game
            assert schema.nearest(f"{game}NoFrameskip-v4", games) == game


# A launcher like submitit's: typed settings, and mappings that take any names.
SLURM = ["-m", "engine=slurm"]
LAUNCHER = {
    "partion=gpu": ["engine=slurm", "timeout_min", "nearest: hydra.launcher.partition"],
    "partition.x=gpu": ["hydra.launcher.partition.x=gpu"],
    "partition={a:b}": ["hydra.launcher.partition={a:b}"],
    "partition=a,b": ["one value"],
    r"partition=$\{oc.env:WANDB_API_KEY\}": ["no interpolation"],
    "timeout_min=soon": ["hydra.launcher.timeout_min=soon", "to Integer)"],
    "timeout_min=1.5": ["hydra.launcher.timeout_min=1.5"],
    "timeout_min=null": ["hydra.launcher.timeout_min=null"],
    "timeout_min=???": ["hydra.launcher.timeout_min=???"],
    "setup=x": ["hydra.launcher.setup=x"],
    "n_jobs=2": ["hydra.launcher.n_jobs=2", "engine=slurm"],
    "_target_=os.system": ["hydra.launcher._target_=os.system"],
    "additional_parameters=3": ["hydra.launcher.additional_parameters=3"],
    "additional_parameters={_target_:os.system}": ["_target_"],
    "additional_parameters={a:{_target_:os.system}}": ["_target_"],
    "additional_parameters._target_=os.system": ["_target_"],
}


@pytest.mark.parametrize("setting", LAUNCHER)
def test_a_clusters_launcher_is_checked_before_anything_starts(setting, ask):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    answer = ask(*SLURM, f"hydra.launcher.{setting}")
    check_told(answer)
    for part in LAUNCHER[setting]:
        assert part in "\n".join(answer.err)


@pytest.mark.parametrize("value", ["{nope:1}", "{init:3}", "null", "1"])
def test_a_section_of_a_launcher_takes_its_own_names_only(value, ask):
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    answer = ask("-m", "engine=ray", f"hydra.launcher.ray={value}")
    check_told(answer)
    assert answer.err[0] == f"error: hydra.launcher.ray={value} is not allowed"


def test_what_a_clusters_launcher_takes():
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    settings = [
        "hydra.launcher.partition=gpu",
        "hydra.launcher.additional_parameters={mail-user: x}",
        "hydra.launcher.additional_parameters.gres={gpu: 1}",
        "hydra.launcher.setup=['module load cuda']",
    ]
    asked = parse([*SLURM, *settings, "device=cuda:7"])  # this machine needn't have it
    assert asked.overrides == ["engine=slurm", *(f"++{s}" for s in settings), "device=cuda:7"]


VALUES = [
    "", "0", "1", "-1", "0.5", "1e400", "-0.0", "5e-324", "nan", "inf", "true", "null", "None",
    "abc", "Breakout", "Brekout", "combat", "paper", "local", "slurm", "../x", ".", "/etc/passwd",
    "<b>x</b>", "con", "a.", "a\nb", "\x1b[31mred", "'\x1b[31mred'", "\u202eabc", "\udcff",
    "\N{GRINNING FACE}", "a" * 70, "9" * 500, "9" * 4400, "[" * 40, "(" * 40, "[", "}", "'", '"',
    "\\", "${", "${seed}", "???", "${oc.env:WANDB_API_KEY}", r"$\{oc.env:WANDB_API_KEY\}",
    "[${oc.env:AWS_SECRET_ACCESS_KEY}]", "${oc.env:NOPE}", "[1,2]", "[]", "{}", "{a:1}",
    "{a:{_target_:os.system}}", "1,2", "a,b", "1,", ",", "choice(1,2)", "choice()", "range(3)",
    "range(0,3,0)", "range(0,inf)", "range(0,nan)", "range(10000000)", "range(0,1,1e-9)",
    "shuffle(range(0,100000000))", "sort(3,1,2)", "sort(a,1)", "interval(0,1)", "glob(*)",
    "tag(x,1)", "int(abc)", "int(1e400)", "nope(1)", "1=2", "=", "a b", "\t", "-m", "+", "~",
    "`id`", "$(id)", "1__0", "0x10", "\N{ARABIC-INDIC DIGIT THREE}", "cuda:99", "CPU", "1e99999",
    "os.system", "baselines,machado", "paper,quick", "local,serial", "0," * 400 + "0",
]  # fmt: skip
HYDRAS = [
    "hydra", "hydra.", "hydra/launcher", "hydra/sweeper", "hydra/help@hydra.help", "hydra.run.dir",
    "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.output_subdir", "hydra.job.chdir", "hydra.mode",
    "hydra.job.env_set.X", "hydra.sweeper.params.seed", "hydra.searchpath", "hydra.callbacks",
    "hydra.verbose", "hydra.launcher", "hydra.launcher.", "hydra.launcher._target_",
    "hydra.launcher.n_jobs", "hydra.launcher.n_jobs.x", "hydra.launcher.backend",
    "hydra.launcher@x",
]  # fmt: skip
FLAGS = [
    "--config-path=x", "-cd", "-cn", "x", "--cfg", "--cfg=x", "--info", "--resolve", "--package=x",
    "--run", "-sc", "--hydra-help", "--version", "--", "-", "---", "--foo", "-1", "-m=1", "--mul",
    "--experimental-rerun=x", "-env=Pong",
]  # fmt: skip
WRAPPINGS = ["[%s]", "'%s'", "{a:%s}", "%s,1", "choice(%s)", "str(%s)", "range(0,%s)", "{%s:1}"]


def draw_arguments(rng: random.Random) -> list[str]:
    """Mostly one override and mostly a wrong one, of any kind that people or fuzzers come to."""
    keys = [*overrides.keys(), *HYDRAS]

    def mutated(text: str) -> str:
        at = rng.randrange(len(text) + 1)
        return text[:at] + rng.choice(["", *"x_. \n\x1b@/="]) + text[at + 1 :]

    def override() -> str:
        key = rng.choice(keys)
        key = mutated(key) if rng.random() < 0.15 else key
        value = rng.choice(VALUES)
        if rng.random() < 0.15:
            value = rng.choice(WRAPPINGS).replace("%s", value)
        elif rng.random() < 0.15:
            value = mutated(value)
        shape = rng.random()
        if shape < 0.05:
            return (
                rng.choice(["+", "++", "~", "-", "--", "@"]) + key + rng.choice(["", f"={value}"])
            )
        return rng.choice([key, value, rng.choice(FLAGS)]) if shape < 0.12 else f"{key}={value}"

    arguments = [override() for _ in range(rng.choice([1, 1, 1, 2]))]
    return [*(["-m"] if rng.random() < 0.3 else []), *arguments]


def test_whatever_is_asked_runs_or_is_told(ask):
    rng, codes = random.Random(20260115), []
    for _ in range(3000):
        arguments = draw_arguments(rng)
        try:
            answer = ask(*arguments)
            if answer.code:
                check_told(answer)
            else:
                assert (answer.begun, answer.out, answer.err) == (True, "", [])
        except BaseException as error:
            error.add_note(f"asked: {arguments!r}")
            raise
        codes.append(answer.code)
    assert set(codes) == {0, 2}
    assert 20 < codes.count(0) < 500  # most are wrong, and not all that is right is refused


STARTED = [
    ["env=Brekout"],
    ["-m", "seed=range(10000000)"],
    ["device=cuda:99"],
    ["-m", "device=cuda:99", "seed=0,1"],
]


@pytest.mark.parametrize("arguments", STARTED, ids=" ".join)
def test_a_mistake_is_told_at_once(arguments, in_empty_folder):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = start(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    check_told(Answer(done.returncode, False, done.stdout, done.stderr.rstrip("\n").split("\n")))
    assert list(in_empty_folder.iterdir()) == []
    # 0.9 s of CPU where nothing else runs, however long that takes on a busy machine.
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 2.5 or any(map(os.path.exists, machine.DRIVERS))


def test_what_has_no_driver_has_no_gpu_and_needs_no_torch(in_empty_folder):
    code = "import sys; from attn_ppo import machine; machine.DRIVERS = ();"
    code += "from attn_ppo.train import main; main(['device=cuda']); print('torch' in sys.modules)"
    done = start(code=code)
    assert "what this machine has: auto, cpu" in done.stderr
    assert done.stdout == "False\n"
    assert list(in_empty_folder.iterdir()) == []


def test_a_gpu_is_counted_where_there_may_be_one(monkeypatch):
    monkeypatch.setattr(machine, "DRIVERS", ("/proc",))
    cuda = SimpleNamespace(device_count=lambda: 2)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    machine.check_device("cuda")
    machine.check_device("cuda:1")
    with pytest.raises(ConfigError, match="auto, cpu, cuda:0, cuda:1"):
        machine.check_device("cuda:2")


def a_file_named_runs(folder: Path) -> Path:
    (folder / "runs").write_text("")
    return folder


def a_file_in_the_way(folder: Path) -> Path:
    (folder / "runs").mkdir()
    (folder / "runs" / "default").write_text("")
    return folder


def a_link_to_nowhere(folder: Path) -> Path:
    (folder / "runs").symlink_to(folder / "nowhere")
    return folder


def no_real_disk(folder: Path) -> Path:  # noqa: ARG001
    return Path("/proc")


def a_read_only_disk(folder: Path) -> Path:
    for options in (["--bind"], ["-o", "remount,ro,bind"]):
        if subprocess.run(["mount", *options, folder, folder], capture_output=True).returncode:
            pytest.skip("can't mount here")
    return folder


def not_ours(folder: Path) -> Path:
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("root may write everywhere")
    return folder


UNWRITABLE = [a_file_named_runs, a_file_in_the_way, a_link_to_nowhere, no_real_disk,
              a_read_only_disk, not_ours]  # fmt: skip


@pytest.fixture
def unwritable(request, tmp_path, monkeypatch) -> Iterator[list[Path]]:
    """The working directory is one where no run can write; what lies in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(request.param(folder))
    yield sorted(tmp_path.rglob("*"))
    os.chdir("/")
    if request.param is a_read_only_disk:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("arguments", [["seed=1"], ["-m", "seed=1,2"]], ids=["run", "sweep"])
@pytest.mark.parametrize("unwritable", UNWRITABLE, indirect=True, ids=lambda how: how.__name__)
def test_a_folder_that_cant_be_written(arguments, unwritable, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "train", lambda *_: 99)
    monkeypatch.setattr(sweep, "run_all", lambda *_: 99)
    assert train.main(arguments) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: can't write runs/default/Breakout/lambda=0/seed=1: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == unwritable


def test_a_working_folder_that_is_gone(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert train.main(["seed=1"]) == 4
    told = capsys.readouterr().err
    assert told.startswith("error: can't ")
    assert told.count("\n") == 1


def test_what_is_done_needs_no_disk_to_write_to(monkeypatch):
    monkeypatch.setattr(train, "read_status", lambda _: {"state": "done"})
    monkeypatch.chdir("/proc")
    assert train.main(["seed=1"]) == 0


def test_nothing_of_the_environment_is_in_what_a_run_leaves(in_empty_folder):
    tiny = [*SMALL, "attention.hidden=16", "total_steps=32", "evaluation.episodes=0"]
    done = start(*tiny, "wandb.mode=offline", **SECRETS)
    assert done.returncode == 0, done.stderr
    files = [path for path in in_empty_folder.rglob("*") if path.is_file()]
    assert {"config.yaml", "status.json"} <= {path.name for path in files}
    assert any(path.suffix == ".wandb" for path in files)
    told = [done.stdout.encode(), done.stderr.encode(), *(path.read_bytes() for path in files)]
    assert not any(secret.encode() in text for secret in SECRETS.values() for text in told)


def start(*arguments: str, code: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """A command line, or code, in a process of its own."""
    command = ["-c", code] if code else ["-m", "attn_ppo.train", *arguments]
    environment = os.environ | variables
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=environment
    )
