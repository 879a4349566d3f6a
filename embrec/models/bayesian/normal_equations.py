"""The normal equations of the regressions of users on movies, and of movies on users: sums over ratings.

The normal equations of a user's regression are sums, over the movies they rated, of outer products of a movie's
features. Such a product is the same for every user who rated the movie, so it is computed once. The sums of all users
are then the product of the sparse incidence matrix of ratings with a dense matrix of products. This is several times
faster than a product per rating, while the dense matrix fits the processor's caches. A movie's sums use the transposed
incidence matrix.

The ratings are held once, by user, in blocks that threads work on in parallel. Sums over blocks are added in a fixed
order, so they are the same, bit for bit, on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.base import Ratings
from embrec.models.grouping import sorted_by_user

# A block has about 262,144 ratings; a row counts as 8 more, because its sums take memory however few its ratings are.
# The sums of a block's users, of width 16, then need at most 20 MB, or as much as those of all movies if that is more.
_BLOCK_RATINGS, _RATINGS_OF_ROW = 1 << 18, 8
# Movies are drawn in blocks of 4,096, or one thread would draw them all.
_BLOCK_MOVIES = 1 << 12

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
Result = TypeVar("Result")


class Explained(NamedTuple):
    """The regression of ratings on some rows: rating = offset + features . p + N(0, noise^2 / weight).

    Attributes:
        features: float32 of shape (rows, width).
        offsets: float32 of shape (rows,).
        weights: float32 of shape (rows,).
    """

    features: NDArray[np.float32]
    offsets: NDArray[np.float32]
    weights: NDArray[np.float32]

    def part(self, rows: slice) -> Explained:
        """The same of some rows."""
        return Explained(*(each[rows] for each in self))

    def products(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the weighted features, and the lower triangles of their outer products with the features."""
        weighted = self.features * self.weights[:, np.newaxis]
        down, across = np.tril_indices(self.features.shape[1])
        return weighted, weighted[:, down] * self.features[:, across]


class Sums(NamedTuple):
    """Weighted sums over the ratings of some rows; the target y is a rating minus its offset.

    Attributes:
        products: Sums of the features' outer products, lower triangles, float32 of shape
            (rows, width * (width + 1) / 2).
        moments: Sums of features times y, float32 of shape (rows, width).
        squares: Sums of y squared, float32 of shape (rows,).
    """

    products: NDArray[np.float32]
    moments: NDArray[np.float32]
    squares: NDArray[np.float32]

    def part(self, rows: slice) -> Sums:
        """The same of some rows."""
        return Sums(*(each[rows] for each in self))


class _Block(NamedTuple):
    """The ratings of some users: a sparse incidence matrix of ones, and the values."""

    users: slice
    rated: scipy.sparse.csr_array
    ratings: NDArray[np.float32]

    def with_values(self, values: NDArray[np.float32]) -> scipy.sparse.csr_array:
        return scipy.sparse.csr_array((values, self.rated.indices, self.rated.indptr), shape=self.rated.shape)

    def of_users(self, movies: Explained, weighted: NDArray[np.float32], products: NDArray[np.float32]) -> Sums:
        y = self.ratings - movies.offsets[self.rated.indices]
        return Sums(self.rated @ products, self.with_values(y) @ weighted, self.with_values(y * y) @ movies.weights)

    def of_movies(self, users: Explained) -> Sums:
        mine = users.part(self.users)
        weighted, products = mine.products()
        y = self.ratings - np.repeat(mine.offsets, np.diff(self.rated.indptr))
        return Sums(self.rated.T @ products, self.with_values(y).T @ weighted, self.with_values(y * y).T @ mine.weights)


class NormalEquations:
    """The sums of the normal equations, computed block by block.

    Args:
        training: The ratings.
        map_blocks: ``map``, or an equivalent on several threads.
    """

    def __init__(self, training: Ratings, map_blocks: Map) -> None:
        self._map = map_blocks
        counts, movies, ratings = sorted_by_user(training)
        ends = np.concatenate([[0], np.cumsum(counts)])
        size = max(_BLOCK_RATINGS, _RATINGS_OF_ROW * training.movie_count)
        self._blocks = [_block(part, ends, movies, ratings, training.movie_count) for part in _cut(ends, size)]
        self._movies = _cut(np.arange(training.movie_count + 1), (_RATINGS_OF_ROW + 1) * _BLOCK_MOVIES)

    def of_users(self, movies: Explained, use: Callable[[slice, Sums], Result]) -> Iterable[Result]:
        """Apply ``use`` to the users and their sums, block by block: the sums of all users need too much memory."""
        weighted, products = movies.products()

        def used(block: _Block) -> Result:
            return use(block.users, block.of_users(movies, weighted, products))

        return self._map(used, self._blocks)

    def of_movies(self, users: Explained, use: Callable[[slice, Sums], Result]) -> Iterable[Result]:
        """Apply ``use`` to the movies and their sums, block by block."""
        found = iter(self._map(lambda block: block.of_movies(users), self._blocks))
        total = next(found)
        for more in found:
            for sums, each in zip(total, more, strict=True):
                sums += each
        return self._map(lambda movies: use(movies, total.part(movies)), self._movies)


def _cut(ends: NDArray[np.int64], size: int) -> list[slice]:
    """Cut rows into parts of about ``size`` ratings; ``ends`` are the rows' boundaries among the ratings."""
    sizes = ends + _RATINGS_OF_ROW * np.arange(len(ends))
    inner = np.unique(np.searchsorted(sizes, np.arange(size, sizes[-1], size)))
    cuts = [0, *inner[(inner > 0) & (inner < len(ends) - 1)].tolist(), len(ends) - 1]
    return [slice(*pair) for pair in pairwise(cuts)]


def _block(
    users: slice, ends: NDArray[np.int64], movies: NDArray[np.int32], ratings: NDArray[np.float32], movie_count: int
) -> _Block:
    within = slice(ends[users.start], ends[users.stop])
    starts = (ends[users.start : users.stop + 1] - within.start).astype(np.int32)
    ones = np.ones(within.stop - within.start, np.float32)
    rated = scipy.sparse.csr_array((ones, movies[within], starts), shape=(len(starts) - 1, movie_count))
    return _Block(users, rated, ratings[within])
