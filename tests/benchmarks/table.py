"""The parts of the table of targets: rows, which are measurements, and their lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stages import Bench

# Each contender's figures, by its name. A figure has a value for each measurement.
Found = dict[str, dict[str, Any]]
# A figure of measurements that were stopped at a limit: their seconds are the limit's.
STOPPED = "stopped"


@dataclass(frozen=True)
class Line:
    """A line of the table of targets: a figure of our build, and its bound.

    Attributes:
        what: Description.
        figure: Name of the figure.
        at_most: Greatest ratio to the contender in ``over`` that meets the target, or None.
        at_least: Least ratio that meets it, or None.
        over: Contender that ours is divided by; empty if the bounds are of the figure itself.
        ours: Contender that is divided.
        target: The target in words, if the bound alone does not say it.
        tried: What was tried to meet the target. The page shows it while the target is missed.
    """

    what: str
    figure: str
    at_most: float | None = None
    at_least: float | None = None
    over: str = "baseline"
    ours: str = "ours"
    target: str = ""
    tried: str = ""


@dataclass(frozen=True)
class Row:
    """A measurement of both builds in turn.

    Attributes:
        group: Make's target that measures it: ``small``, ``scale`` or ``serving``.
        size: Its size; see :func:`stages.size_of`.
        times: Number of measurements of each contender, of which the page shows the median.
        measure: Function of the bench, the size and the number of measurements.
        lines: Lines of the table of targets.
    """

    group: str
    size: str
    times: int
    measure: Callable[[Bench, str, int], Found]
    lines: tuple[Line, ...]

    def run(self, bench: Bench, size: str | None = None, times: int | None = None) -> dict[str, Any]:
        """Measure; returns the size, the number of measurements and each contender's figures."""
        chosen, count = size or self.size, times or self.times
        return {"size": chosen, "times": count, "figures": self.measure(bench, chosen, count)}
