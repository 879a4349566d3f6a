"""A worker's ratings, by user and by movie."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import kernels
from embrec.kernels import Groups
from embrec.models.shards.tree import Branch, Share, Terms

Floats = NDArray[np.float32]


class Incidence:
    """The ratings of a worker's users, grouped by user, and grouped by movie for each shard.

    Args:
        starts: Position of each user's first rating, and the number of ratings, int64 of shape (users + 1,).
        movies: int32 of shape (ratings,).
        values: float32 of shape (ratings,).
        movie_count: Number of movies.
        share: The worker's shards of users.
    """

    def __init__(
        self,
        starts: NDArray[np.int64],
        movies: NDArray[np.int32],
        values: Floats,
        movie_count: int,
        share: Share,
    ) -> None:
        self.share, self.movie_count = share, movie_count
        self.by_user = Groups(starts, movies, values)

    @cached_property
    def by_movie(self) -> list[Groups]:
        """The ratings by movie, of each shard: not needed to solve the users once.

        The vectors of a shard's users stay in the processor's caches, as those of all users would not.
        """
        return [self._by_movie(rows) for rows in self.share.spans]

    def _by_movie(self, rows: slice) -> Groups:
        within, ratings = self.by_user.starts[rows.start : rows.stop + 1], self.by_user.ratings_of(rows)
        mine = (self.by_user.rated()[ratings], self.by_user.others[ratings], within - within[0])
        found = scipy.sparse.csr_array(mine, shape=(rows.stop - rows.start, self.movie_count)).tocsc()
        others = found.indices.astype(np.int32, copy=False)
        return Groups(found.indptr.astype(np.int64), others, found.data)

    def of_users(self, movies: Floats, rows: slice) -> Floats:
        """Return the sum of each user's movies' rows, float32 of shape (rows, width)."""
        return kernels.gather(self.by_user, movies, rows)

    def of_movies(self, users: Floats) -> list[Branch]:
        """Return the sums of each movie's users' rows, float32 of shape (movie_count, width), for each branch."""
        every = slice(0, self.movie_count)

        def terms(leaf: int, rows: slice) -> Terms:
            return (kernels.gather(self.by_movie[leaf - self.share.leaves.start], users[rows], every),)

        return self.share.sums(terms)

    def movie_sums(self, features: Floats, offsets: Floats, weights: Floats) -> list[Branch]:
        """Return the sums of the movies' normal equations for each branch; the arrays are those of its users."""
        every = slice(0, self.movie_count)

        def terms(leaf: int, rows: slice) -> Terms:
            groups = self.by_movie[leaf - self.share.leaves.start]
            return tuple(kernels.sums(groups, features[rows], offsets[rows], weights[rows], every))

        return self.share.sums(terms)


def squared_error(predicted: NDArray[Any], groups: Groups, rows: slice) -> float:
    """Return the sum of squared errors of the predictions of some rows' ratings."""
    return float(np.sum((predicted - groups.rated()[groups.ratings_of(rows)]) ** 2, dtype=np.float64))


def cut(branches: list[Branch], parts: list[slice]) -> list[list[Branch]]:
    """Cut the arrays of branches, whose rows are movies, into those of each owner of movies."""
    return [[(low, high, tuple(term[part] for term in terms)) for low, high, terms in branches] for part in parts]
