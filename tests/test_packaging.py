"""The package works from a wheel and from any working directory, not only where it is written."""

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def python(*arguments: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess:
    """Python in a folder of its own, with `path` before what is installed."""
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The unpacked wheel, as an installer would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    site = folder / "site"
    zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(site)
    return site


def test_the_wheel_holds_conf_and_the_studys_numbers(wheel):
    names = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}
    assert {
        "attn_ppo/conf/config.yaml",
        "attn_ppo/conf/experiment/paper.yaml",
        "attn_ppo/train.py",
        "attn_ppo/launch/shells/bash.sh",
        "attn_ppo/py.typed",
        "attn_ppo/analysis/figures.py",
        "attn_ppo/analysis/study_results.csv",
        "attn_ppo/analysis/report/__main__.py",
    } <= names
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"attn_ppo"}
    assert not {name for name in names if name.startswith(("tests", "conf/", "runs"))}
    page = {name for name in names if name.startswith("attn_ppo/interpret/show/web/")}
    assert page == {
        f"attn_ppo/interpret/show/web/{name}"
        for name in ("FORMAT.md", "dist/page.html", "dist/report.html")
    }


def test_a_wheel_imports_nothing_that_only_the_checkout_has(wheel):
    imports = [
        (path.name, name)
        for path in wheel.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in imported(node)
    ]
    assert ("figures.py", "attn_ppo.analysis") in imports
    only_here = ("analysis", "bench", "tests")
    assert [each for each in imports if each[1].partition(".")[0] in only_here] == []


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_a_wheel_reads_its_own_conf(wheel, tmp_path):
    code = "from attn_ppo.launch.command_line import conf_dir; print(conf_dir())"
    done = python("-c", code, cwd=tmp_path, path=wheel)
    assert done.stdout.strip() == str(wheel / "attn_ppo" / "conf")


DRAWING = ("figures", "page", "videos", "report")


@pytest.mark.slow
def test_a_wheel_does_without_the_checkout_and_beside_another_analysis(wheel, tmp_path):
    """Trains, lists and draws in an empty folder, where `analysis` is somebody else's module."""
    (tmp_path / "analysis.py").write_text("raise SystemExit('not ours')\n")
    short = ["total_steps=64", "ppo.num_envs=2", "ppo.num_steps=16", "evaluation.episodes=1"]
    done = python(
        *("-m", "attn_ppo.train", "wandb.mode=disabled", "name=a", *short), cwd=tmp_path, path=wheel
    )
    assert done.returncode == 0, done.stderr
    assert "python -m attn_ppo.analysis.figures runs/a" in done.stdout  # what to do next
    done = python("-m", "attn_ppo.status", cwd=tmp_path, path=wheel)
    assert "1 run: 1 done" in done.stdout
    done = python("-m", "attn_ppo.analysis.figures", cwd=tmp_path, path=wheel)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/a/figures/reward_curves.png").exists()
    own = tmp_path / "conf/experiment/mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# @package _global_\nhydra: {sweeper: {params: {protocol: glob(*)}}}\n")
    done = python(
        *("-m", "attn_ppo.train", "-m", "experiment=mine", "wandb.mode=disabled"),
        *("root=scratch", "name=${protocol.noop_max}", *short),
        cwd=tmp_path,
        path=wheel,
    )
    assert done.returncode == 0, done.stderr
    assert {str(path.parent) for path in (tmp_path / "scratch").rglob("config.yaml")} == {
        str(tmp_path / "scratch" / level / "lambda=0/seed=0")
        for level in ("30/Breakout/protocol=baselines", "0/Breakout/protocol=machado")
    }
    for command in ("train", *(f"analysis.{name}" for name in DRAWING)):
        done = python("-m", f"attn_ppo.{command}", "--help", cwd=tmp_path, path=wheel)
        assert done.returncode == 0, done.stderr
        assert f"python -m attn_ppo.{command}" in done.stdout
        assert "python -m analysis" not in done.stdout
    code = "import attn_ppo.analysis.videos, sys; print('analysis' in sys.modules)"
    assert python("-c", code, cwd=tmp_path, path=wheel).stdout == "False\n"


@pytest.mark.parametrize("installed", ["editable", "wheel"])
def test_the_command_line_works_anywhere(installed, wheel, tmp_path):
    path = wheel if installed == "wheel" else None
    done = python("-m", "attn_ppo.train", "--cfg", "job", "env=Pong", cwd=tmp_path, path=path)
    assert done.returncode == 0, done.stderr
    assert "env: Pong" in done.stdout
    done = python("-m", "attn_ppo.train", "env=Pnog", cwd=tmp_path, path=path)
    assert done.returncode == 2
    assert "nearest: Pong" in done.stderr
    assert list(tmp_path.iterdir()) == []
