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
from embrec.errors import NoPublishedRunError, RunError
from embrec.report import accuracy, activity, following, likeness, measures
from embrec.report.accuracy import MetricLine
from embrec.report.activity import Activity, Steps
from embrec.report.following import Following
from embrec.report.likeness import Drift, MapPoint, Neighbours
from embrec.report.measures import Calibration, Histogram, Lists
from embrec.runs import publishing, records, stored
from embrec.runs.records import ModelRun

STEPS = ("ratings", "vectors", "predictions", "lists", "order", "neighbours", "map")


@dataclass(frozen=True)
class Findings:
    """The contents of a report.

    Attributes:
        run: The run.
        previous: The run that it is compared with, or None for the first.
        previous_name: Its name: a run before, or a later run.
        unrated: Why figures of ratings are left out, or None if they are not.
        made_at: Time of the report.
        ratings_now: Number of ratings in the database.
        events_now: Number of events in the database.
        users_now: Number of users with ratings or events in the database.
        counts: Number of users who rated or watched each movie, int64 of shape (movie_count,).
        reproduced: True if the database has exactly the ratings and events that the run was trained on.
        held_out: True if predictions and lists are measured on held-out ratings.
        metrics: Lines of the run, the previous run and the baselines, in this order.
        histogram: Distribution of ratings and of predictions.
        calibration: Mean rating by mean prediction.
        predicted: Number of predicted pairs in the histogram and the calibration.
        lists: Top-10 lists, by the name of the run or baseline.
        users_asked: Number of users with these lists.
        activity: Events by type and over time, or None without events.
        steps: Lengths of histories, or None if the order was not read: the run has not learned it or any events.
        following: What the run says comes next, or None if it knows no order.
        points: Points of the map.
        neighbours: Nearest neighbours of the movies with the most users.
        drift: Differences from the previous run, or None.
    """

    run: ModelRun
    previous: ModelRun | None
    previous_name: str | None
    unrated: str | None
    made_at: dt.datetime
    ratings_now: int
    events_now: int
    users_now: int
    counts: NDArray[np.int64]
    reproduced: bool
    held_out: bool
    metrics: list[MetricLine]
    histogram: Histogram | None
    calibration: Calibration | None
    predicted: int
    lists: dict[str, Lists]
    users_asked: int
    activity: Activity | None
    steps: Steps | None
    following: Following | None
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
        DataError: There are no ratings or events.
        SchemaError: The schema is absent or behind.
    """
    db.require_schema(connection)
    run = _named_run(connection, model_run_id)
    before = _previous(connection, run)
    progress("ratings")
    ordered = run.history_length is not None or run.event_count is not None
    arrays = extract(connection, with_times=ordered)
    sequences = arrays.sequences() if ordered else None
    split = accuracy.split_of(run, arrays)
    movies = likeness.known_movies(connection, arrays)
    progress("vectors")
    model = stored.read(connection, run, arrays)
    earlier = None if before is None else stored.read(connection, before, arrays)
    comparable = before is not None and accuracy.same_split(run, before)

    progress("predictions")
    predicted, actual = accuracy.predictions(model, split.tested)
    unrated = accuracy.unrated(run, split)
    some = len(predicted) > 0 and unrated is None

    progress("lists")
    name = None if before is None else accuracy.name_of(before, run)
    others = {} if name is None or earlier is None else {name: earlier}
    named = None if name is None or before is None else (name, before)
    histories = None if run.history_length is None else sequences
    next_scores = None if histories is None else following.scores(connection, run, arrays, histories)
    lists, asked = accuracy.lists_of(split, model, others, comparable, next_scores)
    progress("order")
    after = None if histories is None else following.following_of(connection, run, named, arrays, histories, movies)
    progress("neighbours")
    neighbours = likeness.neighbours_of(model, movies)
    drift = None if earlier is None else likeness.drift_between(model, earlier, movies)
    progress("map")
    return Findings(
        run=run,
        previous=before,
        previous_name=name,
        unrated=unrated,
        made_at=dt.datetime.now(dt.UTC),
        ratings_now=len(arrays.ratings),
        events_now=len(arrays.events.users),
        users_now=len(arrays.user_indexes),
        counts=movies.counts,
        reproduced=split.reproduced,
        held_out=split.held_out is not None,
        metrics=accuracy.metrics_of(run, before, split, lists),
        histogram=measures.histogram(actual, predicted) if some else None,
        calibration=measures.calibrate(predicted, actual, *arrays.scale) if some else None,
        predicted=len(predicted),
        lists=lists,
        users_asked=asked,
        activity=activity.activity_of(arrays.events),
        steps=None if sequences is None else activity.steps_of(sequences),
        following=after,
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
