"""A run that starts from another's weights: what it takes, what it records, what it still needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from identical import difference
from starting import train

from attn_ppo import config, ppo
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.launch.command_line import parse
from attn_ppo.lifecycle import checkpoint, generations, saved
from attn_ppo.lifecycle.run_dir import RunDir, check_identity

SHORT = ("total_steps=96", "ppo.num_epochs=1", "attention.hidden=16", "evaluation.episodes=0")
TAIL = Path("Breakout/lambda=0/seed=0")
FROM = Path("runs/default/Breakout/lambda=0.005/seed=0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run of three updates, each saved."""
    root = tmp_path_factory.mktemp("source")
    words = ("env=Breakout", "lambda=0", "checkpoint.every_updates=1", f"root={root}")
    assert train(*words, *SHORT, "name=a").returncode == 0
    return root / "a" / TAIL


@pytest.fixture
def source(trained, in_empty_folder) -> Path:
    """The working folder's own copy of it."""
    shutil.copytree(trained, in_empty_folder / "source")
    return Path("source")


def digest(path: Path) -> str:
    return path.read_bytes()[-32:].hex()


def model_of(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return torch.load(folder / name, weights_only=True)["agent"]["model"]


def configs(*words: str) -> list[config.RunConfig]:
    return parse([*words, "attention.hidden=16"]).configs


def start(*words: str) -> subprocess.CompletedProcess:
    return train("env=Breakout", "lambda=0.005", "init_from=source", *SHORT, *words)


def train_further(source: Path, saves: int = 2) -> None:
    """After two saves neither generation is what it was."""
    for _ in range(saves):
        state = checkpoint.load(source) or {}
        state["agent"]["model"]["value_head.bias"] += 1
        checkpoint.save(source, state)


def test_it_starts_with_the_weights_and_is_else_as_new(source):
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    assert start("checkpoint.every_updates=3").returncode == 0
    begun = torch.load(FROM / "checkpoint.prev.pt", weights_only=True)
    assert begun["update"] == 0
    theirs, ours = model_of(source, "checkpoint.pt"), begun["agent"]["model"]
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    moments = begun["agent"]["optimizer"]["state"][0]
    assert (moments["step"], moments["exp_avg"].abs().sum()) == (0, 0)
    recorded = config.read(FROM / "config.yaml")
    assert recorded.init_from == "source"
    assert recorded.init_sha256 == digest(source / "checkpoint.pt")
    assert before == {path.name: path.read_bytes() for path in source.iterdir()}


@pytest.mark.usefixtures("source")
def test_the_same_bits_each_time():
    assert start("name=a").returncode == start("name=b").returncode == 0
    tail = Path("Breakout/lambda=0.005/seed=0")
    assert difference("runs/a" / tail, "runs/b" / tail) is None
    assert train("env=Breakout", "lambda=0.005", *SHORT, "name=c").returncode == 0
    assert difference("runs/a" / tail, "runs/c" / tail) is not None


@pytest.mark.parametrize("number", [1, 2])
def test_a_resume_needs_the_source_no_more(source, monkeypatch, number):
    assert start("name=whole", "checkpoint.every_updates=1").returncode == 0
    real, calls = ppo.ppo_loss, [0]

    def failing(*args, **more):
        calls[0] += 1
        if calls[0] > (number - 1) * 4:  # minibatches an update
            raise RunError(ExitCode.RUN_FAILED, "on purpose")
        return real(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(ppo, "ppo_loss", failing)
        assert start("checkpoint.every_updates=1").returncode == 1
    assert len((FROM / "metrics.csv").read_text().splitlines()) == number
    if number == 1:
        train_further(source)
    else:
        shutil.rmtree(source)
    again = start("checkpoint.every_updates=1")
    assert again.returncode == 0, again.stderr
    assert difference(FROM, Path("runs/whole/Breakout/lambda=0.005/seed=0")) is None
    done = start()
    assert (done.returncode, "done already" in done.stdout) == (0, True)


def test_the_path_may_be_spelled_otherwise(source, monkeypatch):
    monkeypatch.setenv("HOME", os.getcwd())
    sha256 = digest(source / "checkpoint.pt")
    outside = f"../{Path.cwd().name}/source"
    for path in ("source", "./source/", "~/source", outside, str(source.absolute())):
        (settings,) = configs(f"init_from={path}")
        assert settings.init_sha256 == sha256, path
        assert config.identity(settings)["init_sha256"] == sha256
        assert "init_from" not in config.identity(settings)


def test_a_path_needs_no_quotes(source):
    other = Path("runs/b") / TAIL
    shutil.copytree(source, other)
    (settings,) = configs(f"init_from={other}")
    assert settings.init_from == str(other)
    plain = Path("runs/c/attention.gate=none,ppo.clip_range=0.1") / TAIL
    shutil.copytree(source, plain)
    (settings,) = configs(f"init_from={plain}")
    assert settings.init_from == str(plain)


def test_several_sources_are_an_axis(source):
    shutil.copytree(source, "other")
    train_further(Path("other"))
    first, second = (digest(Path(name) / "checkpoint.pt")[:8] for name in ("source", "other"))
    asked = configs("-m", "lambda=0,0.001", "init_from=null,source,other")
    assert [str(c.folder) for c in asked] == [
        f"runs/default/Breakout/init_from={text}/lambda={lambda_}/seed=0"
        for lambda_ in ("0", "0.001")
        for text in ("null", first, second)
    ]
    one = configs("-m", "lambda=0,0.001", "init_from=source")
    assert [str(c.folder) for c in one] == [
        f"runs/default/Breakout/lambda={lambda_}/seed=0" for lambda_ in ("0", "0.001")
    ]
    assert {c.init_sha256 for c in one} == {digest(source / "checkpoint.pt")}


def test_a_run_of_several_sources_goes_on_where_its_source_has(source):
    words = ("axes=[init_from]", "checkpoint.every_updates=1")
    assert start(*words).returncode == 0
    (folder,) = Path("runs/default/Breakout").glob("init_from=*/lambda=0.005/seed=0")
    assert folder.parts[3] == f"init_from={digest(source / 'checkpoint.pt')[:8]}"
    train_further(source)
    again = start(*words)
    assert (again.returncode, "done already" in again.stdout) == (0, True)
    assert len(list(Path("runs/default/Breakout").iterdir())) == 1
    assert start(*words, "seed=1").returncode == 0  # a new run takes what is there
    new = digest(source / "checkpoint.pt")[:8]
    assert Path(f"runs/default/Breakout/init_from={new}/lambda=0.005/seed=1").is_dir()


def test_a_run_that_has_not_begun_takes_the_checkpoint_that_it_recorded(source):
    (settings,) = configs("init_from=source")
    recorded = digest(source / "checkpoint.pt")
    RunDir(settings).close()
    train_further(source, saves=1)  # what was recorded is the previous one now
    assert configs("init_from=source")[0].init_sha256 == recorded
    train_further(source)
    newest = digest(source / "checkpoint.pt")
    with pytest.raises(ConfigError, match=f"init_sha256={newest} differs from the run in"):
        check_identity(settings.folder, configs("init_from=source")[0])


def refused(*words: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as told:
        parse(list(words))
    return tuple(str(told.value).split("\n"))


def test_what_is_no_source_is_refused(source):
    example = "allowed: a run's folder with a checkpoint, as in "
    example += "runs/<name>/<env>/lambda=<lambda>/seed=<seed>/"
    assert refused("init_from=nowhere") == (
        "error: init_from=nowhere isn't there",
        "allowed: the folder of a run; quote a name with commas, for the shell as well: \"'...'\"",
    )
    for path in ("~nobody/x", "a" * 300, "a/" * 400, "runs/x", "config.yaml"):
        assert refused(f"init_from={path}")[0].endswith("isn't there")
    assert refused("init_from=.") == (
        "error: init_from=. has no usable config.yaml: isn't there",
        example,
    )
    assert refused("init_from=source", "attention.gate=sigmoid", "attention.maps=3")[0] == (
        "error: init_from=source has attention.gate=softmax attention.maps=2 attention.hidden=16, "
        "not attention.gate=sigmoid attention.maps=3 attention.hidden=512"
    )
    fits = ("init_from=source", "attention.hidden=16")
    assert refused(*fits, "env=MsPacman") == (
        "error: init_from=source plays Breakout, whose actions (4) aren't MsPacman's",
        "allowed: a run of MsPacman, or of a game with the same 9 actions",
    )
    newest = digest(source / "checkpoint.pt")
    assert refused(*fits, f"init_sha256={'0' * 64}") == (
        f"error: init_sha256={'0' * 64} is no checkpoint in source",
        f"allowed: {newest}, its newest; that one has been trained further",
    )
    assert refused(f"init_sha256={newest}")[1] == (
        "allowed: null without init_from, whose checkpoint it tells"
    )
    assert refused(*fits, "init_sha256=12ab")[0] == "error: init_sha256=12ab is not allowed"
    for path in source.glob("checkpoint*.pt"):
        path.write_bytes(path.read_bytes()[:-1])
    assert refused(*fits) == ("error: init_from=source has no whole checkpoint", example)


def test_the_newest_whole_checkpoint_counts_or_the_one_asked_for(source):
    newest, previous = (digest(source / name) for name in ("checkpoint.pt", "checkpoint.prev.pt"))
    assert configs("init_from=source")[0].init_sha256 == newest
    asked = configs("init_from=source", f"init_sha256={previous}")
    assert asked[0].init_sha256 == previous
    broken = source / "checkpoint.pt"
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")
    assert configs("init_from=source")[0].init_sha256 == previous
    assert broken.exists()


def test_weights_that_have_gone_since_are_told(source):
    name = generations.NEWEST
    found = saved.load_weights(source, digest(source / name))
    assert torch.equal(found["body.0.bias"], model_of(source, name)["body.0.bias"])
    with pytest.raises(RunError, match=r"source has no checkpoint 0000.* any more") as told:
        saved.load_weights(source, "0" * 64)
    assert told.value.code == ExitCode.NO_CHECKPOINT


@pytest.mark.usefixtures("source")
def test_the_source_is_checked_before_torch_is_imported():
    code = (
        "import sys; from attn_ppo.launch.command_line import parse; "
        "c, = parse(['init_from=source', 'attention.hidden=16']).configs; "
        "print(len(c.init_sha256), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "64 False\n", done.stderr
