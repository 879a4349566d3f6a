"""Evaluation metrics in numpy: RMSE, MAE, NDCG@n, recall@n, MAP@n, hit rate@n (HR@n), neighbours, concentration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rmse(predicted: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    """Return the root mean squared error of predicted ratings, in the ratings' unit."""
    return float(np.sqrt(np.mean(np.square(predicted.astype(np.float64) - actual))))


def mae(predicted: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    """Return the mean absolute error of predicted ratings, in the ratings' unit."""
    return float(np.mean(np.abs(predicted.astype(np.float64) - actual)))


# Share of the scale by which a rating may miss an edge, because single precision rounds 0.4 up.
_ROUNDING = 1e-6


def liked_from(low: float, high: float) -> float:
    """Return the lowest rating that counts as liked (relevant): three quarters up the scale, or 4 on 1 to 5."""
    return low + (0.75 - _ROUNDING) * (high - low)


def disliked_to(low: float, high: float) -> float:
    """Return the highest rating that counts as disliked: a quarter up the scale, or 2 on 1 to 5.

    On a scale of one value nothing is disliked, and everything is liked.
    """
    return low + (0.25 + _ROUNDING) * (high - low) if high > low else -math.inf


def top(scores: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Return the columns of each row's n highest scores, highest first; ties go to the first column."""
    if n < scores.shape[1]:
        negative = -scores
        negative.partition(n - 1, axis=1)
        edge = -negative[:, n - 1 : n]
        chosen = scores >= edge
        tied = np.flatnonzero(chosen.sum(axis=1) > n)
        above, at_edge = scores[tied] > edge[tied], scores[tied] == edge[tied]
        missing = n - above.sum(axis=1, keepdims=True)
        chosen[tied] = above | (at_edge & (np.cumsum(at_edge, axis=1) <= missing))
        candidates = (np.flatnonzero(chosen) % scores.shape[1]).reshape(-1, n)
    else:
        candidates = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    order = np.argsort(-np.take_along_axis(scores, candidates, 1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(candidates, order, 1))


def hits(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """Return whether each of a row's n highest scores is of a relevant column, bool of shape (rows, n)."""
    return np.asarray(np.take_along_axis(relevant, top(scores, n), 1))


def ndcg(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Return the normalized discounted cumulative gain (NDCG@n) of each row, with gains of 0 and 1.

    The metric is that of Jarvelin and Kekalainen (TOIS 2002).

    Args:
        scores: Scores of shape (rows, columns); -inf for a column that must not be recommended.
        relevant: Relevant columns, bool of the same shape, at least one in each row.
        n: Length of the list.

    Returns:
        NDCG@n, float64 of shape (rows,).
    """
    found = hits(scores, relevant, n)
    gains = 1 / np.log2(np.arange(2, found.shape[1] + 2))
    best = np.cumsum(gains)[np.minimum(relevant.sum(axis=1), found.shape[1]) - 1]
    return np.asarray(found @ gains / best)


def recall(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Return recall@n: the share of each row's relevant columns in its top n; arguments as of :func:`ndcg`."""
    return np.asarray(hits(scores, relevant, n).sum(axis=1) / relevant.sum(axis=1))


def average_precision(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Return the average precision at n of each row; its mean over rows is MAP@n.

    It is the sum of the precision at each hit in the top n, divided by the lower of n and the number of relevant
    columns. Arguments are as of :func:`ndcg`.
    """
    found = hits(scores, relevant, n)
    precision = np.cumsum(found, axis=1) / np.arange(1, found.shape[1] + 1)
    return np.asarray((precision * found).sum(axis=1) / np.minimum(relevant.sum(axis=1), n))


def hit_rate(scores: NDArray[Any], relevant: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """Return 1 for each row with a relevant column in its top n (HR@n), else 0; arguments as of :func:`ndcg`."""
    return np.asarray(hits(scores, relevant, n).any(axis=1), np.float64)


def jaccard(near: NDArray[np.int64], labels: NDArray[np.bool_]) -> float:
    """Return the mean Jaccard index between the labels of each row and of its neighbours.

    Args:
        near: Neighbours of each row, of shape (rows, n).
        labels: Labels of each row, bool of shape (rows, label_count).
    """
    own, other = labels[:, np.newaxis], labels[near]
    return float(((own & other).sum(axis=2) / np.maximum((own | other).sum(axis=2), 1)).mean())


def overlap(near: NDArray[np.int64], expected: NDArray[np.int64]) -> float:
    """Return the mean share of each row's expected neighbours found in ``near``; both int64 of shape (rows, n)."""
    return float((near[:, :, np.newaxis] == expected[:, np.newaxis, :]).any(axis=1).mean())


def expected_ranks(scores: NDArray[Any], targets: NDArray[Any], ties: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rank of each row's target among all columns, from 0.

    Equal scores are ranked by ``ties``. Of the columns that are equal in both, half are counted as before the target,
    which is the expectation over all their orders.

    Args:
        scores: Scores of shape (rows, columns); -inf for a column that must not be recommended.
        targets: The relevant column of each row, of shape (rows,).
        ties: A value for each column, of shape (columns,); the highest comes first.

    Returns:
        float64 of shape (rows,).
    """
    own = np.take_along_axis(scores, targets[:, np.newaxis], 1)
    ranks: NDArray[np.float64] = np.count_nonzero(scores > own, axis=1).astype(np.float64)
    equal = scores == own
    tied = np.flatnonzero(np.count_nonzero(equal, axis=1) > 1)
    equal, others = equal[tied], ties[targets[tied]][:, np.newaxis]
    ranks[tied] += np.count_nonzero(equal & (ties > others), axis=1)
    ranks[tied] += (np.count_nonzero(equal & (ties == others), axis=1) - 1) / 2
    return ranks


def of_ranks(ranks: NDArray[np.float64], hits: int, reciprocal: int) -> dict[str, NDArray[np.float64]]:
    """Return hit rate and NDCG at ``hits`` and the reciprocal rank at ``reciprocal``, with one relevant column a row.

    Args:
        ranks: Ranks of the relevant columns, from 0, of shape (rows,).
        hits: Length of the list for HR and NDCG.
        reciprocal: Length of the list for MRR.

    Returns:
        Each metric's values by its name, such as HR@10, float64 of shape (rows,).
    """
    hit = ranks < hits
    return {
        f"HR@{hits}": hit.astype(np.float64),
        f"NDCG@{hits}": hit / np.log2(ranks + 2),
        f"MRR@{reciprocal}": (ranks < reciprocal) / (ranks + 1),
    }


def concentration(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return cumulative shares of the movies, most frequent first: from 0 to 1, float64 of shape (movies + 1,)."""
    ordered = np.sort(counts)[::-1].astype(np.float64)
    return np.concatenate([[0.0], np.cumsum(ordered) / max(ordered.sum(), 1.0)])


def gini(counts: NDArray[np.int64]) -> float:
    """Return the Gini coefficient: 0 if all counts are equal, near 1 if few movies have all."""
    shares = concentration(counts)
    return float(2 * np.trapezoid(shares, dx=1 / len(counts)) - 1) if counts.sum() else 0.0
