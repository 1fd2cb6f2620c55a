"""Command lines drawn at random from all that people or fuzzers come to run or are refused."""

import random

import pytest
from dry_run import check_refused

from attn_ppo.launch import overrides

pytest_plugins = "dry_run"

VALUES = [
    "",
    "0",
    "1",
    "-1",
    "0.5",
    "1e400",
    "-0.0",
    "5e-324",
    "nan",
    "inf",
    "true",
    "null",
    "None",
    "abc",
    "Breakout",
    "Brekout",
    "combat",
    "paper",
    "local",
    "slurm",
    "../x",
    ".",
    "/etc/passwd",
    "<b>x</b>",
    "con",
    "a.",
    "a\nb",
    "\x1b[31mred",
    "'\x1b[31mred'",
    "\u202eabc",
    "\udcff",
    "\N{GRINNING FACE}",
    "a" * 70,
    "9" * 500,
    "9" * 4400,
    "[" * 40,
    "(" * 40,
    "[",
    "}",
    "'",
    '"',
    "\\",
    "${",
    "${seed}",
    "???",
    "${oc.env:WANDB_API_KEY}",
    r"$\{oc.env:WANDB_API_KEY\}",
    "[${oc.env:AWS_SECRET_ACCESS_KEY}]",
    "${oc.env:NOPE}",
    "[1,2]",
    "[]",
    "{}",
    "{a:1}",
    "{a:{_target_:os.system}}",
    "1,2",
    "a,b",
    "1,",
    ",",
    "choice(1,2)",
    "choice()",
    "range(3)",
    "range(0,3,0)",
    "range(0,inf)",
    "range(0,nan)",
    "range(10000000)",
    "range(0,1,1e-9)",
    "shuffle(range(0,100000000))",
    "sort(3,1,2)",
    "sort(a,1)",
    "interval(0,1)",
    "glob(*)",
    "tag(x,1)",
    "int(abc)",
    "int(1e400)",
    "nope(1)",
    "1=2",
    "=",
    "a b",
    "\t",
    "-m",
    "+",
    "~",
    "`id`",
    "$(id)",
    "1__0",
    "0x10",
    "\N{ARABIC-INDIC DIGIT THREE}",
    "cuda:99",
    "CPU",
    "1e99999",
    "os.system",
    "baselines,machado",
    "paper,quick",
    "local,serial",
    "glob(*)",
    "glob([b*,m*],exclude=x)",
    "${lambda}",
    "a-${env}",
    "${attention.gate}",
    "${ppo.num_envs}",
    "${name}",
    "${.seed}",
    "${hydra.job.name}",
    "${${seed}}",
    "${seed}${oc.env:AWS_SECRET_ACCESS_KEY}",
    "[attention.gate]",
    "[protocol,ppo.gamma]",
    "[attention.gate=none]",
    "[_target_]",
    "~/runs",
    "~nobody/runs",
    "/nowhere/runs",
    "..",
    "basic",
    "tag(log,interval(1e-5,1e-2))",
    "0," * 400 + "0",
]
HYDRAS = [
    "hydra",
    "hydra.",
    "hydra/launcher",
    "hydra/sweeper",
    "hydra/sweeper/sampler",
    "hydra/sweeper/x/y",
    "hydra.sweeper.max_batch_size",
    "hydra.sweeper.params",
    "hydra.sweeper.params.lambda",
    "hydra.sweeper._target_",
    "hydra.sweeper.n_trials",
    "hydra/help@hydra.help",
    "hydra.run.dir",
    "hydra.sweep.dir",
    "hydra.sweep.subdir",
    "hydra.output_subdir",
    "hydra.job.chdir",
    "hydra.mode",
    "hydra.job.env_set.X",
    "hydra.sweeper.params.seed",
    "hydra.searchpath",
    "hydra.callbacks",
    "hydra.verbose",
    "hydra.launcher",
    "hydra.launcher.",
    "hydra.launcher._target_",
    "hydra.launcher.n_jobs",
    "hydra.launcher.n_jobs.x",
    "hydra.launcher.backend",
    "hydra.launcher@x",
]
FLAGS = [
    "--config-path=x",
    "-cd",
    "--config-dir",
    "--config-dir=.",
    "--config-dir=/etc",
    "--shell-completion",
    "-cn",
    "x",
    "--cfg",
    "--cfg=x",
    "--info",
    "--resolve",
    "--package=x",
    "--run",
    "-sc",
    "--hydra-help",
    "--version",
    "--",
    "-",
    "---",
    "--foo",
    "-1",
    "-m=1",
    "--mul",
    "--experimental-rerun=x",
    "-env=Pong",
]
WRAPPINGS = ["[%s]", "'%s'", "{a:%s}", "%s,1", "choice(%s)", "str(%s)", "range(0,%s)", "{%s:1}"]


def draw_arguments(rng: random.Random) -> list[str]:
    """Mostly one override and mostly a wrong one, of any kind that people or fuzzers come to."""
    keys = [*overrides.keys(), *HYDRAS]

    def mutated(text: str) -> str:
        at = rng.randrange(len(text) + 1)
        return text[:at] + rng.choice(["", *"x_. \n\x1b@/="]) + text[at + 1 :]

    def override() -> str:
        key = rng.choice(keys)
        key = mutated(key) if rng.random() < 0.15 else key
        value = rng.choice(VALUES)
        if rng.random() < 0.15:
            value = rng.choice(WRAPPINGS).replace("%s", value)
        elif rng.random() < 0.15:
            value = mutated(value)
        shape = rng.random()
        if shape < 0.05:
            return (
                rng.choice(["+", "++", "~", "-", "--", "@"]) + key + rng.choice(["", f"={value}"])
            )
        return rng.choice([key, value, rng.choice(FLAGS)]) if shape < 0.12 else f"{key}={value}"

    arguments = [override() for _ in range(rng.choice([1, 1, 1, 2]))]
    return [*(["-m"] if rng.random() < 0.3 else []), *arguments]


@pytest.mark.parametrize(
    ("count", "seed"), [(300, 20260115), pytest.param(2700, 20260116, marks=pytest.mark.slow)]
)
def test_whatever_is_asked_runs_or_is_refused(count, seed, dry_run):
    rng, codes = random.Random(seed), []
    for _ in range(count):
        arguments = draw_arguments(rng)
        try:
            outcome = dry_run(*arguments)
            if outcome.code:
                check_refused(outcome)
            else:
                assert (outcome.begun, outcome.out, outcome.err) == (True, "", [])
        except BaseException as error:
            error.add_note(f"asked: {arguments!r}")
            raise
        codes.append(outcome.code)
    assert set(codes) == {0, 2}
    # most are wrong, and not all that is right is refused: 20 to 500 of 3,000
    assert count / 150 < codes.count(0) < count / 6
