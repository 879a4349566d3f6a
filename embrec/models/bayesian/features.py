"""The features of users and movies that the means of their priors are linear in.

They are implicit feedback, the set of movies that a user rated or of users who rated a movie, and side information:
movies' genres, years and content, and users' labels (implicit terms of Koren, Factorization meets the neighborhood, KDD
2008, in the prior of Simm et al., Macau, 2015). Each kind is divided by the square root of its number in the row, or
the longer kind would outweigh the other. Content has rows of length 1 on average already.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.base import Ratings

# Relative tolerance: squared singular values below this fraction of the largest are rounding noise and are dropped.
_LEAST_SHARE = 1e-6


def known_of_users(training: Ratings) -> scipy.sparse.csr_array:
    """Return the users' scaled labels, float32 of shape (user_count, labels)."""
    if training.user_features is None:
        return scipy.sparse.csr_array((training.user_count, 0), dtype=np.float32)
    users, starts = training.user_features
    having = (np.ones(len(users), np.float32), users, starts)
    return _by_root(scipy.sparse.csc_array(having, shape=(training.user_count, len(starts) - 1)).tocsr())


def known_of_movies(training: Ratings) -> scipy.sparse.csr_array:
    """Return the movies' scaled genres, years and content, float32 of shape (movie_count, features)."""
    none = scipy.sparse.csr_array((training.movie_count, 0), dtype=np.float32)
    genres, content = training.movie_features, training.movie_content
    labels = none if genres is None else _by_root(scipy.sparse.csr_array(genres))
    if content is None:
        return labels
    return scipy.sparse.csr_array(scipy.sparse.hstack([labels, scipy.sparse.csr_array(content)], format="csr"))


def known_counts(training: Ratings) -> tuple[int, int]:
    """Return the number of users' labels, and of movies' genres, years and content."""
    labels = 0 if training.user_features is None else len(training.user_features[1]) - 1
    return labels, known_of_movies(training).shape[1]


def features(training: Ratings) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
    """Return all features of each user and each movie, as sparse rows."""
    ones = np.ones(len(training.users), np.float32)
    shape = (training.user_count, training.movie_count)
    who = scipy.sparse.csr_array((ones, (training.users, training.movies)), shape=shape)
    sides = (who, known_of_users(training)), (who.T.tocsr(), known_of_movies(training))
    of_users, of_movies = (scipy.sparse.hstack([_by_root(rated), known], format="csr") for rated, known in sides)
    return of_users, of_movies


def in_roots(
    training: Ratings, user_counts: NDArray[np.int64], movie_counts: NDArray[np.int64]
) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array | None]:
    """Return the scaled labels and genres, in units of the roots by which users' and movies' ratings are divided.

    Returns:
        Labels of shape (user_count, labels), and genres of shape (movie_count, genres), or None if there are none.
    """
    labels, genres = (
        scipy.sparse.csr_array(scipy.sparse.diags_array(np.sqrt(np.maximum(counts, 1), dtype=np.float32)) @ known)
        for counts, known in ((user_counts, known_of_users(training)), (movie_counts, known_of_movies(training)))
    )
    return labels, genres if genres.shape[1] else None


def _by_root(incidence: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    counts = np.maximum(np.diff(incidence.indptr), 1)
    return scipy.sparse.csr_array(scipy.sparse.diags_array(counts.astype(np.float32) ** -0.5) @ incidence)


class Basis(NamedTuple):
    """The left singular vectors of a matrix of features. In this basis the regression's coefficients are independent.

    Singular vectors with a singular value of zero are left out, of the prior of the coefficients too, which integrates
    them out.

    Attributes:
        vectors: float32 of shape (rows, columns).
        squares: The squared singular values, float64 of shape (columns,).
    """

    vectors: NDArray[np.float32]
    squares: NDArray[np.float64]


def decompose(features: scipy.sparse.csr_array) -> Basis:
    """Decompose the smaller of the two Gram matrices."""
    rows, columns = features.shape
    gram = features.T @ features if columns < rows else features @ features.T
    squares, vectors = scipy.linalg.eigh(gram.toarray(), driver="evd")
    # Fix the signs of the singular vectors, or the draws would depend on the CPU: each BLAS chooses its own signs.
    vectors *= np.sign(np.random.default_rng(0).standard_normal(len(vectors)) @ vectors)
    real = squares > _LEAST_SHARE * squares.max(initial=0.0)
    vectors, squares = vectors[:, real], squares[real]
    if columns < rows:
        vectors = features @ (vectors / np.sqrt(squares))
    return Basis(np.ascontiguousarray(vectors, np.float32), squares.astype(np.float64))
