"""Command lines as `train.main` takes them, with a note in place of the runs that would begin."""

import re
from typing import NamedTuple

import pytest

from attn_ppo import train
from attn_ppo.launch import sweep

WRONG = (
    " (is not allowed|can't be parsed|is too long"
    "|has an unknown key|is not of the form key=value|is not a flag|has no value"
    "|isn't there|has no usable config.yaml: .*|has no whole checkpoint|is no checkpoint in .*"
    "|has several values|matches none|isn't a folder|can't be made: .*"
    "|can't be searched over|has nothing to vary|can't be set"
    "|is a sweep, not one run|gives [0-9,]+ runs|comes after [a-z]+=[a-z_]+"
    "|is less than one update|is not on this machine"
    "|needs a (launcher|sweeper) that isn't installed"
    "|can't be composed .*|comes twice|has all settings of .*"
    "|would be shared by runs that differ in [a-z_., ]+"
    "|ignored explicit argument .*)$"
)
SECRETS = {"WANDB_API_KEY": "4f1c9a" * 7, "AWS_SECRET_ACCESS_KEY": "planted-8b2e"}


class Outcome(NamedTuple):
    """What a command line did and printed."""

    code: int
    begun: bool  # runs would have begun, or Hydra would have shown something
    out: str
    err: list[str]


@pytest.fixture
def dry_run(in_empty_folder, monkeypatch, capsys):
    """Does what the arguments say but for the runs; checks that no secret and no file is left."""
    begun = []
    for owner, name in ((train, "train"), (sweep, "run_all"), (sweep, "show")):
        monkeypatch.setattr(owner, name, lambda *_: begun.append(1) or 0)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def of(*arguments: str) -> Outcome:
        begun.clear()
        code = train.main(arguments)
        out, err = capsys.readouterr()
        assert not any(secret in out + err for secret in SECRETS.values())
        assert list(in_empty_folder.iterdir()) == []
        return Outcome(code, bool(begun), out, err.removesuffix("\n").split("\n") if err else [])

    return of


def check_refused(outcome: Outcome) -> None:
    """Code 2 and two or three lines: what is wrong, what is allowed, the nearest name.

    What is wrong comes after the key and the value, in words that people read.
    """
    code, begun, out, lines = outcome
    assert (code, begun, out) == (2, False, "")
    assert lines[0].startswith("error: ")
    assert re.search(WRONG, lines[0]), lines[0]
    assert lines[1].startswith("allowed: ")
    assert [line.partition(" ")[0] for line in lines[2:]] in ([], ["nearest:"])
    assert all(line.isprintable() and len(line) <= 510 for line in lines)
