"""Observations on their way to the device."""

import numpy as np
import pytest
import torch
from torch import Tensor

from attn_ppo.compute import host


class Late:
    """A stream whose copies happen only when someone waits for its event."""

    def __init__(self, monkeypatch) -> None:
        self.pending, self.done = [], []
        copy = Tensor.copy_

        def copy_(to: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
            if not non_blocking:
                return copy(to, source)
            self.pending.append(lambda: copy(to, source))
            return to

        monkeypatch.setattr(Tensor, "copy_", copy_)

    def record(self, stream: object) -> None:
        self.done.append(stream)

    def synchronize(self) -> None:
        while self.pending:
            self.pending.pop(0)()


def test_the_buffer_is_not_used_again_before_it_was_sent(monkeypatch):
    late, store = Late(monkeypatch), torch.zeros(3, 2, 4, dtype=torch.uint8)
    upload = host.Staging(torch.empty(2, 4, dtype=torch.uint8), late, "stream").upload
    obs = np.empty((2, 4), np.uint8)
    for t in range(3):
        obs[:] = t + 1  # one array, changed at once: as an emulator may do it
        upload(obs, store[t])
    late.synchronize()
    assert store[:, 0, 0].tolist() == [1, 2, 3]
    assert torch.equal(store, store[:, :1, :1].expand(3, 2, 4))
    assert late.done == ["stream"] * 3


def test_to_the_cpu_observations_are_copied(monkeypatch):
    monkeypatch.setattr(torch, "empty", pytest.fail)  # no buffer
    obs, to = np.arange(8, dtype=np.uint8).reshape(2, 4), torch.zeros(2, 4, dtype=torch.uint8)
    host.uploader(obs, torch.device("cpu"))(obs, to)
    assert to.flatten().tolist() == list(range(8))


def test_to_a_gpu_they_pass_one_page_locked_buffer(monkeypatch):
    made, stream = [], object()

    def empty(shape, **how):
        made.append((shape, how))
        return torch.zeros(shape, dtype=torch.uint8)

    late = Late(monkeypatch)
    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(torch.cuda, "Event", lambda: late)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: (stream, device.index)[0])
    obs, store = np.ones((2, 4), np.uint8), torch.zeros(3, 2, 4, dtype=torch.uint8)
    upload = host.uploader(obs, torch.device("cuda", 1))
    for to in store:
        upload(obs, to)
    late.synchronize()
    assert made == [((2, 4), {"dtype": torch.uint8, "pin_memory": True})]
    assert int(store.sum()) == 24
    assert late.done == [stream] * 3


@pytest.mark.parametrize(("threads", "left"), [(4, 2), (3, 1), (1, 1)])
def test_a_model_has_the_threads_that_a_group_leaves_and_at_least_one(threads, left):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with host.share_of_threads(2):
            assert torch.get_num_threads() == left
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
