"""Which GPU each run of a sweep takes."""

import pytest

from attn_ppo.launch import gpus


@pytest.mark.parametrize(
    ("device", "visible", "chosen"),
    [
        ("auto", ["0", "1", "2"], ["0", "1", "2", "0", "1"]),
        ("cuda", ["3", "GPU-8a"], ["3", "GPU-8a", "3", "GPU-8a", "3"]),
        ("auto", [], [None] * 5),
        ("cpu", ["0", "1"], [None] * 5),
        ("cuda:1", ["0", "1"], [None] * 5),
    ],
)
def test_runs_take_turns_on_the_gpus(device, visible, chosen):
    turns = [gpus.job_environment(device, job, visible) for job in range(5)]
    assert turns == [{"CUDA_VISIBLE_DEVICES": gpu} if gpu else {} for gpu in chosen]


@pytest.mark.parametrize(
    ("variable", "visible"),
    [("2, 5", ["2", "5"]), ("", []), ("-1", []), ("1,-1,2", ["1"]), ("MIG-4f", ["MIG-4f"])],
)
def test_a_choice_of_gpus_made_before_is_kept(variable, visible):
    assert gpus.visible_gpus({"CUDA_VISIBLE_DEVICES": variable}) == visible


def test_all_gpus_are_counted_where_none_is_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    assert gpus.visible_gpus({}) == []  # no driver, no nvidia-smi
    listing = tmp_path / "nvidia-smi"
    listing.write_text("#!/bin/sh\necho 'GPU 0: A100'\necho 'GPU 1: A100'\n")
    listing.chmod(0o755)
    assert gpus.visible_gpus({}) == ["0", "1"]


def test_gpus_are_counted_without_their_slices():
    listed = (
        "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-8a)\n"
        "  MIG 1g.5gb Device 0: (UUID: MIG-4f)\n"
        "GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-9b)\n"
    )
    assert gpus.count_gpus(listed) == 2
    assert (
        gpus.count_gpus("NVIDIA-SMI has failed because it couldn't communicate with the driver.")
        == 0
    )
