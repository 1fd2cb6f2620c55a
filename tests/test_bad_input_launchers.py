"""Settings of a cluster's launcher: what is refused before anything starts, and what is taken."""

import pytest
from dry_run import check_refused

from attn_ppo.launch.command_line import parse

pytest_plugins = "dry_run"

# A launcher like submitit's: typed settings, and mappings that take any names.
SLURM = ["-m", "engine=slurm"]
LAUNCHER = {
    "partion=gpu": ["engine=slurm", "timeout_min", "nearest: hydra.launcher.partition"],
    "partition.x=gpu": ["hydra.launcher.partition.x=gpu"],
    "partition={a:b}": ["hydra.launcher.partition={a:b}"],
    "partition=a,b": ["one value"],
    r"partition=$\{oc.env:WANDB_API_KEY\}": ["that of another key"],
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
def test_a_clusters_launcher_is_checked_before_anything_starts(setting, dry_run):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    outcome = dry_run(*SLURM, f"hydra.launcher.{setting}")
    check_refused(outcome)
    for part in LAUNCHER[setting]:
        assert part in "\n".join(outcome.err)


@pytest.mark.parametrize("value", ["{nope:1}", "{init:3}", "null", "1"])
def test_a_section_of_a_launcher_takes_its_own_names_only(value, dry_run):
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    outcome = dry_run("-m", "engine=ray", f"hydra.launcher.ray={value}")
    check_refused(outcome)
    assert outcome.err[0] == f"error: hydra.launcher.ray={value} is not allowed"


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
