"""Weights in a file: the same agent again, and what other files are told."""

import hashlib
import json
from pathlib import Path

import numpy as np
import planted
import pytest
import torch
from planted_run import write_planted_run
from safetensors import safe_open
from safetensors.torch import save

import attn_ppo
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.lifecycle import weights
from attn_ppo.lifecycle.weights import HEADER
from attn_ppo.trained import TrainedAgent

SPOT = planted.scene()[0].numpy()  # (4, 84, 84)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_planted_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def agent(folder) -> TrainedAgent:
    return attn_ppo.load(folder)


def test_exported_weights_are_the_same_agent(agent, folder, tmp_path):
    file = attn_ppo.export(folder, tmp_path / "ball.safetensors")
    assert list(tmp_path.iterdir()) == [file]
    again = attn_ppo.load(file)
    assert repr(again) == repr(agent)
    assert (again.settings, again.weights) == (agent.settings, agent.weights)
    assert again.action_names == agent.action_names
    np.testing.assert_array_equal(again.explain(SPOT), agent.explain(SPOT))


def test_halves_are_the_same_agent_to_three_digits(folder, tmp_path):
    whole, half = (attn_ppo.export(folder, tmp_path / str(h), half=h) for h in (False, True))
    size = half.stat().st_size
    assert size < 0.51 * whole.stat().st_size
    exact, rounded = attn_ppo.load(whole), attn_ppo.load(half)
    pairs = zip(exact.model.parameters(), rounded.model.parameters(), strict=True)
    # 11 bits: half a unit of the last is 2^-11 of a weight; below 6e-5 there are fewer
    assert all(((a - b).abs() <= a.abs() / 2048 + 3e-8).all() for a, b in pairs)
    assert rounded.weights != exact.weights


def test_weights_in_a_folder_stand_in_for_its_checkpoint(agent, folder, tmp_path):
    (tmp_path / "config.yaml").write_bytes((folder / "config.yaml").read_bytes())
    attn_ppo.export(folder, tmp_path / "weights.safetensors")
    found = attn_ppo.load(tmp_path)
    assert (found.weights, found.env_steps) == (agent.weights, agent.env_steps)
    with pytest.raises(RunError, match=r"only weights\.safetensors, an export already"):
        attn_ppo.export(tmp_path, tmp_path / "again")
    (tmp_path / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="can't be read"):
        attn_ppo.load(tmp_path)


def header_of(file: Path) -> dict[str, str]:
    """The metadata of a safetensors file: 8 bytes of length, then JSON."""
    data = file.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]


def test_the_header_says_which_agent_it_is(agent, folder, tmp_path):
    header = header_of(attn_ppo.export(folder, tmp_path / "a"))
    assert header.keys() == HEADER.keys()
    assert header["game"] == "Breakout"
    assert json.loads(header["action_names"]) == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    assert header["env_steps"] == "5120"
    assert header["settings"] == (folder / "config.yaml").read_text()
    assert header["weights_sha256"] == agent.weights
    assert header["rom_md5"] == "f34f08e5eb96e500e851a80be3277a56"  # ALE's md5.txt
    whole = (folder / "checkpoint.pt").read_bytes()  # its last 32 bytes are the digest
    assert header["checkpoint_sha256"] == hashlib.sha256(whole[:-32]).hexdigest()


def test_files_that_are_no_agent_are_told(folder, tmp_path):
    whole = attn_ppo.export(folder, tmp_path / "whole")
    data = bytearray(whole.read_bytes())
    data[-3] ^= 1  # within the weights
    cases = {
        "damaged": (bytes(data), "is damaged"),
        "cut": (bytes(data[:2_000]), "can't be read"),
        "text": (b"hello", "can't be read"),
        "other": (b"\x02\0\0\0\0\0\0\0{}", "is of another format"),
    }
    for name, (content, told) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=told) as error:
            attn_ppo.load(tmp_path / name)
        assert len(str(error.value).splitlines()) == 2


def test_a_disk_that_is_full_is_told_with_what_is_needed(folder, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "write_atomically", full)
    with pytest.raises(RunError, match=r"/x: No space left .* \([0-9,]+ bytes needed, ") as error:
        attn_ppo.export(folder, tmp_path / "x")
    assert error.value.code == ExitCode.DISK


def test_the_digest_of_weights_is_of_their_names_and_their_floats():
    floats = bytes.fromhex("0000803f 000000c0")  # 1 and -2, the low byte first
    named = {"b": torch.tensor([-2.0]), "a": torch.tensor([1.0])}
    expected = hashlib.sha256(b"a" + floats[:4] + b"b" + floats[4:]).hexdigest()
    assert weights.digest_of(named) == expected


def with_header(file: Path, copy: Path, **changes: str) -> Path:
    """`copy`: the file with another header."""
    with safe_open(file, "pt") as opened:
        weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    copy.write_bytes(save(weights, metadata={**header_of(file), **changes}))
    return copy


@pytest.mark.parametrize(
    "changes",
    [
        {"env_steps": "many"},
        {"env_steps": "-5"},
        {"action_names": "NOOP, FIRE"},  # no JSON
        {"action_names": "4"},
        {"action_names": '{"NOOP": 0, "FIRE": 1, "RIGHT": 2, "LEFT": 3}'},
        {"action_names": "[0, 1, 2, 3]"},
        {"action_names": '["NOOP", "FIRE"]'},  # of four
    ],
)
def test_headers_that_another_program_has_written_are_told(folder, tmp_path, changes):
    whole = attn_ppo.export(folder, tmp_path / "whole")
    assert attn_ppo.load(with_header(whole, tmp_path / "same")).env_steps == 5_120
    with pytest.raises(ConfigError, match=f"has a header with {next(iter(changes))}=") as error:
        attn_ppo.load(with_header(whole, tmp_path / "other", **changes))
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("key", HEADER)
def test_a_header_that_lacks_a_key_is_of_another_format(folder, tmp_path, key):
    whole = attn_ppo.export(folder, tmp_path / "whole")
    left = {name: text for name, text in header_of(whole).items() if name != key}
    (tmp_path / "less").write_bytes(save({"w": torch.zeros(1)}, metadata=left))
    with pytest.raises(ConfigError, match="is of another format"):
        weights.read(tmp_path / "less")


def test_a_file_whose_weights_do_not_fit_its_settings(folder, tmp_path):
    text = (folder / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("hidden: 8", "hidden: 9"))
    (tmp_path / "checkpoint.pt").write_bytes((folder / "checkpoint.pt").read_bytes())
    file = attn_ppo.export(tmp_path, tmp_path / "file")
    with pytest.raises(ConfigError, match="weights that don't fit"):
        attn_ppo.load(file)
    with pytest.raises(ConfigError, match="weights that don't fit"):
        attn_ppo.load(tmp_path)
