"""How our CPU kernels are built and kept: once, for the user alone, never half a library."""

import os
import pwd
import shutil
import tempfile

import pytest
from disk_order import noted

from attn_ppo.compute import building, kernels


@pytest.fixture
def fresh_library(monkeypatch, tmp_path):
    """As on a machine where nothing was built yet; returns the cache's folder.

    Without optimisation, which takes most of the compiler's time and is no matter here.
    """
    monkeypatch.setattr(building, "FLAGS", ["-O0", *building.FLAGS[1:]])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernels.library.cache_clear()
    yield tmp_path / "attn_ppo"
    kernels.library.cache_clear()


def test_built_once_for_the_user_alone(fresh_library, monkeypatch):
    kernels.library()
    built = list(fresh_library.iterdir())
    assert len(built) == 1
    assert fresh_library.stat().st_mode & 0o77 == 0
    kernels.library.cache_clear()
    monkeypatch.setattr(building, "_build", lambda *_: pytest.fail("built again"))
    assert kernels.library().block() in (16, 32)
    monkeypatch.setattr(building, "_processor", lambda: "another kind of machine")
    kernels.library.cache_clear()
    with pytest.raises(pytest.fail.Exception, match="built again"):
        kernels.library()


def test_one_cut_short_is_built_again(fresh_library):
    """Loading it would end the process with SIGBUS."""
    kernels.library()
    (built,) = fresh_library.iterdir()
    whole, identity = built.read_bytes(), kernels.fingerprint()
    for damaged in (whole[:20_000], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        built.unlink()  # this process has it mapped
        built.write_bytes(damaged)
        kernels.library.cache_clear()
        assert kernels.library().block() in (16, 32)
        assert built.read_bytes() == whole
        assert kernels.fingerprint() == identity
        assert list(fresh_library.iterdir()) == [built]


def test_on_the_disk_before_it_has_its_name(fresh_library, monkeypatch):
    done = noted(monkeypatch)
    kernels.library()
    (built,) = fresh_library.iterdir()
    assert done == ["fsync kernels.so", f"kernels.so -> {built.name}"]


def no_home(monkeypatch, tmp_path) -> None:  # noqa: ARG001
    monkeypatch.delenv("HOME", raising=False)  # and a user whom /etc/passwd doesn't know
    monkeypatch.setattr(pwd, "getpwuid", lambda _: {}[0])


def a_home_of_others(monkeypatch, tmp_path) -> None:
    (tmp_path / "home/.cache/attn_ppo").mkdir(parents=True)
    (tmp_path / "home/.cache/attn_ppo").chmod(0o777)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def a_file_for_a_home(monkeypatch, tmp_path) -> None:
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("fresh_library")
@pytest.mark.parametrize("home", [no_home, a_home_of_others, a_file_for_a_home])
def test_without_a_home_to_write_to(home, monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    home(monkeypatch, tmp_path)
    assert kernels.library().block() in (16, 32)
    folder = tmp_path / f"attn_ppo-{os.getuid()}"
    assert len(list(folder.glob("kernels-*.so"))) == 1
    assert folder.stat().st_mode & 0o77 == 0


def test_what_others_may_have_planted_is_not_loaded(fresh_library, monkeypatch, tmp_path):
    kernels.library()
    kernels.library.cache_clear()
    fresh_library.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"attn_ppo-{os.getuid()}").mkdir(mode=0o700)
    (tmp_path / f"attn_ppo-{os.getuid()}").chmod(0o777)
    with pytest.raises(kernels.KernelsUnavailable, match="this user alone"):
        kernels.library()


def test_without_a_compiler(fresh_library, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(kernels.KernelsUnavailable, match=r"no C\+\+ compiler"):
        kernels.library()
    assert not fresh_library.exists()


def test_a_compiler_that_fails_leaves_nothing(fresh_library, monkeypatch, tmp_path):
    broken = tmp_path / "broken.cpp"
    broken.write_text("int x = ;")
    monkeypatch.setattr(kernels, "SOURCE", broken)
    with pytest.raises(kernels.KernelsUnavailable, match=r"can't build the kernels: .*error"):
        kernels.library()
    assert list(fresh_library.iterdir()) == []


def test_a_header_that_changes_makes_another_library(fresh_library, tmp_path):
    copy = tmp_path / "native"
    shutil.copytree(kernels.SOURCE.parent, copy)
    first = building.built(copy / kernels.SOURCE.name)
    assert building.built(copy / kernels.SOURCE.name) == first
    with open(copy / "cells.h", "a") as file:
        file.write("// another line\n")
    assert building.built(copy / kernels.SOURCE.name) != first
    assert len(list(fresh_library.iterdir())) == 2
