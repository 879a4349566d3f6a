"""Gathers what a report shows of a run, from one snapshot of the database; nothing is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import baselines, database, metrics, projection, runs, splits, stored, tables
from embrec.errors import NoPublishedRunError, RunError
from embrec.evaluate import Predict
from embrec.extraction import RatingArrays, extract
from embrec.models import Ratings
from embrec.report import measures
from embrec.report.measures import Calibration, Histogram, Lists
from embrec.runs import ModelRun
from embrec.stored import StoredModel

# Of more, so many are asked for their lists, and so many give pairs to predict.
_USERS_ASKED = 1_000
_USERS_PREDICTED = 5_000
_PAIRS = 200_000
_WELL_KNOWN = 8
_NEIGHBOURS_SHOWN = 5
_CHANGED_SHOWN = 10
# What changed most is sought among so many of the most rated: of the others, neighbours are mostly chance.
_CHANGED_AMONG = 300
# Between fewer movies, ten neighbours are nearly all there are.
_FEWEST_TO_COMPARE = 2 * measures.NEIGHBOURS
STEPS = ("ratings", "vectors", "predictions", "lists", "neighbours", "map")


@dataclass(frozen=True)
class Movies:
    """The rated movies, in the order of the extracted ratings.

    Attributes:
        ids: Outside ids.
        titles: Titles; the id where there is none.
        genres: Genres.
        years: Release years, or None.
        counts: Numbers of ratings, int64 of shape (n,).
    """

    ids: list[str]
    titles: list[str]
    genres: list[list[str]]
    years: list[int | None]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """A line of the table of metrics; None where a figure is not known, or would not be honest."""

    name: str
    ratings: int | None = None
    holdout: float | None = None
    held_out_rmse: float | None = None
    held_out_mae: float | None = None
    train_rmse: float | None = None
    ndcg: float | None = None
    hit_rate: float | None = None


@dataclass(frozen=True)
class MapPoint:
    """A movie on the map."""

    movie_id: str
    title: str
    genres: list[str]
    release_year: int | None
    rating_count: int
    x: float
    y: float


@dataclass(frozen=True)
class Neighbours:
    """A movie and those nearest to it, with their cosine similarity."""

    title: str
    near: list[tuple[str, float]]


@dataclass(frozen=True)
class Change:
    """A movie whose neighbours changed: how many of ten are the same, and the first three, before and now."""

    title: str
    kept: int
    before: list[str]
    now: list[str]


@dataclass(frozen=True)
class Drift:
    """How a run differs from the one before.

    Attributes:
        kept: How many of each compared movie's ten neighbours are the same, int64 of shape (movies,); empty where the
            runs have too few movies in common.
        changed: Of the most rated movies those that changed most.
    """

    kept: NDArray[np.int64]
    changed: list[Change]

    @property
    def jaccard(self) -> float:
        """Mean Jaccard index of the neighbours before and now."""
        return float(measures.jaccard(self.kept).mean())

    @property
    def counts(self) -> list[int]:
        """Number of movies of which 0, 1, ..., 10 neighbours are the same."""
        return [int(count) for count in np.bincount(self.kept, minlength=measures.NEIGHBOURS + 1)]


@dataclass(frozen=True)
class Findings:
    """What a report shows.

    Attributes:
        run: The run.
        previous: The run that it is compared with, or None for the first.
        made_at: When.
        ratings_now: Ratings in the database.
        users_now: Users with ratings in it.
        rating_counts: Number of ratings of each rated movie, int64 of shape (movie_count,).
        reproduced: Whether the database holds the ratings that the run was trained on.
        held_out: Whether predictions and lists are measured on ratings that the run has not seen.
        metrics: The run's line, the previous run's, then the baselines'.
        histogram: Ratings and predictions.
        calibration: Predictions against ratings.
        predicted: Number of pairs that those two are of.
        lists: Lists of ten by their maker's name.
        users_asked: Number of users that those are of.
        points: The map.
        neighbours: Of the most rated movies.
        drift: The differences from the previous run, or None.
    """

    run: ModelRun
    previous: ModelRun | None
    made_at: dt.datetime
    ratings_now: int
    users_now: int
    rating_counts: NDArray[np.int64]
    reproduced: bool
    held_out: bool
    metrics: list[Figures]
    histogram: Histogram | None
    calibration: Calibration | None
    predicted: int
    lists: dict[str, Lists]
    users_asked: int
    points: list[MapPoint]
    neighbours: list[Neighbours]
    drift: Drift | None


@dataclass(frozen=True)
class _Split:
    """The ratings that a run learned from, and those that it was tested on where both can be told."""

    training: Ratings
    held_out: Ratings | None
    reproduced: bool

    @property
    def tested(self) -> Ratings:
        return self.training if self.held_out is None else self.held_out


def gather(
    connection: sa.Connection, model_run_id: int | None = None, progress: Callable[[str], None] = lambda step: None
) -> Findings:
    """Gather what a report shows.

    Args:
        connection: The transaction to read in; one snapshot for all.
        model_run_id: The run, or None for the published one.
        progress: Told each of ``STEPS`` when it begins.

    Raises:
        NoPublishedRunError: No run is named, and none published.
        UnknownRunError: There is no such run.
        RunError: The run has no vectors.
        DataError: There are no ratings.
        SchemaError: The schema is absent or behind.
    """
    database.require_schema(connection)
    run = _named_run(connection, model_run_id)
    before = _previous(connection, run)
    progress("ratings")
    arrays = extract(connection)
    movies = _movies(connection, arrays)
    split = _split(run, arrays)
    progress("vectors")
    model = stored.read(connection, run, arrays)
    earlier = None if before is None else stored.read(connection, before, arrays)
    comparable = before is not None and _same_split(run, before)

    progress("predictions")
    predicted, actual = _predictions(model, split.tested)
    low, high = float(arrays.ratings.min()), float(arrays.ratings.max())
    some = len(predicted) > 0

    progress("lists")
    lists, asked = _lists(split, model, earlier, comparable)
    progress("neighbours")
    neighbours = _neighbours(model, movies)
    drift = None if earlier is None else _drift(model, earlier, movies)
    progress("map")
    return Findings(
        run=run,
        previous=before,
        made_at=dt.datetime.now(dt.UTC),
        ratings_now=len(arrays.ratings),
        users_now=len(arrays.user_indexes),
        rating_counts=movies.counts,
        reproduced=split.reproduced,
        held_out=split.held_out is not None,
        metrics=_metrics(run, before, split, lists),
        histogram=measures.histogram(actual, predicted) if some else None,
        calibration=measures.calibrate(predicted, actual, low, high) if some else None,
        predicted=len(predicted),
        lists=lists,
        users_asked=asked,
        points=_points(model, movies),
        neighbours=neighbours,
        drift=drift,
    )


def _named_run(connection: sa.Connection, model_run_id: int | None) -> ModelRun:
    chosen = runs.published_run_id(connection) if model_run_id is None else model_run_id
    if chosen is None:
        raise NoPublishedRunError("No model run is published yet, so there is nothing to report on. Run: embrec train")
    run = runs.get_run(connection, chosen)
    if run.status != "trained":
        raise RunError(
            f"Model run {chosen} is {run.status}, so it has no vectors to report on. "
            "See the runs with: embrec runs list"
        )
    return run


def _previous(connection: sa.Connection, run: ModelRun) -> ModelRun | None:
    """What to compare a run with: the published run, or for that one the run published before it.

    Where there is none of these it is the newest that was trained before.
    """
    candidates = runs.published_before(connection) if run.published else runs.published_run_id(connection)
    if candidates is not None and candidates != run.model_run_id:
        return runs.get_run(connection, candidates)
    earlier = (each for each in runs.list_runs(connection) if each.model_run_id < run.model_run_id)
    return next((each for each in earlier if each.status == "trained"), None)


def _movies(connection: sa.Connection, arrays: RatingArrays) -> Movies:
    columns = sa.select(tables.movies.c.movie_index, tables.movies.c.movie_id, tables.movies.c.title)
    known = {row.movie_index: row for row in connection.execute(columns)}
    rows = [known[index] for index in arrays.movie_indexes.tolist()]
    return Movies(
        [row.movie_id for row in rows],
        [row.title or row.movie_id for row in rows],
        arrays.movie_genres,
        arrays.movie_years,
        np.bincount(arrays.movies, minlength=len(rows)),
    )


def _split(run: ModelRun, arrays: RatingArrays) -> _Split:
    """The split as training made it, which the same ratings and the run's seed give again."""
    ratings, holdout = arrays.for_models(), float(run.options.get("holdout", 0.0))
    reproduced = arrays.sha256 == run.ratings_sha256
    if not (reproduced and holdout):
        return _Split(ratings, None, reproduced)
    kept, held = splits.random_split(len(ratings.ratings), holdout, run.seed)
    return _Split(ratings.part(kept), ratings.part(held), reproduced)


