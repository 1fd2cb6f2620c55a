"""Colours of lambdas and variants: dark enough on white, in order in grey, for the colour-blind."""

import numpy as np
import pytest
from matplotlib import colors
from test_analysis_runs import write_run
from test_report import made

from analysis.layout import VARIANT_COLORS
from analysis.panels import MARKERS, lambda_colors, lambda_looks
from analysis.report.shades import on_dark

STUDY = [0, 0.0005, 0.001, 0.002, 0.003, 0.005]
# Machado, Oliveira, Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", table 1, severity 1: linear RGB as seen by the colour-blind.
SEEN = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)  # of linear sRGB, IEC 61966-2-1
WHITE = np.array([0.9505, 1, 1.089])


def linear(chosen) -> np.ndarray:
    """(colours, 3) linear sRGB."""
    rgb = np.array([colors.to_rgb(color) for color in chosen])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(chosen, seen: str = "normal") -> np.ndarray:
    """(colours, 3) CIE L*a*b*; L* is 0 for black and 100 for white, 2 a difference just seen."""
    xyz = np.clip(linear(chosen) @ SEEN[seen].T, 0, 1) @ TO_XYZ.T / WHITE
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def contrast(chosen) -> np.ndarray:
    """WCAG 2.1, against white."""
    return 1.05 / (linear(chosen) @ TO_XYZ[1] + 0.05)


def hues(chosen) -> np.ndarray:
    """Degrees of red, green and blue's circle."""
    return 360 * colors.rgb_to_hsv([colors.to_rgb(color) for color in chosen])[:, 0]


def closest(points: np.ndarray) -> float:
    """The distance between those two that are hardest to tell apart."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return distances[~np.eye(len(points), dtype=bool)].min()


def test_the_ruler_reads_known_colours():
    # Lindbloom's calculator: sRGB red is L* 53.24 a* 80.09 b* 67.20
    assert lab(["#ff0000"])[0] == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert contrast(["#000000", "#ffffff", "#767676"]) == pytest.approx([21, 1, 4.54], abs=0.01)
    # grey has no colour to be blind to
    assert lab(["#808080"], "protanopia")[0] == pytest.approx(lab(["#808080"])[0], abs=0.05)


@pytest.mark.parametrize("seen", SEEN)
def test_six_lambdas_are_read_in_order(seen):
    chosen = list(lambda_colors(STUDY).values())
    shades = lab(chosen, seen)
    assert (np.diff(shades[:, 0]) > 7).all()  # each lighter than the one before
    assert closest(shades) > 9


def test_lambdas_are_even_steps_of_grey_and_dark_enough():
    chosen = list(lambda_colors(STUDY).values())
    steps = np.diff(lab(chosen)[:, 0])
    assert steps.min() > 10
    assert steps.max() < 1.3 * steps.min()
    for count in (1, 2, 3, 6, 9, 12):
        many = list(lambda_colors(range(count)).values())
        assert contrast(many).min() >= 3
        assert (np.diff(lab(many)[:, 0]) > 4).all()


def test_lambda_0_is_the_reference_and_nearly_black():
    assert lab([lambda_colors(STUDY)[0]])[0, 0] < 5
    assert lambda_colors([0]) == {0: lambda_colors(STUDY)[0]}
    # the order and repeats of what is asked for don't matter
    assert lambda_colors([0.005, 0, 0.005]) == lambda_colors([0, 0.005])
    assert list(lambda_colors([0.005, 0])) == [0, 0.005]
    # without it the others are coloured as beside it
    without = lambda_colors(STUDY[1:])
    assert without == {each: lambda_colors(STUDY)[each] for each in STUDY[1:]}
    assert lambda_colors([]) == {}


def test_markers_tell_lambdas_apart_too():
    looks = lambda_looks(STUDY)
    assert [marker for _, marker in looks.values()] == ["o", "s", "^", "D", "v", "P"]
    assert lambda_looks(STUDY[1:]) == {each: looks[each] for each in STUDY[1:]}
    assert {each: color for each, (color, _) in looks.items()} == lambda_colors(STUDY)
    assert len(set(MARKERS)) == 12


@pytest.mark.parametrize("seen", SEEN)
def test_variants_are_told_apart(seen):
    assert len(VARIANT_COLORS) == 8
    assert contrast(VARIANT_COLORS).min() > 3
    assert closest(lab(VARIANT_COLORS, seen)) > 11


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_on_dark_each_lambda_keeps_its_hue_and_its_place(count):
    """Lambda 0 stands out most on either ground; steps are even, and 3:1 or more on the card."""
    light = list(lambda_colors(STUDY[:count]).values())
    dark = on_dark(light)
    turned = (hues(dark) - hues(light) + 180) % 360 - 180
    assert np.abs(turned).max() < 3
    lightness = lab(dark)[:, 0]
    assert lightness[0] == pytest.approx(95, abs=0.5)
    steps = -np.diff(lightness)
    assert steps == pytest.approx(np.full(count - 1, 37 / max(count - 1, 1)), abs=0.6)  # to 58
    on_card = contrast(["#1b1d20"]) / contrast(dark)
    assert on_card.min() > 4.5


@pytest.mark.parametrize("seen", SEEN)
def test_six_lambdas_are_read_in_order_on_dark(seen):
    shades = lab(on_dark(list(lambda_colors(STUDY).values())), seen)
    assert (np.diff(shades[:, 0]) < -3).all()
    assert closest(shades) > 7


def test_without_lambda_0_none_has_its_colour_in_the_report(tmp_path):
    for lambda_ in ("0.0005", "0.005"):
        write_run(tmp_path, lambda_=lambda_)
    first, second = made(tmp_path)["lambdas"]
    in_figures = lambda_colors([0.0005, 0.005])
    assert [first["light"], second["light"]] == list(in_figures.values())
    # of three steps from 95 to 58 the second and the third
    assert lab([first["dark"], second["dark"]])[:, 0] == pytest.approx([76.5, 58], abs=0.5)
