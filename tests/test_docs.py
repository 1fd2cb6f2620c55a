"""The documents are true: links lead somewhere, commands and settings are as they are written."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from attn_ppo import config, schema
from attn_ppo.launch.command_line import parse

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
WEB = ("https://", "http://", "mailto:")


def prose(path: Path) -> str:
    """A document without its blocks of code, in which `#` begins a comment."""
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(path: Path) -> list[str]:
    """The targets of its links and pictures that are in this repository."""
    text = re.sub(r"`[^`\n]*`", "", prose(path))
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target for target in targets if not target.startswith(WEB)]


def anchor(heading: str) -> str:
    """What GitHub calls a heading in a link."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    broken = []
    for target in links(path):
        file, _, heading = target.partition("#")
        goal = path.parent / file if file else path
        if not goal.exists() or (heading and heading not in anchors(goal)):
            broken.append(target)
    assert not broken


def test_every_document_is_linked_from_the_readme():
    linked = {target.partition("#")[0] for target in links(ROOT / "README.md")}
    others = {str(path.relative_to(ROOT)) for path in DOCUMENTS} - {"README.md"}
    assert not others - linked


def test_anchors_are_githubs():
    assert anchor("2026-11-23 · A new user's walk") == "2026-11-23--a-new-users-walk"
    assert anchor("Weights & Biases") == "weights--biases"


def commands() -> list[str]:
    """The lines of the documents' blocks that are commands, without comments and prompts."""
    blocks = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
    text = "".join(block for path in DOCUMENTS for block in blocks.findall(path.read_text("utf-8")))
    lines = (line.partition("  #")[0].strip() for line in text.splitlines())
    return [line for line in dict.fromkeys(lines) if line.startswith(("python -m ", "make "))]


def test_there_are_commands():
    assert "python -m attn_ppo.train -m experiment=quick" in commands()
    assert "make demo" in commands()


@pytest.mark.parametrize("command", commands())
def test_commands_are_ones(command):
    first, *words = shlex.split(command)
    if first == "make":
        named = [word for word in words if "=" not in word]
        assert set(named) <= targets().keys()
        return
    module, arguments = words[1], words[2:]
    arguments = [word for word in arguments if not word.startswith("init_from=")]  # isn't here
    assert find_spec(module)
    if module == "attn_ppo.train":
        for engine in ("slurm", "ray"):
            if f"engine={engine}" in arguments:
                plugin = {"slurm": "submitit"}.get(engine, engine)
                pytest.importorskip(f"hydra_plugins.hydra_{plugin}_launcher")
        if "experiment=search" in arguments:
            pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
        assert parse(arguments)


def targets() -> dict[str, str]:
    """The Makefile's targets that are names for commands, with what `make help` says of them."""
    text = (ROOT / "Makefile").read_text("utf-8")
    (names,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    told = dict(re.findall(r"^([a-z-]+):[^#\n]*## (.*)$", text, re.MULTILINE))
    return {name: told.get(name, "") for name in names.split()}


@pytest.mark.parametrize("target", targets())
def test_make_help_tells_of_every_target(target):
    assert targets()[target]


def test_every_target_that_takes_runs_takes_run_as_well():
    """Not given to the command, RUN=... would be passed over, and the newest sweep drawn."""
    text = (ROOT / "Makefile").read_text("utf-8")
    recipes = re.findall(r"^\t.*\$\(.*\bRUNS?\).*$", text, re.MULTILINE)
    assert len(recipes) == 13
    for recipe in recipes:
        assert "$(or $(RUNS),$(RUN))" in recipe or "$(or $(RUN),$(RUNS))" in recipe


def test_defaults_in_the_table_of_settings():
    (settings,) = parse([]).configs
    defaults = {key: str(value) for key, value in schema.flatten(config.as_dict(settings)).items()}
    defaults |= {"lambda": "0", "diversity": "0", "total_steps": "10M"}
    defaults |= {"protocol": "baselines", "ppo": "study", "engine": "local"}
    defaults |= {"regularizer": "entropy", "init_from": "null"}
    _, _, below = prose(ROOT / "docs/configuration.md").partition("| default |\n")
    table = re.findall(r"^\| (`.*?) \|.*\| (.*) \|$", below.partition("\n\n")[0], re.MULTILINE)
    rows = [(re.findall("`(.*?)`", keys), told.split(", ")) for keys, told in table]
    assert len(rows) > 15
    for keys, told in rows:
        assert [defaults[key] for key in keys] == told


def test_the_demos_settings_are_told():
    (demo, *_), (default,) = parse(["-m", "experiment=smoke"]).configs, parse([]).configs
    assert (demo.ppo.learning_rate, default.ppo.learning_rate) == (1e-3, 2.5e-4)
    assert {c.lambda_ for c in parse(["-m", "experiment=smoke"]).configs} == {0, 0.05}
    text = " ".join(prose(ROOT / "README.md").split())
    assert "λ of 0.05 and a constant learning rate of 1e-3, four times the default" in text
    assert f"for {demo.total_steps:,} steps each" in text
