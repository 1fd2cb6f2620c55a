"""What a word was meant to be: keys, methods and games under their other names."""

from pathlib import Path

import pytest

from attn_ppo import schema
from attn_ppo.atari.games import known, named
from attn_ppo.launch import overrides

ROOT = Path(__file__).parent.parent

NEAREST = {
    # as other trainers or other settings spell it
    "lr": "ppo.learning_rate",
    "ppo.learning-rate": "ppo.learning_rate",
    "n_envs": "ppo.num_envs",
    "ppo.n_steps": "ppo.num_steps",
    "total_timesteps": "total_steps",
    "clip_eps": "ppo.clip_range",
    "ppo.clip": "ppo.clip_range",
    "ent": "ppo.ent_coef",
    "vf": "ppo.vf_coef",
    "gae": "ppo.gae_lambda",
    "num_maps": "attention.maps",
    "wandb": "wandb.mode",
    "wandb_project": "wandb.project",
    "eval_episodes": "evaluation.episodes",
    "max_grad": "ppo.max_grad_norm",
    "sticky": "protocol.sticky_actions",
    "zzz": None,
}


@pytest.mark.parametrize("word", NEAREST)
def test_what_a_key_was_meant_to_be(word):
    assert schema.nearest(word, overrides.keys()) == NEAREST[word]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("grad", "gradient"),
        ("vargard", "vargrad"),
        ("cam", "grad_cam"),
        ("smooth", "smoothgrad"),
        ("ig", "integrated_gradients"),
        ("pert", "perturbation_actor"),
        ("xx", None),
    ],
)
def test_what_a_method_was_meant_to_be(word, meant):
    names = schema.names_in(ROOT / "attn_ppo/interpret/saliency/methods.py", "METHODS")
    assert schema.nearest(word, names) == meant


def test_every_game_is_known_under_its_other_names():
    games = known()
    for game, rom in games.items():
        assert named(game) == named(game.lower()) == named(game.upper()) == game
        assert named(rom) == named(rom.replace("_", "-")) == game


def test_every_game_is_found_under_its_other_names():
    games = known()
    for game, rom in games.items():
        assert schema.nearest(game.lower(), games) == game
        assert schema.nearest(rom, games) == game
        if len(game) > 3:  # Et is in too many words
            assert schema.nearest(f"ALE/{game}-v5", games) == game
            assert schema.nearest(f"{game}NoFrameskip-v4", games) == game
