"""The tree: nothing is lost on the way down, true numbers, and how much of it is shown."""

import json
from typing import Any

import numpy as np
import planted
import pytest
import torch

from attn_ppo import config
from attn_ppo.errors import ConfigError
from attn_ppo.interpret.network import opened, see
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.interpret.tree.tracer import Tracer
from attn_ppo.interpret.tree.tree import ATTENTION_ROOTS, LEVELS, Level, Tree
from attn_ppo.model import ActorCritic

FEW = 6  # inputs of each unit of `sparse_agent`: a tree of six children a node has them all


@pytest.fixture(scope="module")
def sparse_agent() -> ActorCritic:
    return sparse("softmax")


def sparse(gate: Any) -> ActorCritic:
    """Random weights of which each unit has few, and biases, which are zero at the start."""
    settings = config.AttentionSettings(gate=gate, maps=2, hidden=FEW)
    rng = torch.Generator().manual_seed(3)
    model = opened(ActorCritic(6, settings, rng))
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            weight.normal_(0, 0.1, generator=rng)
        elif weight.ndim == 4 and weight.shape[1] > FEW:
            flat = weight.flatten(1)
            flat.zero_()
            chosen = torch.rand(flat.shape, generator=rng).argsort(1)[:, :FEW]
            flat.scatter_(1, chosen, torch.randn(chosen.shape, generator=rng))
    model.body[0].weight.view(512, 64, 49)[:, FEW:] = 0  # pyright: ignore
    return model


@pytest.fixture(scope="module")
def obs() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (4, 84, 84), dtype=np.uint8)


def sums_of_children(tree: Tree, values: np.ndarray) -> np.ndarray:
    sums, inner = np.zeros(len(tree)), tree.parent >= 0
    np.add.at(sums, tree.parent[inner], values[inner])
    return sums


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize("root", LEVELS)
def test_children_and_bias_are_the_parent(obs, root, gate):
    tree = Tracer(sparse(gate)).tree(obs, root=root, action=2, n=FEW)
    parents = tree.total > 0
    if root != "attention":
        parents &= tree.level > 0  # 49 cells, or six times six channels: more than FEW
    levels = {"attention": {0, 1, 2, 3, 4}, "attention_direct": {1, 2, 3}}
    assert set(tree.level[parents].tolist()) == levels.get(root, {1, 2, 3, 4})
    apart = np.abs(sums_of_children(tree, tree.relevance) + tree.bias - tree.relevance)[parents]
    assert apart.max() < 1e-5 * np.abs(tree.relevance[parents]).min()
    assert (np.abs(tree.bias[parents]) / tree.total[parents]).max() > 0.01  # it does count here
    held = sums_of_children(tree, np.abs(tree.relevance)) + np.abs(tree.bias)
    np.testing.assert_allclose(held[parents], tree.total[parents])


def test_direct_sums_what_the_hidden_units_hand_down(sparse_agent, obs):
    tracer = Tracer(sparse_agent)
    units, direct = tracer.tree(obs, n=FEW), tracer.tree(obs, root="attention_direct", n=16)
    for root in np.flatnonzero((direct.parent < 0) & (direct.rank < FEW)):
        same = [units.parent < 0] + [
            getattr(units, name) == getattr(direct, name)[root]
            for name in ("channel", "row", "column")
        ]
        hidden = np.flatnonzero(np.isin(units.parent, np.flatnonzero(np.all(same, 0))))
        for child in np.flatnonzero(direct.parent == root):
            below = np.isin(units.parent, hidden) & (units.channel == direct.channel[child])
            assert direct.relevance[child] == pytest.approx(units.relevance[below].sum())


def test_no_preference_is_no_evidence(obs):
    """A new agent, without biases: all six actions about as likely, log pi = -ln 6 = -1.79176."""
    settings = config.AttentionSettings(gate="softmax", maps=2, hidden=16)
    model = opened(ActorCritic(6, settings, torch.Generator().manual_seed(0)))
    tree = Tracer(model).tree(obs, root="log_prob", action=2, n=3)
    log_prob = see(model, torch.from_numpy(obs)[None]).log_probs[0, 2].item()
    assert tree.offset == pytest.approx(-1.79176, abs=1e-3)  # -H
    assert abs(tree.relevance[0]) < 0.05
    assert tree.relevance[0] + tree.offset == pytest.approx(log_prob, abs=1e-6)
    assert abs(tree.bias[0]) < 1e-9  # z_a - sum pi z is without biases all evidence


