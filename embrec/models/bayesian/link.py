"""The regressions of vectors on features, solved by conjugate gradients: the conductor's part.

The workers have all that is as long as ratings, users or movies. Products with the features pass from the movies'
owners to the users' and back. Here are only sums of the size of the width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from embrec.engines.protocol import Engine
from embrec.models.base import Ratings
from embrec.models.bayesian.features import decompose, features, known_counts, known_of_movies
from embrec.models.bayesian.prior import DecomposedLink, Described, Drawn, Link, Matrix
from embrec.models.shards.handing import hand_on
from embrec.models.shards.layout import Layout
from embrec.models.shards.tree import Leaves, total

# Conjugate gradients stop at a relative residual of 10 %, which is small beside the noise of a draw, or after 30 steps.
_LEFT_OVER, _MOST_STEPS = 0.1, 30
_TINY = 1e-30
# A side's features are decomposed once if their basis has at most 9 million numbers (36 MB). Beyond, conjugate
# gradients solve for the regression coefficients.
_BASIS_NUMBERS = 9_000_000


class _SolvedLink:
    """The common part of both regressions.

    Args:
        engine: The workers.
        count: Number of features.
    """

    coefficients: NDArray[np.float32] | None = None
    # References to the coefficients that the users need to be drawn, of each worker.
    slices: Sequence[Any] = ()
    # The users' method that multiplies directions by the system's matrix, but for the penalty.
    _product: str

    def __init__(self, engine: Engine, count: int) -> None:
        self._engine, self.count = engine, count

    def _solve(self, penalty: float, begun: Sequence[Any]) -> Matrix:
        """Solve the system, and return its moment.

        Args:
            penalty: The penalty of the coefficients.
            begun: The sums of the residual at the start, of each owner of movies.
        """
        engine = self._engine
        size, correction = self._sized(penalty, *total(engine.get(begun)))
        first, ratio = size, np.zeros(len(size), np.float32)
        for _ in range(_MOST_STEPS):
            directions = engine.all("movies.turn", ratio, correction)
            products = engine.all(self._product, *directions, returns=engine.workers)
            (dots,) = total(engine.get(hand_on(engine, products, "movies.along", penalty)))
            step = (size / np.maximum(dots, _TINY)).astype(np.float32)
            before = size
            size, correction = self._sized(penalty, *total(engine.get(engine.all("movies.step", step))))
            if (size <= _LEFT_OVER**2 * first).all():
                break
            ratio = (size / np.maximum(before, _TINY)).astype(np.float32)
        (moment,) = total(engine.get(engine.all("movies.moment")))
        return np.asarray(moment)

    def _sized(self, penalty: float, size: Matrix, *more: NDArray[Any]) -> tuple[Matrix, NDArray[np.float32] | None]:
        """Return the residual's squared size by the preconditioner, and the correction of the next direction."""
        return size, None


class UsersLink(_SolvedLink):
    """The regression of users on the movies that they rated, and their labels."""

    _product = "users.users_apply"

    def unexplained(
        self, sweep: int, described: Described, residual: Matrix, mean: NDArray[np.float32], penalty: float
    ) -> Matrix:
        """Solve for the coefficients that have most likelihood, and for a standard draw of their noise."""
        engine = self._engine
        projected = engine.all("users.users_project", sweep, mean, returns=engine.workers)
        begun = hand_on(engine, projected, "movies.users_begin", sweep, penalty)
        return residual - self._solve(penalty, begun)

    def draw(self, sweep: int, lower: NDArray[np.float32], penalty: float, random: np.random.Generator) -> Drawn:
        """Add the noise with its covariance."""
        found = self._engine.all("movies.users_link", lower, returns=2)
        self.slices = [coefficients for coefficients, _ in found]
        return Drawn(*total(self._engine.get(sums for _, sums in found)))


