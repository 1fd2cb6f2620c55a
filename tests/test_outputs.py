"""Where --out and --margin lead: a folder for a file's command, a file for a folder's."""

import importlib

import pytest
from test_analysis_runs import write_run, write_sweep

from analysis import claims, drawing, figures
from analysis.report.__main__ import main as make_report

INTO_A_FOLDER = ("figures", "claims", "tables", "videos", "page", "stress", "believe")


@pytest.mark.parametrize("name", INTO_A_FOLDER)
def test_a_file_is_no_folder_to_write_into(name, in_empty_folder, capsys):
    write_run(in_empty_folder / "sweep")
    (in_empty_folder / "notes.txt").write_text("mine")
    main = importlib.import_module(f"analysis.{name}").main
    assert main(["sweep", "--out", "notes.txt"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told == ["error: --out=notes.txt is a file", "allowed: a folder, there or not"]
    assert (in_empty_folder / "notes.txt").read_text() == "mine"


def test_a_report_goes_into_a_folder_under_its_own_name(in_empty_folder, capsys):
    write_sweep(in_empty_folder / "sweep", ["Breakout"], ["0", "0.005"], 2)
    (in_empty_folder / "pages").mkdir()
    assert make_report(["sweep", "--out", "pages"]) == 0
    assert capsys.readouterr().out.endswith("look at\n  pages/report.html\n")
    assert make_report(["sweep", "--out", "pages/mine.html"]) == 0
    assert make_report(["sweep", "--out", "new/mine.html"]) == 0
    written = sorted(str(p.relative_to(in_empty_folder)) for p in in_empty_folder.rglob("*.html"))
    assert written == ["new/mine.html", "pages/mine.html", "pages/report.html"]


def test_a_table_of_own_runs_goes_into_a_folder(in_empty_folder):
    write_run(in_empty_folder / "sweep")
    (in_empty_folder / "tables").mkdir()
    main = importlib.import_module("analysis.own_runs").main
    assert main(["sweep", "--out", "tables"]) == 0
    assert [path.name for path in (in_empty_folder / "tables").iterdir()] == ["own_runs.csv"]


def test_the_margin_is_that_of_the_figures_too(tmp_path, monkeypatch):
    write_sweep(tmp_path, ["Breakout"], ["0", "0.005"], 2)
    drawn = []
    monkeypatch.setattr(drawing, "save", lambda figure, *_: drawn.append(figure) or [])
    assert figures.main([str(tmp_path), "--margin", "0.25", "--out", str(tmp_path / "f")]) == 0
    (frontier,) = (f for f in drawn if f.get_suptitle() == "What sharper attention costs")
    lines = [line for panel in frontier.axes for line in panel.lines if line.get_gid() == "margin"]
    assert lines
    assert {line.get_ydata()[0] for line in lines} == {0.75}
    assert "rules out a drop of 25 %" in " ".join(frontier.get_supxlabel().split())


@pytest.mark.parametrize("command", [figures.main, claims.main, make_report])
def test_a_margin_that_is_none(command, tmp_path, capsys):
    assert command([str(tmp_path), "--margin", "1"]) == 2
    assert capsys.readouterr().err.startswith("error: --margin=1 is not allowed\nallowed: a share")
