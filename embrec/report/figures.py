"""The figures of a report, drawn once and saved as SVG in the colours of the page, or as PNG on white."""

from __future__ import annotations

import io
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects, ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from embrec import metrics
from embrec.report import activity_figures, measures
from embrec.report.colours import SERIES, STAND_INS, Colours, on_white, with_page_colours
from embrec.report.findings import Findings
from embrec.report.likeness import MapPoint

# In inches of 72 units; at this width a phone shows the text at about its nominal size.
_SIZE = (5.0, 3.4)
_PIXELS_PER_INCH = 200
_SMALLEST_SHARE = 0.02
_TITLES_ON_MAP = 40
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "embrec",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.titlesize": 11,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}
Draw = Callable[[Figure, Findings, Colours], None]


def svg(name: str, findings: Findings) -> str:
    """Draw a figure as an SVG element in the colours of the page, with its letters as text."""
    buffer = io.StringIO()
    with mpl.rc_context(_style(STAND_INS)):
        figure = _drawn(name, findings, STAND_INS)
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator"), None))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    # Make ids unique, because all figures are in one page, and leave the size to the page.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*" ([^>]*?)width="[^"]*"', r'<svg aria-hidden="true" \1\2', text, count=1)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    return with_page_colours(text)


def save_png(name: str, findings: Findings, path: Path) -> None:
    """Save a figure as PNG on white; letters that no font of matplotlib has become empty boxes."""
    colours = on_white()
    with mpl.rc_context(_style(colours)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        _drawn(name, findings, colours).savefig(path, dpi=_PIXELS_PER_INCH, facecolor=colours.surface)


def names(findings: Findings) -> Iterator[str]:
    """Yield the names of the figures that there is data for."""
    available = {
        "training": any(epoch["rmse"] is not None for epoch in findings.run.history) and not findings.unrated,
        "ratings": findings.histogram is not None,
        "calibration": findings.calibration is not None,
        "coverage": True,
        "events": findings.activity is not None and len(findings.activity.edges) > 0,
        "steps": findings.activity is not None and findings.steps is not None,
        "drift": findings.drift is not None and len(findings.drift.kept) > 0,
        "map": len(findings.points) > 0,
        "neighbours": any(each.near for each in findings.neighbours),
    }
    return (name for name, some in available.items() if some)


def _drawn(name: str, findings: Findings, colours: Colours) -> Figure:
    width, height = _SIZE
    scale = 2 if name in ("map", "neighbours") else 1
    figure = Figure(figsize=(width * scale, height * scale), layout="constrained")
    _DRAWN[name](figure, findings, colours)
    return figure


def _style(colours: Colours) -> dict[Any, Any]:
    soft = dict.fromkeys(("xtick.color", "ytick.color"), colours.ink_soft)
    ink = dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor", "legend.labelcolor"), colours.ink)
    return {**_STYLE, **soft, **ink, "axes.edgecolor": colours.line, "grid.color": colours.line, "grid.linewidth": 0.7}


def _training(figure: Figure, findings: Findings, colours: Colours) -> None:
    axes = figure.subplots()
    history, run = findings.run.history, findings.run
    epochs = [epoch["epoch"] for epoch in history]
    for number, (key, label) in enumerate((("rmse", "training"), ("held_out_rmse", "held out"))):
        values = [np.nan if epoch[key] is None else epoch[key] for epoch in history]
        if np.isfinite(values).any():
            axes.plot(epochs, values, color=colours.series[number], linewidth=2, marker=".", label=label)
    kept = run.metrics.get("kept_epoch")
    if kept and kept != epochs[-1]:
        axes.axvline(kept, color=colours.ink_soft, linewidth=1, linestyle=":", label=f"kept: {kept:g}")
    axes.set_xlabel("sweep" if run.architecture == "two-part" else "epoch")
    axes.set_ylabel("RMSE")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.legend()


def _ratings(figure: Figure, findings: Findings, colours: Colours) -> None:
    histogram = findings.histogram
    assert histogram is not None  # noqa: S101  # else the figure is not drawn
    axes = figure.subplots()
    places = np.arange(len(histogram.labels))
    bars = (("ratings", histogram.ratings, -0.2), ("predictions", histogram.predictions, 0.2))
    for number, (label, shares, aside) in enumerate(bars):
        axes.bar(places + aside, shares, 0.38, color=colours.series[number], label=label)
    step = -(-len(places) // 6) if len(places) > measures.MOST_BARS else 1
    axes.set_xticks(places[::step], histogram.labels[::step])
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("rating")
    axes.legend()


def _calibration(figure: Figure, findings: Findings, colours: Colours) -> None:
    found = findings.calibration
    assert found is not None  # noqa: S101  # else the figure is not drawn
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    ends = [min(found.predicted.min(), found.actual.min()), max(found.predicted.max(), found.actual.max())]
    above.plot(ends, ends, color=colours.ink_soft, linewidth=1, linestyle="--", label="as predicted")
    above.errorbar(
        found.predicted, found.actual, found.errors, color=colours.series[0], marker="o", markersize=4, label="ratings"
    )
    above.set_ylabel("mean rating")
    above.legend()
    width = 0.8 * np.diff(found.predicted).min(initial=1.0)
    below.bar(found.predicted, found.counts, max(width, 0.02), color=colours.series_other)
    below.set_xlabel("predicted rating")
    below.set_ylabel("pairs")
    below.yaxis.set_major_formatter(ticker.EngFormatter(sep=""))


def _coverage(figure: Figure, findings: Findings, colours: Colours) -> None:
    axes = figure.subplots()
    curves = {"users" if findings.events_now else "ratings": findings.counts} | {
        f"{name}: lists": lists.appearances for name, lists in findings.lists.items() if name != "biases"
    }
    dashes = ("-", "-", "--", ":", "-.")
    for number, (label, counts) in enumerate(curves.items()):
        shares = metrics.concentration(counts)
        # At most 400 points: a curve of more looks the same, and makes the page bigger.
        places = np.unique(np.linspace(0, len(counts), 400).round().astype(int))
        axes.plot(
            places / len(counts), shares[places], dashes[number], color=colours.series[number], linewidth=2, label=label
        )
    axes.xaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of the movies, most frequent first")
    axes.set_ylabel("share of all")
    axes.legend()


def _drift(figure: Figure, findings: Findings, colours: Colours) -> None:
    assert findings.drift is not None  # noqa: S101  # else the figure is not drawn
    axes = figure.subplots()
    counts = findings.drift.counts
    axes.bar(np.arange(len(counts)), counts, 0.8, color=colours.series[0])
    axes.set_xticks(np.arange(len(counts)))
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("of its ten neighbours, still there")
    axes.set_ylabel("movies")


def colouring(points: list[MapPoint]) -> tuple[list[str], list[int]]:
    """Return the coloured genres, and each point's index among them, as embrec/pages/map.js does."""
    counts = Counter(genre for point in points for genre in point.genres)

    def rarest(point: MapPoint, eligible: Callable[[str], bool]) -> str | None:
        return min(filter(eligible, point.genres), key=lambda genre: (counts[genre], genre), default=None)

    fewest = _SMALLEST_SHARE * len(points)
    groups = Counter(rarest(point, lambda genre: counts[genre] >= fewest) for point in points)
    del groups[None]
    genres = sorted((str(genre) for genre in groups), key=lambda genre: (-groups[genre], genre))[:SERIES]
    place = {genre: number for number, genre in enumerate(genres)}
    return genres, [place.get(rarest(point, place.__contains__) or "", len(genres)) for point in points]


def _map(figure: Figure, findings: Findings, colours: Colours) -> None:
    points = findings.points
    genres, places = colouring(points)
    most = max(point.rating_count + point.event_count for point in points)
    axes = figure.subplots()
    for number, genre in enumerate([*genres, "other"]):
        mine = [point for point, place in zip(points, places, strict=True) if place == number]
        if mine:
            axes.scatter(
                [point.x for point in mine],
                [point.y for point in mine],
                [10 + 120 * (point.rating_count + point.event_count) / most for point in mine],
                color=colours.series[number] if number < len(genres) else colours.series_other,
                edgecolors=colours.surface,
                linewidths=0.5,
                label=genre,
            )
    axes.set_axis_off()
    if genres:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.2)
    _label(figure, axes, points, colours)


def _label(figure: Figure, axes: Axes, points: list[MapPoint], colours: Colours) -> None:
    """Label the movies with the most users that have room for a title; the points are sorted so."""
    figure.draw_without_rendering()
    taken: list[Any] = []
    for point in points[: 4 * _TITLES_ON_MAP]:
        text = axes.annotate(
            _short(point.title, 30),
            (point.x, point.y),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=colours.ink,
            path_effects=[patheffects.withStroke(linewidth=2.5, foreground=colours.surface)],
            parse_math=False,
            in_layout=False,
        )
        box = text.get_window_extent()
        if len(taken) >= _TITLES_ON_MAP or box.x1 > axes.bbox.x1 + 40 or any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)


