"""The Gram matrix of users' rows and the inverse of its regularized form, in single precision and little memory.

EASE needs P = (X'X + D)^-1 for users' rows X and a diagonal D. There are two ways to it, of the same result. With fewer
movies than users, the movies-by-movies matrix is factorized (:class:`MovieGram`). With fewer users than movies it is
never formed: by the matrix inversion lemma (Woodbury) it is enough to factorize the users-by-users matrix
(:class:`UserGram`). In both, P is applied by the inverse of the triangular factor and never formed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from embrec.errors import TrainingError

# At most 12,000 rows of a square matrix: the dense solve then needs 0.6 GB and half a minute. The formed Gram matrix is
# the cheaper form up to twice as many movies as users, and beyond this size the users' are the only one.
LARGEST = 12_000
# Single precision adds up well within a batch of 262,144 rows; a sum over more of them is taken batch by batch.
_ROWS_PER_BATCH = 1 << 18
# Blocks of a matrix have at most 2 million numbers: 8 MB.
_NUMBERS = 1 << 21
# A block of rows of which at least 2 % are not zero is multiplied faster as a dense one.
_DENSE = 0.02


@dataclass(frozen=True)
class Inverse:
    """The inverse P of a regularized Gram matrix; valid until the Gram matrix is inverted again.

    Attributes:
        diagonal: P's diagonal, float32 of shape (movie_count,).
        times: Multiplies P with a block of columns, float32 of shape (movie_count, any).
    """

    diagonal: NDArray[np.float32]
    times: Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Gram(Protocol):
    """The Gram matrix X'X of users' rows X.

    Attributes:
        diagonal: Its diagonal, float32 of shape (movie_count,).
    """

    diagonal: NDArray[np.float32]

    def times(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply X'X with a block of columns, float32 of shape (movie_count, any)."""

    def inverse(self, ridge: NDArray[np.float32]) -> Inverse:
        """Return the inverse of X'X plus a diagonal.

        Args:
            ridge: The diagonal, positive, float32 of shape (movie_count,).

        Raises:
            TrainingError: The sum is singular in single precision.
        """


def gram_of(rows: scipy.sparse.csr_array) -> Gram:
    """Return the Gram matrix of users' rows, float32 of shape (user_count, movie_count), in the cheaper form."""
    rated = rows[np.diff(rows.indptr) > 0]
    users, movies = rated.shape
    fewer = 0 < users < (movies if movies > LARGEST else movies / 2)
    return UserGram(rated) if fewer else MovieGram(rated)


