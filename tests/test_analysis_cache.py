"""Tables that were read before: what was kept of a CSV counts only while the CSV is the same."""

import errno
import math
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import write_sweep

from analysis import cache, files
from analysis.runs import read_runs

REQUIRED = ("env_steps",)
TICK = 0.02  # s, longer than the ticks of a local file system's clock


@pytest.fixture(autouse=True)
def every_table_is_kept(monkeypatch):
    """Small ones and such that have just been written, too."""
    monkeypatch.setattr(cache, "SMALLEST", 1)
    monkeypatch.setattr(cache, "AT_REST", -1)


@pytest.fixture
def parsed(monkeypatch) -> list[str]:
    """The names of the CSVs that were parsed, growing."""
    names: list[str] = []
    parse = files.read_table

    def counted(path: Path, required: tuple[str, ...]):
        names.append(path.name)
        return parse(path, required)

    monkeypatch.setattr(files, "read_table", counted)
    return names


def write(path: Path, *scores: float | str) -> None:
    """A row of 10, 20, ... steps for each score."""
    rows = "".join(f"{10 * row},{score}\n" for row, score in enumerate(scores, 1))
    path.write_text("env_steps,score\n" + rows)


def scores(path: Path) -> list[float]:
    return cache.read_table(path, REQUIRED)[0]["score"].tolist()


def test_a_table_is_parsed_once(tmp_path, parsed):
    write(tmp_path / "metrics.csv", 1.5, 2)
    assert [scores(tmp_path / "metrics.csv") for _ in range(3)] == [[1.5, 2]] * 3
    assert parsed == ["metrics.csv"]
    assert sorted(os.listdir(tmp_path)) == [".metrics.parquet", "metrics.csv"]


def test_tables_of_one_folder_are_kept_apart(tmp_path, parsed):
    for name, score in (("metrics.csv", 1), ("episodes.csv", 2)):
        write(tmp_path / name, score)
    read = [scores(tmp_path / name) for name in ("metrics.csv", "episodes.csv") * 2]
    assert read == [[1], [2], [1], [2]]
    assert parsed == ["metrics.csv", "episodes.csv"]


def test_what_is_kept_is_what_was_parsed_to_the_last_bit(tmp_path):
    odd = ["nan", "", "-0.0", "inf", "-inf", "5e-324", "0.1", "0.30000000000000004"]
    path = tmp_path / "metrics.csv"
    path.write_text(
        "env_steps,count,score,nothing\n"
        + "".join(f"{row},{2**53 + 1},{score},\n" for row, score in enumerate(odd))
    )
    fresh, _ = files.read_table(path, REQUIRED)
    cache.read_table(path, REQUIRED)
    kept, torn = cache.read_table(path, REQUIRED)
    pd.testing.assert_frame_equal(kept, fresh, check_exact=True)
    assert not torn
    assert kept["count"].tolist() == [9_007_199_254_740_993] * 8  # no float
    assert math.copysign(1, kept["score"].tolist()[2]) == -1
    assert kept["score"].tolist()[5] == 5e-324


