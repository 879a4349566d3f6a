"""Evaluates models on data: how well they predict ratings, rank movies, and tell which movies are alike.

Nothing is chosen on a test part: a contender learns from the training part alone, and is then only measured. Every
contender meets the same splits, so their differences are paired.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db, metrics, similarity, splits
from embrec.data.extraction import extract
from embrec.data.files.sources import Source
from embrec.data.files.users import User
from embrec.data.files.validate import NO_TIME
from embrec.data.reading import read_ratings
from embrec.db import Bind, tables
from embrec.errors import DataError
from embrec.models.base import Ratings
from embrec.models.features import UserFeatures, movie_features, user_features

Predict = Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[Any]]
Score = Callable[[NDArray[np.int32]], NDArray[Any]]
Compare = Callable[[NDArray[np.int64]], NDArray[Any]]

FOLDS = 5
HELD_OUT = 0.2
# Of more users, so many are asked for lists; of more movies, the most rated are compared.
_USERS_ASKED = 10_000
_MOVIES_COMPARED = 5_000
_USERS_AT_ONCE = 1_000
_FEWEST_RATINGS = 20
_FEWEST_TO_SPLIT = 10
_NEIGHBOURS = 10
# Users who like both that a lift is discounted by: one by chance should not look like much.
_LIFT_DISCOUNT = 3
# What fewer users like is liked along with nothing in particular.
_FEWEST_LIKES = 5


@dataclass(frozen=True)
class Contender:
    """A model to evaluate; what it cannot do is None.

    Attributes:
        name: Its name in the tables.
        rate: Learns from ratings with a seed; returns what predicts ratings of users and movies, (n,).
        rank: The same; returns what scores all movies for some users, (users, movies).
        compare: The same; returns what gives the similarity of some movies, (n,), to each other, (n, n).
    """

    name: str
    rate: Callable[[Ratings, int], Predict] | None = None
    rank: Callable[[Ratings, int], Score] | None = None
    compare: Callable[[Ratings, int], Compare] | None = None


@dataclass(frozen=True)
class EvaluationData:
    """Ratings in their order, and what is known of the movies.

    Attributes:
        name: Where they are from.
        ratings: All of them.
        rated_at: int64 of shape (n,), microseconds since 1970, ``NO_TIME`` where there is none.
        movie_ids: The movies' outside ids.
        genres: Each movie's genres.
        digest: Of the ratings where they are the database's, as in the records of runs.
    """

    name: str
    ratings: Ratings
    rated_at: NDArray[np.int64]
    movie_ids: list[str]
    genres: list[list[str]]
    digest: str = ""

    @property
    def liked(self) -> NDArray[np.bool_]:
        """Which ratings say that the movie was liked."""
        ratings = self.ratings.ratings
        return np.asarray(ratings >= metrics.liked_from(float(ratings.min()), float(ratings.max())))

    def part(self, positions: NDArray[np.int64]) -> Ratings:
        """Some of the ratings, sorted by user, then movie, as in training."""
        whole = self.ratings
        return whole.part(positions[np.lexsort((whole.movies[positions], whole.users[positions]))])


def read_data(source: Source) -> EvaluationData:
    """Read a data set to evaluate on; every movie and user with ratings, and of those what is known."""
    rows, _ = read_ratings(source)
    movie_ids = rows.movie_ids.to_pylist()
    known = {movie.movie_id: movie for movie in source.movies()}
    genres = [list((known[each].genres if each in known else None) or []) for each in movie_ids]
    years = [known[each].release_year if each in known else None for each in movie_ids]
    users, movies = len(rows.user_ids), len(movie_ids)
    of_movies, of_users = movie_features(genres, years), _user_features(source.users(), rows.user_ids.to_pylist())
    ratings = Ratings(rows.users, rows.movies, rows.ratings, users, movies, of_movies, of_users)
    return EvaluationData(source.name, ratings, rows.rated_at, movie_ids, genres)


def _user_features(users: Sequence[User], user_ids: Sequence[str]) -> UserFeatures | None:
    known = {user.user_id: user.labels for user in users}
    having: dict[str, list[int]] = {}
    for number, user_id in enumerate(user_ids):
        for label in known.get(user_id, ()):
            having.setdefault(label, []).append(number)
    return user_features({label: np.array(numbers, np.int32) for label, numbers in having.items()})


def database_data(bind: Bind) -> EvaluationData:
    """The ratings in the database, to evaluate on.

    Raises:
        DataError: There are no ratings.
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        arrays = extract(connection, with_times=True)
        columns = sa.select(tables.movies.c.movie_index, tables.movies.c.movie_id)
        ids = {row.movie_index: row.movie_id for row in connection.execute(columns)}
    movie_ids = [ids[index] for index in arrays.movie_indexes.tolist()]
    return EvaluationData(
        "the database", arrays.for_models(), arrays.rated_at, movie_ids, arrays.movie_genres, arrays.sha256
    )


