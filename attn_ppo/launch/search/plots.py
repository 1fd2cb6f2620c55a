"""Optuna's own plots of a search, in `search/` beside its runs.

They show what was run: a lambda that was run as 0 stands at 0, on an axis that has one.
"""

import importlib
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attn_ppo import config, schema
from attn_ppo.config import RunConfig
from attn_ppo.errors import shorten
from attn_ppo.launch.search.results import Run
from attn_ppo.launch.search.study import Study, optuna
from attn_ppo.lifecycle.disk import replacing

FOLDER = "search"
FOR_IMPORTANCES = 8  # trials with a result: fewer say nothing of what matters
PANEL = (4.5, 3.8)  # inches


def draw(study: Study, runs: Sequence[Run], first: RunConfig) -> None:
    """Draws what there are trials enough for, and says where; a plot that fails costs a line."""
    done, drawn = sum(run.result is not None for run in runs), []
    folder = first.sweep_folder / FOLDER
    if not done:
        return
    before = os.environ.get("MPLBACKEND")
    os.environ["MPLBACKEND"] = "Agg"  # a notebook's would end matplotlib's import
    try:
        folder.mkdir(exist_ok=True)
        for name, plot in _plots(study, runs, done).items():
            try:
                _save(folder / f"{name}.png", plot, first, done)
                drawn.append(f"{folder / name}.png")
            except Exception as error:
                _tell(name, error)
    except Exception as error:  # whatever: the search is done
        _tell("plot", error)
    finally:
        os.environ.pop("MPLBACKEND")
        os.environ.update({"MPLBACKEND": before} if before else {})
    if drawn:
        print(f"plots: {' '.join(drawn)}")


def _tell(name: str, error: Exception) -> None:
    reason = shorten(str(error).partition("\n")[0], 120)
    print(f"no {name}: {type(error).__name__}: {reason}")


def _plots(study: Study, runs: Sequence[Run], done: int) -> Mapping[str, Callable[[], Any]]:
    """Optuna's plots by name: each draws, and returns its axes."""
    import matplotlib
    from matplotlib import cm

    plots = importlib.import_module("optuna.visualization.matplotlib")
    matplotlib.use("Agg", force=True)
    if not hasattr(cm, "get_cmap"):  # gone since matplotlib 3.9
        cm.get_cmap = matplotlib.colormaps.get_cmap  # pyright: ignore[reportAttributeAccessIssue]
    shown = study.as_run({run.number: run.values for run in runs})
    # Optuna's default, fANOVA, fails with today's scikit-learn.
    evaluator = optuna().importance.MeanDecreaseImpurityImportanceEvaluator(seed=0)
    found: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.plot_optimization_history(shown),
        "slice": lambda: plots.plot_slice(shown),
    }
    if done >= FOR_IMPORTANCES and len({key for run in runs for key in run.values}) > 1:
        found["importances"] = lambda: plots.plot_param_importances(shown, evaluator=evaluator)
    return found


def _save(path: Path, plot: Callable[[], Any], first: RunConfig, done: int) -> None:
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator

    with pyplot.style.context("ggplot"), warnings.catch_warnings():  # Optuna's own style
        warnings.simplefilter("ignore")  # of a single value it can't make a range
        drawn = plot()
        values = schema.flatten(config.as_dict(first))
        panels = list(getattr(drawn, "flat", [drawn]))
        figure = panels[0].figure
        width = PANEL[0] * len(panels) + 1 if len(panels) > 1 else PANEL[0] * 1.5
        figure.set_size_inches(width, PANEL[1])
        for axes in panels:
            if type(values.get(axes.get_xlabel())) is int:
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if axes.get_xlabel() == "lambda" and first.search.zero_below:
                _show_zero(axes, first.search.zero_below)
            if axes.get_ylabel() == "Objective Value":
                axes.set_ylabel("objective")
            axes.set_title("")
        figure.suptitle(f"{first.name}: {first.env}, {done} trials", fontsize=12)
        with replacing(path) as pending:
            figure.savefig(pending, format="png", dpi=120, bbox_inches="tight")
        pyplot.close(figure)


def _show_zero(axes: Any, smallest: float) -> None:
    """A log axis down to the smallest lambda that isn't run as 0, and linear below it."""
    largest = max(x for points in axes.collections for x, _ in points.get_offsets())
    first, last = math.floor(math.log10(smallest)), math.ceil(math.log10(max(largest, smallest)))
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.5)
    axes.set_xticks([0.0, *(10.0**power for power in range(first, last + 1))])
    axes.set_xlim(-0.4 * smallest, 1.5 * max(largest, smallest))
