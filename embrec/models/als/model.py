"""Biased matrix factorization by block-coordinate alternating least squares (ALS).

A rating is mean + user bias + movie bias + user vector . movie vector (Koren, Bell, Volinsky, Matrix factorization
techniques for recommender systems, IEEE Computer 42(8), 2009). An epoch is a sweep: all movies' vectors and biases
given the users', then all users' given the movies'. Each is an exact ridge solution (:mod:`embrec.models.als.solver`).
The first sweep solves only the users, given random movies or an earlier fit's movies. A few sweeps are enough. With
held-out ratings the fit stops early, when their error rises. With many ratings the first sweeps use the most active
users only: they carry most information about the movies, for a fraction of the work. The solution is set into a Keras
model (:mod:`embrec.models.recommender`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embrec.errors import TrainingError
from embrec.models.als.solver import BIAS_FEATURE, Rows, solve
from embrec.models.base import Epoch, FittedModel, FoldIn, RatingFactors, Ratings, Start
from embrec.models.grouping import sample, sorted_by_movie, sorted_by_user
from embrec.models.history import History
from embrec.models.protocol import Range, Search
from embrec.models.recommender import recommender

# From 5 million ratings on, the first 5 sweeps use only the most active users, who together have a fifth of the
# ratings: a sweep over all ratings takes five times as long.
_MANY_RATINGS = 5_000_000
_WARM_SHARE = 0.2
_WARM_SWEEPS = 5
# Ratings are scaled to this standard deviation, that of ratings from one to five stars on MovieLens 100K, or the same
# penalty would regularize another scale more or less.
_DEVIATION = 1.125


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector. 31 and the bias make 32, which fills the processor's vector registers.
        epochs: Maximum number of sweeps; None means 8, or 4 if there are many ratings (the first sweeps on a part of
            them come before).
        penalty: Regularization of every user and movie, on ratings scaled to a standard deviation of 1.125.
        penalty_per_rating: Regularization added for each rating of a user or movie; without it those with many
            ratings overfit.
    """

    dimensions: int = 31
    epochs: int | None = None
    penalty: float = 8.0
    penalty_per_rating: float = 0.05

    def epochs_for(self, rating_count: int) -> int:
        """Return the maximum number of sweeps for this number of ratings."""
        return self.epochs or (8 if rating_count < _MANY_RATINGS else 4)