@dataclass(frozen=True)
class Outcome:
    """What one contender reached in one task.

    Attributes:
        task: The task.
        contender: The contender's name.
        values: For each metric its value on every split, in the splits' order.
    """

    task: str
    contender: str
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **values: float) -> None:
        """Take note of a split."""
        for metric, value in values.items():
            self.values.setdefault(metric, []).append(value)


# Told which task and contender is next, how many splits are done, and of how many.
Progress = Callable[[str, str, int, int], None]


def _quiet(task: str, contender: str, done: int, of: int) -> None:
    pass


def _counting(progress: Progress, task: str, of: int) -> Callable[[str], None]:
    """A function to be told which contender is next, that tells how many splits were before."""
    done = itertools.count()
    return lambda contender: progress(task, contender, next(done), of)


def rating_splits(data: EvaluationData, way: str, seed: int = 0) -> list[splits.Split]:
    """The splits for rating errors: ``official`` (blocks of the file), ``random`` (five folds) or ``time``.

    Raises:
        DataError: There are too few ratings, or they have no times or no order to split by.
    """
    count = len(data.ratings.ratings)
    if count < _FEWEST_TO_SPLIT:
        raise DataError(f"{data.name} has {count} ratings; evaluating needs {_FEWEST_TO_SPLIT} at least.")
    if way == "official":
        if data.digest:
            raise DataError("The database does not know the order of a file. Evaluate the file, or --split random.")
        return list(splits.blocks(count, FOLDS))
    if way == "random":
        return list(splits.random_folds(count, FOLDS, seed))
    if (data.rated_at == NO_TIME).any():
        raise DataError(f"{data.name} has ratings without a time; evaluate with --split random.")
    return [splits.by_time(data.rated_at, HELD_OUT)]


def rate(
    data: EvaluationData, contenders: Sequence[Contender], way: str, seed: int = 0, progress: Progress = _quiet
) -> list[Outcome]:
    """Errors of predicted ratings, limited to the scale of the ratings, on each split."""
    task = f"ratings, {way}"
    outcomes = []
    low, high = data.ratings.ratings.min(), data.ratings.ratings.max()
    ways = rating_splits(data, way, seed)
    raters = [(each.name, each.rate) for each in contenders if each.rate]
    begin = _counting(progress, task, len(raters) * len(ways))
    for name, fit in raters:
        outcomes.append(Outcome(task, name))
        for kept, held in ways:
            begin(name)
            predict, test = fit(data.part(kept), seed), data.part(held)
            predicted = np.clip(np.asarray(predict(test.users, test.movies), np.float32), low, high)
            outcomes[-1].add(RMSE=metrics.rmse(predicted, test.ratings), MAE=metrics.mae(predicted, test.ratings))
    return outcomes


