"""A user's own files of settings beside ours: found, composed, swept, and refused with a line."""

import random
import re
from pathlib import Path

import pytest
from dry_run import check_refused

from attn_ppo.errors import ConfigError
from attn_ppo.launch import conf_files
from attn_ppo.launch.command_line import parse

pytest_plugins = "dry_run"

EXPERIMENT = """# @package _global_
# Is it the clip range?
defaults:
  - override /ppo: mine
name: clip-${attention.gate}
total_steps: 64
hydra:
  sweeper:
    params:
      ppo.clip_range: 0.1,0.2
      attention.gate: softmax,none
"""
PPO = """defaults: [study]
num_envs: 2
num_steps: 16
vf_coef: 0.4
"""


@pytest.fixture
def own(in_empty_folder):
    """conf/ in the working folder, with an experiment and what it builds on."""
    write("conf/experiment/clip.yaml", EXPERIMENT)
    write("conf/ppo/mine.yaml", PPO)
    return in_empty_folder / "conf"


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def test_an_experiment_of_ones_own_in_the_working_folder(own):
    asked = parse(["-m", "experiment=clip"])
    assert asked.own == own
    first, *_, last = asked.configs
    assert len(asked.configs) == 4
    assert (first.ppo.num_envs, first.ppo.vf_coef, first.ppo.gamma) == (2, 0.4, 0.99)
    level = "attention.gate=softmax,ppo.clip_range=0.1"
    assert first.folder == Path("runs/clip-softmax/Breakout", level, "lambda=0/seed=0")
    level = "attention.gate=none,ppo.clip_range=0.2"
    assert last.folder == Path("runs/clip-none/Breakout", level, "lambda=0/seed=0")


def test_a_folder_that_is_named(own):
    own.rename("mine")
    with pytest.raises(ConfigError, match="experiment=clip is not allowed"):
        parse(["-m", "experiment=clip"])
    for flag in ("--config-dir", "-cd"):
        asked = parse(["-m", "experiment=clip", flag, "mine", "seed=0,1"])
        assert (asked.own, len(asked.configs)) == (Path("mine").absolute(), 8)


@pytest.mark.usefixtures("own")
def test_a_group_with_ones_own_options_can_be_swept():
    asked = parse(["-m", "ppo=glob(*)", "total_steps=1024"])
    levels = [config.folder.parts[-3] for config in asked.configs]
    assert levels == ["ppo=annealed_clip", "ppo=mine", "ppo=study"]
    assert [config.ppo.vf_coef for config in asked.configs] == [0.5, 0.4, 0.5]


@pytest.mark.usefixtures("in_empty_folder")
def test_a_folder_of_other_things_is_not_ours():
    write("conf/config.yaml", "model: big\n")
    write("conf/model/big.yaml", "layers: 3\n")
    assert parse([]).own is None


def test_our_own_folder_is_no_other(monkeypatch):
    monkeypatch.chdir(conf_files.conf_dir().parent)
    assert parse([]).own is None
    assert parse(["--config-dir", "conf"]).own is None


