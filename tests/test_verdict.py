"""The verdict: rows, comparisons and words from made-up measures whose answer is known."""

import math

import pytest
from believe_results import agent, method, on_object

from attn_ppo.interpret.believe.phrases import number
from attn_ppo.interpret.believe.verdict import best_method, compared, key_object, verdict
from attn_ppo.interpret.believe.verdict_words import words
from attn_ppo.interpret.believe.words_of_attention import explains, follows, needs

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
    text = told(agent(0, 0, between=BETWEEN), agent(0, 1, between=close))
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
    assert "2 values of λ, one agent each (n = 1)" in text
    assert "differences between agents aren't differences between λ" in text


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (with_lift(2.0), "yes, it follows"),
        (with_lift(2.0, as_high=0.2), "not shown; it lies where the object often is"),
        (with_lift(2.0, information=0.05), "not shown; it lies where the object often is"),
        (with_lift(2.0, own_mean=1.95), "not shown; it lies where the object often is"),
        (with_lift(0.5, as_high=0.5), "no, it lies elsewhere"),
        (with_lift(0.5), "no, it lies elsewhere, though it moves when the object does"),
        (with_lift(1.1, as_high=0.5), "not shown; it may have no more on it than even"),
        (with_lift(2.0, half=None), "too little data"),
    ],
)
def test_whether_attention_follows(found, says):
    assert follows(found).startswith(says)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (attention(0.5), "yes, it says what matters and when"),
        (attention(0.25), "in part, it isn't shown to say more than the screen alone"),
        (attention(0.35), "in part, it isn't shown to say more than the screen"),  # .25 to .45, .3
        (attention(0.25, timeless=0.2), "in part, it says which objects matter, but isn't shown"),
        (attention(0.05), "not shown"),
        (attention(-0.5), "no, the more an object matters, the less attention it gets"),
        (attention(0.5, half=None), "too little data"),
    ],
)
def test_whether_attention_explains(found, says):
    assert explains(row(attention=found)).startswith(says)


@pytest.mark.parametrize(
    ("lost", "uniform", "says"),
    [
        ([5.0, 6.0, 4.0], 0.2, "yes"),
        ([15.0, 6.0, 8.0], 0.2, "not shown to cost score"),
        (None, 0.2, "their policies do change"),
        (None, 0.05, "not shown"),  # -0.05 to 0.15
        ([10.0, 10.0, 10.0], 0.0, "no, nothing changes"),
    ],
)
def test_whether_the_agent_needs_its_attention(lost, uniform, says):
    played = lost and {"unchanged": [10.0, 10.0, 10.0], "uniform": lost}
    assert needs(row(uniform=uniform, played=played)) == says


def test_words_against_attention():
    text = told(
        agent(
            objects=[on_object("ball", 0.4, lift=0.5, as_high=0.5), on_object("paddle", 0.2)],
            attention=attention(-0.5),
            uniform=0.01,
            played={"unchanged": [10.0, 10.0], "uniform": [10.0, 10.0]},
        )
    )
    assert "ball 0.400 [0.300, 0.500], paddle 0.200 [0.100, 0.300]." in text
    assert "**Breakout: does attention follow the ball?**" in text
    assert (
        "- λ = 0 (n = 1): no, it lies elsewhere. Its lift is 0.50 [0.40, 0.60] (1.00 for its own "
        "mean map, 1.50 for the best cell that never moves, 1.10 for even attention); its "
        "strongest cell shares 0.300 [0.200, 0.400] nats" in text
    )
    assert (
        "- λ = 0 (n = 1): no, the more an object matters, the less attention it gets. Its "
        "correlation is -0.50 [-0.60, -0.40] (0.10 for the same maps shifted in time, 0.30 for "
        "what is bright or moves, 0.60 for gradient, the best method). It explains worse than "
        "gradient." in text
    )
    assert (
        "- λ = 0 (n = 1): not shown to cost score. The policy changes by 0.010 [-0.090, 0.110] "
        "nats (editing the ball: 0.400 [0.300, 0.500]); 0 [0, 0] % of the score is lost." in text
    )
    assert "pass: gradient; fail: guided_backprop." in text


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0.8, "It explains better than gradient."),  # 0.7 to 0.9; gradient 0.6
        (0.65, "It is not shown to explain better than gradient."),
        (0.4, "It explains worse than gradient."),
    ],
)
def test_attention_is_held_against_the_best_method(value, says):
    assert says in told(agent(attention=attention(value)))


