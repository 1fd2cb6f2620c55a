"""The verdict: rows, comparisons and words from made-up measures whose answer is known."""

import math

import pytest
from believe_results import agent, method, on_object

from attn_ppo.interpret.believe.verdict import best_method, compared, key_object, verdict
from attn_ppo.interpret.believe.verdict_words import explains, follows, number, words

NAN = math.nan


def row(**more):
    return verdict([agent(**more)])[0]


def attention(value, half: float | None = 0.1, **more):
    return method(value, half=half, similarity=None, **more)


def with_lift(lift, **more):
    return row(objects=[on_object("ball", 0.4, lift=lift, **more)])


def told(*agents):
    rows = verdict(agents)
    return words(rows, compared(rows))


def test_the_key_object_is_the_one_that_matters_most_over_all_agents():
    one = agent(0, objects=[on_object("ball", 0.4), on_object("paddle", 0.3)])
    other = agent(0.005, objects=[on_object("ball", 0.1), on_object("paddle", 0.3)])
    # ball (0.4 + 0.1) / 2 = 0.25, paddle 0.3
    assert key_object([one, other]) == "paddle"
    assert [each.key for each in verdict([one, other])] == ["paddle", "paddle"]
    assert key_object([agent(objects=[on_object("moving", None)])]) == "moving"
    assert key_object([agent(objects=[on_object("score", None)])]) == ""


def test_rows_are_by_game_settings_and_lambda():
    agents = [
        agent(0.005, game="MsPacman"),
        agent(0, 1, game="MsPacman"),
        agent(0, 0, game="MsPacman"),
        agent(0, settings="gate=sigmoid"),
        agent(0),
    ]
    rows = verdict(agents)
    assert [(r.game, r.settings, r.lambda_, r.seeds) for r in rows] == [
        ("MsPacman", "", 0, (0, 1)),
        ("MsPacman", "", 0.005, (0,)),
        ("Breakout", "", 0, (0,)),  # "" came first
        ("Breakout", "gate=sigmoid", 0, (0,)),
    ]


def test_three_seeds_are_told_by_t_and_one_by_its_own_interval():
    lifts = [agent(0, s, objects=[on_object("ball", 0.4, lift=s + 1)]) for s in range(3)]
    # 1, 2, 3: as in test_bootstrap
    assert verdict(lifts)[0].cells["lift"][:3] == pytest.approx((2, -0.48414, 4.48414), abs=1e-4)
    assert with_lift(2.0).cells["lift"][:3] == pytest.approx((2, 1.9, 2.1))


def test_a_seed_without_a_measure_does_not_count():
    agents = [agent(0, 0), agent(0, 1, attention=attention(None))]
    assert verdict(agents)[0].cells["agreement"].mean == 0.5


def test_the_score_lost_with_uniform_attention_is_of_matched_games():
    played = {"unchanged": [10.0, 20.0], "uniform": [5.0, 5.0]}
    # (10 - 5) and (20 - 5) of 15 on average: 33.3 and 100, mean 66.7
    assert row(played=played).cells["uniform_score"].mean == pytest.approx(66.667, abs=1e-3)
    assert math.isnan(row().cells["uniform_score"].mean)


def test_stress_is_the_mean_over_the_changes():
    assert verdict([agent()._replace(stress=(10, 40))])[0].cells["stress"].mean == 25


def test_methods():
    found = row()
    assert best_method(found) == "gradient"
    assert found.cells["best"].mean == 0.6
    assert found.cells["screen"].mean == 0.3  # motion's, not brightness' 0.2
    assert found.passes == {"gradient": 1, "guided_backprop": 0}


def seeds(lambda_, *lifts):
    return [
        agent(lambda_, s, objects=[on_object("ball", 0.4, lift=lift)])
        for s, lift in enumerate(lifts)
    ]


def test_every_lambda_is_compared_with_the_smallest():
    rows = verdict([*seeds(0, 1.0, 1.1, 1.2), *seeds(0.005, 3.0, 3.1, 3.2)])
    lift = next(each for each in compared(rows) if each.measure == "lift")
    assert lift.lambda_ == 0.005
    # 3.1 - 1.1 = 2; SDs 0.1, errors 0.05774 each, together 0.08165; t of 4 degrees 2.77645
    assert lift.apart[:3] == pytest.approx((2, 1.7733, 2.2267), abs=1e-3)
    assert {each.measure for each in compared(rows)}.isdisjoint({"lift_fixed", "best"})