FAULTS = {
    # what stands in place of what in which file: what is said of it
    ("ppo/mine", "vf_coef: 0.4", "vf_cof: 0.4"): [
        "ppo.vf_cof=0.4 has an unknown key (conf/ppo/mine.yaml:4)",
        "nearest: ppo.vf_coef",
    ],
    ("ppo/mine", "vf_coef: 0.4", "vf_coef: -1"): [
        "ppo.vf_coef=-1 is not allowed (conf/ppo/mine.yaml:4)",
        "allowed: a number from 0 to 100",
    ],
    ("ppo/mine", "vf_coef: 0.4", "vf_coef: [1"): ["conf/ppo/mine.yaml:5 can't be read"],
    ("ppo/mine", "vf_coef: 0.4", "vf_coef: ${oc.env:WANDB_API_KEY}"): [
        "ppo.vf_coef=${...} is not allowed (conf/ppo/mine.yaml:4)"
    ],
    ("ppo/mine", "vf_coef: 0.4", "_target_: os.system"): [
        "ppo._target_=os.system is not allowed (conf/ppo/mine.yaml:4)"
    ],
    ("ppo/mine", "defaults:", "# @package hydra.callbacks\ndefaults:"): [
        "conf/ppo/mine.yaml has another @package"
    ],
    ("ppo/mine", "[study]", "[studdy]"): [
        "ppo=studdy is not allowed (conf/ppo/mine.yaml)",
        "nearest: study",
    ],
    ("ppo/mine", "[study]", "['${oc.env:WANDB_API_KEY}']"): ["is not allowed (conf/ppo/mine.yaml)"],
    ("ppo/mine", "defaults: [study]\n", ""): [
        "ppo.num_epochs is missing",
        "or those of ours first: defaults: [<option>]",
    ],
    ("ppo/mine", PPO, "- 1\n"): ["conf/ppo/mine.yaml has no settings in it"],
    ("experiment/clip", "# @package _global_\n", ""): [
        "conf/experiment/clip.yaml lacks its first line",
        "# @package _global_",
    ],
    ("experiment/clip", "total_steps: 64", "totl_steps: 64"): [
        "totl_steps=64 has an unknown key (conf/experiment/clip.yaml:6)",
        "nearest: total_steps",
    ],
    ("experiment/clip", "name: clip-${attention.gate}", "name: ${name}"): [
        "name=${name} is not allowed (conf/experiment/clip.yaml:5)",
        "in a circle",
    ],
    ("experiment/clip", "ppo.clip_range: 0.1,0.2", "ppo.clip_rage: 0.1,0.2"): [
        "ppo.clip_rage=0.1,0.2 has an unknown key (conf/experiment/clip.yaml:10)",
        "nearest: ppo.clip_range",
    ],
    ("experiment/clip", "0.1,0.2", "0.1,abc"): [
        "ppo.clip_range=abc is not allowed (conf/experiment/clip.yaml:10)"
    ],
    ("experiment/clip", "  sweeper:", "  callbacks:"): [
        "hydra.callbacks.params.ppo.clip_range=0.1,0.2 is not allowed",
        "hydra.launcher or hydra.sweeper",
    ],
    ("experiment/clip", "override /ppo: mine", "override /hydra/callbacks: x"): [
        "defaults=override /hydra/callbacks x is not allowed (conf/experiment/clip.yaml)"
    ],
    ("experiment/clip", "override /ppo: mine", "override /ppo: main"): [
        "ppo=main is not allowed (conf/experiment/clip.yaml)",
        "nearest: mine",
    ],
    ("experiment/clip", "override /ppo: mine", "/ppo: mine"): [
        "defaults=/ppo: mine is not allowed (conf/experiment/clip.yaml)",
        "allowed: override /ppo: mine",
    ],
    ("experiment/clip", "override /ppo: mine", "ppo: mine"): ["allowed: override /ppo: mine"],
    ("experiment/clip", "total_steps: 64", "name: twice"): [
        "conf/experiment/clip.yaml:6 can't be read (found duplicate key name)"
    ],
    ("experiment/clip", "total_steps: 64", "ppo.vf_coef: 0.4"): [
        "ppo.vf_coef=0.4 is not nested (conf/experiment/clip.yaml:6)",
        "allowed: ppo: {vf_coef: 0.4}",
    ],
    ("experiment/clip", "    params:", "    param:"): [
        "hydra.sweeper.param is not allowed (conf/experiment/clip.yaml:9)",
        "allowed: what the launcher or the sweeper takes (Key 'param' not in",
    ],
    ("experiment/clip", "0.1,0.2", "[0.1, 0.2]"): [
        "ppo.clip_range=[0.1, 0.2] is not allowed (conf/experiment/clip.yaml:10)",
        "allowed: values with commas between, without brackets: 0.1,0.2",
    ],
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[2][:30].strip())
def test_a_mistake_in_a_file_is_told_with_its_line(fault, own, monkeypatch, capsys):
    name, text, wrong = fault
    file = own / f"{name}.yaml"
    before = file.read_text()
    assert text in before
    file.write_text(before.replace(text, wrong))
    monkeypatch.setenv("WANDB_API_KEY", "planted-4f1c")
    with pytest.raises(ConfigError) as error:
        parse(["-m", "experiment=clip"])
    for part in FAULTS[fault]:
        assert part in str(error.value)
    assert len(str(error.value).splitlines()) <= 3
    assert "planted" not in str(error.value) + "".join(capsys.readouterr())


def test_a_file_may_not_stand_for_one_of_ours(own):
    (own / "ppo/study.yaml").write_text(PPO.replace("[study]", "[]"))
    with pytest.raises(ConfigError, match="ppo=study has other values than our option") as error:
        parse([])
    assert "a name that conf/ppo/ doesn't have yet" in str(error.value)
    assert parse(["ppo=annealed_clip"]).configs  # where it isn't used, it does no harm
    ours = conf_files.conf_dir() / "ppo/study.yaml"
    (own / "ppo/study.yaml").write_bytes(ours.read_bytes())  # the same: whichever is taken
    assert parse([]).configs


