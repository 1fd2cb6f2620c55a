"""Imports point one way, and each outside library has its own place."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Each file of attn_ppo and which others of it that file may import.
ARROWS = {
    "__init__": set(),
    "schema": set(),
    "config": {"schema"},
    "action_log": set(),
    "games": {"schema"},
    "env_checks": {"config", "schema"},
    "envs": {"action_log", "config", "env_checks", "games"},
    "adam": set(),
    "attention": set(),
    "regularizers": set(),
    "run_dir": {"config", "schema"},
    "terminal": set(),
    "signals": {"run_dir"},
    "patience": set(),
    "sinks": {"config", "patience", "run_dir"},
    "checkpoint": {"run_dir"},
    "overrides": {"config", "schema"},
    "machine": {"run_dir", "schema"},
    "command_line": {"config", "games", "machine", "overrides", "schema"},
    "status": {"config", "schema", "run_dir"},
    "gpus": set(),
    "parent": set(),
    "slurm": set(),
    "on_ray": set(),
    "worker": {"config", "gpus", "parent", "run_dir", "signals", "slurm"},
    "sweep": {"command_line", "config", "on_ray", "run_dir", "schema", "slurm", "status",
              "terminal", "worker"},
    "layers": set(),
    "kernels": set(),
    "backends": {"config", "schema", "layers", "kernels"},
    "model": {"config", "attention", "layers"},
    "rollout": {"envs", "model", "backends"},
    "ppo": {"adam", "config", "regularizers", "rollout", "backends"},
    "evaluate": {"config", "schema", "envs", "model", "backends", "regularizers", "checkpoint",
                 "run_dir"},
    "agent": {"adam", "config", "machine", "model", "backends"},
    "rows": {"config", "envs", "run_dir"},
    "resume": {"config", "schema", "backends", "envs", "games", "kernels", "run_dir"},
    "watchdog": {"run_dir"},
    "run": {"config", "signals", "agent", "backends", "games", "model", "rollout", "ppo",
            "evaluate", "checkpoint", "interpret", "resume", "rows", "run_dir", "sinks", "terminal",
            "watchdog"},
    "train": {"agent", "backends", "command_line", "config", "machine", "parent", "run", "run_dir",
              "schema", "signals", "sweep"},
}  # fmt: skip
ANALYSIS = {"config", "schema", "run_dir", "checkpoint", "evaluate", "interpret", "sinks"}
# What may be imported by attn_ppo/interpret/: what it takes to play and to understand an agent.
INTERPRET = {"config", "schema", "run_dir", "games", "envs", "layers", "attention", "regularizers",
             "model", "checkpoint", "evaluate", "interpret"}  # fmt: skip
OWNERS = {
    "hydra": {"command_line", "overrides", "sweep", "worker"},
    "omegaconf": {"command_line", "worker", "config"},
    "wandb": {"sinks"},
    "ale_py": {"envs", "games"},
}


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def ours(names: set[str]) -> set[str]:
    inside = {n.split(".")[1] for n in names if n.startswith("attn_ppo.")}
    return inside & {*ARROWS, "interpret"}


def test_every_file_has_its_arrows():
    assert {path.stem for path in (ROOT / "attn_ppo").glob("*.py")} == set(ARROWS)


@pytest.mark.parametrize("name", ARROWS)
def test_arrows(name):
    found = ours(imports(ROOT / "attn_ppo" / f"{name}.py"))
    assert found - {name} <= ARROWS[name]
    assert not any(n.startswith("analysis") for n in imports(ROOT / "attn_ppo" / f"{name}.py"))


@pytest.mark.parametrize("path", sorted((ROOT / "analysis").glob("*.py")), ids=lambda p: p.stem)
def test_analysis_reads_what_runs_left(path):
    names = imports(path)
    assert ours(names) <= ANALYSIS
    assert not {n.split(".")[0] for n in names} & {"hydra", "omegaconf", "ale_py"}


@pytest.mark.parametrize("path", sorted((ROOT / "attn_ppo/interpret").glob("*.py")),
                         ids=lambda p: p.stem)  # fmt: skip
def test_interpret_knows_nothing_of_training(path):
    names = imports(path)
    assert ours(names) <= INTERPRET
    assert not any(n.startswith("analysis") for n in names)
    libraries = {n.split(".")[0] for n in names}
    assert not libraries & {"hydra", "omegaconf", "wandb"}
    assert ("ale_py" in libraries) == (path.stem == "screens")


@pytest.mark.parametrize("library", OWNERS)
def test_libraries_stay_in_their_rooms(library):
    users = {path.stem for path in (ROOT / "attn_ppo").glob("*.py")
             if any(n.split(".")[0] == library for n in imports(path))}  # fmt: skip
    assert users == OWNERS[library]


def test_arrows_have_no_cycle():
    order = ["__init__"]
    arrows = ARROWS | {"interpret": INTERPRET - {"interpret"}}
    while len(order) < len(arrows):
        ready = [n for n in arrows if n not in order and arrows[n] <= set(order)]
        assert ready, "a cycle"
        order += ready
