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


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector. 31 and the bias make 32, which fills the processor's vector registers.
        epochs: Maximum number of sweeps; None means 8, or 4 if there are many ratings (the first sweeps on a part of
            them come before).
        penalty: Regularization of every user and movie.
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

    Args:
        training: The ratings to learn from.
        held_out: The ratings to report the error on after each sweep, or None.
        options: Options of the fit.
    """

    def __init__(self, training: Ratings, held_out: Ratings | None, options: Options) -> None:
        self._by_user = Rows.of(*sorted_by_user(training))
        # A fit of one sweep solves no movies. Grouping ratings by movie would take longer than the sweep itself.
        several = options.epochs_for(len(training.ratings)) > 1
        self._by_movie = Rows.of(*sorted_by_movie(training)) if several else None
        self._penalties = tf.constant([options.penalty, options.penalty_per_rating])
        self.mean = tf.constant(training.ratings.mean(dtype=np.float64), tf.float32)
        self.users, self.movies = (
            tf.Variable(_small_vectors((count, options.dimensions + 1)), trainable=False)
            for count in (training.user_count, training.movie_count)
        )
        self._reported = [
            tuple(tf.constant(array) for array in sample(ratings)) for ratings in (training, held_out) if ratings
        ]
        self._swept = False

    def sweep(self) -> list[float]:
        """Solve the movies, from the second sweep on, then the users.

        Returns:
            The mean squared error afterwards, on training and on held-out ratings.
        """
        if self._swept and self._by_movie is not None:
            solve(self.movies, self.users.read_value(), self._by_movie, self.mean, self._penalties)
        solve(self.users, self.movies.read_value(), self._by_user, self.mean, self._penalties)
        self._swept = True
        return [float(_mean_squared_error(self.users, self.movies, self.mean, *each)) for each in self._reported]

    def weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the users' and the movies' rows, float32 of shapes (user_count, width) and (movie_count, width)."""
        return self.users.numpy(), self.movies.numpy()


def _mean_squared_error(
    users: tf.Variable, movies: tf.Variable, mean: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor, ratings: tf.Tensor
) -> tf.Tensor:
    user, movie = tf.gather(users, rows), tf.gather(movies, columns)
    product = tf.reduce_sum(user[:, :-1] * movie[:, :-1], axis=1)
    return tf.reduce_mean(tf.square(mean + user[:, -1] + movie[:, -1] + product - ratings))


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
    if np.ptp(training.ratings) == 0:
        raise TrainingError(
            f"All ratings are {training.ratings[0]:g}, and this model learns from how they differ. "
            "Load ratings that do, or train another model: embrec train"
        )
    keras.utils.set_random_seed(seed)
    solver = AlternatingLeastSquares(training, held_out, options)
    if start is not None:
        solver.movies.assign(_begun(solver.movies.numpy(), start))
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
    return RatingFactors(
        user_vectors=np.ascontiguousarray(users[:, :-1]),
        movie_vectors=np.ascontiguousarray(movies[:, :-1]),
        user_biases=users[:, -1].copy(),
        movie_biases=movies[:, -1].copy(),
        mean=float(solver.mean),
        history=history.epochs,
        kept_epoch=history.kept_epoch,
        fold_in=FoldIn(BIAS_FEATURE, options.penalty, options.penalty_per_rating),
    )


def _begun(random: NDArray[np.float32], start: Start) -> NDArray[np.float32]:
    """Return initial movie rows: the earlier fit's, and random rows for movies that it did not know."""
    earlier = np.column_stack([start.movie_vectors, start.movie_biases])
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
