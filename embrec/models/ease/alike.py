"""Vectors that movies are compared by: the mixture of several kinds of likeness, shrunk where movies are little known.

The similarity of a movie to another is their cosine times the other's length, which is at most 1. So the inner product
of the vectors has it, and a movie that few users know is near nobody by chance.

The kinds are the ranking vectors; movies with users in common; those that have more users in common than by chance; the
rating vectors, because a user who likes a series rates all of it alike; and side information. Their weights were chosen
on MovieLens 100K, on halves of its users other than those of docs/accuracy.md, over all four measures there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.ease.components import leading
from embrec.models.ease.gram import Gram
from embrec.models.next.along import once, some_of_each
from embrec.models.next.base import blocks_of_product, stacked, strongest
from embrec.similarity import has_length

# Length of the vectors, or that of ranking vectors if it is more: there are more kinds of likeness to tell.
DIMENSIONS = 128
# The weight of each kind; that of the ranking vectors is 1.
RATED, DESCRIBED = 0.75, 0.25
_TOGETHER, _BEYOND_CHANCE = 2.0, 1.75
# A movie with one user is half as near as its vector says.
_USERS_FOR_HALF = 1
# The users that two movies have in common count by n / (n + 3), or one user by chance would look like much.
_COMMON_FOR_HALF = 3
# A movie has at most 300 others beyond chance. At most 30 million pairs of movies are counted, in a second or two.
_LISTED, _PAIRS, _PRODUCTS = 300, 30_000_000, 4_000_000


def beyond_chance(watched: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return how many more users than by chance have both movies of a pair, on a scale to 1.

    It is the pointwise mutual information (Church and Hanks, Word association norms, 1990) over its highest value:
    log(N c / (n m)) / log(N) for c of N users with both movies, and n and m with each. Values below 0 are left out.

    Args:
        watched: Each user's movies, of shape (user_count, movie_count); the values do not matter.

    Returns:
        float32 of shape (movie_count, movie_count), symmetric, with the 300 highest values of each movie at least.
    """
    users = np.repeat(np.arange(watched.shape[0], dtype=np.int32), np.diff(watched.indptr))
    some = some_of_each(once(users, watched.indices, *watched.shape), seed=0, pairs=_PAIRS)
    counts = np.bincount(some.indices, minlength=watched.shape[1]).astype(np.float64)
    present = int(np.count_nonzero(np.diff(some.indptr)))
    if present < 2:  # a single user is no evidence
        return scipy.sparse.csr_array((watched.shape[1],) * 2, dtype=np.float32)
    by_movie, found = some.T.tocsr(), []
    for begin, end in blocks_of_product(by_movie, some, _PRODUCTS):
        both = scipy.sparse.csr_array(by_movie[begin:end] @ some)
        row = np.repeat(np.arange(begin, end), np.diff(both.indptr))
        common = both.data.astype(np.float64)
        information = np.log(present * common / (counts[row] * counts[both.indices])) / np.log(present)
        both.data = (np.maximum(information, 0.0) * common / (common + _COMMON_FOR_HALF)).astype(np.float32)
        both.eliminate_zeros()
        found.append(strongest(both, _LISTED))
    rows = stacked(found)
    return scipy.sparse.csr_array(rows.maximum(rows.T))


def together(
    gram: Gram, labels: NDArray[np.int32], penalty: float, watched: scipy.sparse.csr_array, dimensions: int
) -> NDArray[np.float64]:
    """Return vectors of movies with users in common, as many as there are and beyond chance.

    Args:
        gram: The Gram matrix of users' rows; the cosines of its columns are shrunk where there are few ratings.
        labels: The connected component of each movie.
        penalty: The regularization of the ranking model.
        watched: Each user's movies, as :func:`beyond_chance` takes them.
        dimensions: Number of directions.

    Returns:
        float64 of shape (movie_count, at most dimensions).
    """
    roots = np.sqrt(gram.diagonal + np.float32(1.5 * penalty))[:, np.newaxis]
    more = _BEYOND_CHANCE * beyond_chance(watched)

    def times(block: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(_TOGETHER * gram.times(block / roots) / roots + more @ block, np.float32)

    values, basis = leading(times, labels, dimensions)
    return np.asarray(basis * np.sqrt(np.maximum(values, 0.0)))


def mixed(kinds: list[NDArray[np.float64]], users: NDArray[np.int64], dimensions: int) -> NDArray[np.float64]:
    """Return vectors whose inner products approximate the sum of the kinds', shortened where users are few.

    Args:
        kinds: Vectors of each kind, float64 of shape (movie_count, any), times the roots of their weights.
        users: Number of users of each movie, of shape (movie_count,).
        dimensions: Number of principal components to keep.
    """
    vectors = np.hstack(kinds)
    # The right singular vectors, for there are many more movies than columns.
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    vectors = vectors @ directions[:, ::-1][:, : min(dimensions, len(vectors))]
    return bounded(shortened(vectors, users))


def shortened(vectors: NDArray[np.float64], users: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the vectors times n / (n + 1) for a movie with n users."""
    return np.asarray(vectors * (users / (users + _USERS_FOR_HALF))[:, np.newaxis])


def bounded(vectors: NDArray[Any]) -> NDArray[Any]:
    """Return the vectors in units of the longest."""
    longest = np.linalg.norm(vectors, axis=1).max(initial=0.0)
    return vectors / longest if longest > 0 else vectors


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalize each row to length one; a row without length becomes zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(has_length(vectors)[:, np.newaxis], vectors, 0.0) / np.where(lengths > 0, lengths, 1.0)
