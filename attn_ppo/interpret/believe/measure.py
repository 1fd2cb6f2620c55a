"""Everything that is measured of one agent: `measure` -> a dict of plain values, for JSON.

`measure_looking` -> of these where its attention lies alone, which takes a fraction of the time.

A mean is {"value", "low", "high", "p"}, with the 95 % interval of `bootstrap` over this agent's
games and blocks of time; None where undefined. What is in the dict:

steps, games        of the recording; `samples` of its steps, by a rule, where each costs time
entropy             of attention, nats, summed over maps; policy_entropy, nats
objects             one for each: importance (KL of the policy, nats, if the game moves or removes
                    it), share and lift of attention, seen, information, with their controls, of
                    the sum of the maps, which is what the policy gets
cause               how many edits were kept, why others were dropped, what placebos do
methods             one for each method, attention, and what knows the screen alone: agreement
                    with cause, polarity of what is signed, deletion and insertion against random
                    orders, sanity, sensitivity to noise of one grey level
noise               KL of the policy under that noise, nats
maps                of each of the agent's maps: steadiness, dwell and so on
interventions       attention replaced: KL and value a step; `scores` of whole games
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from attn_ppo.interpret.believe import of_methods
from attn_ppo.interpret.believe.agreement import between_methods
from attn_ppo.interpret.believe.cause import REASONS, Causes, by_object, causes, lost_by_removal
from attn_ppo.interpret.believe.edits import EDITS, edits_of
from attn_ppo.interpret.believe.intervene import intervene, scores
from attn_ppo.interpret.believe.objects import find_objects
from attn_ppo.interpret.believe.replay import Replay
from attn_ppo.interpret.believe.sampling import sample_steps
from attn_ppo.interpret.believe.subject import Options, Subject, plain
from attn_ppo.interpret.believe.where import attention_entropy, on_objects
from attn_ppo.interpret.network import OpenAgent
from attn_ppo.interpret.play.recording import Recording

FORMAT = 2
# Parts of the work and about how many seconds each takes on two processors.
STAGES = {
    "objects": 15,
    "cause": 40,
    "looking": 15,
    "maps": 25,
    "deletion": 50,
    "sanity": 60,
    "interventions": 70,
}
LOOKING = ("objects", "looking")  # those of measure_looking
Say = Callable[[str], object]


def measure(
    agent: OpenAgent, recording: Recording, options: Options, *, begin: Say = lambda _: None
) -> dict[str, Any]:
    """All measures of an agent on a recording of it; `begin` is called with each of STAGES.

    Raises RunError where the recording can't be played again.
    """
    begin("objects")
    subject = _subject(agent, recording, options, options.samples)
    begin("cause")
    cause, names, importance, lost = _cause(subject)
    begin("looking")
    rows, of_maps = on_objects(subject, names, importance)
    begin("maps")
    every = of_methods.maps(subject)
    methods = of_methods.agreement(subject, every, names, importance)
    parts = [of_methods.polarity(subject, every, names, lost)]
    begin("deletion")
    parts.append(of_methods.deletion(subject, every))
    begin("sanity")
    parts.append(of_methods.sanity(subject))
    unsteady, noise = of_methods.steadiness(subject)
    for name, found in [pair for part in (*parts, unsteady) for pair in part.items()]:
        methods.setdefault(name, {}).update(found)
    begin("interventions")
    replaced, played = _interventions(subject)
    return plain(
        {
            **_about(subject),
            "objects": rows,
            "cause": cause,
            "methods": methods,
            "between_methods": {
                "names": list(every),
                "correlation": between_methods(every).tolist(),
            },
            "noise": noise,
            "maps": of_maps,
            "interventions": replaced,
            "scores": played,
        }
    )


def measure_looking(
    agent: OpenAgent, recording: Recording, options: Options, *, begin: Say = lambda _: None
) -> dict[str, Any]:
    """Of `measure` what says where attention lies: no edits, no saliency methods, no whole games.

    The same numbers; `begin` is called with each of LOOKING.
    """
    begin("objects")
    subject = _subject(agent, recording, options, 1)
    begin("looking")
    rows, of_maps = on_objects(subject)
    return plain({**_about(subject), "objects": rows, "maps": of_maps})


def _subject(agent: OpenAgent, recording: Recording, options: Options, samples: int) -> Subject:
    steps = sample_steps(recording, samples, seed=options.seed)
    replay = Replay(recording, agent.settings.protocol, steps.tolist())
    objects = find_objects(agent.settings.env, recording.screens, replay.ram)
    return Subject(agent, recording, replay, steps, objects, options)


def _about(subject: Subject) -> dict[str, Any]:
    """Of what and of how much the measures are, and how spread attention and policy are."""
    agent, recording, _, steps, objects, options = subject
    policy_entropy = -(np.exp(recording.log_probs) * recording.log_probs).sum(1)
    return {
        "format": FORMAT,
        "weights": agent.weights,
        "options": options._asdict(),
        "env_steps": agent.env_steps,
        "game": agent.settings.env,
        "steps": len(recording),
        "games": len(np.unique(recording.games)),
        "samples": len(steps),
        "entropy": subject.over_time(attention_entropy(recording)),
        "policy_entropy": subject.over_time(policy_entropy),
        "object_method": objects.method,
    }


def _cause(subject: Subject) -> tuple[dict[str, Any], tuple[str, ...], np.ndarray, np.ndarray]:
    """What became of the edits, the objects that they edit, (S, O) their importance, and what the
    action's log-probability loses without them.

    Only objects that are measured on the screen as well; none in a game without edits.
    """
    agent, recording, replay, steps, objects, _ = subject
    if agent.settings.env not in EDITS:
        return {"edits": 0}, (), np.empty((len(steps), 0)), np.empty((len(steps), 0))
    found = causes(agent, recording, replay, steps, edits_of(agent.settings.env))
    names, importance = by_object(found)
    there = [at for at, name in enumerate(names) if name in objects.names]
    shown = tuple(names[at] for at in there)
    return _edits(found), shown, importance[:, there], lost_by_removal(found, shown)


def _edits(found: Causes) -> dict[str, Any]:
    """How many edits there are, the share of them that could be measured, and the placebos'."""
    placebo = np.array([edit.kind == "placebo" for edit in found.edits])
    dropped, nothing = found.dropped[:, ~placebo], found.kl_forward[:, placebo]
    shares = {reason: float((dropped == code).mean()) for code, reason in enumerate(REASONS)}
    return {
        "edits": int((~placebo).sum()),
        "kept": shares.pop(REASONS[0]),
        "dropped": {reason: share for reason, share in shares.items() if share},
        "placebo": float(np.nanmax(nothing)) if nothing.size else None,
    }


def _interventions(subject: Subject) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """KL and value a step of each intervention, and the scores of whole games with each."""
    agent, recording, *_, options = subject
    effects = intervene(agent, recording, seed=options.seed)
    replaced = {
        name: {
            "kl_forward": subject.over_time(effect.kl_forward.values),
            "kl_backward": subject.over_time(effect.kl_backward.values),
            "value": subject.over_time(effect.value.values),
        }
        for name, effect in effects.items()
    }
    if not effects or not options.games:
        return replaced, {}
    played = scores(agent, recording, games=options.games, seed=options.seed)
    return replaced, {name: each.tolist() for name, each in played.items()}
