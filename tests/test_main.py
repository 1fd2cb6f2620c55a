"""`python -m attn_ppo`, and the console scripts."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from starting import SMALL
from test_arguments import NAMES
from test_process import GUARD

from attn_ppo import __main__ as overview
from attn_ppo.launch import command_line

ROOT = Path(__file__).parent.parent
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
# What pip writes for one.
SCRIPT = """#!{python}
import sys
from {module} import {function}
if __name__ == "__main__":
    sys.exit({function}())
"""

pytestmark = pytest.mark.usefixtures("in_empty_folder")


def python(*arguments: str, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "attn_ppo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **more)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory) -> Path:
    """A folder with the console scripts."""
    folder = tmp_path_factory.mktemp("bin")
    for name, target in SCRIPTS.items():
        module, function = target.split(":")
        path = folder / name
        path.write_text(SCRIPT.format(python=sys.executable, module=module, function=function))
        path.chmod(0o755)
    return folder


def on_the_path(scripts: Path, **more: str) -> dict[str, str]:
    return os.environ | {"PATH": f"{scripts}:{os.environ['PATH']}"} | more


def test_alone_it_lists_commands_that_exist_with_examples_that_hold(capsys):
    assert overview.main([]) == 0
    text = capsys.readouterr().out
    assert all(len(line.replace(sys.orig_argv[0], "python")) <= 80 for line in text.splitlines())
    examples = re.findall(r"^ {4,}\S+ -m (\S+)(.*)$", text, re.MULTILINE)
    assert len(examples) == len(overview.COMMANDS) >= 15
    for module, arguments in examples:
        assert find_spec(module)
        if module == "attn_ppo.train":
            (settings,) = command_line.parse(arguments.split()).configs
            assert (settings.env, settings.lambda_) == ("Breakout", 0.0005)


def test_every_command_is_listed():
    """Of bench the main one, in whose help the others are not."""
    modules = {name.removesuffix(".__main__") for name in NAMES if not name.startswith("bench.")}
    modules |= {"bench"}
    assert {command.module for command in overview.COMMANDS.values()} == modules - {"attn_ppo"}


def test_a_mistyped_command_is_told_in_three_lines():
    done = python("trian")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: trian is no command",
        f"allowed: {', '.join(overview.COMMANDS)}",
        "nearest: train",
    ]


def test_a_named_command_runs_with_what_follows():
    assert python("train", "--version").stdout == "attn_ppo 0.1.0\n"
    done = python("status", "nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no runs in nowhere")
    done = python("train", "env=Pnog")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "nearest: Pong"


def test_in_a_wheel_analysis_is_within_and_bench_is_missing(tmp_path):
    """A copy of the package with its conf/ inside, which is how a wheel is told."""
    shutil.copytree(ROOT / "attn_ppo", tmp_path / "attn_ppo", ignore=shutil.ignore_patterns("web"))
    (tmp_path / "attn_ppo/conf").mkdir()
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    text = python(env=env).stdout
    assert " -m attn_ppo.analysis.figures runs/demo\n" in text
    assert " -m analysis." not in text
    assert " -m bench" not in text


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_the_commands(name, scripts):
    env = on_the_path(scripts)
    done = subprocess.run([name, "--version"], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "attn_ppo 0.1.0\n")
    flag = ["--verson"]
    done = subprocess.run([name, *flag], env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "nearest: --version"


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_heed_signals_before_what_takes_time_to_import(name, scripts, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    env = on_the_path(scripts, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert subprocess.run([name, "--help"], env=env, stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("on_path", [True, False])
def test_what_a_script_says_to_type_again_can_be_typed(on_path, scripts):
    """A sweep of no time at all, and what its plan keeps: the same words, without Python's."""
    env = on_the_path(scripts) if on_path else dict(os.environ)
    name = "attn-ppo-train" if on_path else str(scripts / "attn-ppo-train")
    words = [*SMALL, "total_steps=32", "engine=serial"]
    command = [name, "-m", *words, "compute.backend=kernels"]
    env["CXX"] = env["HOME"] = env["XDG_CACHE_HOME"] = "/dev/null/none"
    env["PATH"] = str(scripts) if on_path else ""
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert f"to continue: {name} -m {' '.join(words)} compute.backend=kernels" in done.stdout