def test_only_the_columns_asked_for_are_read(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("update,env_steps,score,loss\n1,10,5,0.5\n")
    for _ in range(2):  # parsed, and kept
        table, _ = cache.read_table(path, REQUIRED, ("score", "unknown", "update"))
        assert table.to_dict("list") == {"update": [1], "env_steps": [10], "score": [5]}
    assert list(cache.read_table(path, REQUIRED)[0]) == ["update", "env_steps", "score", "loss"]


def rewritten(path: Path) -> None:
    write(path, 1, 3)


def rewritten_with_its_old_time(path: Path) -> None:
    before = path.stat()
    write(path, 1, 3)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced_with_its_old_time(path: Path) -> None:
    shutil.copystat(path, path.with_name("other"))
    os.replace(path.with_name("other"), path)


def cut_back_and_written_anew(path: Path) -> None:
    with open(path, "r+") as file:
        file.truncate(len("env_steps,score\n10,1\n"))
        file.seek(0, os.SEEK_END)
        file.write("20,3\n")


CHANGES = {
    change.__name__: change
    for change in (
        rewritten,
        rewritten_with_its_old_time,
        replaced_with_its_old_time,
        cut_back_and_written_anew,
    )
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_table_of_equal_size_is_read_anew(tmp_path, change):
    path = tmp_path / "metrics.csv"
    write(path, 1, 2)
    write(tmp_path / "other", 1, 3)
    assert scores(path) == scores(path) == [1, 2]
    time.sleep(TICK)
    CHANGES[change](path)
    assert [scores(path) for _ in range(2)] == [[1, 3], [1, 3]]


def test_what_is_appended_is_read(tmp_path):
    path = tmp_path / "metrics.csv"
    write(path, 1)
    assert scores(path) == [1]
    for text, read, is_torn in (("20,2\n", [1, 2], False), ("30", [1, 2], True)):
        path.write_text(path.read_text() + text)
        for _ in range(2):
            table, torn = cache.read_table(path, REQUIRED)
            assert (table["score"].tolist(), torn) == (read, is_torn)


def test_a_table_that_has_just_been_written_is_not_kept(tmp_path, monkeypatch, parsed):
    """Within a tick of the clock it could be written again, and look the same."""
    monkeypatch.setattr(cache, "AT_REST", 10**9)
    path = tmp_path / "metrics.csv"
    write(path, 1, 2)
    same = path.stat()
    monkeypatch.setattr(cache, "_identity", lambda _: (same.st_size, 1, same.st_mtime_ns, 0))
    assert scores(path) == [1, 2]
    write(path, 1, 3)  # the clock of this file system stands still
    assert scores(path) == [1, 3]
    assert parsed == ["metrics.csv"] * 2
    monkeypatch.setattr(cache, "AT_REST", -1)
    assert scores(path) == [1, 3]
    write(path, 1, 4)
    assert scores(path) == [1, 3]  # which is what AT_REST is against


def test_a_table_that_grows_while_it_is_read_is_not_kept(tmp_path, monkeypatch):
    path = tmp_path / "metrics.csv"
    write(path, 1)
    parse = files.read_table

    def slowly(*given):
        read = parse(*given)
        time.sleep(TICK)
        write(path, 1, 2)
        return read

    monkeypatch.setattr(files, "read_table", slowly)
    assert scores(path) == [1]
    monkeypatch.setattr(files, "read_table", parse)
    assert scores(path) == [1, 2]


def test_what_other_code_kept_is_not_used(tmp_path, monkeypatch, parsed):
    path = tmp_path / "metrics.csv"
    write(path, 1)
    assert scores(path) == [1]
    monkeypatch.setattr(cache, "CODE", "another")
    assert [scores(path) for _ in range(2)] == [[1], [1]]
    assert parsed == ["metrics.csv"] * 2


def test_a_small_table_is_not_kept(tmp_path, monkeypatch):
    path = tmp_path / "metrics.csv"
    write(path, 1)  # 16 + 5 bytes
    for smallest, there in ((22, [path.name]), (21, [".metrics.parquet", path.name])):
        monkeypatch.setattr(cache, "SMALLEST", smallest)
        assert scores(path) == [1]
        assert sorted(os.listdir(tmp_path)) == there


def test_a_column_that_is_lacking_is_told_also_of_what_was_kept(tmp_path):
    path = tmp_path / "metrics.csv"
    write(path, 1)
    cache.read_table(path, REQUIRED)
    with pytest.raises(ValueError, match=r"metrics\.csv lacks the column loss"):
        cache.read_table(path, ("env_steps", "loss"))


def test_a_damaged_table_is_read_anew(tmp_path, parsed):
    path = tmp_path / "metrics.csv"
    write(path, *range(100))
    fresh = scores(path)
    kept = cache.kept_path(path).read_bytes()
    rng = np.random.default_rng(0)
    damaged = [kept[:size] for size in (0, 1, len(kept) // 2, len(kept) - 1)]
    damaged += [b"\0" * len(kept), kept + kept[:40], b"PAR1" * 20]
    for at in rng.integers(0, len(kept), 100):
        damaged.append(kept[:at] + bytes([kept[at] ^ 1 << rng.integers(8)]) + kept[at + 1 :])
    for content in damaged:
        cache.kept_path(path).write_bytes(content)
        assert scores(path) == fresh
    assert len(parsed) > 7
    cache.kept_path(path).unlink()
    cache.kept_path(path).mkdir()
    assert scores(path) == fresh


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("where", ["open", "write", "replace"])
def test_a_disk_that_takes_nothing_costs_no_more_than_reading_anew(
    tmp_path, monkeypatch, where, code
):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    path = tmp_path / "metrics.csv"
    write(path, 1, 2)
    if where == "open":

        def opened(file, mode):
            return refuse() if "x" in mode else open(file, mode)

        monkeypatch.setattr(cache, "open", opened, raising=False)
    else:
        owner, name = (cache.os, "replace") if where == "replace" else (cache, "_as_parquet")
        monkeypatch.setattr(owner, name, refuse)
    assert [scores(path) for _ in range(2)] == [[1, 2], [1, 2]]
    assert os.listdir(tmp_path) == ["metrics.csv"]


def test_several_may_read_at_once(tmp_path):
    path = tmp_path / "metrics.csv"
    write(path, *range(2_000))
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            assert list(pool.map(scores, [path] * 16)) == [list(range(2_000))] * 16
            cache.kept_path(path).unlink()
    assert os.listdir(tmp_path) == ["metrics.csv"]


def test_a_sweep_is_the_same_from_what_was_kept(tmp_path, parsed):
    write_sweep(
        tmp_path / "sweep",
        games=2,
        lambdas=2,
        seeds=3,
        updates=50,
        torn=1,
        failed=1,
        twice=2,
        unfinished=1,
        others=1,
    )
    first, problems = read_runs(tmp_path / "sweep")
    assert len(parsed) == 26  # two tables of 13 runs
    second, again = read_runs(tmp_path / "sweep")
    assert len(parsed) == 26
    assert again == problems
    assert len(first) == 13
    for run, same in zip(first, second, strict=True):
        assert (run.folder, run.variant, run.evaluation) == (
            same.folder,
            same.variant,
            same.evaluation,
        )
        pd.testing.assert_frame_equal(run.metrics, same.metrics, check_exact=True)
        pd.testing.assert_frame_equal(run.episodes, same.episodes, check_exact=True)
