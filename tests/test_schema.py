"""The two checks that every command and room shares: a name of a set, and a whole number."""

import numpy as np
import pytest

from attn_ppo.errors import ConfigError
from attn_ppo.schema import Range, check_choice, check_whole

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
