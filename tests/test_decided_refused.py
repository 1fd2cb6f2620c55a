"""What a sweep with `until=decided` can't be asked for."""

import pytest
from dry_run import check_refused, dry_run  # noqa: F401

ONE = ("-m", "until=decided", "lambda=0,0.1")


@pytest.mark.parametrize(
    ("arguments", "wrong", "allowed"),
    [
        (("-m", "until=decidd", "lambda=0,0.1"), "until=decidd", "decided"),
        ((*ONE, "budget=0"), "budget=0", "from 1 to 10,000"),
        (ONE, "budget=null", "the number of runs"),
        (("budget=40",), "budget=40", "until=decided"),
        (("until=decided", "budget=40"), "until=decided", "add -m"),
        ((*ONE, "budget=40", "lambda=0.1,0.2"), "lambda=0.1,0.2", "0, which others"),
        ((*ONE, "budget=40", "lambda=0"), "lambda=0 ", "at least one of these"),
        ((*ONE, "budget=40", "seed=0,1"), "seed=0,1 has several", "the first seed alone"),
        ((*ONE, "budget=40", "evaluation.episodes=0"), "evaluation.episodes=0", "1 or more"),
        ((*ONE, "budget=11"), "budget=11", "at least 12, "),  # 6, and 6 that can decide
        ((*ONE, "budget=40", "seed=2147483640"), "seed=2147483640", "at most 2,147,483,607"),
        ((*ONE, "budget=40", "env=Casino"), "env=Casino", "decided.margin=0"),
        ((*ONE, "budget=40", "hydra/sweeper=basic", "decided.seeds=1"), "decided.seeds=1", "2 to"),
        ((*ONE, "budget=40", "name=a,b"), "name=a,b has several", "one for the sweep"),
        ((*ONE, "budget=40", "decided.margin=-1"), "decided.margin=-1", "from 0 to 0.9"),
    ],
)
def test_what_can_t_be_decided_is_refused(dry_run, arguments, wrong, allowed):  # noqa: F811
    outcome = dry_run(*arguments)
    check_refused(outcome)
    assert outcome.err[0].startswith(f"error: {wrong}")
    assert allowed in outcome.err[1]
