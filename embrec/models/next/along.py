"""The movies that the users of each movie also watched, more than chance has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.next.base import blocks_of_product, stacked, strongest

# A movie has at most 100 others: a page shows fewer.
_LISTED = 100
# The variance is at least that of 3 users, and a pair needs 2, or one user by chance would look like much.
_LEAST_VARIANCE, _FEWEST = 3, 2
# At most 200 million pairs of movies are counted, in ten seconds.
_PAIRS, _MOST_OF_USER = 200_000_000, 1_024
# A product of sparse matrices is taken in blocks of 4 million products, whose excesses take 160 MB at most.
_PRODUCTS = 4_000_000


class Along(NamedTuple):
    """The movies that users of each movie also watched.

    Attributes:
        rows: The excesses, float32 of shape (movie_count, movie_count), the highest of a row first.
        users: The number of users of each movie, int32 of shape (movie_count,).
    """

    rows: scipy.sparse.csr_array
    users: NDArray[np.int32]


def excesses(
    users: NDArray[np.int32], movies: NDArray[np.int32], user_count: int, movie_count: int, seed: int
) -> Along:
    """Return how many more users than by chance have both movies of a pair, in standard deviations.

    With n and m users of each and N in all, chance has e = n * m / N users of both, a Poisson variable. The excess of c
    users is (c - e) / sqrt(e + 3). It weighs the lift c / e by how sure it is, and is the same from either movie.

    Args:
        users: int32 of shape (n,), 0 .. user_count - 1.
        movies: int32 of shape (n,), 0 .. movie_count - 1; a pair may occur several times.
        user_count: Number of users.
        movie_count: Number of movies.
        seed: Seeds the choice of a share of the movies of users with many.

    Returns:
        The 100 highest excesses of each movie above 0. The same arguments give the same bits.
    """
    watched = some_of_each(once(users, movies, user_count, movie_count), seed, _PAIRS)
    counts = np.bincount(watched.indices, minlength=movie_count)
    present = max(int(np.count_nonzero(np.diff(watched.indptr))), 1)
    rows = stacked(list(_rows(watched, counts.astype(np.float64), present)))
    return Along(rows, counts.astype(np.int32))


def once(
    users: NDArray[np.int32], movies: NDArray[np.int32], user_count: int, movie_count: int
) -> scipy.sparse.csr_array:
    """Return ones for the movies of each user, float32 of shape (user_count, movie_count), each once."""
    found = scipy.sparse.csr_array((np.ones(len(users), np.float32), (users, movies)), shape=(user_count, movie_count))
    found.sum_duplicates()
    found.data[:] = 1
    return found


def some_of_each(watched: scipy.sparse.csr_array, seed: int, pairs: int) -> scipy.sparse.csr_array:
    """Return a random share of the movies of users with the most, so that all have about so many pairs of movies."""
    counts, most = np.diff(watched.indptr), _MOST_OF_USER
    while most > 1 and np.square(np.minimum(counts, most), dtype=np.float64).sum() > pairs:
        most //= 2
    kept = np.random.default_rng(seed).random(watched.nnz) < np.repeat(most / np.maximum(counts, 1), counts)
    starts = np.concatenate([[0], np.cumsum(kept)])[watched.indptr]
    return scipy.sparse.csr_array((watched.data[kept], watched.indices[kept], starts), shape=watched.shape)


def _rows(
    watched: scipy.sparse.csr_array, counts: NDArray[np.float64], present: int
) -> Iterator[scipy.sparse.csr_array]:
    """Yield the rows of a block of movies after the other."""
    by_movie = watched.T.tocsr()
    for begin, end in blocks_of_product(by_movie, watched, _PRODUCTS):
        both = (by_movie[begin:end] @ watched).tocsr()
        row = np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
        chance = counts[row + begin] * counts[both.indices] / present
        excess = ((both.data - chance) / np.sqrt(chance + _LEAST_VARIANCE)).astype(np.float32)
        excess[(row + begin == both.indices) | (both.data < _FEWEST)] = 0
        kept = excess > 0
        found = excess[kept], (row[kept], both.indices[kept])
        yield strongest(scipy.sparse.csr_array(found, shape=both.shape), _LISTED)
