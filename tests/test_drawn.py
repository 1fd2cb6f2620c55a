"""Figures are left as they are only while all that they are made from is the same, and they are."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_analysis_runs import FIRST, SECOND, write_run

from analysis import drawing, drawn, figures
from analysis.runs import read_runs
from attn_ppo.atari import reference_scores

ROOT = Path(__file__).parents[1]


@pytest.fixture
def draws(monkeypatch) -> list[dict]:
    """The options of each drawing, growing; two small files stand for the figures."""
    seen: list[dict] = []

    def make(_, out: Path, **options):
        seen.append(options)
        files = [out / "curves.png", out / "table.csv"]
        for file in files:
            file.write_text(f"{file.name} as always")
        return files

    monkeypatch.setattr(drawing, "make_figures", make)
    return seen


@pytest.fixture
def sweep(tmp_path, draws) -> Path:
    """Two runs whose figures were drawn, and are left as they are from then on."""
    for seed, rows in enumerate((FIRST, SECOND)):
        write_run(tmp_path, seed=seed, rows=rows, evaluation=(30, 0.5), scores=(20, 40))
        write_games(tmp_path, seed, 20)
    for _ in range(3):
        assert figures.main([str(tmp_path)]) == 0
    assert len(draws) == 1
    return tmp_path


def run_of(sweep: Path, seed: int = 0) -> Path:
    return sweep / f"Breakout/lambda=0/seed={seed}"


def write_games(sweep: Path, seed: int, score: int) -> None:
    games = f"env_steps,env_index,episode_return,episode_length\n10,0,{score},5\n"
    (run_of(sweep, seed) / "episodes.csv").write_text(games)


def test_what_is_left_as_it_is_is_told(sweep, capsys):
    os.utime(sweep / "figures/.figures.json", (0, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        drawn.time.tzset()
        assert figures.main([str(sweep)]) == 0
    drawn.time.tzset()
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{sweep}: 1 game, 1 lambda, 2 seeds, 2 runs, 2 finished",
        f"{sweep}/figures: nothing changed since 1970-01-01 00:00, left as they are "
        "(--redraw draws them again)",
    ]


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


CHANGES = {
    "a score": lambda s: edit(run_of(s) / "metrics.csv", "4,40,160,20,", "4,40,160,21,"),
    "the last digit": lambda s: edit(
        run_of(s) / "metrics.csv", "4,40,160,20,", "4,40,160,20.000000000000004,"
    ),
    "a score is gone": lambda s: edit(run_of(s) / "metrics.csv", "4,40,160,20,", "4,40,160,,"),
    "an update is gone": lambda s: edit(run_of(s) / "metrics.csv", "2,20,80,0,5,4,1.5\n", ""),
    "a game": lambda s: write_games(s, 1, 21),
    "the evaluation": lambda s: edit(run_of(s) / "evaluation.json", "30", "31"),
    "its games": lambda s: edit(run_of(s) / "evaluation.json", "[20, 40]", "[25, 35]"),
    "the state": lambda s: edit(run_of(s) / "status.json", "done", "failed"),
    "a setting": lambda s: edit(run_of(s) / "config.yaml", "clip_range: 0.2", "clip_range: 0.3"),
    "a seed": lambda s: edit(run_of(s, 1) / "config.yaml", "seed: 1", "seed: 5"),
    "a run more": lambda s: write_run(s, seed=2),
    "a run less": lambda s: (run_of(s) / "metrics.csv").unlink(),
    "a picture is gone": lambda s: (s / "figures/curves.png").unlink(),
    "a picture was edited": lambda s: (s / "figures/curves.png").write_text("curves.png as Always"),
    "a picture leads nowhere": lambda s: link_to_nothing(s / "figures/curves.png"),
    "the table was edited": lambda s: (s / "figures/table.csv").write_text(""),
    "the record is gone": lambda s: (s / "figures/.figures.json").unlink(),
}


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "moved.png")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_drawn(change, sweep, draws):
    CHANGES[change](sweep)
    for _ in range(2):
        assert figures.main([str(sweep)]) == 0
    assert len(draws) == 2  # and once is enough
    assert (sweep / "figures/curves.png").read_text() == "curves.png as always"
    assert (sweep / "figures/table.csv").read_text() == "table.csv as always"


@pytest.mark.parametrize(
    ("option", "means"),
    [
        (["--sd", "study"], {"ddof": 0}),
        (["--margin", "0.05"], {"margin": 0.05}),
        (["--format", "png"], {"kinds": ["png"]}),
        (["--format", "pdf,png"], {"kinds": ["pdf", "png"]}),
        (["--redraw"], {}),
    ],
)
def test_another_option_is_drawn(option, means, sweep, draws):
    usual = {"ddof": 1, "kinds": ["png", "pdf"], "margin": 0.1}
    assert figures.main([str(sweep), *option]) == 0
    assert draws == [usual, usual | means]
    assert figures.main([str(sweep)]) == 0
    assert len(draws) == (3 if means else 2)  # the usual ones aren't those that are there


@pytest.mark.parametrize("library", ["matplotlib", "seaborn", "pandas", "numpy", "pillow"])
def test_another_version_of_a_library_draws_anew(library, sweep, draws, monkeypatch):
    there = drawn.version
    monkeypatch.setattr(drawn, "version", lambda name: there(name) + "0" * (name == library))
    assert figures.main([str(sweep)]) == 0
    assert len(draws) == 2


def test_another_python_draws_anew(sweep, draws, monkeypatch):
    monkeypatch.setattr(drawn.platform, "python_version", lambda: "3.99.0")
    assert figures.main([str(sweep)]) == 0
    assert len(draws) == 2


def test_other_code_draws_anew(sweep, draws, monkeypatch):
    monkeypatch.setattr(drawn, "code", lambda: "another")
    assert figures.main([str(sweep)]) == 0
    assert len(draws) == 2


def test_all_our_code_and_tables_of_scores_count(tmp_path, monkeypatch):
    def found() -> str:
        drawn.code.cache_clear()
        return drawn.code(tmp_path)

    (tmp_path / "atari").mkdir()
    seen = {found()}
    for name, text in (
        ("panels.py", "A = 1"),
        ("panels.py", "A = 2"),
        ("atari/random_play.csv", "1"),
        ("atari/random_play.csv", "2"),
        ("other.py", ""),
    ):
        (tmp_path / name).write_text(text)
        seen.add(found())
    (tmp_path / "other.py").rename(tmp_path / "another.py")
    seen.add(found())
    assert len(seen) == 7  # none, five files, one renamed
    for folder in ("node_modules", "__pycache__"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").write_text("")
    assert found() in seen
    # without arguments: what figures are made by and held against
    read: set[Path] = set()
    digest = drawn._sha256
    monkeypatch.setattr(drawn, "_sha256", lambda path: read.add(path) or digest(path))
    drawn.code.cache_clear()
    drawn.code()
    drawn.code.cache_clear()
    ours = {"analysis/panels.py", "attn_ppo/formats.py", "attn_ppo/learning/own_runs.csv"}
    ours |= {str(reference_scores.RANDOM_FILE.relative_to(ROOT)), "analysis/report/answer.py"}
    assert ours <= {str(path.relative_to(ROOT)) for path in read}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"digest": 1}', '{"digest": "{}"}', "\0"]
)
def test_a_record_that_is_none_counts_for_nothing(text, sweep, draws):
    record = sweep / "figures/.figures.json"
    record.write_text(text.replace("{}", json.loads(record.read_text())["digest"]))
    assert figures.main([str(sweep)]) == 0
    assert len(draws) == 2


def test_columns_are_told_apart():
    tables = [
        pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}),
        pd.DataFrame({"b": [1.0, 2.0], "a": [3.0, 4.0]}),
        pd.DataFrame({"a": [1, 2], "b": [3.0, 4.0]}),
        pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]}),
        pd.DataFrame({"a": [0, 0]}),  # as many bytes of zeros
        pd.DataFrame({"a": [0.0, 0.0]}),
        pd.DataFrame({"a": ["1", "2"], "b": [3.0, 4.0]}),
        pd.DataFrame({"a": ["1", "3"], "b": [3.0, 4.0]}),
    ]
    texts = {b"".join(bytes(part) for part in drawn._bytes_of(table)) for table in tables}
    assert len(texts) == 8
    strided = pd.DataFrame(np.arange(6.0).reshape(3, 2), copy=False, columns=["a", "b"])
    parts = list(drawn._bytes_of(strided))
    taken = hashlib.sha256(parts[3]).digest()  # which takes no strides
    assert taken == hashlib.sha256(np.array([1.0, 3.0, 5.0]).data).digest()


def test_where_a_sweep_lies_does_not_matter(sweep, draws):
    assert figures.main([str(sweep), "--out", str(sweep / "figures")]) == 0
    runs = sweep / "Breakout"
    (sweep / "elsewhere").mkdir()
    runs.rename(sweep / "elsewhere/Breakout")
    assert figures.main([str(sweep / "elsewhere"), "--out", str(sweep / "figures")]) == 0
    assert len(draws) == 1


def test_what_another_process_writes_meanwhile_is_not_recorded_as_ours(tmp_path):
    def draw(own: Path) -> list[Path]:
        (own / "a.png").write_text("ours")
        (tmp_path / "a.png").write_text("theirs")
        return [own / "a.png"]

    assert drawn.write(tmp_path, "digest", draw) == [tmp_path / "a.png"]
    assert (tmp_path / "a.png").read_text() == "ours"
    assert drawn.since(tmp_path, "digest")
    assert drawn.since(tmp_path, "another") is None
    (tmp_path / "a.png").write_text("theirs")
    assert drawn.since(tmp_path, "digest") is None


def test_what_another_process_puts_in_its_place_at_once_is_not_ours_either(tmp_path, monkeypatch):
    replace = os.replace

    def beaten(source: Path, target: Path) -> None:
        replace(source, target)
        if target.suffix == ".png":
            target.write_text("theirs")

    def draw(own: Path) -> list[Path]:
        (own / "a.png").write_text("ours")
        return [own / "a.png"]

    monkeypatch.setattr(drawn.os, "replace", beaten)
    drawn.write(tmp_path, "digest", draw)
    assert drawn.since(tmp_path, "digest") is None


def test_a_drawing_that_fails_leaves_the_old_ones(sweep, draws, monkeypatch, capsys):
    def fail(_, out: Path, **__):
        (out / "curves.png").write_text("half")
        raise OSError(28, "No space left on device", "curves.png")

    before = sorted(os.listdir(sweep / "figures"))
    with monkeypatch.context() as patch:
        patch.setattr(drawing, "make_figures", fail)
        assert figures.main([str(sweep), "--sd", "study"]) == 4
    assert "No space left" in capsys.readouterr().err
    assert sorted(os.listdir(sweep / "figures")) == before
    assert figures.main([str(sweep)]) == 0
    assert len(draws) == 1


def test_nothing_that_draws_is_imported_where_nothing_is_drawn(tmp_path):
    write_run(tmp_path)
    heavy = ("matplotlib", "seaborn", "scipy", "torch", "wandb")
    code = f"""
import sys
from analysis import drawn, figures, sources
_, runs, _ = sources.read({str(tmp_path)!r})
from pathlib import Path
options = dict(ddof=1, kinds=["png", "pdf"], margin=0.1)
drawn.write(Path({str(tmp_path)!r}) / "figures", drawn.digest_of(runs, **options), lambda _: [])
assert figures.main([{str(tmp_path)!r}]) == 0
print([name for name in {heavy} if name in sys.modules])
"""
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    here.pop("MPLBACKEND", None)
    done = subprocess.run([sys.executable, "-c", code], env=here, capture_output=True, text=True)
    assert done.stderr == ""
    assert "nothing changed since" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_another_process_gives_the_same_digest(tmp_path):
    write_run(tmp_path, evaluation=(30, 0.5), scores=(1, 2))
    read = f"runs.read_runs({str(tmp_path)!r})[0]"
    code = f"from analysis import drawn, runs; print(drawn.digest_of({read}))"
    here = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5"}
    done = subprocess.run([sys.executable, "-c", code], env=here, capture_output=True, text=True)
    assert done.stdout.strip() == drawn.digest_of(read_runs(tmp_path)[0])
