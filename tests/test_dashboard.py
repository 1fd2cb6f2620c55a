"""`python -m analysis.dashboard`: a project's workspace on W&B, or as JSON."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from synthetic import write_sweep
from wandb_server import KEY, WandbServer

from analysis import dashboard
from analysis.aggregates import curves
from analysis.dashboard_panels import groups_of
from analysis.runs import read_runs
from attn_ppo.lifecycle import run_dir

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder", "nobody_logged_in")
OURS = {"lambda", "evaluation/attention_entropy", "evaluation/score_mean"}


@pytest.fixture
def sweep() -> Path:
    """Two games, two lambdas, two seeds."""
    write_sweep(Path("sweep"), games=2, lambdas=2, seeds=2, updates=30)
    return Path("sweep")


def panels(spec: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Of each section, its panels' configs."""
    sections = spec["section"]["panelBankConfig"]["sections"]
    return {s["name"]: [p["config"] for p in s["panels"]] for s in sections}


def test_saved_once_and_brought_up_to_date(sweep: Path, server: WandbServer, capsys):
    assert dashboard.main([str(sweep), "--project", "tester/attention"]) == 0
    out = capsys.readouterr().out
    (name, view), *others = server.views.items()
    assert others == []
    assert f"look at {server.url}/tester/attention?nw={name[3:-2]}" in out
    assert (view["entityName"], view["projectName"]) == ("tester", "attention")
    assert view["displayName"] == "attn_ppo sweep"
    assert "id" not in view
    assert dashboard.main([str(sweep), "--project", "tester/attention"]) == 0
    assert list(server.views) == [name]
    assert server.views[name]["id"] == "v"  # the same one
    assert KEY not in Path("sweep/figures/dashboard.json").read_text() + out


def test_without_a_login_it_is_json(sweep: Path, capsys):
    assert dashboard.main([str(sweep)]) == 0
    told = capsys.readouterr().out
    assert "not saved on W&B, nobody is logged in; to save it: wandb login" in told
    assert "as JSON: sweep/figures/dashboard.json" in told
    found = json.loads((sweep / "figures/dashboard.json").read_text())
    runs = found["spec"]["section"]["runSets"][0]
    assert [key["name"] for key in runs["grouping"]] == ["lambda.value", "env.value"]
    assert len(found["spec"]["section"]["customRunColors"]) == 2  # one a lambda
    shown = panels(found["spec"])
    curves_shown = [config["metrics"] for config in shown["Score"] if "metrics" in config]
    assert ["episode_return"] in curves_shown
    scatter = next(
        config for config in shown["Score"] if "xAxis" in config and "metrics" not in config
    )
    assert scatter["xAxis"] == "summary:evaluation/attention_entropy"
    assert scatter["yAxis"] == "summary:evaluation/score_mean"
    assert shown["Videos"][0]["mediaKeys"] == ["video/training"]
    assert "λ" in shown["What the runs say"][0]["value"]


def test_what_it_shows_is_there(sweep: Path):
    """Names of columns, of aggregates, of what is measured: a typo would be an empty panel."""
    assert dashboard.main([str(sweep)]) == 0
    found = json.loads((sweep / "figures/dashboard.json").read_text())
    shown = panels(found["spec"])
    runs, _ = read_runs(sweep)
    means = {key for row in curves(runs).values() for key in row}
    metrics = {m for config in shown["Means over all seeds"] for m in config["metrics"]}
    assert metrics <= means
    assert len(shown["Means over all seeds"]) == 2 * 4  # games, measures
    for section in ("Score", "Attention", "Learning"):
        metrics = {m for config in shown[section] for m in config.get("metrics", ())}
        assert metrics <= {*run_dir.METRICS, "learning/human_normalised"}
    believe = {m for config in shown["Whether to believe the maps"] for m in config["metrics"]}
    from analysis.believe_summary import summary
    from attn_ppo.interpret.believe.verdict import Agent

    measures = {"methods": {}, "interventions": {}}
    agent = Agent("Breakout", 0, "", 0, (), measures | {"objects": {}}, ())
    assert believe <= {f"believe/{key}" for key in summary(agent, "ball")}


def test_groups_are_told_apart_by_settings_that_differ(tmp_path: Path):
    write_sweep(tmp_path / "one", games=1, lambdas=2, seeds=1, updates=30, others=1)
    runs, _ = read_runs(tmp_path / "one")
    keys = groups_of(runs).keys
    assert keys != []
    assert not {"env", "lambda", "seed", "name"} & set(keys)


def test_without_the_extra(sweep: Path, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert dashboard.main([str(sweep)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "error: dashboard needs wandb-workspaces, which isn't installed"
    assert "pip install 'wandb-workspaces" in said[1]


def test_a_server_that_is_gone_leaves_the_json(sweep: Path, server: WandbServer, capsys):
    server.die()
    assert dashboard.main([str(sweep)]) == 0
    assert "does not answer" in capsys.readouterr().out
    assert (sweep / "figures/dashboard.json").exists()
