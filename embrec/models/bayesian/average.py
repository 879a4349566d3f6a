"""The posterior mean of the product of two factors, as one pair of factors of low rank.

The draws of each side are columns beside each other, so that the product of both sides' columns is the sum over draws.
The columns are compressed to the largest singular vectors of that product as they come, because all draws of a million
users would need gigabytes. A truncated singular value decomposition (SVD) of the product needs only the Gram matrices
of both sides, which are small sums over rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from embrec.engines.protocol import Engine
from embrec.models.bayesian.spreads import Averaging
from embrec.models.shards.tree import total

Floats = NDArray[np.float32]

# Between draws twice as many columns are kept as in the end. Draws are compressed once they have half as many more
# columns: fewer would be compressed too often, and more need more memory.
_KEPT, _MOST = 2.0, 3.0
# Relative tolerance: squared singular values below this fraction of the largest are rounding noise and are dropped.
_LEAST_SHARE = 1e-7
# Fraction of the trace that is added to a Gram matrix's diagonal, so that its Cholesky factor exists.
_JITTER = 1e-11


def compressing(users: NDArray[np.float64], movies: NDArray[np.float64], rank: int) -> tuple[Floats, Floats]:
    """Return the matrices that turn both sides' columns into the largest singular vectors of their product.

    With users = Q R, the product is Q (R movies'), and R movies' movies R' has its left singular vectors. The new
    columns of both sides have equal norms.

    Args:
        users: The users' Gram matrix, float64 of shape (columns, columns).
        movies: The movies' likewise.
        rank: Maximum number of new columns.
    """
    jitter = _JITTER * (np.trace(users) or 1.0) * np.eye(len(users))
    upper = np.linalg.cholesky(users + jitter).T
    squares, basis = np.linalg.eigh(upper @ movies @ upper.T)
    squares, basis = squares[::-1][:rank], basis[:, ::-1][:, :rank]
    real = squares > _LEAST_SHARE * max(squares[0], 0.0)
    # Fix the signs of the singular vectors, or they would depend on the CPU: each LAPACK chooses its own signs.
    basis = basis[:, real] * np.sign(basis[np.abs(basis[:, real]).argmax(axis=0), np.flatnonzero(real)])
    roots = squares[real] ** 0.25
    of_users = scipy.linalg.solve_triangular(upper, basis * roots)
    return of_users.astype(np.float32), (upper.T @ basis / roots).astype(np.float32)


class PosteriorMean:
    """The conductor of the averages: when the workers compress them, and to what.

    Args:
        engine: The workers.
        rank: Number of columns in the end.
        rating_count: Number of ratings.
    """

    def __init__(self, engine: Engine, rank: int, rating_count: int) -> None:
        self._engine, self._rank, self._rating_count = engine, rank, rating_count
        self._columns, self.draws = 0, 0
        # The workers' Gram matrices of columns that are to be compressed.
        self._grams: list[Any] = []

    def add(self, noise: float, scales: tuple[float, float], width: int) -> Averaging:
        """Add the workers' last draw, and return what they were told.

        Args:
            noise: Variance of a rating's noise if both scales are 1.
            scales: Sum over ratings of the expected squares of the users' and of the movies' scales.
            width: Number of columns of the draw.
        """
        engine = self._engine
        count = self._rating_count
        moments = [total(each)[0] / count for each in zip(*engine.get(engine.all("moments")), strict=True)]
        of_users, of_movies = (noise * each / count for each in scales)
        told = Averaging(of_users, of_movies, *moments)
        engine.get(engine.all("average", told))
        self.draws += 1
        self._columns += width
        if self._columns + width > _MOST * self._rank:
            self._grams = engine.all("grams")
        return told

    def ask_again(self) -> None:
        """Ask new workers for the Gram matrices that the former ones were asked for."""
        if self._grams:
            self._grams = self._engine.all("grams")

    def compress(self) -> tuple[Floats, Floats] | None:
        """Compress the columns if there are many, and return what they were multiplied by.

        The calling thread finds the singular vectors. Call it before the next draw is added, while the workers have
        something else to do, or they would wait.
        """
        return self._turn(int(_KEPT * self._rank)) if self._grams else None

    def _turn(self, rank: int) -> tuple[Floats, Floats]:
        engine = self._engine
        users, movies = (total(each)[0] for each in zip(*engine.get(self._grams), strict=True))
        rights = compressing(users, movies, rank)
        engine.get(engine.all("compress", *map(engine.put, rights)))
        self._grams = []
        self._columns = rights[0].shape[1]
        return rights

    def result(self) -> list[NDArray[Any]]:
        """Return the mean's rows of users and of movies, the bias in the last column, and their standard deviations.

        A user's deviation times a movie's is the standard deviation of the rating around its prediction.
        """
        engine, draws = self._engine, self.draws
        self.compress()
        self._grams = engine.all("grams")
        self._turn(self._rank)
        count = self._rating_count
        found = engine.get(engine.all("finish", draws, self._rank))
        moments = [total(each)[0] / count for each in zip(*found, strict=True)]
        (sums,) = total(engine.get(engine.all("variances", draws, *moments)))
        results = engine.get(engine.all("results", float(np.sqrt(sums / count))))
        return [np.concatenate(each) for each in zip(*results, strict=True)]
