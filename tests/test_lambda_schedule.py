"""How the weight lambda rises, and that a run learns with it and reports it."""

import pytest
from starting import SMALL, rows
from tables import ENTROPY

from attn_ppo import config, ppo, train

LINEAR = ("lambda=0.008", "lambda_schedule=linear")


def weights(settings: config.RunConfig) -> list[float]:
    return [settings.lambda_at(number) for number in range(1, settings.num_updates + 1)]


@pytest.mark.parametrize(
    ("start", "warmup", "expected"),
    [
        # 8 updates of 1,024 steps begin at 0, 1024, ..., 7168
        (0, 4096, [0, 0.002, 0.004, 0.006, 0.008, 0.008, 0.008, 0.008]),
        (2048, 2048, [0, 0, 0, 0.004, 0.008, 0.008, 0.008, 0.008]),
        (2048, 1, [0, 0, 0, 0.008, 0.008, 0.008, 0.008, 0.008]),
        (1536, 2048, [0, 0, 0.002, 0.006, 0.008, 0.008, 0.008, 0.008]),  # 512 / 2048, 1536 / 2048
        (7167, 2, [0, 0, 0, 0, 0, 0, 0, 0.004]),
        (0, 14336, [0.008 * k / 14 for k in range(8)]),  # not all of it by the end
    ],
)
def test_the_weight_rises_linearly(settings_of, start, warmup, expected):
    schedule = (f"lambda_start={start}", f"lambda_warmup={warmup}")
    settings = settings_of(*LINEAR, *schedule, "total_steps=8192")
    assert weights(settings) == pytest.approx(expected, rel=1e-12)


def test_it_is_constant_by_default(settings_of):
    assert weights(settings_of("lambda=0.008", "total_steps=4096")) == [0.008] * 4


def test_it_belongs_to_a_runs_identity(settings_of):
    keys = {"diversity", "lambda_schedule", "lambda_start", "lambda_warmup"}
    keys |= {"regularizer.name", "regularizer.target"}
    assert keys <= config.identity(settings_of()).keys()


def test_runs_of_earlier_versions_had_none_of_it(tmp_path, settings_of):
    text = config.to_yaml(settings_of("lambda=0.005"))
    new = ("lambda_", "diversity", "regularizer", "  name:", "  target:")
    lines = [line for line in text.splitlines() if not line.startswith(new)]
    assert len(text.splitlines()) - len(lines) == 7
    (tmp_path / "config.yaml").write_text("\n".join(lines))
    settings = config.read(tmp_path / "config.yaml")
    assert (settings.lambda_, settings.diversity, settings.regularizer) == (0.005, 0, ENTROPY)
    assert (settings.lambda_schedule, settings.lambda_at(1)) == ("constant", 0.005)


def test_a_run_learns_with_what_it_has_risen_to(in_empty_folder, monkeypatch):
    loss_of, given = ppo.ppo_loss, []

    def noting_loss(*args, lambda_, diversity, **kwargs):
        given.append((lambda_.item(), diversity, args[3].name, args[3].target))
        return loss_of(*args, lambda_=lambda_, diversity=diversity, **kwargs)

    monkeypatch.setattr(ppo, "ppo_loss", noting_loss)
    # 4 updates of 2 * 16 steps, each of one minibatch
    small = [*SMALL, "evaluation.episodes=0", "ppo.num_epochs=1", "ppo.num_minibatches=1"]
    words = [*LINEAR, "lambda_start=32", "lambda_warmup=64", "diversity=0.5", "total_steps=128"]
    target = ["regularizer=target_entropy", "regularizer.target=3"]
    assert train.main(["env=Breakout", *words, *target, *small]) == 0
    assert given == [
        (pytest.approx(weight, rel=1e-6), 0.5, "target_entropy", 3.0)
        for weight in (0, 0, 0.004, 0.008)
    ]
    table = rows(in_empty_folder / "runs/default/Breakout/lambda=0.008/seed=0/metrics.csv")
    assert [float(row["lambda"]) for row in table] == [0, 0, 0.004, 0.008]
    for row in table:
        entropy, told = float(row["attention_entropy"]), float(row["regularization"])
        assert told == pytest.approx(entropy - 3, abs=1e-5)
        assert 0 < float(row["map_overlap"]) < 1
        assert 0 < float(row["map_movement"]) < 1
