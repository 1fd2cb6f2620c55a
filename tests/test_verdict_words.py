"""The verdict's words, of made-up measures whose answer is known."""

import math

import pytest
from believe_results import agent, attention, method, on_object, row, seeds, verdict_on, with_lift

from attn_ppo.interpret.believe.phrases import number
from attn_ppo.interpret.believe.words_of_attention import explains, follows, needs

NAN = math.nan
RESTING = "there is nothing to follow, the place of the ball hardly changes"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (with_lift(2.0), "yes, it follows"),
        (with_lift(2.0, as_high=0.2), "not shown; it lies where the object often is"),
        (with_lift(2.0, information=0.05), "not shown; it lies where the object often is"),
        (with_lift(2.0, untrained=0.15), "yes, it follows"),
        (with_lift(2.0, untrained=0.25), "not shown; it lies where the object often is"),
        (with_lift(2.0, own_mean=1.95), "not shown; it lies where the object often is"),
        (with_lift(0.5, as_high=0.5), "no, it lies elsewhere"),
        (with_lift(0.5), "no, it lies elsewhere, though it moves when the object does"),
        (with_lift(1.1, as_high=0.5), "not shown; it may have no more on it than even"),
        (with_lift(2.0, half=None), "too little data"),
        (with_lift(2.0, places=0.4), f"{RESTING}; attention is there"),
        (with_lift(1.1, places=0.4), f"{RESTING}; attention isn't shown to be there"),
        (with_lift(0.5, places=0.4), f"{RESTING}; attention lies elsewhere"),
        (with_lift(2.0, places=0.6), "yes, it follows"),
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
    text = verdict_on(
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
    assert says in verdict_on(agent(attention=attention(value)))


def test_words_on_methods():
    """Means and intervals of a single row are that row's; the shares are of all agents."""
    half = agent(0, 1)
    half.measures["methods"]["guided_backprop"] = method(0.3, similarity=0.2)
    text = verdict_on(agent(0, 0), half)
    assert "Over 2 agents: pass: gradient; pass in part: guided_backprop (1 of 2 agents)." in text
    text = verdict_on(agent())
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
    text = verdict_on(*(agent(0, s)._replace(stress=(20 + s,)) for s in range(3)))
    # 20, 21, 22: mean 21, error 1 / 3 ** .5 = .577, t of 2 degrees 4.303: half 2.48
    assert "- λ = 0 (n = 3): they score less. 21 [19, 23] % of the score is lost." in text
    text = verdict_on(*(agent(0, s)._replace(stress=(20 * s,)) for s in range(3)))
    assert "- λ = 0 (n = 3): not shown. 20 [-30, 70] % of the score is lost." in text
    assert "do changed games" not in verdict_on(agent())


def test_words_say_that_scores_differ_and_by_how_much():
    text = verdict_on(agent(0, scores=(10,)), agent(1, scores=(40,)))
    assert (
        "mean scores from 10.0 to 40.0 (75 % apart) and mean policy entropies from 0.70 to 0.70 "
        "nats (0 % apart). An agent that plays better" in text
    )
    assert "They are alike, so" in verdict_on(agent(0), agent(0.005))


def test_words_say_what_an_untrained_agent_has():
    text = verdict_on(agent(objects=[on_object("ball", 0.4, untrained=0.15)]))
    assert "0.300 [0.200, 0.400] nats of information with the object's place, 0.150 [" in text
    assert "place, 0.150 [0.050, 0.250] more than an untrained agent's." in text
    assert "more than an untrained" not in verdict_on(agent())


def test_words_name_what_differs_and_what_does_not():
    far = verdict_on(*seeds(0, 1.0, 1.001, 1.002), *seeds(0.005, 3.0, 3.001, 3.002))
    assert "Shown: lift at λ = 0.005 by 2.00 [2.00, 2.00] (n = 3, p = 0.000)." in far
    near = verdict_on(*seeds(0, 1.0, 1.1, 1.2), *seeds(0.005, 1.2, 1.3, 1.4))
    # 0.2 as above: 0.08165 * 2.77645 = 0.227 on either side
    assert "none is shown. The clearest is lift at λ = 0.005 by 0.20 [-0.03, 0.43] (n = 3" in near


def test_words_of_a_game_without_edits_and_of_an_agent_without_attention():
    text = verdict_on(
        agent(game="Pong", objects=[on_object("moving", None)], attention=attention(None))
    )
    assert "no cause was measured. Attention is held against whatever moves." in text
    assert "**Pong: does attention follow what moves?**" in text
    assert "- λ = 0 (n = 1): yes, it follows. Its lift is 2.00" in text
    assert "rank correlation of attention" not in text
    bare = agent(uniform=None, attention=attention(None))
    bare = bare._replace(measures={**bare.measures, "entropy": None})
    for each in bare.measures["objects"]:
        for measure in ("lift", "share", "seen", "information"):
            del each[measure]
    assert "There is no attention to measure." in verdict_on(bare)


def test_numbers():
    assert number(with_lift(2.0).cells["lift"]) == "2.00 [1.90, 2.10]"
    assert number(with_lift(2.0, half=None).cells["lift"], 1) == "2.0"
    assert number(row(attention=attention(None)).cells["agreement"]) == "-"
