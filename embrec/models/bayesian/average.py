"""The posterior mean of the product of two factors, as one pair of factors of low rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec.models.svd import largest

# Posterior draws are compressed once they hold 16 million numbers (64 MB): compressing each one would be slow.
_NUMBERS = 1 << 24
# Relative tolerance: squared singular values below this fraction of the largest are rounding noise and are dropped.
_LEAST_SHARE = 1e-7


class PosteriorMean:
    """The running mean of users . movies' over all posterior draws, truncated to its largest singular vectors.

    The draws are concatenated into two wide factors whose product is the sum. A truncated singular value decomposition
    (SVD) uses only products with the factors: the users-by-movies matrix would not fit in memory.

    Args:
        rank: Number of columns to keep. Twice as many are kept between draws.
    """

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._users: list[NDArray[np.float32]] = []
        self._movies: list[NDArray[np.float32]] = []
        self.draws = 0

    def add(self, users: NDArray[np.float32], movies: NDArray[np.float32]) -> None:
        """Add a posterior draw: float32 of shapes (user_count, width) and (movie_count, width)."""
        self._users.append(users)
        self._movies.append(movies)
        self.draws += 1
        columns = sum(each.shape[1] for each in self._users)
        if columns > 4 * self._rank and columns * (len(users) + len(movies)) > _NUMBERS:
            self._compress(2 * self._rank)

    def factors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the mean's factors, float32 of shapes (user_count, rank) and (movie_count, rank), of equal norms."""
        self._compress(self._rank)
        users, movies = self._users[0], self._movies[0]
        scale = np.float32(1 / np.sqrt(self.draws))
        padding = ((0, 0), (0, self._rank - users.shape[1]))
        return np.pad(users * scale, padding), np.pad(movies * scale, padding)

    def _compress(self, rank: int) -> None:
        users, movies = (np.concatenate(each, axis=1) for each in (self._users, self._movies))
        # Use the Gram matrix U'U if it is smaller than U.
        gram = users.T @ users if users.shape[1] < len(users) else None

        def product(block: NDArray[np.float32]) -> NDArray[np.float32]:
            inner = movies.T @ block
            return np.asarray(movies @ (users.T @ (users @ inner) if gram is None else gram @ inner))

        squares, basis = largest(product, len(movies), min(rank, *users.shape))
        real = (
            squares > _LEAST_SHARE * squares[0]
        )  # smaller ones are rounding noise, and dividing by them would amplify it
        basis, roots = basis[:, real], squares[real] ** 0.25
        self._users = [(users @ (movies.T @ (basis / roots).astype(np.float32))).astype(np.float32)]
        self._movies = [np.ascontiguousarray(basis * roots, np.float32)]
