"""Which panel a run is drawn in, and in which colour.

One lambda: a panel a game, in which each variant has a colour. Several lambdas, or more variants
than colours can tell apart: a panel for each game and variant, in which each lambda has a colour.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D

from analysis.groups import Group, counted, group, lambdas_of, order_games, variants_in
from analysis.panels import COLUMNS, MARKERS, Place, lambda_label, lambda_looks
from analysis.runs import Run
from attn_ppo.formats import plain
from attn_ppo.variants import NO_ATTENTION, ONLY, Variant

# Of variants that share a panel. Paul Tol's "muted" without its light ones; two made darker and a
# blue added, so that all have 3:1 on white and the colour-blind tell them apart.
VARIANT_COLORS = (
    *("#332288", "#cc6677", "#117733", "#3b9e8c"),
    *("#aa4499", "#92922e", "#882255", "#3a86c8"),
)
MOST_PANELS = 72
ALL_GAMES = "All games"


@dataclass(frozen=True)
class Layout:
    """Where and how all runs of a figure are drawn."""

    pooled: bool  # a panel has all games
    places: tuple[Place | None, ...]  # row by row; None is an empty cell
    columns: int
    by_variant: bool  # colours and markers are those of the variants, else of the lambdas
    looks: Mapping[Any, tuple[str, str]]  # colour and marker of each variant or lambda
    notes: dict[Place, str]  # the settings of a panel's runs, where they are said at all
    left_out: tuple[Variant, ...]  # there isn't room for

    def place(self, run: Run) -> Place:
        """The panel of a run."""
        game = ALL_GAMES if self.pooled else run.config.env
        place = Place(game, run.variant)
        return place if place in self.places else Place(game)

    def look(self, key: Group) -> tuple[str, str]:
        """Colour and marker of a group."""
        return self.looks[key.variant if self.by_variant else key.lambda_]


def layout_of(runs: Sequence[Run], shown: Sequence[Run], *, pooled: bool = False) -> Layout:
    """The layout for `shown`, in the colours that it would have for all `runs`.

    Each game has its panels, unless they are `pooled`.
    """
    lambdas, variants = lambdas_of(runs), variants_in(runs)
    by_variant = len(lambdas) == 1 and 1 < len(variants) <= len(VARIANT_COLORS)
    apart = len(variants) > 1 and not by_variant
    games = order_games(run.config.env for run in shown)
    pooled = pooled and len(games) > 1
    games = [ALL_GAMES] if pooled else games
    there = variants_in(shown) if apart else [ONLY]
    there, left_out = there[: MOST_PANELS // len(games)], there[MOST_PANELS // len(games) :]
    columns = COLUMNS.get(len(games), 3)
    if apart:  # 5 variants in 2 rows of 3, for each game
        columns = math.ceil(len(there) / math.ceil(len(there) / 4))
    filled: dict[Place, list[Run]] = {}
    for run in shown:
        game = ALL_GAMES if pooled else run.config.env
        filled.setdefault(Place(game, run.variant if apart else ONLY), []).append(run)
    places: list[Place | None] = []
    for game in games:
        cells = [Place(game, variant) for variant in there]
        places += [cell if cell in filled else None for cell in cells]
        places += [None] * (-len(places) % columns if apart else 0)
    looks = variant_looks(variants) if by_variant else lambda_looks(lambdas)
    notes = {place: _note(place, members) for place, members in filled.items()}
    return Layout(pooled, tuple(places), columns, by_variant, looks, notes, tuple(left_out))


def with_counts(layout: Layout, shown: Sequence[Run]) -> dict[Place, str]:
    """The notes of panels, and where means aren't all over as many seeds, how many each is over."""
    counts = {key: f"{counted(members)}" for key, members in group(shown).items()}
    if len(set(counts.values())) < 2:
        return layout.notes
    notes = {}
    for place, note in layout.notes.items():
        there = group(run for run in shown if layout.place(run) == place)
        text = counts_text(layout, {key: counts[key] for key in there})
        notes[place] = "\n".join(filter(None, [note, text]))
    return notes


def counts_text(layout: Layout, counts: Mapping[Group, str]) -> str:
    """`n = 5`, or `n = 5 at λ = 0, 0.0005; 3 at λ = 0.002`, for counts in words."""
    by_count: dict[str, list[Group]] = {}
    for key, count in counts.items():
        by_count.setdefault(count, []).append(key)
    if len(by_count) == 1:
        return f"n = {next(iter(by_count))}"
    texts = []
    for count, keys in by_count.items():
        if layout.by_variant:
            texts.append(f"{count} for {', '.join(key.variant.letter for key in keys)}")
        else:
            texts.append(f"{count} at λ = {', '.join(plain(key.lambda_) for key in keys)}")
    return f"n = {'; '.join(texts)}"


def variant_looks(variants: Sequence[Variant]) -> dict[Variant, tuple[str, str]]:
    """Colour and marker of each variant, of which there are no more than colours."""
    return dict(zip(variants, zip(VARIANT_COLORS, MARKERS, strict=False), strict=False))


def legend_handles(layout: Layout, shown: Sequence[Run], **look) -> list[Line2D]:
    """A legend's entry for each colour, with the properties `look` of its line and marker."""
    entries = variants_in(shown) if layout.by_variant else lambdas_of(shown)
    handles = []
    for entry in entries:
        color, marker = layout.looks[entry]
        if isinstance(entry, Variant):
            label = f"{entry.letter}: " + "\n     ".join(settings_texts(entry))
        else:
            label = lambda_label(entry)
        handles.append(Line2D([], [], color=color, marker=marker, label=label, **look))
    return handles


def settings_texts(variant: Variant) -> list[str]:
    """The settings of a variant, with what they mean where that is easily missed."""
    return [f"{text} (no attention)" if text == NO_ATTENTION else text for text in variant.settings]


def left_out_text(layout: Layout) -> str:
    """Which variants aren't drawn; empty if all are."""
    if not layout.left_out:
        return ""
    first, last = layout.left_out[0].letter, layout.left_out[-1].letter
    count = len(layout.left_out)
    return f"Not drawn, for want of room: settings {first} to {last} ({count}); see the table."


def _note(place: Place, members: Sequence[Run]) -> str:
    """`A: attention.gate=none (no attention)`, what the title of a panel doesn't say."""
    variant = place.variant
    if variant.settings:
        return f"{variant.letter}: {' '.join(settings_texts(variant))}"
    bare = all(run.config.attention.gate == "none" for run in members)
    return f"{NO_ATTENTION} (no attention)" if bare else ""
