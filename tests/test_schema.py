"""What every command and room shares: a name of a set, a whole number, names read from a file."""

import subprocess
import sys
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from attn_ppo.errors import ConfigError
from attn_ppo.schema import Range, check_choice, check_whole, names_in

ROOT = Path(__file__).parent.parent

FRUIT = {"apple": 1, "pear": 2}


def test_a_choice_comes_back():
    assert check_choice("fruit", "pear", FRUIT) == "pear"


def test_an_unknown_choice_is_reported_with_the_allowed_and_the_nearest():
    with pytest.raises(ConfigError) as raised:
        check_choice("fruit", "aple", FRUIT)
    assert str(raised.value) == (
        "error: fruit=aple is not allowed\nallowed: apple, pear\nnearest: apple"
    )


def test_a_long_list_may_be_described():
    with pytest.raises(ConfigError) as raised:
        check_choice("fruit", "xxxx", FRUIT, allowed="a fruit, such as apple")
    assert str(raised.value) == "error: fruit=xxxx is not allowed\nallowed: a fruit, such as apple"


@pytest.mark.parametrize("value", [None, 1, ["apple"], b"apple"])
def test_what_is_no_text_is_no_choice(value):
    with pytest.raises(ConfigError):
        check_choice("fruit", value, FRUIT)


@pytest.mark.parametrize("value", [1, 16, np.int64(16), np.uint8(1)])
def test_a_whole_number_comes_back_as_an_int(value):
    number = check_whole("n", value, Range(1, 16))
    assert number == int(value)
    assert type(number) is int


@pytest.mark.parametrize("value", [0, 17, True, 1.0, "3", None, np.float32(2), np.bool_(True)])
def test_anything_else_is_no_whole_number(value):
    with pytest.raises(ConfigError) as raised:
        check_whole("n", value, Range(1, 16))
    assert str(raised.value) == (
        f"error: n={value} is not allowed\nallowed: a whole number from 1 to 16"
    )


def test_names_are_read_from_a_file_that_is_not_run(tmp_path):
    file = tmp_path / "fruit.py"
    file.write_text('raise SystemExit\nSIZES = {"x": 1}\nFRUIT = {"apple": f, "pear": g.h}\n')
    assert names_in(file, "FRUIT") == ("apple", "pear")
    with pytest.raises(LookupError, match="assigns no dict to VEGETABLES"):
        names_in(file, "VEGETABLES")


def test_a_gate_needs_only_its_function_and_its_entry(tmp_path):
    for folder in ("attn_ppo", "conf"):
        copytree(ROOT / folder, tmp_path / folder, ignore=lambda *_: ["node_modules"])
    file = tmp_path / "attn_ppo" / "attention.py"
    file.write_text(file.read_text().replace("GATES = {", 'GATES = {"relu": torch.relu, '))
    code = "from attn_ppo.launch.command_line import parse; import sys\n"
    code += "settings, = parse(['attention.gate=relu']).configs\n"
    code += "print(settings.attention.gate, 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("relu False\n", "")
