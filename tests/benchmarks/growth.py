"""Growth of our build: loads, trainings, publications and answers by numbers of ratings and of movies."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import rows_answers
from data import Size
from stages import QUICKLY, Bench, Figures, Site, Stage, size_of


@dataclass(frozen=True)
class Growth:
    """A table of growth, after the rows whose databases it uses.

    Attributes:
        group: Make's target that measures it.
        axis: Number that grows: ``ratings`` or ``movies``.
        sizes: Its sizes.
        arguments: Options of the trainings.
    """

    group: str
    axis: str
    sizes: tuple[str, ...]
    arguments: tuple[str, ...] = ()

    def run(self, bench: Bench, size: str | None = None) -> dict[str, Any]:
        """Measure our build once at each size, or at a given size alone."""
        return {self.axis: [self.point(bench, size_of(each)) for each in ([size] if size else self.sizes)]}

    def point(self, bench: Bench, size: Size) -> dict[str, Any]:
        """Return the number of ratings or movies, and the figures of each step."""
        stage = bench.trained(size, "ours", arguments=self.arguments)
        count = len(stage.training[0]) if self.axis == "ratings" else size.movies
        found = {self.axis: count, "steps": steps(bench, stage)}
        print("growth", found, file=sys.stderr, flush=True)
        return found


def steps(bench: Bench, stage: Stage) -> dict[str, Figures]:
    """Return the costs of the stage's load, training and publication, and of an answer."""
    site: Site = stage.sites["ours"]
    load, train = site.costs["load"][0], site.costs["train"][0]
    answer = rows_answers.asked(bench, site.database, rows_answers.RECOMMEND, rows_answers.typical(stage))
    shown = ("wall s", "CPU s", "peak MB", "server MB")
    return {
        "load": {name: load[name] for name in shown},
        "train": {name: train[name] for name in shown},
        "publish": {"wall s": train["publish s"]},
        "recommend, filters": {"wall s": answer["p50 ms"] / 1e3, "CPU s": answer["CPU ms"] / 1e3},
    }


# There are twenty ratings a user. The catalogues are those of the row of that name.
GROWTHS = {
    "growth-ratings": Growth(
        "scale",
        "ratings",
        ("50000x10000x1000000", "5m", "20m"),
    ),
    "growth-movies": Growth(
        "serving",
        "movies",
        tuple(f"200000x{movies}x4000000" for movies in (4_000, 10_000, 100_000, 1_000_000)),
        QUICKLY,
    ),
}