class AlternatingLeastSquares:
    """The ALS solver. Its state is two TensorFlow variables with a row per user or movie, the bias in the last column.

    It solves for standardized ratings, of mean 0 and standard deviation ``_DEVIATION``.

    Args:
        training: The ratings to learn from.
        held_out: The ratings to report the error on after each sweep, or None.
        options: Options of the fit.

    Attributes:
        mean: The mean of the ratings.
        unit: The unit of the standardized ratings, in the ratings' own.
    """

    def __init__(self, training: Ratings, held_out: Ratings | None, options: Options) -> None:
        self.mean = float(training.ratings.mean(dtype=np.float64))
        self.unit = float(training.ratings.std(dtype=np.float64)) / _DEVIATION or 1.0
        training, held_out = self._standardized(training), held_out and self._standardized(held_out)
        self._by_user = Rows.of(*sorted_by_user(training))
        # A fit of one sweep solves no movies. Grouping ratings by movie would take longer than the sweep itself.
        several = options.epochs_for(len(training.ratings)) > 1
        self._by_movie = Rows.of(*sorted_by_movie(training)) if several else None
        self._penalties = tf.constant([options.penalty, options.penalty_per_rating])
        self.users, self.movies = (
            tf.Variable(_small_vectors((count, options.dimensions + 1)), trainable=False)
            for count in (training.user_count, training.movie_count)
        )
        self._reported = [
            tuple(tf.constant(array) for array in sample(ratings)) for ratings in (training, held_out) if ratings
        ]
        self._swept = False

    def _standardized(self, ratings: Ratings) -> Ratings:
        values = (ratings.ratings.astype(np.float64) - self.mean) / self.unit
        return replace(ratings, ratings=values.astype(np.float32))

    def sweep(self) -> list[float]:
        """Solve the movies, from the second sweep on, then the users.

        Returns:
            The mean squared error afterwards, on training and on held-out ratings, in the square of their unit.
        """
        if self._swept and self._by_movie is not None:
            solve(self.movies, self.users.read_value(), self._by_movie, self._penalties)
        solve(self.users, self.movies.read_value(), self._by_user, self._penalties)
        self._swept = True
        errors = [float(_mean_squared_error(self.users, self.movies, *each)) for each in self._reported]
        return [each * self.unit**2 for each in errors]

    def weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the users' and the movies' rows, float32 of shapes (user_count, width) and (movie_count, width)."""
        return self.users.numpy(), self.movies.numpy()


def _mean_squared_error(
    users: tf.Variable, movies: tf.Variable, rows: tf.Tensor, columns: tf.Tensor, ratings: tf.Tensor
) -> tf.Tensor:
    user, movie = tf.gather(users, rows), tf.gather(movies, columns)
    product = tf.reduce_sum(user[:, :-1] * movie[:, :-1], axis=1)
    return tf.reduce_mean(tf.square(user[:, -1] + movie[:, -1] + product - ratings))


class MatrixFactorization:
    """Matrix factorization, as :class:`embrec.models.protocol.Model` describes."""

    name = "matrix-factorization"
    options = Options
    warm_start = True
    search = Search(
        "RMSE",
        {
            "dimensions": Range(7, 63, step=8),
            "penalty": Range(0.5, 50, log=True),
            "penalty_per_rating": Range(0.005, 0.2, log=True),
        },
        Options(),
    )

    def fit(
        self,
        training: Ratings,
        held_out: Ratings | None,
        options: Options,
        seed: int,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
        start: Start | None = None,
    ) -> FittedModel:
        """Fit the model.

        Args:
            training: Ratings to learn from.
            held_out: Ratings for early stopping and for choosing the best sweep; without them all sweeps are made.
            options: Options of the fit.
            seed: Seeds Keras's and numpy's global generators; the same seed gives the same vectors, bit for bit, on
                any number of threads.
            on_epoch: Called after each sweep.
            start: Movies of an earlier fit (warm start); one or two sweeps are then enough.

        Raises:
            TrainingError: All ratings are equal, or the loss became infinite or not a number.
        """
        factors = factorize(training, held_out, options, seed, on_epoch, start)
        return recommender(factors, float(training.ratings.min()), float(training.ratings.max()))


def factorize(
    training: Ratings,
    held_out: Ratings | None,
    options: Options,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    start: Start | None = None,
) -> RatingFactors:
    """Solve for the factors; the arguments are those of :meth:`MatrixFactorization.fit`."""
    if not np.isfinite(training.ratings).all():
        raise TrainingError("A rating is not finite. Look for ratings that are infinite, or not a number.")
    if np.ptp(training.ratings) == 0:
        raise TrainingError(
            f"All ratings are {training.ratings[0]:g}, and this model learns from how they differ. "
            "Load ratings that do, or train another model: embrec train"
        )
    keras.utils.set_random_seed(seed)
    solver = AlternatingLeastSquares(training, held_out, options)
    if start is not None:
        solver.movies.assign(_begun(solver.movies.numpy(), start, solver.unit))
    elif len(training.ratings) >= _MANY_RATINGS:
        warm = AlternatingLeastSquares(_most_active(training), None, replace(options, epochs=_WARM_SWEEPS))
        for _ in range(_WARM_SWEEPS):
            warm.sweep()
        solver.movies.assign(warm.movies)
        del warm
    epochs = options.epochs_for(len(training.ratings))
    keeping = None if held_out is None else solver.weights
    history = History(epochs, on_epoch, "Train again with a higher --penalty.", keeping, patience=1)
    for _ in range(epochs):
        loss, *others = solver.sweep()
        if not history.add(loss, loss**0.5, others[0] ** 0.5 if others else None):
            break
    users, movies = history.best_weights or solver.weights()
    # Back to the ratings' unit: a product has it if each of the two vectors has its root.
    unit, root = np.float32(solver.unit), np.float32(solver.unit**0.5)
    return RatingFactors(
        user_vectors=users[:, :-1] * root,
        movie_vectors=movies[:, :-1] * root,
        user_biases=users[:, -1] * unit,
        movie_biases=movies[:, -1] * unit,
        mean=solver.mean,
        history=history.epochs,
        kept_epoch=history.kept_epoch,
        fold_in=FoldIn(
            BIAS_FEATURE * solver.unit**0.5, options.penalty * solver.unit, options.penalty_per_rating * solver.unit
        ),
    )


def _begun(random: NDArray[np.float32], start: Start, unit: float) -> NDArray[np.float32]:
    """Return initial movie rows in standardized units: the earlier fit's, or random for movies that it did not know."""
    earlier = np.column_stack([start.movie_vectors / unit**0.5, start.movie_biases / unit])
    return np.where(np.isnan(earlier).any(axis=1, keepdims=True), random, earlier)


def _most_active(ratings: Ratings) -> Ratings:
    """Return the ratings of the most active users, up to ``_WARM_SHARE`` of all ratings; users are numbered anew."""
    counts = np.bincount(ratings.users, minlength=ratings.user_count)
    by_activity = np.argsort(-counts, kind="stable")
    chosen = by_activity[: np.searchsorted(np.cumsum(counts[by_activity]), _WARM_SHARE * len(ratings.ratings)) + 1]
    number = np.full(ratings.user_count, -1, np.int32)
    number[np.sort(chosen)] = np.arange(len(chosen), dtype=np.int32)
    kept = number[ratings.users] >= 0
    return Ratings(
        number[ratings.users[kept]], ratings.movies[kept], ratings.ratings[kept], len(chosen), ratings.movie_count
    )


def _small_vectors(shape: tuple[int, int]) -> tf.Tensor:
    """Return random initial vectors with biases of zero."""
    vectors = keras.random.normal((shape[0], shape[1] - 1), stddev=0.1)
    return tf.concat([vectors, tf.zeros([shape[0], 1])], axis=1)
