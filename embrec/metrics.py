"""How well a model did: errors of ratings, and the quality of ranked lists and neighbours, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rmse(predicted: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    """Root mean squared error of predicted ratings, in the ratings' unit."""
    return float(np.sqrt(np.mean(np.square(predicted.astype(np.float64) - actual))))


def mae(predicted: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    """Mean absolute error of predicted ratings, in the ratings' unit."""
    return float(np.mean(np.abs(predicted.astype(np.float64) - actual)))


def liked_from(low: float, high: float) -> float:
    """The rating from which on it says that the movie was liked: three quarters up the scale, 4 of 1 to 5."""
    return low + 0.75 * (high - low)


def top(scores: NDArray[Any], n: int) -> NDArray[np.int64]:
    """The columns of the n highest scores of each row, highest first; of equal scores the first column."""
    if n < scores.shape[1]:
        edge = -np.partition(-scores, n - 1, axis=1)[:, n - 1 : n]
        above, at_edge = scores > edge, scores == edge
        missing = n - above.sum(axis=1, keepdims=True)
        candidates = np.nonzero(above | (at_edge & (np.cumsum(at_edge, axis=1) <= missing)))[1].reshape(-1, n)
    else:
        candidates = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    order = np.argsort(-np.take_along_axis(scores, candidates, 1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(candidates, order, 1))


def _hits(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    return np.asarray(np.take_along_axis(relevant, top(scores, n), 1))


def ndcg(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain at n of each row, of gains 0 and 1 (Jarvelin, Kekalainen, TOIS 2002).

    Args:
        scores: Shape (rows, columns); what may not be recommended is -inf.
        relevant: bool of the same shape, at least one in each row.
        n: Length of the list.

    Returns:
        float64 of shape (rows,).
    """
    hits = _hits(scores, relevant, n)
    gains = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    best = np.cumsum(gains)[np.minimum(relevant.sum(axis=1), hits.shape[1]) - 1]
    return np.asarray(hits @ gains / best)


def recall(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Share of each row's relevant columns that are among its n best; arguments as of :func:`ndcg`."""
    return np.asarray(_hits(scores, relevant, n).sum(axis=1) / relevant.sum(axis=1))


def average_precision(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Mean of the precision at each hit among the n best, over min(n, relevant); arguments as of :func:`ndcg`."""
    hits = _hits(scores, relevant, n)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return np.asarray((precision * hits).sum(axis=1) / np.minimum(relevant.sum(axis=1), n))


def hit_rate(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Whether each row has a hit among its n best, 0 or 1; arguments as of :func:`ndcg`."""
    return np.asarray(_hits(scores, relevant, n).any(axis=1), np.float64)


def jaccard(near: NDArray[np.int64], labels: NDArray[np.bool_]) -> float:
    """Mean Jaccard index of each row's labels and its neighbours': near is (rows, n), labels (rows, label_count)."""
    own, other = labels[:, np.newaxis], labels[near]
    return float(((own & other).sum(axis=2) / np.maximum((own | other).sum(axis=2), 1)).mean())


def overlap(near: NDArray[np.int64], expected: NDArray[np.int64]) -> float:
    """Mean share of each row's expected neighbours that are among its neighbours; both int64 of shape (rows, n)."""
    return float((near[:, :, np.newaxis] == expected[:, np.newaxis, :]).any(axis=1).mean())
