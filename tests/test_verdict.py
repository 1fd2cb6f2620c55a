"""The verdict: rows and comparisons from made-up measures whose answer is known."""

import math

import pytest
from believe_results import agent, attention, method, on_object, row, seeds, verdict_on, with_lift

from attn_ppo.interpret.believe.verdict import best_method, compared, key_object, verdict
from attn_ppo.interpret.believe.verdict_words import words

NAN = math.nan


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


def test_single_agents_numbers_stand_beside_their_mean():
    agents = [
        agent(0, s, stays=(1.0, 3.0 + s), objects=[on_object("ball", 0.4, lift=s)]) for s in (0, 1)
    ]
    (found,) = verdict(agents)
    assert found.each["lift"] == (0, 1)
    assert found.each["stays"] == (2, 2.5)  # (1 + 3) / 2, (1 + 4) / 2
    assert math.isnan(found.each["stress"][0])


def test_whether_the_key_object_matters_more_than_the_next_is_told_agent_by_agent():
    """Of agents that differ in how much they react to anything, the order may be shown all the
    same: 0.1, 0.11 and 0.12 more, where the objects' own intervals overlap."""
    agents = [
        agent(0, s, objects=[on_object("ball", s + 1.1 + s / 100), on_object("paddle", s + 1)])
        for s in range(3)
    ]
    assert "than the next, paddle, is shown: by 0.110 [0.085, 0.135] nats (n = 3)." in verdict_on(
        *agents
    )
    reverse = agent(0, 3, objects=[on_object("ball", 0.1), on_object("paddle", 0.2)])
    assert "than the next, paddle, isn't shown" in verdict_on(*agents, reverse)
    assert "than the next" not in verdict_on(agents[0])  # of one agent no interval is known


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
    assert found.of_method("gradient", "polarity").mean == 0.05
    assert found.of_method("attention", "sensitivity").mean == 0.2
    assert found.cells["noise"].mean == 0.01
    assert found.cells["screen"].mean == 0.3  # motion's, not brightness' 0.2
    assert found.passes == {"gradient": 1, "guided_backprop": 0}


BETWEEN: dict[str, list[float | None]] = {  # the last column is attention's
    "gradient": [1.0, 0.6, 0.1, 0.2],
    "sarfa": [0.6, 1.0, -0.1, 0.4],
    "grad_cam": [0.1, -0.1, 1.0, None],
    "attention": [0.2, 0.4, None, 1.0],
}


def test_methods_are_held_against_each_other():
    found = row(between=BETWEEN)
    # of the three pairs of methods: (0.6 + 0.1 - 0.1) / 3
    assert found.cells["between"].mean == pytest.approx(0.2)
    assert found.of_method("gradient", "between").mean == pytest.approx(0.35)  # (0.6 + 0.1) / 2
    assert found.of_method("attention", "between").mean == pytest.approx(0.3)  # (0.2 + 0.4) / 2
    text = words([found], [])
    assert "is 0.20 in the mean over all pairs (n = 1)" in text
    assert "Most alike: gradient and sarfa (0.60); least: sarfa and grad_cam (-0.10)." in text
    assert "Attention's with them is 0.30. None is shown to be unlike another." in text
    assert "Agreement between methods" not in words([row()], [])


def test_maps_that_are_shown_to_be_unlike_do_not_show_the_same():
    close = {**BETWEEN, "sarfa": [0.6, 1.0, -0.2, 0.4], "grad_cam": [0.1, -0.2, 1.0, None]}
    text = verdict_on(agent(0, 0, between=BETWEEN), agent(0, 1, between=close))
    # -0.1 and -0.2: SD 0.0707, error 0.05, t of one degree 12.706: half 0.635
    assert "least: sarfa and grad_cam (-0.15 [-0.79, 0.49])." in text
    assert "The least alike don't show the same" in text


def test_each_replacement_of_attention_is_told():
    kl = {"top_dropped": 0.5, "own_mean": 0.1, "other_moment": 0.3}
    played = {"unchanged": [10.0], "uniform": [5.0], "top_dropped": [4.0], "own_mean": [9.0]}
    found = row(replaced=kl, played=played)
    names = ("uniform", "top_dropped", "own_mean", "other_moment")
    assert [found.cells[name].mean for name in names] == [0.2, 0.5, 0.1, 0.3]
    lost = [found.cells[f"{name}_score"].mean for name in names]
    assert lost[:3] == [50, 60, 10]  # per cent of 10
    assert math.isnan(lost[3])
    assert (
        "In its place a map without its strongest cell changes it by 0.500 [0.400, 0.600] nats "
        "(60 % of the score lost), its mean by 0.100 [0.000, 0.200] nats (10 % of the score lost), "
        "another moment's map by 0.300 [0.200, 0.400] nats."
    ) in words([found], [])
    assert "In its place" not in words([row()], [])


def test_the_best_method_is_one_that_passes_for_every_seed():
    agents = [agent(0, 0), agent(0, 1)]
    for each, (gradient, guided) in zip(agents, ((0.1, 0.2), (0.3, 0.4)), strict=True):
        methods = each.measures["methods"]
        methods["gradient"] = method(gradient, similarity=0.1)
        methods["guided_backprop"] = method(guided, similarity=0.8)  # better, and fails
    (found,) = verdict(agents)
    assert best_method(found) == "gradient"
    assert found.cells["best"].mean == pytest.approx(0.2)  # (0.1 + 0.3) / 2
    agents[1].measures["methods"]["gradient"] = method(0.3, similarity=0.8)  # one of two fails
    (found,) = verdict(agents)
    assert best_method(found) == ""
    assert math.isnan(found.cells["best"].mean)
    assert "No saliency method passes the sanity check." in words([found], [])


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
    text = verdict_on(agent(0), agent(0.005))
    assert "2 values of λ, one agent each (n = 1)" in text
    assert "differences between agents aren't differences between λ" in text


def test_information_is_held_against_an_untrained_agents_seed_by_seed():
    pairs = ((0.35, 0.15), (0.28, 0.11), (0.46, 0.23))  # more by 0.2, 0.17, 0.23
    agents = [
        agent(seed=s, objects=[on_object("ball", 0.4, information=has, untrained=other)])
        for s, (has, other) in enumerate(pairs)
    ]
    cells = verdict(agents)[0].cells
    # SD 0.03, half width 4.3027 * 0.03 / sqrt(3)
    assert cells["information_more"][:3] == pytest.approx((0.2, 0.12548, 0.27452), abs=1e-4)
    assert cells["information"].low < cells["information_untrained"].mean  # unpaired it is lost
    below = row(objects=[on_object("ball", 0.4, information=0.3, untrained=-0.1)])
    assert below.cells["information_more"].mean == 0.3
