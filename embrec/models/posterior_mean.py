"""The mean of many draws of two factors' product, as one pair of factors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Draws wait until they have so many columns.
_COLUMNS = 512


class PosteriorMean:
    """Averages draws: the mean of users . movies' over all draws, of which only the largest directions are kept.

    The draws stand side by side, two wide factors whose product is the sum. A QR decomposition of each and a singular
    value decomposition of the small product that is left give the best factors of a given rank (Eckart, Young, 1936),
    and no matrix of users by movies is ever made.

    Args:
        rank: Columns to keep. Twice as many are kept between draws.
    """

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._users: list[NDArray[np.float32]] = []
        self._movies: list[NDArray[np.float32]] = []
        self.draws = 0

    def add(self, users: NDArray[np.float32], movies: NDArray[np.float32]) -> None:
        """Take a draw: float32 of shapes (user_count, width) and (movie_count, width)."""
        self._users.append(users)
        self._movies.append(movies)
        self.draws += 1
        if sum(each.shape[1] for each in self._users) > max(_COLUMNS, 4 * self._rank):
            self._compress(2 * self._rank)

    def factors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The mean's factors, float32 of shapes (user_count, rank) and (movie_count, rank), equal in size."""
        self._compress(self._rank)
        users, movies = self._users[0], self._movies[0]
        scale = np.float32(1 / np.sqrt(self.draws))
        padding = ((0, 0), (0, self._rank - users.shape[1]))
        return np.pad(users * scale, padding), np.pad(movies * scale, padding)

    def _compress(self, rank: int) -> None:
        (user_basis, user_rest), (movie_basis, movie_rest) = (
            np.linalg.qr(np.concatenate(each, axis=1)) for each in (self._users, self._movies)
        )
        left, values, right = np.linalg.svd(user_rest @ movie_rest.T)
        kept = slice(0, min(rank, len(values)))
        roots = np.sqrt(values[kept])
        self._users = [np.ascontiguousarray(user_basis @ left[:, kept] * roots, np.float32)]
        self._movies = [np.ascontiguousarray(movie_basis @ right[kept].T * roots, np.float32)]
