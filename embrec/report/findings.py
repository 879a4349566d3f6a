"""The contents of a report on a run, read from one snapshot of the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db
from embrec.data.extraction import extract
from embrec.errors import DataError, NoPublishedRunError, RunError
from embrec.report import accuracy, likeness, measures
from embrec.report.accuracy import MetricLine
from embrec.report.likeness import Drift, MapPoint, Neighbours
from embrec.report.measures import Calibration, Histogram, Lists
from embrec.runs import publishing, records, stored
from embrec.runs.records import ModelRun

STEPS = ("ratings", "vectors", "predictions", "lists", "neighbours", "map")


@dataclass(frozen=True)
class Findings:
    """The contents of a report.

    Attributes:
        run: The run.
        previous: The run that it is compared with, or None for the first.
        previous_name: Its name: a run before, or a later run.
        constant: True if all ratings are equal, so that figures of ratings are left out.
        made_at: Time of the report.
        ratings_now: Number of ratings in the database.
        users_now: Number of users with ratings in the database.
        rating_counts: Number of ratings of each rated movie, int64 of shape (movie_count,).
        reproduced: True if the database has exactly the ratings that the run was trained on.
        held_out: True if predictions and lists are measured on held-out ratings.
        metrics: Lines of the run, the previous run and the baselines, in this order.
        histogram: Distribution of ratings and of predictions.
        calibration: Mean rating by mean prediction.
        predicted: Number of predicted pairs in the histogram and the calibration.
        lists: Top-10 lists, by the name of the run or baseline.
        users_asked: Number of users with these lists.
        points: Points of the map.
        neighbours: Nearest neighbours of the most rated movies.
        drift: Differences from the previous run, or None.
    """

    run: ModelRun
    previous: ModelRun | None
    previous_name: str | None
    constant: bool
    made_at: dt.datetime
    ratings_now: int
    users_now: int
    rating_counts: NDArray[np.int64]
    reproduced: bool
    held_out: bool
    metrics: list[MetricLine]
    histogram: Histogram | None
    calibration: Calibration | None
    predicted: int
    lists: dict[str, Lists]
    users_asked: int
    points: list[MapPoint]
    neighbours: list[Neighbours]
    drift: Drift | None


def gather(
    connection: sa.Connection, model_run_id: int | None = None, progress: Callable[[str], None] = lambda step: None
) -> Findings:
    """Gather the contents of a report.

    Args:
        connection: The transaction to read in, with one snapshot for all statements.
        model_run_id: The run, or None for the published one.
        progress: Called with each of ``STEPS`` when it begins.

    Raises:
        NoPublishedRunError: No run is named, and none published.
        UnknownRunError: There is no such run.
        RunError: The run has no vectors.
        DataError: There are no ratings.
        SchemaError: The schema is absent or behind.
    """
    db.require_schema(connection)
    run = _named_run(connection, model_run_id)
    before = _previous(connection, run)
    progress("ratings")
    arrays = extract(connection)
    if not len(arrays.ratings):
        raise DataError(
            "There are events and no ratings, and a report is about predicted ratings and lists of liked movies. "
            "Measure the run on events with: embrec evaluate --task top-n --task next"
        )
    movies = likeness.rated_movies(connection, arrays)
    split = accuracy.split_of(run, arrays)
    progress("vectors")
    model = stored.read(connection, run, arrays)
    earlier = None if before is None else stored.read(connection, before, arrays)
    comparable = before is not None and accuracy.same_split(run, before)

    progress("predictions")
    predicted, actual = accuracy.predictions(model, split.tested)
    low, high = float(arrays.ratings.min()), float(arrays.ratings.max())
    constant = accuracy.is_constant(run, split)
    some = len(predicted) > 0 and not constant

    progress("lists")
    name = None if before is None else accuracy.name_of(before, run)
    others = {} if name is None or earlier is None else {name: earlier}
    lists, asked = accuracy.lists_of(split, model, others, comparable)
    progress("neighbours")
    neighbours = likeness.neighbours_of(model, movies)
    drift = None if earlier is None else likeness.drift_between(model, earlier, movies)
    progress("map")
    return Findings(
        run=run,
        previous=before,
        previous_name=name,
        constant=constant,
        made_at=dt.datetime.now(dt.UTC),
        ratings_now=len(arrays.ratings),
        users_now=len(arrays.user_indexes),
        rating_counts=movies.counts,
        reproduced=split.reproduced,
        held_out=split.held_out is not None,
        metrics=accuracy.metrics_of(run, before, split, lists),
        histogram=measures.histogram(actual, predicted) if some else None,
        calibration=measures.calibrate(predicted, actual, low, high) if some else None,
        predicted=len(predicted),
        lists=lists,
        users_asked=asked,
        points=likeness.map_points(model, movies),
        neighbours=neighbours,
        drift=drift,
    )


def _named_run(connection: sa.Connection, model_run_id: int | None) -> ModelRun:
    chosen = records.published_run_id(connection) if model_run_id is None else model_run_id
    if chosen is None:
        raise NoPublishedRunError("No model run is published yet, so there is nothing to report on. Run: embrec train")
    run = records.get_run(connection, chosen)
    if run.status != "trained":
        raise RunError(
            f"Model run {chosen} is {run.status}, so it has no vectors to report on. "
            "See the runs with: embrec runs list"
        )
    return run


def _previous(connection: sa.Connection, run: ModelRun) -> ModelRun | None:
    """Return the run to compare with: the published run, or the one published before it if that is the run itself.

    Without either, it is the newest run that was trained before.
    """
    candidates = publishing.published_before(connection) if run.published else records.published_run_id(connection)
    if candidates is not None and candidates != run.model_run_id:
        return records.get_run(connection, candidates)
    earlier = (each for each in records.list_runs(connection) if each.model_run_id < run.model_run_id)
    return next((each for each in earlier if each.status == "trained"), None)
