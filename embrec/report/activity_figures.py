"""The figures of a report on events: how many there are over time, and how many steps users have."""

from __future__ import annotations

import numpy as np
from matplotlib import dates, ticker
from matplotlib.figure import Figure

from embrec.report.colours import Colours
from embrec.report.findings import Findings

_LONGEST = 16


def events(figure: Figure, findings: Findings, colours: Colours) -> None:
    """Draw the number of events over time, as stacked areas by type."""
    found = findings.activity
    assert found is not None  # noqa: S101  # else the figure is not drawn
    axes = figure.subplots()
    areas = axes.stackplot(
        found.edges[:-1] + np.diff(found.edges) // 2,
        found.over_time,
        colors=[*colours.series[:-1], colours.series_other],
        linewidth=0,
    )
    locator = dates.AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axes.set_ylabel("events")
    names = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in found.names]
    # Above the areas, which would lie under it.
    legend = axes.legend(areas, names, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name may hold a dollar


def steps(figure: Figure, findings: Findings, colours: Colours) -> None:
    """Draw the number of users by the number of their steps."""
    found = findings.steps
    assert found is not None  # noqa: S101  # else the figure is not drawn
    axes = figure.subplots()
    places = np.arange(len(found.labels))
    axes.bar(places, found.lengths, 0.8, color=colours.series[0])
    axes.set_xticks(places, [label.replace(" to ", "\N{EN DASH}") for label in found.labels], rotation=45, ha="right")
    axes.yaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("steps of a user")
    axes.set_ylabel("users")