@pytest.mark.parametrize("root", ["log_prob", "margin", "value"])
def test_a_target_s_root_is_the_target_and_its_children_are_cells(sparse_agent, obs, root):
    tree = Tracer(sparse_agent).tree(obs, root=root, action=2, n=FEW)
    seen = see(sparse_agent, torch.from_numpy(obs)[None])
    target = TARGETS[root](seen, torch.tensor([2])).item()
    log_probs = seen.log_probs[0]
    entropy = -(log_probs.exp() * log_probs).sum().item() if root == "log_prob" else 0
    assert tree.offset == pytest.approx(-entropy, abs=1e-5)
    assert tree.relevance[0] + tree.offset == pytest.approx(target, abs=1e-5)
    assert tree.channel[0] == (0 if root == "value" else 2)
    assert 0 < tree.coverage[0] < 1


@pytest.mark.parametrize("root", ATTENTION_ROOTS)
def test_attention_s_roots_are_its_peaks_with_their_centred_scores(sparse_agent, obs, root):
    tree = Tracer(sparse_agent).tree(obs, root=root, n=FEW)
    seen = see(sparse_agent, torch.from_numpy(obs)[None])
    for k in range(2):
        cell = divmod(int(seen.attention[0, k].argmax()), 7)
        first = np.flatnonzero((tree.parent < 0) & (tree.channel == k) & (tree.rank == 0))
        assert [(tree.row[i], tree.column[i]) for i in first] == [cell]
        scores = seen.scores[0, k]
        assert tree.relevance[first[0]] == pytest.approx(
            float(scores[cell] - scores.mean()), abs=1e-5
        )


@pytest.mark.parametrize(("gate", "rise"), [("softmax", 0), ("sigmoid", 3)])
def test_what_all_cells_share_counts_where_the_gate_heeds_it(obs, gate, rise):
    """All scores 3 higher: under a softmax nothing changes, under a sigmoid everything does."""
    model, raised = sparse(gate), sparse(gate)
    raised.state_dict()["attention.score.2.bias"].add_(3)
    before, after = (see(each, torch.from_numpy(obs)[None]) for each in (model, raised))
    attended = [TARGETS["attended"](each, torch.tensor([2])).item() for each in (before, after)]
    assert attended[1] - attended[0] == pytest.approx(2 * rise, abs=1e-4)  # two maps
    assert ((after.value - before.value).abs().item() > 1e-4) == (rise > 0)
    for root in ATTENTION_ROOTS:
        low, high = (Tracer(each).tree(obs, root=root, n=FEW) for each in (model, raised))
        top = low.parent < 0
        for name in ("relevance", "bias"):
            change = getattr(high, name) - getattr(low, name)
            np.testing.assert_allclose(change[top], rise, atol=1e-6)
            np.testing.assert_allclose(change[~top], 0, atol=1e-6)


def test_more_children_cover_more(sparse_agent, obs):
    tracer = Tracer(sparse_agent)
    covered = [tracer.tree(obs, root="value", n=n).level_coverage for n in (1, 3, 6)]
    assert covered[0][0] == covered[2][0] == 1
    for fewer, more in ((covered[0], covered[1]), (covered[1], covered[2])):
        assert all(low < high for low, high in zip(fewer[1:], more[1:], strict=True))


def test_children_are_the_strongest_in_order(sparse_agent, obs):
    tracer = Tracer(sparse_agent)
    all_, few = tracer.tree(obs, n=FEW), tracer.tree(obs, n=2)
    for tree in (all_, few):
        for parent in range(50):
            sizes = np.abs(tree.relevance[tree.parent == parent])
            assert (np.diff(sizes) <= 0).all()
            np.testing.assert_array_equal(tree.rank[tree.parent == parent], np.arange(len(sizes)))
    best = np.flatnonzero((all_.parent == 0) & (all_.rank < 2))
    kept = np.flatnonzero(few.parent == 0)
    np.testing.assert_array_equal(all_.channel[best], few.channel[kept])


