"""Measures of lists beyond accuracy: popularity bias, novelty, coverage, concentration, diversity, and fairness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import metrics
from embrec.models.base import Ratings
from embrec.models.interactions import Interactions

LIGHT, HEAVY = "light NDCG@10", "heavy NDCG@10"
# Tables show these measures apart from those of accuracy.
MEASURES = ("popularity", "lift", "novelty", "coverage", "Gini", "distance", "dislikes@10", LIGHT, HEAVY)
# Distances are computed for at most 1,000 lists: more change the mean little, and popular movies have long columns.
_LISTS_COMPARED = 1_000
# Ten lists at once: their sum of columns may have an entry for each user.
_LISTS_AT_ONCE = 10


def beyond_accuracy(lists: NDArray[np.int64], users: NDArray[np.int32], training: Ratings) -> dict[str, float]:
    """Return how popular, new, varied and different the movies of some users' lists are.

    A user's history is the movies that they rated or watched in the training part. A movie's share is that of all
    users who did so.

    - ``popularity``: the mean share of the recommended movies.
    - ``lift``: popularity over the mean share of the movies in the same users' histories, minus 1 (the difference in
      group average popularity of Abdollahpouri et al., RMSE workshop at RecSys 2019). Users without a history are
      left out.
    - ``novelty``: the mean self-information, -log2 of the share, in bits (Zhou et al., PNAS 2010). A movie that nobody
      rated counts as one that one user rated.
    - ``coverage``: the share of all movies that are in any list (Ge et al., RecSys 2010).
    - ``Gini``: the Gini coefficient of how often each movie of the catalogue is recommended: 0 if all are equally
      often, near 1 if few movies fill all lists (Adomavicius and Kwon, TKDE 2012).
    - ``distance``: the intra-list distance, the mean of 1 - cosine over the pairs of a list (Zhang and Hurley, RecSys
      2008). A movie's vector is the set of its users, which is the same for every model.

    Args:
        lists: Movies of each list, int64 of shape (n, length), -1 for a place without a movie.
        users: The user of each list, int32 of shape (n,).
        training: What the models have learned from.

    Returns:
        Each measure by its name; 0 if no list has enough movies for it.
    """
    pairs = Interactions.of(training)
    counts = np.bincount(pairs.movies, minlength=training.movie_count)
    shares = counts / training.user_count
    lengths = np.bincount(pairs.users, minlength=training.user_count)[users]
    own = np.bincount(pairs.users, shares[pairs.movies], minlength=training.user_count)[users] / np.maximum(lengths, 1)
    popularity = _means(lists, shares)
    asked = np.flatnonzero((lengths > 0) & np.isfinite(popularity))
    appearances = np.bincount(lists[lists >= 0], minlength=training.movie_count)
    return {
        "popularity": _mean(popularity),
        "lift": float(popularity[asked].mean() / own[asked].mean() - 1) if len(asked) else 0.0,
        "novelty": _mean(_means(lists, -np.log2(np.maximum(counts, 1) / training.user_count))),
        "coverage": float(np.mean(appearances > 0)),
        "Gini": metrics.gini(appearances),
        "distance": _mean(_distances(lists, pairs, counts, training.user_count)),
    }


def _means(lists: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the movies' values in each list, NaN for a list without movies."""
    some = lists >= 0
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(some, values[lists], 0.0).sum(axis=1) / some.sum(axis=1))


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are not NaN, 0 without any."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0


def _distances(
    lists: NDArray[np.int64], pairs: Interactions, counts: NDArray[np.int64], user_count: int
) -> NDArray[np.float64]:
    """Return the mean distance of the pairs in a sample of the lists.

    The cosines of a list's pairs add up to half of the squared length of the sum of its unit vectors, minus theirs.
    """
    lists = lists[(lists >= 0).sum(axis=1) > 1]
    lists = lists[np.random.default_rng(0).permutation(len(lists))[:_LISTS_COMPARED]]
    entries = (counts[pairs.movies] ** -0.5, (pairs.movies, pairs.users))
    vectors = scipy.sparse.csr_array(entries, shape=(len(counts), user_count))
    found = np.empty(len(lists))
    for begin in range(0, len(lists), _LISTS_AT_ONCE):
        block = lists[begin : begin + _LISTS_AT_ONCE]
        rows, places = np.nonzero(block >= 0)
        movies = block[rows, places]
        listed = scipy.sparse.csr_array((np.ones(len(rows)), (rows, movies)), shape=(len(block), len(counts)))
        squares = np.asarray((listed @ vectors).power(2).sum(axis=1)).ravel()
        known = np.bincount(rows, counts[movies] > 0, minlength=len(block))
        sizes = np.bincount(rows, minlength=len(block))
        found[begin : begin + len(block)] = 1 - (squares - known) / (sizes * (sizes - 1))
    return found


def by_activity(quality: NDArray[np.float64], lengths: NDArray[np.int64]) -> dict[str, float]:
    """Return the mean NDCG@10 of the lightest and of the heaviest quarter of the users, by length of history.

    Users are compared by activity as in Li et al. (WWW 2021): a model that is good on average may be so for the heavy
    users alone. Users whose history is as long as the quarter's edge are all in it.

    Args:
        quality: NDCG@10 of each user, float64 of shape (n,).
        lengths: Number of movies in each user's history, int64 of shape (n,).
    """
    low, high = np.quantile(lengths, (0.25, 0.75))
    return {LIGHT: float(quality[lengths <= low].mean()), HEAVY: float(quality[lengths >= high].mean())}


def apart(names: Sequence[Any]) -> list[str]:
    """Return the measures beyond accuracy, which a table shows apart; none if there is only one."""
    found = [name for name in names if name in MEASURES]
    return found if len(found) > 1 else []
