"""What a command line asks for, where nothing is wrong with it."""

from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from attn_ppo import config, schema
from attn_ppo.errors import ConfigError
from attn_ppo.launch.command_line import parse
from attn_ppo.launch.overrides import conf_dir, groups


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


def test_jobs_at_once():
    assert parse(["-m", "hydra.launcher.n_jobs=2"]).jobs_at_once == 2
    assert parse(["-m"]).jobs_at_once == -1
    assert parse(["-m", "engine=serial"]).jobs_at_once is None


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


def test_every_option_of_every_group_composes():
    known = {**groups(), "engine": ["local", "serial"]}  # others need launchers of their own
    assert known == {
        "engine": ["local", "serial"],
        "experiment": ["paper", "quick", "smoke"],
        "ppo": ["annealed_clip", "study"],
        "protocol": ["baselines", "machado"],
    }
    for group, options in known.items():
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


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (0.0005, "0.0005"), (1e-7, "0.0000001"), (1.5, "1.5"), (100.0, "100")],
)
def test_numbers_in_paths_are_plain(number, text):
    assert config.plain(number) == text
