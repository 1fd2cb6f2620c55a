"""Every way of asking, right and wrong: what the user is told, and that nothing is left behind."""

import subprocess
import sys
import time
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from attn_ppo import config, schema
from attn_ppo.command_line import conf_dir, config_groups, parse
from attn_ppo.schema import ConfigError


def folders(*overrides: str) -> list[str]:
    return [str(c.folder) for c in parse(overrides).configs]


def test_one_run():
    asked = parse(["env=MsPacman", "lambda=0.0005", "seed=3"])
    assert not asked.is_sweep
    assert [str(c.folder) for c in asked.configs] == ["runs/default/MsPacman/lambda=0.0005/seed=3"]


def test_the_sweep_of_the_readme():
    asked = parse(["-m", "env=Breakout,MsPacman", "lambda=0,0.0005,0.005", "seed=0,1,2"])
    assert asked.is_sweep
    assert len({c.folder for c in asked.configs}) == 18
    assert str(asked.configs[0].folder) == "runs/default/Breakout/lambda=0/seed=0"
    assert str(asked.configs[17].folder) == "runs/default/MsPacman/lambda=0.005/seed=2"


def test_the_papers_sweep():
    asked = parse(["-m", "experiment=paper"])
    assert len({c.folder for c in asked.configs}) == 180
    assert {c.lambda_ for c in asked.configs} == {0, 0.0005, 0.001, 0.002, 0.003, 0.005}
    assert {c.total_steps for c in asked.configs} == {10_000_000}
    assert {c.name for c in asked.configs} == {"paper"}


def test_the_command_line_wins_over_an_experiment():
    asked = parse(["-m", "experiment=paper", "seed=7", "env=Pong", "name=mine"])
    assert folders("-m", "experiment=paper", "seed=7", "env=Pong", "name=mine", "lambda=0") == [
        "runs/mine/Pong/lambda=0/seed=7"
    ]
    assert len(asked.configs) == 6


def test_sweeping_over_a_group():
    asked = parse(["-m", "protocol=baselines,machado", "name=a,b"])
    assert [c.protocol.sticky_actions for c in asked.configs] == [0, 0, 0.25, 0.25]


def test_the_studys_settings_are_the_defaults(settings_of):
    ppo = settings_of("env=Pong").ppo
    assert (ppo.num_envs, ppo.num_steps, ppo.num_epochs, ppo.num_minibatches) == (8, 128, 4, 4)
    assert (ppo.gamma, ppo.gae_lambda, ppo.clip_range) == (0.99, 0.95, 0.2)
    assert (ppo.learning_rate, ppo.anneal_learning_rate) == (2.5e-4, True)
    assert (ppo.ent_coef, ppo.vf_coef, ppo.max_grad_norm) == (0.01, 0.5, 0.5)
    assert (ppo.anneal_clip_range, ppo.clip_value_loss) == (False, True)
    assert settings_of("ppo=annealed_clip").ppo.clip_range == 0.1
    assert settings_of("ppo=annealed_clip", "ppo.clip_range=0.3").ppo.clip_range == 0.3


@pytest.mark.parametrize("text", ["1e7", "10_000_000", "10000000", "1.0e7", "'1e7'"])
def test_whole_numbers_in_every_spelling(text, settings_of):
    steps = settings_of(f"total_steps={text}").total_steps
    assert steps == 10_000_000
    assert isinstance(steps, int)


def test_lambda_zero_is_one_folder():
    assert folders("lambda=0") == folders("lambda=0.0") == folders("lambda=-0.0") == folders()


# What is asked, and what of the message must be there: the key with the value, the nearest name.
WRONG = {
    "env=Brekout": ["env=Brekout", "Breakout"],
    "env=breakout": ["nearest: Breakout"],
    "env=combat": ["env=combat", "single-player"],
    "env=": ["env="],
    "env": ["env", "key=value"],
    "sed=0": ["sed=0", "nearest: seed"],
    "lamda=1": ["lamda=1", "nearest: lambda"],
    "ppo.clip_rang=1": ["ppo.clip_rang=1", "nearest: ppo.clip_range"],
    "lambda=abc": ["lambda=abc", "from 0 to 1,000"],
    "lambda=-1": ["lambda=-1", "from 0 to 1,000"],
    "lambda=nan": ["lambda=nan"],
    "lambda=inf": ["lambda=inf"],
    "lambda=true": ["lambda=True"],
    "lambda=null": ["lambda=None"],
    "lambda=[1,2]": ["lambda=[1, 2]"],
    "lambda={a:1}": ["lambda="],
    "ppo.clip_range=nan": ["ppo.clip_range=nan", "above 0"],
    "ppo.num_envs=0": ["ppo.num_envs=0", "from 1 to 1,024"],
    "ppo.num_envs=1.5": ["ppo.num_envs=1.5", "whole"],
    "ppo.num_minibatches=3": ["ppo.num_minibatches=3", "divisor", "1,024"],
    "ppo.num_minibatches=1024": ["ppo.num_minibatches=1024", "at least 2"],
    "ppo.clip_value_loss=1": ["true or false"],
    "seed=-1": ["seed=-1"],
    "seed=1e400": ["seed="],
    "total_steps=100": ["total_steps=100", "1,024"],
    "total_steps=1e99": ["total_steps="],
    "name=../x": ["name=../x"],
    "name=..": ["name=.."],
    "name='<script>'": ["name=<script>"],
    "name=${oc.env:SECRET}": ["name=${...}"],
    "name=a/b": ["name=a/b"],
    "device=gpu": ["device=gpu", "cuda:N"],
    "device=cuda:99": ["device=cuda:99"],
    "+foo=1": ["+foo=1"],
    "~seed": ["~seed", "nearest: seed"],
    "--lamda": ["--lamda"],
    "env=Breakout,Pong": ["env=Breakout,Pong", "-m"],
    "experiment=paper": ["experiment=paper", "-m"],
    "experiment=papr": ["experiment=papr", "nearest: paper"],
    "protocol=machdo": ["protocol=machdo", "nearest: machado"],
    "engine=slurmm": ["engine=slurmm"],
    "ppo=3": ["ppo=3"],
    "attention=softmax": ["attention=softmax", "attention.gate"],
    "attention.gate=softmx": ["attention.gate=softmx", "nearest: softmax"],
    "wandb.mode=of": ["wandb.mode=of", "nearest: offline"],
    "wandb.tags=x": ["wandb.tags=x", "list"],
    "wandb.tags=['a b']": ["wandb.tags=a b"],
    "hydra.foo=1": ["hydra.foo"],
    "seed=0)": ["seed=0)"],
    "seed=1'": ["seed=1'"],
    "hydra=1": ["hydra=1"],
    "protocol=glob(*)": ["protocol=glob(*)", "baselines, machado"],
    "hydra.launcher.n_jobs=0": ["hydra.launcher.n_jobs=0"],
    "device=cuda:200": ["device=cuda:200"],
    "device=cuda:007": ["device=cuda:007"],
}


