"""The quality of a new run's lists beside the published run's, so that a collapse of everybody's list is not published.

A fifth of some users' ratings and watched movies is held out. Each run ranks the movies by what is left, and NDCG@10
measures how high the held-out ones stand. Both runs were trained on all of them, so that both figures are too
good, but alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import metrics, similarity, splits
from embrec.data.extraction import RatingArrays
from embrec.models.base import FittedModel, FoldIn, Ratings, RatingWeights
from embrec.models.interactions import Interactions, signed
from embrec.runs import embeddings, stored
from embrec.runs.records import ModelRun
from embrec.runs.stored import StoredModel

# At most 500 users, or measuring would take longer than a training of few ratings; fewer than 50 say too little.
_USERS, _FEWEST_USERS = 500, 50
_HIDDEN = 0.2
# A user needs 5 movies that were rated or watched, of which one can be hidden.
_FEWEST_MOVIES = 5
# The margin of a difference of means, in standard errors.
_ERRORS = 3.0

Scores = Callable[["Hidden", NDArray[np.int64]], NDArray[np.float32]]


@dataclass(frozen=True)
class Hidden:
    """The users to measure on.

    Attributes:
        users: Their rows in the model, int32 of shape (n,).
        left: The interactions that are not hidden, sorted by user; users are numbered as in ``users``.
        relevant: The hidden movies that the user watched, or rated at least as high as the median of their own ratings,
            bool of shape (n, movie_count), at least one in each row. It needs no scale, for a wrong rating changes the
            scale.
    """

    users: NDArray[np.int32]
    left: Interactions
    relevant: NDArray[np.bool_]


def hide(given: Ratings) -> Hidden | None:
    """Hide a fifth of some users' interactions; None if there are too few users with enough of them."""
    pairs = Interactions.of(given)
    enough = np.flatnonzero(np.bincount(pairs.users, minlength=given.user_count) >= _FEWEST_MOVIES)
    if len(enough) < _FEWEST_USERS:
        return None
    users = np.sort(np.random.default_rng(0).permutation(enough)[:_USERS]).astype(np.int32)
    number = np.full(given.user_count, -1, np.int32)
    number[users] = np.arange(len(users), dtype=np.int32)
    own = _of(pairs, number)
    left, hidden = (own.at(positions) for positions in splits.per_user(own.users, _HIDDEN, 0))
    parts = np.split(left.ratings, np.searchsorted(left.users, range(1, len(users))))
    high = hidden.ratings >= np.array([_median(each) for each in parts])[hidden.users]
    if hidden.interests is not None:
        high |= hidden.interests > 0
    relevant = np.zeros((len(users), given.movie_count), bool)
    relevant[hidden.users[high], hidden.movies[high]] = True
    some = np.flatnonzero(relevant.any(axis=1))
    if len(some) < _FEWEST_USERS:
        return None
    again = np.full(len(users), -1, np.int32)
    again[some] = np.arange(len(some), dtype=np.int32)
    return Hidden(users[some], _of(left, again), relevant[some])


def _median(ratings: NDArray[np.float32]) -> float:
    """Return the median of ratings, some of which are NaN; NaN if all are."""
    known = ratings[~np.isnan(ratings)]
    return float(np.median(known)) if len(known) else np.nan


def _of(pairs: Interactions, number: NDArray[np.int32]) -> Interactions:
    """Return the interactions of the users who have a number, numbered anew, sorted by user and movie."""
    own = pairs.at(number[pairs.users] >= 0)
    own = replace(own, users=number[own.users])
    return own.at(np.lexsort((own.movies, own.users)))


class _Rating(NamedTuple):
    """Movies' vectors and biases, the mean, and the rule that a user is folded in by."""

    vectors: NDArray[np.float32]
    biases: NDArray[np.float32]
    mean: float
    rule: FoldIn


def of_model(model: FittedModel) -> Scores:
    """Return a function that scores all movies for hidden users by a fitted model."""
    if (ranking := model.preference) is not None:
        return _ByPreference(ranking.movie_profiles, ranking.movie_vectors, ranking.weighting)
    if model.fold_in is not None and model.movie_biases is not None:
        return _by_fold_in(_Rating(model.movie_vectors, model.movie_biases, model.mean or 0.0, model.fold_in))
    known = StoredModel(
        mean=model.mean or 0.0,
        lowest=-np.inf,
        highest=np.inf,
        users=model.user_vectors,
        movies=model.movie_vectors,
        user_biases=np.zeros(len(model.user_vectors), np.float32) if model.user_biases is None else model.user_biases,
        movie_biases=np.zeros(len(model.movie_vectors), np.float32)
        if model.movie_biases is None
        else model.movie_biases,
        head=(model.head["hidden"], model.head["rating"]) if model.head else None,
        preference=None,
        similarity=model.movie_vectors,
    )
    return lambda hidden, rows: known.score(hidden.users[rows])