def _same_split(run: ModelRun, other: ModelRun) -> bool:
    """Whether two runs held out the same ratings."""
    return (run.ratings_sha256, run.seed, run.options.get("holdout")) == (
        other.ratings_sha256,
        other.seed,
        other.options.get("holdout"),
    )


def _sample(users: NDArray[np.int32], most: int) -> NDArray[np.int32]:
    """Some of the users, always the same, ascending."""
    return np.sort(np.random.default_rng(0).permutation(users)[:most])


def _predictions(model: StoredModel, tested: Ratings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Predicted and actual ratings of pairs that the run knows."""
    chosen = np.isin(tested.users, _sample(np.unique(tested.users), _USERS_PREDICTED))
    positions = np.flatnonzero(chosen)
    if len(positions) > _PAIRS:
        positions = np.sort(np.random.default_rng(0).choice(positions, _PAIRS, replace=False))
    predicted = model.predict(tested.users[positions], tested.movies[positions])
    known = np.isfinite(predicted)
    return predicted[known], tested.ratings[positions][known]


def _lists(
    split: _Split, model: StoredModel, earlier: StoredModel | None, comparable: bool
) -> tuple[dict[str, Lists], int]:
    """Everybody's lists for the same users. What the earlier run's are worth is told only where it learned the same."""
    training = split.training
    users = _sample(np.unique(training.users if split.held_out is None else split.held_out.users), _USERS_ASKED)
    held_out = split.held_out
    found = {"this run": measures.measure_lists(model.score, training, held_out, users)}
    if earlier is not None:
        expected = held_out if comparable else None
        found["run before"] = measures.measure_lists(earlier.score, training, expected, users)
    for baseline in (baselines.popularity(), baselines.biases()):
        assert baseline.rank is not None  # noqa: S101  # both rank
        score = baseline.rank(training, 0)
        found[baseline.name] = measures.measure_lists(score, training, held_out, users)
    return found, len(users)


def _metrics(run: ModelRun, before: ModelRun | None, split: _Split, lists: dict[str, Lists]) -> list[Figures]:
    lines = [_recorded("this run", run, lists)]
    if before is not None:
        lines.append(_recorded("run before", before, lists))
    lines.append(_of_biases(split, lists["biases"]))
    popular = lists["popularity"]
    lines.append(Figures("popularity", ndcg=popular.ndcg, hit_rate=popular.hit_rate))
    return lines


def _recorded(name: str, run: ModelRun, lists: dict[str, Lists]) -> Figures:
    return Figures(
        name,
        run.rating_count,
        float(run.options.get("holdout", 0.0)),
        run.metrics.get("held_out_rmse"),
        run.metrics.get("held_out_mae"),
        run.metrics.get("train_rmse"),
        lists[name].ndcg,
        lists[name].hit_rate,
    )


def _of_biases(split: _Split, lists: Lists) -> Figures:
    training = split.training
    rate = baselines.biases().rate
    assert rate is not None  # noqa: S101  # it does
    predict = rate(training, 0)
    low, high = float(training.ratings.min()), float(training.ratings.max())

    def limited(ratings: Ratings, by: Predict = predict) -> NDArray[np.float32]:
        return np.clip(np.asarray(by(ratings.users, ratings.movies), np.float32), low, high)

    held_out: dict[str, Any] = {}
    if split.held_out is not None:
        predicted, actual = limited(split.held_out), split.held_out.ratings
        held_out = {"held_out_rmse": metrics.rmse(predicted, actual), "held_out_mae": metrics.mae(predicted, actual)}
    return Figures(
        "biases",
        train_rmse=metrics.rmse(limited(training), training.ratings),
        ndcg=lists.ndcg,
        hit_rate=lists.hit_rate,
        **held_out,
    )


def _most_rated(model: StoredModel, movies: Movies, most: int) -> NDArray[np.int64]:
    """Positions of the most rated movies that the run can compare, most rated first."""
    order = np.argsort(-movies.counts, kind="stable")
    return order[np.isfinite(model.similarity[order]).all(axis=1)][:most]


def _neighbours(model: StoredModel, movies: Movies) -> list[Neighbours]:
    known = _most_rated(model, movies, len(movies.ids))
    near, cosines = measures.nearest(
        model.similarity[known], np.arange(min(_WELL_KNOWN, len(known))), _NEIGHBOURS_SHOWN
    )
    return [
        Neighbours(
            movies.titles[known[row]],
            [
                (movies.titles[known[position]], float(cosine))
                for position, cosine in zip(near[row], cosines[row], strict=True)
            ],
        )
        for row in range(len(near))
    ]


def _drift(model: StoredModel, earlier: StoredModel, movies: Movies) -> Drift:
    both = _most_rated(model, movies, len(movies.ids))
    both = both[np.isfinite(earlier.similarity[both]).all(axis=1)]
    if len(both) < _FEWEST_TO_COMPARE:
        return Drift(np.empty(0, np.int64), [])
    asked = np.arange(min(len(both), projection.MAP_MOVIES))
    now, before = (measures.nearest(each.similarity[both], asked, measures.NEIGHBOURS)[0] for each in (model, earlier))
    kept = measures.in_common(now, before)

    def first(near: NDArray[np.int64], row: int) -> list[str]:
        return [movies.titles[both[position]] for position in near[row, :3]]

    # Of those that changed alike, the most rated first: that is their order.
    changed = [
        Change(movies.titles[both[row]], int(kept[row]), first(before, row), first(now, row))
        for row in np.argsort(kept[:_CHANGED_AMONG], kind="stable")[:_CHANGED_SHOWN]
        if kept[row] < measures.NEIGHBOURS
    ]
    return Drift(kept, changed)


def _points(model: StoredModel, movies: Movies) -> list[MapPoint]:
    mapped = _most_rated(model, movies, projection.MAP_MOVIES)
    return [
        MapPoint(
            movies.ids[movie],
            movies.titles[movie],
            movies.genres[movie],
            movies.years[movie],
            int(movies.counts[movie]),
            round(float(x), 2),
            round(float(y), 2),
        )
        for movie, (x, y) in zip(mapped, projection.project(model.similarity[mapped]), strict=True)
    ]
