"""What a command line asks for, where nothing is wrong with it."""

import random
import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from attn_ppo import config, schema
from attn_ppo.errors import ConfigError
from attn_ppo.formats import plain
from attn_ppo.launch import command_line, overrides, sweep
from attn_ppo.launch.command_line import grid, parse
from attn_ppo.launch.conf_files import conf_dir, groups


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


@pytest.mark.parametrize("text", ["mspacman", "ms_pacman", "ms-pacman", "Ms_Pacman", "'MS PACMAN'"])
def test_a_game_in_any_spelling_is_the_same_run(text):
    asked = parse(["-m", f"env={text},breakout"])
    assert [c.env for c in asked.configs] == ["MsPacman", "Breakout"]
    assert str(asked.configs[0].folder) == "runs/default/MsPacman/lambda=0/seed=0"
    with pytest.raises(ConfigError, match="MsPacman/lambda=0/seed=0 comes twice"):
        sweep.check_folders(parse(["-m", f"env={text},MsPacman"]).configs)


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


GRIDS = {
    # the last key varies fastest; a key given again keeps its place and has the later values
    "seed=0,1 lambda=0,0.5": [
        ("seed=0", "lambda=0"),
        ("seed=0", "lambda=0.5"),
        ("seed=1", "lambda=0"),
        ("seed=1", "lambda=0.5"),
    ],
    "seed=1 env=Pong seed=2,3": [("seed=2", "env=Pong"), ("seed=3", "env=Pong")],
    "": [()],
    # texts are as Hydra writes the values: quotes kept, numbers and booleans in Python's spelling
    "seed=range(3)": [("seed=0",), ("seed=1",), ("seed=2",)],
    "lambda=range(0,1,0.5)": [("lambda=0.0",), ("lambda=0.5",)],
    "seed=choice(2,1)": [("seed=2",), ("seed=1",)],
    "seed=sort(3,1,2)": [("seed=1",), ("seed=2",), ("seed=3",)],
    "name='a','b'": [("name='a'",), ("name='b'",)],
    'name="1e7",b': [('name="1e7"',), ("name=b",)],
    "total_steps=1e7,10_000": [("total_steps=10000000.0",), ("total_steps=10000",)],
    "wandb.tags=[a,b],[]": [("wandb.tags=[a,b]",), ("wandb.tags=[]",)],
    "ppo.clip_value_loss=true,False": [
        ("ppo.clip_value_loss=True",),
        ("ppo.clip_value_loss=False",),
    ],
    "wandb.entity=null": [("wandb.entity=null",)],
    "hydra.launcher.n_jobs=2 seed=1": [("hydra.launcher.n_jobs=2", "seed=1")],
}


@pytest.mark.parametrize("line", GRIDS)
def test_order_and_texts_of_a_grid(line):
    assert list(grid(overrides.parse(text) for text in line.split())) == GRIDS[line]


def test_a_grid_is_what_hydras_own_sweeper_makes():
    rng = random.Random(0)
    plain = ["0", "-0.5,1e3", "a,'b c',\"d\"", "[1,2],[]", "{a:1},{b:[x]}", "true,null", r"a\,b"]
    values = [*plain, "'a,b'", "range(4)", "range(0,1,0.25)", "choice(3,2,1)", "sort(b,a)"]
    for _ in range(200):
        keys = rng.choices(["seed", "lambda", "name", "env", "wandb.tags"], k=rng.randint(0, 4))
        given = [OverridesParser.create().parse_override(f"{k}={rng.choice(values)}") for k in keys]
        (points,) = BasicSweeper.split_arguments(given, None)
        assert list(grid(given)) == [tuple(point) for point in points]


RANGES = {
    # from the first to below the second, whatever the step, then sorted
    "seed=range(2,10,3)": "2 5 8",
    "seed=sort(range(2,10,3),reverse=true)": "8 5 2",
    "seed=sort(range(0,10,3),reverse=true)": "9 6 3 0",
    "seed=sort(range(10,2,-3))": "4 7 10",
    "seed=sort(range(10,2,-3),reverse=true)": "10 7 4",
    "seed=sort(range(3))": "0 1 2",
    # decimal fractions as they are typed
    "lambda=range(0,1,0.1)": "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9",
    "lambda=range(0.3,0.9,0.3)": "0.3 0.6",
    "lambda=sort(range(0,0.5,0.2),reverse=true)": "0.4 0.2 0.0",
    "lambda=range(0,3e-3,1e-3)": "0.0 0.001 0.002",
}