class MovieGram:
    """The Gram matrix, formed. It is one square array in all.

    The upper triangle has the Gram matrix, and the lower one the inverse of the triangular factor.
    """

    def __init__(self, rows: scipy.sparse.csr_array) -> None:
        self._square = upper_gram(rows)
        self.diagonal = self._square.diagonal().copy()

    def times(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply X'X with a block of columns, as :class:`Gram` describes."""
        block = np.asfortranarray(block)
        # The diagonal of the array may be the factor's.
        found = blas.ssymm(1.0, self._square, block, lower=0)
        found += (self.diagonal - self._square.diagonal())[:, np.newaxis] * block
        return np.asarray(found)

    def inverse(self, ridge: NDArray[np.float32]) -> Inverse:
        """Return the inverse of X'X plus a diagonal, as :class:`Gram` describes."""
        _factorize(self._square, self.diagonal + ridge)
        squares = [
            np.square(np.tril(self._square[begin:, begin:end]), dtype=np.float64).sum(axis=0)
            for begin, end in _blocks(len(self._square))
        ]
        return Inverse(np.concatenate(squares).astype(np.float32), lambda block: _solved(self._square, block))


class UserGram:
    """The Gram matrix, given by the rows.

    With K = I + X D^-1 X', P = D^-1 - D^-1 X' K^-1 X D^-1, and K is a users-by-users matrix.
    """

    def __init__(self, rows: scipy.sparse.csr_array) -> None:
        self._rows = rows
        self._by_movie = rows.T.tocsr()
        self.diagonal = np.asarray(self._by_movie.power(2).sum(axis=1), np.float32)

    def times(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply X'X with a block of columns, as :class:`Gram` describes."""
        return np.asarray(self._by_movie @ (self._rows @ block))

    def inverse(self, ridge: NDArray[np.float32]) -> Inverse:
        """Return the inverse of X'X plus a diagonal, as :class:`Gram` describes."""
        factor = upper_gram(scipy.sparse.diags_array(ridge**-0.5, format="csr") @ self._by_movie)
        _factorize(factor, factor.diagonal() + np.float32(1))
        scale = 1 / ridge[:, np.newaxis]

        def times(block: NDArray[np.float32]) -> NDArray[np.float32]:
            scaled = scale * block
            return np.asarray(scaled - scale * (self._by_movie @ _solved(factor, self._rows @ scaled)))

        return Inverse((1 - self._leverages(factor) / ridge).astype(np.float32) / ridge, times)

    def _leverages(self, factor: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return x' K^-1 x for each movie's column x of the rows."""
        for begin, end in _blocks(len(factor)):
            factor[:begin, begin:end] = 0.0
            factor[begin:end, begin:end] = np.tril(factor[begin:end, begin:end])
        found = []
        for begin, end in _blocks(self._by_movie.shape[0], len(factor)):
            columns = self._by_movie[begin:end]
            if columns.nnz > _DENSE * columns.shape[0] * columns.shape[1]:
                halves = blas.strmm(1.0, factor, columns.toarray().T, lower=1, overwrite_b=1).T
            else:
                halves = columns @ factor.T
            found.append(np.square(halves, dtype=np.float64).sum(axis=1))
        return np.concatenate(found)


def upper_gram(rows: scipy.sparse.csr_array) -> NDArray[np.float32]:
    """Sum up the upper triangle of X'X of sparse rows.

    Few columns have rows in common, so the product of sparse matrices is much faster than a dense one.

    Args:
        rows: X, sparse, float32 of shape (rows, columns).

    Returns:
        float32 of shape (columns, columns), in Fortran's order. What is below the diagonal is undefined.
    """
    square = np.zeros((rows.shape[1],) * 2, np.float32, order="F")
    for first in range(0, rows.shape[0], _ROWS_PER_BATCH):
        batch = rows[first : first + _ROWS_PER_BATCH]
        turned = batch.T.tocsr()
        for begin, end in _blocks(rows.shape[1]):
            square[begin:end, begin:] += (turned[begin:end] @ batch[:, begin:]).toarray()
    return square


def _factorize(square: NDArray[np.float32], diagonal: NDArray[np.float32]) -> None:
    """Write the inverse of the Cholesky factor of a symmetric matrix below the diagonal.

    Args:
        square: The array, in Fortran's order, with the matrix above the diagonal, which stays as it is.
        diagonal: The matrix's diagonal, float32.
    """
    for begin, end in _blocks(len(square)):
        square[end:, begin:end] = square[begin:end, end:].T
        inner = square[begin:end, begin:end]
        inner[...] = np.triu(inner) + np.triu(inner, 1).T
    square[np.diag_indices(len(square))] = diagonal
    _, failed = lapack.spotrf(square, lower=1, clean=0, overwrite_a=1)
    if failed:
        raise TrainingError(
            "The ranking model has so little regularization that single precision cannot solve it. "
            "Train again with a higher --penalty or --dropout."
        )
    lapack.strtri(square, lower=1, overwrite_c=1)


def _solved(factor: NDArray[np.float32], block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply the inverse of a symmetric matrix with a block, given the inverse of its lower Cholesky factor."""
    half = blas.strmm(1.0, factor, np.asfortranarray(block), lower=1)
    return np.asarray(blas.strmm(1.0, factor, half, lower=1, trans_a=1, overwrite_b=1))


def _blocks(count: int, width: int | None = None) -> list[tuple[int, int]]:
    """Cut so many columns into blocks of a limited number of numbers, given as begin and end."""
    step = max(_NUMBERS // (width or count), 1)
    return [(begin, min(begin + step, count)) for begin in range(0, count, step)]
