"""A worker's ratings, by user and by movie."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import kernels
from embrec.kernels import Groups
from embrec.models.shards.tree import Branch, Share

Floats = NDArray[np.float32]


class Incidence:
    """The ratings of a worker's users, grouped by user, and grouped by movie for each branch of its shards.

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
        """The ratings by movie, of each branch: not needed to solve the users once."""
        return [self._by_movie(leaves) for leaves in self.share.branches]

    def _by_movie(self, leaves: range) -> Groups:
        rows = self.share.span(leaves)
        within = self.by_user.starts[rows.start : rows.stop + 1]
        ratings = slice(int(within[0]), int(within[-1]))
        shape = (rows.stop - rows.start, self.movie_count)
        mine = (self.by_user.rated()[ratings], self.by_user.others[ratings], within - within[0])
        found = scipy.sparse.csr_array(mine, shape=shape).tocsc()
        cuts = [self.share.span(range(leaf, leaf + 1)).start - rows.start for leaf in leaves]
        return Groups(
            found.indptr.astype(np.int64),
            found.indices.astype(np.int32, copy=False),
            found.data,
            np.array([*cuts, shape[0]], np.int32),
        )

    def of_users(self, movies: Floats, rows: slice) -> Floats:
        """Return the sum of each user's movies' rows, float32 of shape (rows, width)."""
        return kernels.gather(self.by_user, movies, rows)

    def of_movies(self, users: Floats) -> list[Branch]:
        """Return the sums of each movie's users' rows, float32 of shape (movie_count, width), for each branch."""
        every = slice(0, self.movie_count)
        return [
            (leaves.start, leaves.stop, (kernels.gather(groups, users[self.share.span(leaves)], every),))
            for leaves, groups in zip(self.share.branches, self.by_movie, strict=True)
        ]

    def movie_sums(self, features: Floats, offsets: Floats, weights: Floats) -> list[Branch]:
        """Return the sums of the movies' normal equations for each branch; the arrays are those of its users."""
        every, found = slice(0, self.movie_count), []
        for leaves, groups in zip(self.share.branches, self.by_movie, strict=True):
            rows = self.share.span(leaves)
            terms = kernels.sums(groups, features[rows], offsets[rows], weights[rows], every)
            found.append((leaves.start, leaves.stop, tuple(terms)))
        return found


def cut(branches: list[Branch], parts: list[slice]) -> list[list[Branch]]:
    """Cut the arrays of branches, whose rows are movies, into those of each owner of movies.

    A call that returns several values must return that many, so one owner alone gets the branches themselves.
    """
    return [[(low, high, tuple(term[part] for term in terms)) for low, high, terms in branches] for part in parts]
