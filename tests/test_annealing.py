"""What shrinks while a run learns, and that the update clips by what is left."""

from math import log

import pytest
import torch
from starting import SMALL, rows
from tables import Table, terminated_rollout

from attn_ppo import ppo, train
from attn_ppo.compute.adam import Adam


def test_the_clip_range_shrinks_with_the_learning_rate(settings_of):
    # 4,096 steps are 4 updates of 8 * 128; after k - 1 of them 1 - (k - 1) / 4 is left:
    # 1, 3/4, 1/2, 1/4, of 2.5e-4 and of 0.1
    settings = settings_of("ppo=annealed_clip", "total_steps=4096")
    learning_rates, clip_ranges = zip(*map(settings.schedule, (1, 2, 3, 4)), strict=True)
    assert learning_rates == pytest.approx((2.5e-4, 1.875e-4, 1.25e-4, 6.25e-5), rel=1e-12)
    assert clip_ranges == pytest.approx((0.1, 0.075, 0.05, 0.025), rel=1e-12)


def test_the_studys_clip_range_stays_while_the_learning_rate_shrinks(settings_of):
    settings = settings_of("total_steps=4096")
    assert [settings.schedule(k)[1] for k in (1, 2, 3, 4)] == [0.2, 0.2, 0.2, 0.2]
    assert settings.schedule(4)[0] == pytest.approx(6.25e-5, rel=1e-12)
    constant = settings_of(
        "ppo=annealed_clip", "ppo.anneal_learning_rate=false", "total_steps=4096"
    )
    assert constant.schedule(4) == pytest.approx((2.5e-4, 0.025), rel=1e-12)


# Four samples, each an episode of one step, of advantages (rewards - values) 1, 1, -1, -1, mean 0
# and deviation sqrt(4 / 3), so +-0.866025 once normalised; and ratios 1.06, 1.02, 0.96, 0.92.
#   clip_fraction: how many of .06, .02, .04, .08 are above the clip range c
#   policy_loss: -(min(1.06, 1+c) + min(1.02, 1+c) - max(.96, 1-c) - max(.92, 1-c)) * .866025 / 4
#   value_loss, of value 0.2, old value 0, returns 1, 1, -1, -1: the clipped value is c, worse
#     than 0.2 where the return is 1 and better where it is -1: ((1-c)^2 + 1.2^2) / 2 / 2
BY_UPDATE = {
    1: (0.0, -0.0433013, 0.5625),  # c = .1: .2 * .216506; (.81 + 1.44) / 4
    2: (0.25, -0.0422187, 0.57390625),  # c = .075: .195 * .216506; (.855625 + 1.44) / 4
    3: (0.5, -0.0346410, 0.585625),  # c = .05: .16 * .216506; (.9025 + 1.44) / 4
    4: (0.75, -0.0205681, 0.59765625),  # c = .025: .095 * .216506; (.950625 + 1.44) / 4
}


@pytest.mark.parametrize("number", BY_UPDATE)
def test_an_update_clips_by_what_is_left(settings_of, number):
    settings = settings_of(
        "ppo=annealed_clip",
        "total_steps=16",
        "ppo.num_envs=1",
        "ppo.num_steps=4",
        "ppo.num_epochs=1",
        "ppo.num_minibatches=1",
    )
    model = Table(log_probs=[log(0.5 * r) for r in (1.06, 1.02, 0.96, 0.92)], values=[0.2] * 4)
    learning_rate, clip_range = settings.schedule(number)
    metrics = ppo.update(
        model,
        Adam(model.parameters(), learning_rate),
        terminated_rollout(rewards=[1, 1, -1, -1], values=[0] * 4, log_probs=[log(0.5)] * 4),
        settings.ppo,
        settings.regularizer,
        lambda_=0.0,
        diversity=0.0,
        clip_range=clip_range,
        rng=torch.Generator().manual_seed(0),
    )
    found = [metrics[name].item() for name in ("clip_fraction", "policy_loss", "value_loss")]
    assert found == pytest.approx(BY_UPDATE[number], rel=1e-5, abs=1e-7)


def test_a_run_learns_with_what_is_left(in_empty_folder, monkeypatch):
    loss_of, step = ppo.ppo_loss, Adam.step
    clip_ranges, learning_rates = [], []

    def noting_loss(*args, clip_range, **kwargs):
        clip_ranges.append(clip_range.item())
        return loss_of(*args, clip_range=clip_range, **kwargs)

    def noting_step(optimizer, *args):
        learning_rates.append(optimizer.learning_rate)
        return step(optimizer, *args)

    monkeypatch.setattr(ppo, "ppo_loss", noting_loss)
    monkeypatch.setattr(Adam, "step", noting_step)
    # 4 updates of 2 * 16 steps, each of one minibatch
    small = [*SMALL, "evaluation.episodes=0", "ppo.num_epochs=1", "ppo.num_minibatches=1"]
    assert train.main(["env=Breakout", "ppo=annealed_clip", "total_steps=128", *small]) == 0
    assert clip_ranges == pytest.approx([0.1, 0.075, 0.05, 0.025], rel=1e-6)
    assert learning_rates == pytest.approx([2.5e-4, 1.875e-4, 1.25e-4, 6.25e-5], rel=1e-6)
    table = rows(in_empty_folder / "runs/default/Breakout/lambda=0/seed=0/metrics.csv")
    told = [float(row["learning_rate"]) for row in table]
    assert told == pytest.approx([2.5e-4, 1.875e-4, 1.25e-4, 6.25e-5], rel=1e-6)