def test_p_is_corrected_for_all_comparisons():
    rows = verdict([*seeds(0, 1.0, 1.1, 1.2), *seeds(0.005, 1.2, 1.3, 1.4)])
    found = compared(rows)
    lift = next(each for each in found if each.measure == "lift")
    assert lift.apart.p == pytest.approx(0.0705, abs=1e-3)  # t = 0.2 / 0.08165 = 2.449
    tests = sum(not math.isnan(each.p) for each in found)
    assert lift.p == pytest.approx(min(1, tests * lift.apart.p))


def test_single_seeds_are_not_tested():
    found = compared(verdict([agent(0), agent(0.005)]))
    assert found
    assert all(math.isnan(each.p) for each in found)
    text = told(agent(0), agent(0.005))
    assert "2 λ, one seed each" in text
    assert "differences between agents aren't differences between λ" in text


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (with_lift(2.0), "it follows the object"),
        (with_lift(2.0, as_high=0.2), "it lies where the object often is"),
        (with_lift(2.0, information=0.05), "it lies where the object often is"),
        (with_lift(2.0, own_mean=1.95), "it lies where the object often is"),
        (with_lift(0.5, as_high=0.5), "it lies elsewhere"),
        (with_lift(0.5), "it lies elsewhere, though it moves with the object"),
        (with_lift(1.1, as_high=0.5), "no more than even attention"),
        (with_lift(2.0, half=None), "too little data"),
    ],
)
def test_whether_attention_follows(found, says):
    assert follows(found).startswith(says)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (attention(0.5), "it says what matters and when"),
        (attention(0.25), "it says what matters, but the screen alone"),
        (attention(0.25, timeless=0.2), "it says which objects matter, not when"),
        (attention(0.05), "attention is not shown to say what matters"),
        (attention(-0.5), "the more an object matters, the less attention it gets"),
        (attention(0.5, half=None), "too little data"),
    ],
)
def test_whether_attention_explains(found, says):
    assert explains(row(attention=found)).startswith(says)


def test_words_against_attention():
    text = told(
        agent(
            objects=[on_object("ball", 0.4, lift=0.5, as_high=0.5), on_object("paddle", 0.2)],
            attention=attention(-0.5),
            uniform=0.01,
            played={"unchanged": [10.0], "uniform": [10.0]},
        )
    )
    assert "λ = 0: it lies elsewhere, 0.50 [0.40, 0.60]" in text
    assert "the more an object matters, the less attention it gets, -0.50 [-0.60, -0.40]" in text
    assert "by 0.010 [-0.090, 0.110] nats (the ball edited: 0.400), and costs 0 % of" in text
    assert "pass for all agents: gradient; fail for all: guided_backprop." in text


def test_words_say_that_scores_differ_and_by_how_much():
    assert (
        "scores from 10.0 to 40.0, 75 % apart and policy entropies from 0.70 to 0.70 nats, alike: "
        "what differs may be due to that." in told(agent(0, scores=(10,)), agent(1, scores=(40,)))
    )
    assert "what differs isn't due to that" in told(agent(0), agent(0.005))


def test_words_name_what_differs_and_what_does_not():
    far = told(*seeds(0, 1.0, 1.001, 1.002), *seeds(0.005, 3.0, 3.001, 3.002))
    assert "Different from λ = 0 after Holm's correction: lift at λ = 0.005 by 2.00" in far
    near = told(*seeds(0, 1.0, 1.1, 1.2), *seeds(0.005, 1.2, 1.3, 1.4))
    assert "No measure differs from λ = 0 after Holm's correction" in near


def test_words_of_a_game_without_edits_and_of_an_agent_without_attention():
    text = told(agent(game="Pong", objects=[on_object("moving", None)], attention=attention(None)))
    assert "no cause was measured: attention is held against what moves." in text
    assert "by its lift on what moves. λ = 0: it follows the object, 2.00" in text
    assert "rank correlation" not in text
    bare = agent(uniform=None, attention=attention(None))
    for each in bare.measures["objects"]:
        for measure in ("lift", "share", "seen", "information"):
            del each[measure]
    assert "There is no attention to measure." in told(bare)


def test_numbers():
    assert number(with_lift(2.0).cells["lift"]) == "2.00 [1.90, 2.10]"
    assert number(with_lift(2.0, half=None).cells["lift"], 1) == "2.0"
    assert number(row(attention=attention(None)).cells["agreement"]) == "-"
