"""Growth of our build: loads, trainings, publications and answers by numbers of ratings and of movies."""

from __future__ import annotations

import sys
from typing import Any

import rows_answers
from stages import Bench, Figures, Site, Stage, size_of

# The ratings of a point are twenty a user; the movies of a point share the ratings of 5M.
RATINGS = ("50000x10000x1000000", "5m", "20m")
MOVIES = ("250000x4000x5000000", "5m", "250000x100000x5000000", "250000x1000000x5000000")


def measure(bench: Bench, size: str | None = None) -> dict[str, Any]:
    """Measure each size once, or a given size and a bigger one; returns points by ratings, and by movies."""
    ratings, movies = RATINGS, MOVIES
    if size is not None:
        one = size_of(size)
        ratings = (size, f"{2 * one.users}x{one.movies}x{2 * one.ratings}")
        movies = (size, f"{one.users}x{10 * one.movies}x{one.ratings}")
    return {
        "ratings": [point(bench, each, "ratings") for each in ratings],
        "movies": [point(bench, each, "movies") for each in movies],
    }


def point(bench: Bench, size: str, axis: str) -> dict[str, Any]:
    """Return the number of ratings or movies, and the figures of each step."""
    stage = bench.trained(size_of(size), "ours")
    found = {axis: len(stage.training[0]) if axis == "ratings" else stage.size.movies, "steps": steps(bench, stage)}
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
