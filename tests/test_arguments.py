"""Every command but train: its help, its version, and what it says of a mistake."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from attn_ppo import evaluate

ROOT = Path(__file__).parent.parent
# tested elsewhere; what benches start
OTHERS = {"attn_ppo.train"} | {
    f"bench.{name}"
    for name in ("contenders", "gpu_part", "growth_speed", "growth_start", "learning_sb3")
}
FILES = [path for name in ("attn_ppo", "analysis", "bench") for path in (ROOT / name).rglob("*.py")]
STARTED = [path for path in FILES if 'if __name__ == "__main__":' in path.read_text("utf-8")]
NAMES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in STARTED]
COMMANDS = {name.removesuffix(".__main__"): name for name in NAMES if name not in OTHERS}
each_command = pytest.mark.parametrize("command", COMMANDS)
pytestmark = pytest.mark.usefixtures("in_empty_folder")


def code_of(command: str, *arguments: str) -> object:
    """The exit code, whether `main` returns it or exits with it."""
    try:
        return import_module(COMMANDS[command]).main(list(arguments))
    except SystemExit as end:
        return end.code


def test_there_are_commands():
    assert {"attn_ppo.evaluate", "attn_ppo.status", "analysis.page", "bench"} <= COMMANDS.keys()


@each_command
def test_help_says_the_arguments_and_an_example(command, capsys):
    assert code_of(command, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m {command} [-h] [--version]")
    assert f"\nexample: python -m {command} " in text
    for entry in re.split(r"\n  (?=\S)", text.partition("\nexample: ")[0])[1:]:
        name, *about = re.split(r"\n?\s{2,}", entry.strip(), maxsplit=1)
        assert about, f"{name} is not explained"


@each_command
def test_version(command, capsys):
    assert code_of(command, "--version") == 0
    assert re.fullmatch(r"attn_ppo \d+\.\d+\.\d+\n", capsys.readouterr().out)


@each_command
def test_an_unknown_argument_is_told_in_three_lines(command, capsys):
    assert code_of(command, "--verson", "x") == 2  # x for those that need a folder
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: --verson is not an argument of this command"
    assert lines[1].startswith("allowed: ")
    assert lines[2] == "nearest: --version"


@pytest.mark.parametrize(
    ("command", "given", "told"),
    [
        ("attn_ppo.evaluate", [], "the following arguments are required: RUN_FOLDER"),
        ("attn_ppo.evaluate", ["nope"], "nope/config.yaml isn't there"),
        ("attn_ppo.evaluate", ["nope", "1", "2"], "2 is not an argument of this command"),
        ("attn_ppo.status", ["nope"], "no runs in nope: no such folder"),
        ("attn_ppo.status", [__file__], f"no runs in {__file__}: it is a file"),
        ("analysis.page", ["--steps"], "argument --steps: expected one argument"),
        ("analysis.page", list("abcdefg"), "7 folders are too many"),
        ("analysis.believe", ["nope"], "no runs to draw in nope: no such folder"),
        ("analysis.believe", ["--samples", "1"], "--samples=1 is not allowed"),
        ("analysis.stress", ["nope", "--games", "1"], "--games=1 is not allowed"),
        ("bench.saliency", ["--repeats=0"], "--repeats=0 is not allowed"),
        ("bench.acting", ["--repeats=0"], "--repeats=0 is not allowed"),
        ("bench", ["--minutes", "x"], "argument --minutes: invalid float value: 'x'"),
        ("bench", ["--minutes", "0", "--game", "ms_pacmn"], "env=ms_pacmn is not allowed"),
    ],
)
def test_a_mistake_is_told_in_three_lines(command, given, told, capsys, in_empty_folder):
    assert code_of(command, *given) == 2
    first, second, *_ = lines = capsys.readouterr().err.splitlines()
    assert first == f"error: {told}"
    assert second.startswith("allowed: ")
    assert len(lines) <= 3
    assert not list(in_empty_folder.iterdir())


@pytest.mark.parametrize("count", ["0", "257", "abc", "1.0", "9" * 99])
def test_how_many_games_an_agent_may_play(count, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "load_agent", lambda _: pytest.fail("too early"))
    assert code_of("attn_ppo.evaluate", "nope", count) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: EPISODES={count[:70]}")
    assert second == "allowed: a whole number from 1 to 256"