def rank(
    data: EvaluationData, contenders: Sequence[Contender], seeds: Sequence[int], progress: Progress = _quiet
) -> list[Outcome]:
    """Quality of lists of unseen movies, where a held-out rating of a liked movie is what should be in them.

    A fifth of each user's ratings is held out. Coverage is the share of all movies that are in any list of ten,
    popularity the mean share of users who rated the movies in them.
    """
    task = "top-N"
    outcomes = []
    rankers = [(each.name, each.rank) for each in contenders if each.rank]
    begin = _counting(progress, task, len(rankers) * len(seeds))
    for name, fit in rankers:
        outcomes.append(Outcome(task, name))
        for seed in seeds:
            begin(name)
            kept, held = splits.per_user(data.ratings.users, HELD_OUT, seed)
            training = data.part(kept)
            outcomes[-1].add(**_rank_once(fit(training, seed), training, _liked(data, held), seed))
    return outcomes


def _liked(data: EvaluationData, held: NDArray[np.int64]) -> scipy.sparse.csr_array:
    """Who liked which movie among the held-out ratings, bool of shape (users, movies)."""
    positions = held[data.liked[held]]
    users, movies = data.ratings.users[positions], data.ratings.movies[positions]
    shape = (data.ratings.user_count, data.ratings.movie_count)
    return scipy.sparse.csr_array((np.ones(len(users), bool), (users, movies)), shape=shape)


def _rank_once(score: Score, training: Ratings, liked: scipy.sparse.csr_array, seed: int) -> dict[str, float]:
    users = np.flatnonzero(np.diff(liked.indptr)).astype(np.int32)
    if not len(users):
        raise DataError("No held-out rating is of a liked movie; there are too few ratings to measure lists by.")
    users = np.sort(np.random.default_rng(seed).permutation(users)[:_USERS_ASKED])
    shape = (training.user_count, training.movie_count)
    seen = scipy.sparse.csr_array((np.ones(len(training.users)), (training.users, training.movies)), shape=shape)
    shares = np.bincount(training.movies, minlength=training.movie_count) / training.user_count
    values: dict[str, list[NDArray[Any]]] = {}
    recommended = np.zeros(training.movie_count, bool)
    for begin in range(0, len(users), _USERS_AT_ONCE):
        block = users[begin : begin + _USERS_AT_ONCE]
        scores = np.array(score(block), np.float64)
        scores[seen[block].nonzero()] = -np.inf
        relevant = liked[block].toarray()
        lists = metrics.top(scores, 10)
        recommended[lists[np.isfinite(np.take_along_axis(scores, lists, 1))]] = True
        for name, found in (
            ("NDCG@10", metrics.ndcg(scores, relevant, 10)),
            ("Recall@20", metrics.recall(scores, relevant, 20)),
            ("MAP@10", metrics.average_precision(scores, relevant, 10)),
            ("hit@10", metrics.hit_rate(scores, relevant, 10)),
            ("popularity", shares[lists].mean(axis=1)),
        ):
            values.setdefault(name, []).append(found)
    found = {name: float(np.concatenate(each).mean()) for name, each in values.items()}
    return {**found, "coverage": float(recommended.mean())}