def of_run(connection: sa.Connection, run: ModelRun, arrays: RatingArrays) -> Scores:
    """Return the same by a stored run."""

    def read(part: embeddings.Part) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = embeddings.read(connection, run.model_run_id, "movie", part)
        return stored.aligned(found, arrays.movie_indexes)

    if run.serving == "two_part":
        return _ByPreference(read("profile")[0], read("preference")[0], run.weighting)
    if run.user_vectors == "fold_in":
        rule = FoldIn(run.bias_feature or 1.0, run.ridge_constant or 0.0, run.ridge_per_rating or 0.0)
        return _by_fold_in(_Rating(*read("rating"), run.mean or 0.0, rule))
    known = stored.read(connection, run, arrays)
    return lambda hidden, rows: known.score(hidden.users[rows])


@dataclass(frozen=True)
class _ByPreference:
    """Scores of a ranking model.

    Attributes:
        profiles: Item profiles, float32 of shape (movie_count, dimensions), rows of NaN for movies without one.
        movies: Movies' vectors, of the same shape; their columns are in the order of falling singular values.
        weighting: The weights of ratings.
    """

    profiles: NDArray[np.float32]
    movies: NDArray[np.float32]
    weighting: RatingWeights

    def __call__(self, hidden: Hidden, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score all movies for some of the hidden users."""
        profiles = np.nan_to_num(self.profiles)
        users = np.zeros((len(rows), profiles.shape[1]), np.float32)
        for place, own in enumerate(_own(hidden, rows)):
            users[place] = signed(self.weighting, own.ratings, own.interests) @ profiles[own.movies]
        return users @ self.movies.T

    def leading(self, width: int) -> _ByPreference:
        """Return the scores by the leading dimensions alone."""
        return replace(self, profiles=self.profiles[:, :width], movies=self.movies[:, :width])


def as_wide(new: Scores, published: Scores) -> tuple[Scores, Scores]:
    """Return the scores of two runs by as many dimensions as both have.

    Both were trained on what is hidden, and a run with more dimensions remembers more of it.
    """
    if not isinstance(new, _ByPreference) or not isinstance(published, _ByPreference):
        return new, published
    width = min(new.movies.shape[1], published.movies.shape[1])
    return new.leading(width), published.leading(width)


def _by_fold_in(run: _Rating) -> Scores:
    features = np.nan_to_num(np.insert(run.vectors, run.vectors.shape[1], run.rule.bias_feature, axis=1)).astype(
        np.float64
    )

    def score(hidden: Hidden, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        users = np.zeros((len(rows), run.vectors.shape[1]), np.float32)
        for place, own in enumerate(_own(hidden, rows)):
            rated = own.at(~np.isnan(own.ratings))
            movies = rated.movies
            x, y = features[movies], rated.ratings - run.mean - run.biases[movies]
            penalty = run.rule.constant + run.rule.per_rating * len(movies)
            users[place] = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)[:-1]
        return np.asarray(users @ run.vectors.T + run.biases)

    return score


def _own(hidden: Hidden, rows: NDArray[np.int64]) -> list[Interactions]:
    """Return each user's interactions that are not hidden."""
    starts = np.searchsorted(hidden.left.users, np.arange(len(hidden.users) + 1))
    return [hidden.left.at(slice(starts[row], starts[row + 1])) for row in rows]


def quality(scores: Scores, hidden: Hidden) -> NDArray[np.float64]:
    """Return each user's NDCG@10, float64 of shape (users,)."""
    found = []
    for rows in similarity.blocks(np.arange(len(hidden.users)), hidden.relevant.shape[1]):
        block = np.array(scores(hidden, rows), np.float64)
        block[np.isnan(block)] = -np.inf
        for place, own in enumerate(_own(hidden, rows)):
            block[place, own.movies] = -np.inf
        found.append(metrics.ndcg(block, hidden.relevant[rows], 10))
    return np.concatenate(found)


def compared(new: NDArray[np.float64], published: NDArray[np.float64]) -> dict[str, float]:
    """Return the means of both, and how much better the new one may be by chance, as a run's metrics."""
    margin = _ERRORS * float(np.std(new - published, ddof=1)) / len(new) ** 0.5
    return {"list_ndcg": float(new.mean()), "published_list_ndcg": float(published.mean()), "list_ndcg_margin": margin}