def test_settings_of_a_launcher_in_a_file(own):
    text = EXPERIMENT.replace("hydra:", "hydra:\n  launcher:\n    n_jobs: 3")
    (own / "experiment/clip.yaml").write_text(text)
    assert parse(["-m", "experiment=clip"]).jobs_at_once == 3


@pytest.mark.usefixtures("in_empty_folder")
def test_the_examples_in_the_documents():
    text = (Path(__file__).parents[1] / "docs/configuration.md").read_text("utf-8")
    experiment, ppo = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    write("conf/experiment/clip.yaml", experiment)
    write("conf/ppo/long.yaml", ppo)
    configs = parse(["-m", "experiment=clip", "ppo=long"]).configs
    assert len(configs) == 12
    assert {c.total_steps for c in configs} == {1_000_000}
    assert {c.ppo.num_steps for c in configs} == {256}
    assert {c.ppo.clip_range for c in configs} == {0.1, 0.2}


def test_help_lists_ones_own_options(own):
    from attn_ppo.launch import usage

    assert "experiment=clip                Is it the clip range?" in usage.text(80, own)


def test_the_folder_of_the_command_line_isnt_created(dry_run):
    outcome = dry_run("--config-dir", "nowhere/mine", "seed=1")
    check_refused(outcome)
    assert outcome.err[0] == "error: --config-dir=nowhere/mine isn't a folder"


SCRAPS = [
    *("", "# @package _global_", "# @package x", "- 1", "a: b: c", "\t", "{", "!!python/none"),
    *("defaults: study", "defaults: [study]", "defaults: [mine]", "defaults:\n  - ppo: x"),
    *("defaults:\n  - override /ppo: mine", "defaults:\n  - override /hydra/launcher: basic"),
    *("defaults:\n  - /ppo@x: study", "defaults: {a: b}", "defaults: [null, 1, [x]]"),
    *("gamma: 0.9", "gamma: x", "gamma:", "gamma: {a: 1}", "gamm: 1", "1: 2", "? [a]\n: 1"),
    *("seed: 1", "lambda: '${seed}'", "name: '${oc.env:WANDB_API_KEY}'", "ppo: {gamma: 0.9}"),
    *("ppo: 1", "ppo: {_target_: os.system}", "hydra: 1", "hydra: {run: {dir: /x}}"),
    *("hydra: {sweeper: {params: {seed: '0,1'}}}", "hydra: {sweeper: {params: {seed: [0, 1]}}}"),
    *("hydra: {sweeper: {params: {sed: 0}}}", "hydra: {sweeper: {params: 3}}", "env: Pong"),
    *("hydra: {launcher: {n_jobs: 2}}", "hydra: {launcher: {nope: 2}}", "root: /nowhere/x"),
    *("axes: [ppo]", "axes: 3", "wandb: {tags: [a]}", "\x00", "é: 1", "x: *y", "a: &b [*b]"),
]


@pytest.mark.parametrize(
    ("count", "seed"), [(150, 20261126), pytest.param(500, 20261127, marks=pytest.mark.slow)]
)
def test_whatever_a_file_holds_runs_or_is_refused(count, seed, own, monkeypatch):
    rng, codes, said = random.Random(seed), [], []
    monkeypatch.setenv("WANDB_API_KEY", "planted-4f1c")
    for number in range(count):
        folder = own.with_name(f"own{number}")  # composed settings are kept by their names
        for name in ("experiment/clip", "ppo/mine"):
            lines = rng.sample(SCRAPS, rng.choice([1, 1, 2, 3]))
            head = ["# @package _global_"] if name[0] == "e" and rng.random() < 0.8 else []
            text = "\n".join([*head, *lines])
            write(f"{folder}/{name}.yaml", text)
        asked = ["-m", "experiment=clip", *rng.choice([[], ["ppo=mine"]]), "-cd", str(folder)]
        try:
            parse(asked)
            codes.append(0)
        except ConfigError as error:
            codes.append(2)
            said.append(str(error))
        except BaseException as error:
            files = {file.name: file.read_text() for file in folder.rglob("*.yaml")}
            error.add_note(f"asked: {asked} of {files!r}")
            raise
    assert count / 50 < codes.count(0) < count / 2
    assert max(len(text.splitlines()) for text in said) <= 3
    assert not any("planted" in text for text in said)