@pytest.mark.parametrize("text", RANGES)
def test_ranges_have_what_they_say_and_hydra_gets_it_listed(text):
    asked = parse(["-m", text])
    key, values = text.partition("=")[0], RANGES[text].split()
    there = [c.seed if key == "seed" else c.lambda_ for c in asked.configs]
    assert there == [float(value) for value in values]
    assert asked.overrides == [f"{key}={','.join(values)}"]


@pytest.mark.parametrize("text", ["seed=shuffle(range(20))", "seed=shuffle(0,1,2,3,4,5,6,7)"])
def test_what_is_shuffled_is_run_in_the_order_that_was_checked(text):
    asked = parse(["-m", text])
    seeds = [settings.seed for settings in asked.configs]
    assert sorted(seeds) == list(range(len(seeds)))
    assert asked.overrides == [f"seed={','.join(map(str, seeds))}"]


def test_a_sweep_has_ten_thousand_runs_at_most():
    def check(*texts: str) -> None:
        command_line._check_size([overrides.parse(text) for text in texts])

    check("seed=range(0,100)", "lambda=range(0,100)")
    with pytest.raises(ConfigError, match="gives 10,100 runs"):
        check("seed=range(0,101)", "lambda=range(0,100)")


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
    sweeper = find_spec("hydra_plugins.hydra_optuna_sweeper")
    assert known == {
        "engine": ["local", "serial"],
        "experiment": ["paper", "quick", "search", "smoke"],
        "ppo": ["annealed_clip", "study"],
        "protocol": ["baselines", "machado"],
        "regularizer": ["entropy", "target_entropy"],
    }
    for group, options in known.items():
        for option in options:
            if option != "search" or sweeper:
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
def test_a_broken_config_yaml_is_reported(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        config.read(path)
    assert len(str(raised.value).splitlines()) <= 3
    assert "config.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (0.0005, "0.0005"), (1e-7, "0.0000001"), (1.5, "1.5"), (100.0, "100")],
)
def test_numbers_in_paths_are_plain(number, text):
    assert plain(number) == text


def test_help_tells_each_key_with_its_default_its_meaning_and_what_it_may_be(capsys):
    asked = parse(["-m", "experiment=paper", "--help"])
    assert sweep.show(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    help_text = re.sub(r"\s+", " ", " ".join(lines))
    assert max(map(len, lines)) <= 80  # without a terminal
    for row in (
        "seed=0 Seed of the agent and of its games. [a whole number from 0 to 2,147,483,647]",
        "total_steps=10_000_000 Agent steps",
        "ppo.learning_rate=0.00025 Adam's learning rate",
        "is annealed. [a number above 0, at most 1] ppo.anneal_learning_rate=true Whether",
        "plain Nature CNN, entropy nan. [softmax, sigmoid, uniform, none] attention.maps=2",
        "wandb.entity=null User or team on W&B; null: your default. [null, or a name of",
        "wandb.tags=[] Tags on W&B. [a list such as [first,second]]",
        "experiment=quick Two games, the two ends of the study's range of lambda",
        "protocol=baselines The study's: NoFrameskip-v4 with the wrappers of OpenAI Baselines. [",
        "hydra.launcher.n_jobs=-1 With engine=local: runs at once. [from 1 to 1,024, or -1: one a",
    ):
        assert row in help_text


@pytest.mark.parametrize(
    ("columns", "longest"), [("1", 70), ("60", 70), ("100", 100), ("500", 100)]
)
def test_help_fits_the_terminal_where_words_allow(columns, longest, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    sweep.show(parse(["--help"]))
    lengths = [len(line) for line in capsys.readouterr().out.splitlines()]
    assert longest - 15 < max(lengths) <= max(longest, 80)  # 80: the examples


@pytest.mark.parametrize("key", schema.known_keys(config.RunConfig))
def test_every_key_has_a_meaning(key):
    meaning, _ = schema.meanings(config.RunConfig)[key]
    assert len(meaning) > 10
    assert meaning.endswith(".")


@dataclass
class HalfTold:
    told: bool
    """What it is."""
    untold: bool


def test_a_key_without_a_meaning_is_an_error():
    with pytest.raises(KeyError, match="untold"):
        schema.meanings(HalfTold)


@pytest.mark.parametrize("argv", [["--version"], ["-m", "seed=0,1", "--version"]])
def test_version(argv, capsys):
    assert sweep.show(parse(argv)) == 0
    assert re.fullmatch(r"attn_ppo \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_cfg_shows_a_sweeps_settings_without_what_it_varies():
    asked = parse(["-m", "experiment=quick", "ppo.gamma=0.9", "--cfg", "job"])
    assert asked.shows == ("--cfg", "job", "experiment=quick", "ppo.gamma=0.9")
