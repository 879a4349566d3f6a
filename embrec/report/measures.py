"""Measures of a report, in numpy: calibration, quality of lists, and overlap of neighbours."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import metrics, similarity
from embrec.evaluation.baselines import popularity_order
from embrec.evaluation.beyond import beyond_accuracy
from embrec.evaluation.contender import Score
from embrec.models.base import Ratings
from embrec.models.interactions import Interactions

LIST_LENGTH = 10
NEIGHBOURS = 10
_CALIBRATION_BINS = 16
# With more than 12 distinct ratings, equal-width bins are clearer than a bar for each.
MOST_BARS = 12
_BINS = 20


@dataclass(frozen=True)
class Histogram:
    """The distributions of ratings and of predictions for the same pairs, by bin.

    Attributes:
        labels: Label of each bin.
        ratings: Share of the ratings in each bin, float64 of shape (bins,).
        predictions: Share of the predictions in each bin, float64 of shape (bins,).
    """

    labels: list[str]
    ratings: NDArray[np.float64]
    predictions: NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """The calibration of predictions: mean rating by bins of the prediction, without empty bins.

    Attributes:
        predicted: Mean prediction, float64 of shape (bins,).
        actual: Mean rating, float64 of shape (bins,).
        errors: Standard error of the mean rating, float64 of shape (bins,).
        counts: Number of predictions, int64 of shape (bins,).
        gap: Expected calibration error, in the ratings' unit: mean absolute difference of predicted and actual,
            weighted by counts.
    """

    predicted: NDArray[np.float64]
    actual: NDArray[np.float64]
    errors: NDArray[np.float64]
    counts: NDArray[np.int64]
    gap: float


@dataclass(frozen=True)
class Lists:
    """The top-10 lists of some users, and their quality.

    Attributes:
        appearances: Number of lists that each movie is in, int64 of shape (movie_count,).
        beyond: Measures beyond accuracy by name, of :func:`embrec.evaluation.beyond.beyond_accuracy`.
        ndcg: NDCG@10 of liked held-out ratings, or None without any.
        hit_rate: HR@10: share of the users with a liked held-out rating in their list, or None.
    """

    appearances: NDArray[np.int64]
    beyond: dict[str, float]
    ndcg: float | None
    hit_rate: float | None


def histogram(ratings: NDArray[np.float32], predictions: NDArray[np.float32]) -> Histogram:
    """Return the distributions of ratings and predictions, with a bin for each distinct rating, or twenty if many."""
    levels = np.unique(ratings).astype(np.float64)
    if 1 < len(levels) <= MOST_BARS:
        middles = (levels[1:] + levels[:-1]) / 2
        edges = np.concatenate([[-np.inf], middles, [np.inf]])
        labels = [f"{level:g}" for level in levels]
    else:
        # At least one unit wide, in case all ratings and predictions are equal.
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
    """Compare predictions with ratings, in bins of equal width over the rating scale."""
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
    """Measure the top-10 lists of some users, without movies that they have rated or watched.

    Args:
        score: Function that scores all movies for some users.
        seen: Ratings and events whose movies are excluded from the lists.
        held_out: Ratings that the lists should find, or None.
        users: Users to recommend to, int32 of shape (n,).
    """
    pairs, shape = Interactions.of(seen), (seen.user_count, seen.movie_count)
    seen_by = _matrix(pairs.users, pairs.movies, shape)
    liked_by = None
    if held_out is not None:
        liked = held_out.ratings >= metrics.liked_from(*seen.scale)
        liked_by = _matrix(held_out.users[liked], held_out.movies[liked], shape)
    order = popularity_order(seen)  # equal scores are ranked by popularity
    lists: list[NDArray[np.int64]] = []
    quality: dict[str, list[NDArray[np.float64]]] = {"ndcg": [], "hit_rate": []}
    for block in similarity.blocks(users, seen.movie_count):
        scores = np.array(score(block), np.float64)
        scores[seen_by[block].nonzero()] = -np.inf
        scores = scores[:, order]
        best = metrics.top(scores, min(LIST_LENGTH, seen.movie_count))
        lists.append(np.where(np.isfinite(np.take_along_axis(scores, best, 1)), order[best], -1))
        if liked_by is not None:
            relevant = liked_by[block].toarray()[:, order]
            some = relevant.any(axis=1)
            if some.any():
                quality["ndcg"].append(metrics.ndcg(scores[some], relevant[some], LIST_LENGTH))
                quality["hit_rate"].append(metrics.hit_rate(scores[some], relevant[some], LIST_LENGTH))
    means = {name: float(np.concatenate(values).mean()) if values else None for name, values in quality.items()}
    listed = np.concatenate(lists)
    appearances = np.bincount(listed[listed >= 0], minlength=seen.movie_count)
    return Lists(appearances, beyond_accuracy(listed, users, seen), means["ndcg"], means["hit_rate"])


def in_common(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the neighbours that two runs have in common.

    Args:
        ours: Neighbours of each row in one run, int64 of shape (rows, n).
        theirs: The same in the other run.

    Returns:
        The number for each row, int64 of shape (rows,).
    """
    return np.asarray((ours[:, :, np.newaxis] == theirs[:, np.newaxis, :]).any(axis=1).sum(axis=1))


def jaccard(common: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the Jaccard index of two sets of ten neighbours, given the number in common; float64 of its shape."""
    return np.asarray(common / (2 * NEIGHBOURS - common))


def _matrix(users: NDArray[np.int32], movies: NDArray[np.int32], shape: tuple[int, int]) -> scipy.sparse.csr_array:
    """Return the sparse matrix of pairs, bool of shape (users, movies)."""
    return scipy.sparse.csr_array((np.ones(len(users), bool), (users, movies)), shape=shape)
