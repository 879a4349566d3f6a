"""What a report measures, in numpy: predictions, lists, and how alike two runs' neighbours are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import metrics, similarity
from embrec.evaluation.contender import Score
from embrec.models.base import Ratings

LIST_LENGTH = 10
NEIGHBOURS = 10
_CALIBRATION_BINS = 16
# Of more different ratings, a bar for each says less than a few bins.
MOST_BARS = 12
_BINS = 20


@dataclass(frozen=True)
class Histogram:
    """Shares of ratings and of predictions for the same pairs, bin by bin.

    Attributes:
        labels: What each bin holds.
        ratings: float64 of shape (bins,), shares of 1.
        predictions: The same of the predictions.
    """

    labels: list[str]
    ratings: NDArray[np.float64]
    predictions: NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What was predicted, and what came, bin by bin of the prediction; bins without predictions are left out.

    Attributes:
        predicted: Mean prediction, float64 of shape (bins,).
        actual: Mean rating, float64 of shape (bins,).
        errors: Standard error of that mean, float64 of shape (bins,).
        counts: int64 of shape (bins,).
        gap: Mean distance of predicted and actual, weighted by counts: the expected calibration error, in the ratings'
            unit.
    """

    predicted: NDArray[np.float64]
    actual: NDArray[np.float64]
    errors: NDArray[np.float64]
    counts: NDArray[np.int64]
    gap: float


@dataclass(frozen=True)
class Lists:
    """The best ten movies of some users, and how good they are.

    Attributes:
        appearances: In how many lists each movie is, int64 of shape (movie_count,).
        coverage: Share of the movies that are in any list.
        popularity: Mean share of all users who rated a recommended movie.
        ndcg: Normalised discounted cumulative gain at 10 of liked held-out ratings, or None without any.
        hit_rate: Share of the users with a liked held-out rating among the ten, or None.
    """

    appearances: NDArray[np.int64]
    coverage: float
    popularity: float
    ndcg: float | None
    hit_rate: float | None


def histogram(ratings: NDArray[np.float32], predictions: NDArray[np.float32]) -> Histogram:
    """Shares of ratings and predictions; a bin for each rating there is, or twenty where there are many."""
    levels = np.unique(ratings).astype(np.float64)
    if 1 < len(levels) <= MOST_BARS:
        middles = (levels[1:] + levels[:-1]) / 2
        edges = np.concatenate([[-np.inf], middles, [np.inf]])
        labels = [f"{level:g}" for level in levels]
    else:
        # Of ratings that are all the same, predictions say something by how far they are from it.
        low = min(levels[0], float(predictions.min()))
        high = max(levels[-1], float(predictions.max()), low + 1)
        edges = np.linspace(low, high, _BINS + 1)
        labels = [f"{begin:.3g} to {end:.3g}" for begin, end in itertools.pairwise(edges)]
        edges[0], edges[-1] = -np.inf, np.inf
    shares = [
        np.bincount(np.digitize(values, edges[1:-1]), minlength=len(labels)) / len(values)
        for values in (ratings, predictions)
    ]
    return Histogram(labels, shares[0], shares[1])


def calibrate(predicted: NDArray[np.float32], actual: NDArray[np.float32], low: float, high: float) -> Calibration:
    """Compare predictions with ratings, in bins of the same width over the scale."""
    edges = np.linspace(low, high, _CALIBRATION_BINS + 1)
    bins = np.digitize(predicted, edges[1:-1])
    counts = np.bincount(bins, minlength=_CALIBRATION_BINS)
    some = counts > 0

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(bins, values, minlength=len(counts))[some] / counts[some])

    means = mean(actual)
    variances = np.maximum(mean(np.square(actual, dtype=np.float64)) - means**2, 0.0)
    gap = float(np.average(np.abs(mean(predicted) - means), weights=counts[some]))
    return Calibration(mean(predicted), means, np.sqrt(variances / counts[some]), counts[some], gap)


def measure_lists(score: Score, seen: Ratings, held_out: Ratings | None, users: NDArray[np.int32]) -> Lists:
    """The best ten movies of some users that they have not rated.

    Args:
        score: What ranks all movies for some users.
        seen: The ratings whose movies are not recommended again.
        held_out: Ratings to find again, or None.
        users: int32 of shape (n,).
    """
    seen_by = _matrix(seen, np.ones(len(seen.users), bool))
    liked_by = None
    if held_out is not None:
        liked = metrics.liked_from(float(seen.ratings.min()), float(seen.ratings.max()))
        liked_by = _matrix(held_out, held_out.ratings >= liked)
    appearances = np.zeros(seen.movie_count, np.int64)
    quality: dict[str, list[NDArray[np.float64]]] = {"ndcg": [], "hit_rate": []}
    for block in similarity.blocks(users, seen.movie_count):
        scores = np.array(score(block), np.float64)
        scores[seen_by[block].nonzero()] = -np.inf
        best = metrics.top(scores, min(LIST_LENGTH, seen.movie_count))
        appearances += np.bincount(best[np.isfinite(np.take_along_axis(scores, best, 1))], minlength=seen.movie_count)
        if liked_by is not None:
            relevant = liked_by[block].toarray()
            some = relevant.any(axis=1)
            if some.any():
                quality["ndcg"].append(metrics.ndcg(scores[some], relevant[some], LIST_LENGTH))
                quality["hit_rate"].append(metrics.hit_rate(scores[some], relevant[some], LIST_LENGTH))
    means = {name: float(np.concatenate(values).mean()) if values else None for name, values in quality.items()}
    shares = np.bincount(seen.movies, minlength=seen.movie_count) / seen.user_count
    return Lists(
        appearances,
        coverage=float(np.mean(appearances > 0)),
        popularity=float(appearances @ shares / max(appearances.sum(), 1)),
        ndcg=means["ndcg"],
        hit_rate=means["hit_rate"],
    )


def concentration(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cumulated shares of the movies, the most frequent first: from 0 to 1, float64 of shape (movies + 1,)."""
    ordered = np.sort(counts)[::-1].astype(np.float64)
    return np.concatenate([[0.0], np.cumsum(ordered) / max(ordered.sum(), 1.0)])


def gini(counts: NDArray[np.int64]) -> float:
    """The Gini coefficient: 0 where all are alike, near 1 where few have all."""
    shares = concentration(counts)
    return float(2 * np.trapezoid(shares, dx=1 / len(counts)) - 1) if counts.sum() else 0.0


def in_common(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of each row's neighbours are the same in two runs, int64 of shape (rows,); both of shape (rows, n)."""
    return np.asarray((ours[:, :, np.newaxis] == theirs[:, np.newaxis, :]).any(axis=1).sum(axis=1))


def jaccard(common: NDArray[np.int64]) -> NDArray[np.float64]:
    """The Jaccard index of ten neighbours and ten others, of which some are the same; float64 of the same shape."""
    return np.asarray(common / (2 * NEIGHBOURS - common))


def _matrix(ratings: Ratings, chosen: NDArray[np.bool_]) -> scipy.sparse.csr_array:
    """Which user rated which movie, bool of shape (users, movies)."""
    users, movies = ratings.users[chosen], ratings.movies[chosen]
    shape = (ratings.user_count, ratings.movie_count)
    return scipy.sparse.csr_array((np.ones(len(users), bool), (users, movies)), shape=shape)
