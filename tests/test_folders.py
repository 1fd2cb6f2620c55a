"""A mistyped folder: every command that takes runs names the one that was most likely meant."""

import importlib
from pathlib import Path

import pytest

from attn_ppo.folders import nearest_folder

TAKE_RUNS = (  # and a folder each that is mistyped
    ("attn_ppo.status", ["runs/dmeo"], "runs/demo"),
    ("attn_ppo.evaluate", ["runs/demo/Braekout/seed=0"], "runs/demo/Breakout/seed=0"),
    ("attn_ppo.train", ["env=Breakout", "init_from=runs/dmeo"], "runs/demo"),
    *(
        (f"analysis.{name}", ["runs/dmeo"], "runs/demo")
        for name in ("figures", "tables", "claims", "report", "page", "videos", "believe")
    ),
    *(
        (f"analysis.{name}", ["runs/dmeo"], "runs/demo")
        for name in ("stress", "dashboard", "aggregates", "sync", "own_runs", "flag_rates")
    ),
    ("analysis.ball_in_box", ["runs/demo/Breakout/sed=0"], "runs/demo/Breakout/seed=0"),
)


@pytest.fixture
def there(in_empty_folder) -> Path:
    for path in ("runs/demo/Breakout/seed=0", "runs/.demo", "results/study", "docs"):
        (in_empty_folder / path).mkdir(parents=True)
    (in_empty_folder / "results/studio").write_text("a file")
    return in_empty_folder


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("results/stduy", "results/study"),
        ("resluts/stduy", "results/study"),
        ("demo", "runs/demo"),  # below where runs are
        ("dmo", "runs/demo"),
        ("run/demo/breakout", "runs/demo/Breakout"),
        ("runs/demo/Breakout/seed=1", "runs/demo/Breakout/seed=0"),
        ("results/study", None),  # it is there
        ("results/other", None),
        ("runs/demo/Breakout/lambda=0/x", None),
        ("\0", None),
        ("a" * 5_000, None),
    ],
)
def test_the_nearest_folder(given, meant):
    found = nearest_folder(Path(given), Path("runs"))
    assert (found and str(found)) == meant


def test_the_nearest_of_a_whole_path(there):
    assert nearest_folder(there / "runs/dem", Path("runs")) == there / "runs/demo"


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(("command", "given", "meant"), TAKE_RUNS, ids=[c for c, *_ in TAKE_RUNS])
def test_every_command_that_takes_runs_names_it(command, given, meant, monkeypatch, capsys):
    monkeypatch.delenv("ATTN_PPO_ROOT", raising=False)
    module = "analysis.report.__main__" if command == "analysis.report" else command
    assert importlib.import_module(module).main(given) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("allowed: ")
    assert third == f"nearest: {meant}"