@pytest.mark.parametrize("override", WRONG)
def test_wrong_input_is_told_in_three_lines(override, in_empty_folder, monkeypatch, capsys):
    from attn_ppo.train import main

    monkeypatch.setenv("SECRET", "hunter2")
    assert main([override]) == 2
    lines = capsys.readouterr().err.rstrip("\n").split("\n")
    assert 2 <= len(lines) <= 3
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("allowed: ")
    for part in WRONG[override]:
        assert part in "\n".join(lines)
    assert "hunter2" not in "\n".join(lines)
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    "argv", [["-m", "--cfg", "job"], ["--config-dir", "x"], ["-cn", "x"], ["--cfg", "jb"]]
)
def test_flags_that_make_no_sense_here(argv, capsys):
    from attn_ppo.train import main

    assert main(argv) == 2
    assert len(capsys.readouterr().err.splitlines()) <= 3


@pytest.mark.parametrize(
    "swept", ["lambda=interval(0,1)", "protocol=glob(*)", "seed=range(3,3)", "lambda=0,0.0"]
)
def test_sweeps_that_make_no_sense(swept, in_empty_folder, capsys):
    from attn_ppo.train import main

    assert main(["-m", swept]) == 2
    assert 2 <= len(capsys.readouterr().err.splitlines()) <= 3
    assert list(in_empty_folder.iterdir()) == []


def test_lambda_without_attention_is_refused():
    parse(["attention.gate=none"])
    with pytest.raises(ConfigError, match=r"attention\.gate=none"):
        parse(["attention.gate=none", "lambda=0.1"])


def test_a_wrong_point_anywhere_in_a_sweep_stops_it():
    with pytest.raises(ConfigError, match="Brekout"):
        parse(["-m", "env=Pong,Brekout", "seed=0,1"])
    with pytest.raises(ConfigError, match=r"ppo\.num_minibatches=3"):
        parse(["-m", "ppo.num_minibatches=4,3"])


def test_mistakes_are_told_at_once_and_without_torch(tmp_path):
    code = "import sys; from attn_ppo.train import main; main(['env=X']);"
    code += "print('torch' in sys.modules)"
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
    assert time.monotonic() - start < 20  # 0.6 s where nothing else runs; torch alone would take 2


def test_every_option_of_every_group_composes():
    assert config_groups() == {
        "engine": ["local", "serial"],
        "experiment": ["paper", "quick", "smoke"],
        "ppo": ["annealed_clip", "study"],
        "protocol": ["baselines", "machado"],
    }
    for group, options in config_groups().items():
        for option in options:
            assert parse(["-m", f"{group}={option}"]).configs


def test_yaml_and_dataclasses_name_the_same_keys():
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        values: Any = OmegaConf.to_container(compose("config"))
    assert sorted(schema.flatten(values)) == sorted(schema.known_keys(config.RunConfig))


def test_config_yaml_reads_back(tmp_path, settings_of):
    settings = settings_of("env=Pong", "lambda=1e-7", "wandb.tags=[a,b]", "wandb.entity=me")
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml(settings))
    assert config.read(path) == settings


@pytest.mark.parametrize("text", ["", "[1, 2]", "env: [", "env: Pong", "\x00", "a: 1"])
def test_a_broken_config_yaml_is_told(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as told:
        config.read(path)
    assert len(str(told.value).splitlines()) <= 3
    assert "config.yaml" in str(told.value)


@pytest.mark.parametrize(("number", "text"), [(0.0, "0"), (0.0005, "0.0005"), (1e-7, "0.0000001"),
                                              (1.5, "1.5"), (100.0, "100")])  # fmt: skip
def test_numbers_in_paths_are_plain(number, text):
    assert config.plain(number) == text