def compare(
    data: EvaluationData,
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    groups: Mapping[str, str] | None = None,
    progress: Progress = _quiet,
) -> list[Outcome]:
    """Whether the nearest movies are alike, among movies of at least 20 ratings.

    Genres: mean Jaccard index of a movie's genres and its ten nearest's. Groups, such as series: the share of their
    movies with another of the group among the ten nearest. Co-preference: learning from half of the users, how many of
    the ten movies that the other half likes most along with a movie are among its ten nearest; once by the cosine of
    who likes them, once by lift; for movies that five of the other half like.

    Args:
        data: The data.
        contenders: The models.
        seeds: Seeds of the halves.
        groups: For some movies, by id, the group they are of.
        progress: Told which contender is next, and how many of the splits of all are done.
    """
    task = "similar movies"
    counts = np.bincount(data.ratings.movies, minlength=data.ratings.movie_count)
    chosen = np.argsort(-counts, kind="stable")[:_MOVIES_COMPARED]
    chosen = np.sort(chosen[counts[chosen] >= _FEWEST_RATINGS])
    if len(chosen) <= _NEIGHBOURS:
        raise DataError(f"{data.name} has {len(chosen)} movies with {_FEWEST_RATINGS} ratings; too few to compare.")
    halves = [splits.half_of_users(data.ratings.users, data.ratings.user_count, seed) for seed in seeds]
    expected = [_liked_along(data, others, chosen) for _, others in halves]
    if not groups and not any(data.genres) and not any(len(asked) for asked, *_ in expected):
        raise DataError(f"{data.name} has no genres, and no movie that enough users like; too little to compare by.")
    outcomes = []
    comparers = [(each.name, each.compare) for each in contenders if each.compare]
    begin = _counting(progress, task, len(comparers) * (1 + len(seeds)))
    for name, fit in comparers:
        outcomes.append(outcome := Outcome(task, name))
        begin(name)
        whole = fit(data.part(np.arange(len(data.ratings.ratings))), seeds[0])
        near = similarity.nearest(whole(chosen), _NEIGHBOURS)
        outcome.values.update(_alike(data, chosen, near, groups or {}))
        for seed, (half, _), (asked, by_cosine, by_lift) in zip(seeds, halves, expected, strict=True):
            begin(name)
            if not len(asked):
                continue
            near = similarity.nearest(fit(data.part(half), seed)(chosen), _NEIGHBOURS)[asked]
            outcome.add(
                **{"liked along (cosine)": metrics.overlap(near, by_cosine)},
                **{"liked along (lift)": metrics.overlap(near, by_lift)},
            )
    return outcomes


def _alike(
    data: EvaluationData, chosen: NDArray[np.int64], near: NDArray[np.int64], groups: Mapping[str, str]
) -> dict[str, list[float]]:
    found = {}
    features = movie_features(data.genres, [None] * len(data.genres))
    if features is not None:
        found["genre Jaccard@10"] = [metrics.jaccard(near, features[chosen] > 0)]
    of = np.array([groups.get(data.movie_ids[movie], "") for movie in chosen])
    names, sizes = np.unique(of[of != ""], return_counts=True)
    several = np.flatnonzero(np.isin(of, names[sizes > 1]))
    if len(several):
        found["same group, hit@10"] = [float((of[near[several]] == of[several, np.newaxis]).any(axis=1).mean())]
    return found


def _liked_along(
    data: EvaluationData, positions: NDArray[np.int64], chosen: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of the chosen movies, the places of those that are liked enough, and the ten others most liked along with each.

    By the cosine of who likes them, and by lift.
    """
    liked = _liked(data, positions)[:, chosen].astype(np.float64)
    together = (liked.T @ liked).toarray()
    asked = np.flatnonzero(np.diag(together) >= _FEWEST_LIKES)
    counts = np.maximum(np.diag(together), 1.0)
    np.fill_diagonal(together, -np.inf)
    cosine = together / np.sqrt(np.outer(counts, counts))
    with np.errstate(invalid="ignore"):
        lift = (
            together / np.outer(counts, counts) * np.maximum(together, 0) / (np.maximum(together, 0) + _LIFT_DISCOUNT)
        )
    np.fill_diagonal(lift, -np.inf)
    return asked, metrics.top(cosine[asked], _NEIGHBOURS), metrics.top(lift[asked], _NEIGHBOURS)


def summary(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """A row for each outcome: the mean of each metric, its spread, and the paired difference from the first's.

    Yields:
        ``task``, ``model``, and for each metric ``(mean, deviation, difference, deviation of the difference)``.
    """
    first: dict[str, Outcome] = {}
    for outcome in outcomes:
        reference = first.setdefault(outcome.task, outcome)
        row: dict[str, Any] = {"task": outcome.task, "model": outcome.contender}
        for metric, values in outcome.values.items():
            paired = np.subtract(values, reference.values[metric]) if metric in reference.values else np.array([np.nan])
            deviations = [float(np.std(each, ddof=1)) if len(each) > 1 else 0.0 for each in (values, paired)]
            row[metric] = (float(np.mean(values)), deviations[0], float(np.mean(paired)), deviations[1])
        yield row