def _short(title: str, length: int) -> str:
    """Return a title on one line, truncated if it is long."""
    text = " ".join(title.split())
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _neighbours(figure: Figure, findings: Findings, colours: Colours) -> None:
    columns = 2
    rows = -(-len(findings.neighbours) // columns)
    grid = figure.subplots(rows, columns, squeeze=False, gridspec_kw={"wspace": 0.08}).flat
    for axes, movie in zip(grid, findings.neighbours, strict=False):
        places = np.arange(len(movie.near))
        axes.barh(places + 0.24, [cosine for _, cosine in movie.near], 0.26, color=colours.series[0])
        # Above its bar a title of any length has room.
        label = {"va": "center", "fontsize": 9.5, "in_layout": False, "parse_math": False}
        for place, (title, cosine) in zip(places, movie.near, strict=True):
            axes.text(0, place - 0.18, _short(title, 48), clip_on=True, **label)
            axes.text(1, place - 0.18, f"{cosine:.2f}", ha="right", **label)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.set_ylim(len(places) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_title(_short(movie.title, 40), loc="left", fontweight="bold", parse_math=False)
    for axes in list(grid)[len(findings.neighbours) :]:
        axes.set_axis_off()


_DRAWN: dict[str, Draw] = {
    "training": _training,
    "ratings": _ratings,
    "calibration": _calibration,
    "coverage": _coverage,
    "events": activity_figures.events,
    "steps": activity_figures.steps,
    "drift": _drift,
    "map": _map,
    "neighbours": _neighbours,
}
