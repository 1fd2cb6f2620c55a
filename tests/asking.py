"""Asking for runs that are replaced by a note that they would have begun, and what must be told."""

from typing import NamedTuple

import pytest

from attn_ppo import train
from attn_ppo.launch import sweep

SECRETS = {"WANDB_API_KEY": "4f1c9a" * 7, "AWS_SECRET_ACCESS_KEY": "planted-8b2e"}


class Answer(NamedTuple):
    """What a command line came to."""

    code: int
    begun: bool  # runs would have begun, or Hydra would have shown something
    out: str
    err: list[str]


@pytest.fixture
def ask(in_empty_folder, monkeypatch, capsys):
    """Does what the arguments say, short of beginning a run, and checks what holds of them all."""
    begun = []
    for owner, name in ((train, "train"), (sweep, "run_all"), (sweep, "show")):
        monkeypatch.setattr(owner, name, lambda *_: begun.append(1) or 0)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def of(*arguments: str) -> Answer:
        begun.clear()
        code = train.main(arguments)
        out, err = capsys.readouterr()
        assert not any(secret in out + err for secret in SECRETS.values())
        assert list(in_empty_folder.iterdir()) == []
        return Answer(code, bool(begun), out, err.removesuffix("\n").split("\n") if err else [])

    return of


def check_told(answer: Answer) -> None:
    """Code 2 and two or three lines: what is wrong, what is allowed, the nearest name."""
    code, begun, out, lines = answer
    assert (code, begun, out) == (2, False, "")
    assert lines[0].startswith("error: ")
    assert lines[0].endswith(" is not allowed")
    assert lines[1].startswith("allowed: ")
    assert [line.partition(" ")[0] for line in lines[2:]] in ([], ["nearest:"])
    assert all(line.isprintable() and len(line) <= 510 for line in lines)