def test_true_channels_and_places():
    """The planted agent, its one path laid through channels 19, 37 and 41."""
    model = planted.planted()
    weights = model.state_dict()
    for layer, old, new in ((0, 0, 19), (2, 0, 37), (4, 0, 41)):
        weight = weights[f"encoder.{layer}.weight"]
        weight[new], weight[old] = weight[old].clone(), 0
        if layer < 4:
            after = weights[f"encoder.{layer + 2}.weight"]
            after[:, new], after[:, old] = after[:, old].clone(), 0
    score = weights["attention.score.0.weight"]
    score[:, 41], score[:, 0] = score[:, 0].clone(), 0
    tree = Tracer(model).tree(planted.scene(spot=255, ground=0)[0].numpy(), n=3)

    path = [0]
    while (below := np.flatnonzero((tree.parent == path[-1]) & (tree.rank == 0))).size:
        path.append(int(below[0]))
    # map 0, hidden unit 0, then down the planted channels to the newest frame
    assert tree.channel[path].tolist() == [0, 0, 41, 37, 19, 3]
    # cell (2, 4) <- (3, 5) of layer 2 <- (7, 11) of layer 1, rows 28..35, columns 44..51
    places = list(zip(tree.row[path].tolist(), tree.column[path].tolist(), strict=True))
    assert places == [(2, 4), (2, 4), (2, 4), (3, 5), (7, 11), (7, 11)]
    leaf = tree.as_dict()["nodes"][0]
    while leaf["children"]:
        leaf = leaf["children"][0]
    assert leaf["box"] == [28, 44, 36, 52]
    assert (planted.SPOT[0].start, planted.SPOT[1].start) == (28, 44)


def test_the_sign_is_kept():
    """The value falls with the spot (planted: -3 times), the liked action rises (2 times)."""
    obs = planted.scene()[0].numpy()
    tracer = Tracer(planted.planted())
    for root, sign in (("value", -1), ("margin", 1)):
        tree = tracer.tree(obs, root=root, action=planted.LIKED)
        newest = (tree.level == 5) & (tree.channel == planted.NEWEST)
        assert newest.any()
        assert (np.sign(tree.relevance[newest]) == sign).all()


def test_held_and_coverage_by_hand():
    # A root 4 of total 5 (children 3, -1, bias 1), the child 3 of total 6 with one child 2 kept.
    tree = Tree(
        "value",
        (Level("a", 0, 84), Level("b", 8, 36), Level("c", 8, 20)),
        parent=np.array([-1, 0, 1]),
        level=np.array([0, 1, 2]),
        rank=np.zeros(3, int),
        channel=np.zeros(3, int),
        row=np.array([0, 2, 3]),
        column=np.array([0, 4, 5]),
        relevance=np.array([4.0, 3, 2]),
        bias=np.array([1.0, 1, 0]),
        total=np.array([5.0, 6, 0]),
    )
    np.testing.assert_allclose(tree.coverage, [3 / 5, 2 / 6, np.nan])
    np.testing.assert_allclose(tree.held, [1, 3 / 5, 3 / 5 * 2 / 6])
    assert tree.level_coverage == pytest.approx([1, 0.6, 0.2])
    shown = json.loads(json.dumps(tree.as_dict()))
    assert shown["offset"] == 0
    assert shown["level_coverage"] == pytest.approx({"a": 1, "b": 0.6, "c": 0.2})
    (root,) = shown["nodes"]
    assert root["children"][0]["children"][0] | {"held": 0.2} == {
        "level": "c",
        "channel": 0,
        "row": 3,
        "column": 5,
        "box": [24, 40, 44, 60],
        "relevance": 2,
        "bias": 0,
        "coverage": None,
        "held": 0.2,
        "children": [],
    }


def test_a_black_screen_and_a_saturated_softmax_are_finite():
    for spot in (0, 255):
        tracer = Tracer(planted.planted(sharpness=1e4))
        obs = planted.scene(spot=spot, ground=0)[0].numpy()
        for root in LEVELS:
            tree = tracer.tree(obs, root=root, action=1)
            assert np.isfinite(tree.relevance).all()
            assert np.isfinite(tree.held).all()


def test_an_agent_without_attention_has_no_tree_of_it():
    tracer, obs = Tracer(planted.planted("none")), planted.scene()[0].numpy()
    with pytest.raises(ConfigError, match=r"root=attention is not allowed\nallowed: log_prob"):
        tracer.tree(obs)
    assert len(tracer.tree(obs, root="margin", action=planted.LIKED)) > 5


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"n": 0}, "n=0"),
        ({"n": 17}, "n=17"),
        ({"root": "valeu"}, "nearest: value"),
        ({"root": "value", "action": 4}, "action=4"),
    ],
)
def test_what_isn_t_there_is_told(wrong, told):
    with pytest.raises(ConfigError, match=told):
        Tracer(planted.planted()).tree(planted.scene()[0].numpy(), **wrong)