def test_words_on_methods():
    """Means and intervals of a single row are that row's; the shares are of all agents."""
    half = agent(0, 1)
    half.measures["methods"]["guided_backprop"] = method(0.3, similarity=0.2)
    text = told(agent(0, 0), half)
    assert "Over 2 agents: pass: gradient; pass in part: guided_backprop (1 of 2 agents)." in text
    text = told(agent())
    assert (
        "changes the policy by 0.010 [0.005, 0.015] nats (n = 1), changes maps by these parts of "
        "their own size (medians over moments): attention 0.20 [0.10, 0.30], guided_backprop 0.30 "
        "[0.20, 0.40], gradient 1.20 [1.10, 1.30]. Shown to change by more than half: gradient; "
        "their single pixels mean little." in text
    )
    assert (
        "(1: right, 0: chance; n = 1): gradient 0.05 [-0.05, 0.15], guided_backprop 0.40 "
        "[0.30, 0.50]. Shown to be right: guided_backprop." in text
    )


def test_words_say_what_changed_games_cost():
    text = told(*(agent(0, s)._replace(stress=(20 + s,)) for s in range(3)))
    # 20, 21, 22: mean 21, error 1 / 3 ** .5 = .577, t of 2 degrees 4.303: half 2.48
    assert "- λ = 0 (n = 3): they score less. 21 [19, 23] % of the score is lost." in text
    text = told(*(agent(0, s)._replace(stress=(20 * s,)) for s in range(3)))
    assert "- λ = 0 (n = 3): not shown. 20 [-30, 70] % of the score is lost." in text
    assert "do changed games" not in told(agent())


def test_words_say_that_scores_differ_and_by_how_much():
    text = told(agent(0, scores=(10,)), agent(1, scores=(40,)))
    assert (
        "mean scores from 10.0 to 40.0 (75 % apart) and mean policy entropies from 0.70 to 0.70 "
        "nats (0 % apart). An agent that plays better" in text
    )
    assert "They are alike, so" in told(agent(0), agent(0.005))


def test_words_name_what_differs_and_what_does_not():
    far = told(*seeds(0, 1.0, 1.001, 1.002), *seeds(0.005, 3.0, 3.001, 3.002))
    assert "Shown: lift at λ = 0.005 by 2.00 [2.00, 2.00] (n = 3, p = 0.000)." in far
    near = told(*seeds(0, 1.0, 1.1, 1.2), *seeds(0.005, 1.2, 1.3, 1.4))
    # 0.2 as above: 0.08165 * 2.77645 = 0.227 on either side
    assert "none is shown. The clearest is lift at λ = 0.005 by 0.20 [-0.03, 0.43] (n = 3" in near


def test_words_of_a_game_without_edits_and_of_an_agent_without_attention():
    text = told(agent(game="Pong", objects=[on_object("moving", None)], attention=attention(None)))
    assert "no cause was measured. Attention is held against whatever moves." in text
    assert "**Pong: does attention follow what moves?**" in text
    assert "- λ = 0 (n = 1): yes, it follows. Its lift is 2.00" in text
    assert "rank correlation of attention" not in text
    bare = agent(uniform=None, attention=attention(None))
    bare = bare._replace(measures={**bare.measures, "entropy": None})
    for each in bare.measures["objects"]:
        for measure in ("lift", "share", "seen", "information"):
            del each[measure]
    assert "There is no attention to measure." in told(bare)


def test_numbers():
    assert number(with_lift(2.0).cells["lift"]) == "2.00 [1.90, 2.10]"
    assert number(with_lift(2.0, half=None).cells["lift"], 1) == "2.0"
    assert number(row(attention=attention(None)).cells["agreement"]) == "-"