class MoviesLink(_SolvedLink):
    """The regression of movies on the users who rated them, and their genres.

    A genre has so many movies that the matrix has an eigenvalue for each genre that is far larger than all others, and
    conjugate gradients would need a step for each. So they are taken out by the preconditioner: with the scaled genres
    K, and s instead of the users' part of the matrix, the inverse of K K' + s is (I - K (s + K'K)^-1 K') / s by the
    matrix inversion lemma (Woodbury).

    Args:
        engine: The workers.
        count: Number of features.
        known: The movies' scaled genres, of shape (movies, genres).
    """

    _product = "users.movies_apply"

    def __init__(self, engine: Engine, count: int, known: scipy.sparse.csr_array) -> None:
        super().__init__(engine, count)
        self._gram = (known.T @ known).toarray().astype(np.float64)

    def _sized(self, penalty: float, size: Matrix, *more: NDArray[Any]) -> tuple[Matrix, NDArray[np.float32] | None]:
        if not more:
            return size, None
        # The users' part has ones on its diagonal.
        of_known = more[0].astype(np.float64)
        solved = scipy.linalg.solve(self._gram + (penalty + 1) * np.eye(len(of_known)), of_known, assume_a="pos")
        return np.maximum(size - np.einsum("gc,gc->c", of_known, solved), 0.0), solved.astype(np.float32)

    def unexplained(
        self, sweep: int, described: Described, residual: Matrix, mean: NDArray[np.float32], penalty: float
    ) -> Matrix:
        """Solve for the weights that give the likeliest coefficients, and for a standard draw of their noise."""
        engine = self._engine
        noise = engine.all("users.movies_noise", sweep, returns=engine.workers)
        begun = hand_on(engine, noise, "movies.movies_begin", sweep, penalty, mean)
        return penalty * self._solve(penalty, begun)

    def draw(self, sweep: int, lower: NDArray[np.float32], penalty: float, random: np.random.Generator) -> Drawn:
        """Add the noise with its covariance, and give the movies what the features add to them."""
        engine = self._engine
        weights = engine.all("movies.movies_weights", lower)
        of_noise = lower / np.float32(penalty**0.5)
        made = engine.all("users.movies_link", sweep, of_noise, *weights, returns=1 + engine.workers)
        sums = hand_on(engine, [parts[1:] for parts in made], "movies.take_movies_link")
        (products,) = total(engine.get(parts[0] for parts in made))
        (added,) = total(engine.get(sums))
        return Drawn(products, added)


class Regressions:
    """The regressions of both sides, and what the workers need for them.

    Args:
        engine: The workers.
        training: The ratings to learn from.
        layout: The cuts of users and movies.
        width: Length of a vector, the bias in the last column.

    Attributes:
        users: The regression of users.
        movies: The regression of movies.
    """

    def __init__(self, engine: Engine, training: Ratings, layout: Layout, width: int) -> None:
        self._engine = engine
        labels, genres = known_counts(training)
        users, movies = training.user_count, training.movie_count
        shapes = (users, movies + labels), (movies, users + genres)
        small = [rows * min(rows, columns) <= _BASIS_NUMBERS for rows, columns in shapes]
        # Matrices of which each worker needs its rows: the method that takes them, the matrix, the cuts of its rows.
        self._matrices: list[tuple[str, Any, Leaves]] = []
        links: list[Link] = []
        for side, (name, leaves) in enumerate((("users", layout.users), ("movies", layout.movies))):
            if small[side]:
                basis = decompose(features(training)[side])
                links.append(DecomposedLink(basis, width))
                self._matrices.append((f"{name}.take_basis", basis.vectors, leaves))
            elif name == "users":
                links.append(UsersLink(engine, shapes[0][1]))
            else:
                known_movies = known_of_movies(training)
                links.append(MoviesLink(engine, shapes[1][1], known_movies))
                if genres:
                    self._matrices.append(("movies.take_known", known_movies, leaves))
        self.users, self.movies = links
        self._needs_sums = not small[0]

    def give(self) -> None:
        """Give the workers what they need."""
        engine = self._engine
        for method, matrix, leaves in self._matrices:
            for worker in range(engine.workers):
                engine.one(worker, method, matrix[leaves.share(worker, engine.workers).rows])
        if self._needs_sums:
            sums = engine.all("users.feature_sums", returns=engine.workers)
            engine.get(hand_on(engine, sums, "movies.take_feature_sums"))
