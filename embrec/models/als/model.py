"""Biased matrix factorisation by block-coordinate alternating least squares, as a Keras model.

A rating is mean + user bias + movie bias + user vector . movie vector (Koren, Bell, Volinsky, Matrix factorization
techniques for recommender systems, IEEE Computer 42(8), 2009). An epoch is a sweep: all movies' vectors and biases
given the users', then all users' given the movies', each an exact ridge solution (:mod:`embrec.models.als.solver`); the
first sweep is its second half, from random movies or from an earlier fit's. A few sweeps are enough, and with a
held-out part the fit stops when its error rises. Among many ratings the first sweeps are made on the most active users
alone: they say most about the movies, for a fraction of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embrec.errors import TrainingError
from embrec.models.als.solver import BIAS_FEATURE, solve
from embrec.models.base import Epoch, FittedModel, FoldIn, Ratings, Start
from embrec.models.factorization import by_movie, by_user, predictor, sample, sweep, tensors
from embrec.models.history import Following

# From so many ratings on, the first sweeps are made on the users who have a fifth of them.
_MANY_RATINGS = 5_000_000
_WARM_SHARE = 0.2
_WARM_SWEEPS = 5


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector. 31, and the bias that is solved with it, make 32, which processors like.
        epochs: Sweeps at most; None for 8, or among many ratings, where the first ones are made on a part, for 4.
        penalty: Regularisation of every user and movie.
        penalty_per_rating: Regularisation added for each rating of it; without it those with many ratings overfit.
    """

    dimensions: int = 31
    epochs: int | None = None
    penalty: float = 8.0
    penalty_per_rating: float = 0.05

    def epochs_for(self, rating_count: int) -> int:
        """Sweeps of a fit to so many ratings."""
        return self.epochs or (8 if rating_count < _MANY_RATINGS else 4)


class MatrixFactorization(keras.Model):  # type: ignore[misc]  # keras has no types
    """The model: call it with int32 users and movies of shape (n,) for float32 ratings of shape (n,).

    Args:
        training: The ratings to learn from.
        held_out: The ratings to report the error on after each sweep, or None.
        options: Options of the fit.
    """

    def __init__(self, training: Ratings, held_out: Ratings | None, options: Options) -> None:
        super().__init__(name="matrix_factorization")
        self._by_user = by_user(training)
        # A fit of one sweep solves no movies, and grouping by them takes longer than the sweep.
        self._by_movie = by_movie(training) if options.epochs_for(len(training.ratings)) > 1 else None
        self._penalties = tf.constant([options.penalty, options.penalty_per_rating])
        self.mean = tf.constant(training.ratings.mean(dtype=np.float64), tf.float32)
        self.users = self._vectors("users", training.user_count, options.dimensions)
        self.movies = self._vectors("movies", training.movie_count, options.dimensions)
        self._swept = tf.Variable(False, trainable=False)
        self._reported = {"": tensors(sample(training))} | (
            {} if held_out is None else {"val_": tensors(sample(held_out))}
        )
        self._errors = {
            prefix: (
                keras.metrics.MeanSquaredError(f"{prefix}loss"),
                keras.metrics.RootMeanSquaredError(f"{prefix}rmse"),
            )
            for prefix in self._reported
        }
        self.built = True

    def _vectors(self, name: str, count: int, dimensions: int) -> Any:
        """Vectors and, in the last column, biases; without autocast the solver gets at the variable itself."""
        return self.add_weight(
            shape=(count, dimensions + 1), initializer=_small_vectors, name=name, trainable=False, autocast=False
        )

    @property
    def metrics(self) -> list[Any]:
        """The metrics that Keras resets before each sweep."""
        return [metric for pair in self._errors.values() for metric in pair]

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Predict ratings."""
        users, movies = tf.gather(self.users.value, inputs[0]), tf.gather(self.movies.value, inputs[1])
        product = tf.reduce_sum(users[:, :-1] * movies[:, :-1], axis=1)
        return self.mean + users[:, -1] + movies[:, -1] + product

    def _solve_movies(self) -> None:
        if self._by_movie is not None:
            solve(self.movies.value, self.users.value.read_value(), self._by_movie, self.mean, self._penalties)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]  # as in ridge.py
    def train_step(self, data: Any) -> dict[str, Any]:
        """One sweep, and the errors after it; the ratings are the model's own, so ``data`` means nothing."""
        tf.cond(self._swept, self._solve_movies, lambda: None)
        solve(self.users.value, self.movies.value.read_value(), self._by_user, self.mean, self._penalties)
        self._swept.assign(True)
        for prefix, (users, movies, ratings) in self._reported.items():
            predicted = self.call((users, movies))
            for metric in self._errors[prefix]:
                metric.update_state(ratings, predicted)
        return {metric.name: metric.result() for metric in self.metrics}


def fit(
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
        held_out: Ratings to choose the best sweep by, and to stop by; without them all sweeps are made.
        options: Options of the fit.
        seed: Seeds Keras's and numpy's global generators; the same seed gives the same vectors, bit for bit, on any
            number of threads.
        on_epoch: Called after each sweep.
        start: Movies to begin with; the fit is then much nearer its end, and one or two sweeps are enough.

    Raises:
        TrainingError: All ratings are equal, or the loss became infinite or not a number.
    """
    if np.ptp(training.ratings) == 0:
        raise TrainingError(
            f"All ratings are {training.ratings[0]:g}, and this model learns from how they differ. "
            "Load ratings that do, or train another model: embrec train"
        )
    keras.utils.set_random_seed(seed)
    model = MatrixFactorization(training, held_out, options)
    if start is not None:
        model.movies.assign(_begun(model.movies.numpy(), start))
    elif len(training.ratings) >= _MANY_RATINGS:
        warm = MatrixFactorization(_most_active(training), None, replace(options, epochs=_WARM_SWEEPS))
        sweep(warm, _WARM_SWEEPS, [])
        model.movies.assign(warm.movies)
        del warm
    following = Following(on_epoch, held_out is not None, "Train again with a higher --penalty.", patience=1)
    sweep(model, options.epochs_for(len(training.ratings)), [following])

    users, movies = (np.asarray(weights, np.float32) for weights in model.get_weights())
    user_vectors, movie_vectors = (np.ascontiguousarray(each[:, :-1]) for each in (users, movies))
    user_biases, movie_biases = (each[:, -1].copy() for each in (users, movies))
    return FittedModel(
        user_vectors=user_vectors,
        movie_vectors=movie_vectors,
        parameters={"users": users.size, "movies": movies.size, "mean": 1},
        history=following.epochs,
        kept_epoch=following.kept_epoch,
        predict=predictor(user_vectors, movie_vectors, user_biases, movie_biases, float(model.mean)),
        user_biases=user_biases,
        movie_biases=movie_biases,
        mean=float(model.mean),
        fold_in=FoldIn(BIAS_FEATURE, options.penalty, options.penalty_per_rating),
    )


def _begun(random: NDArray[np.float32], start: Start) -> NDArray[np.float32]:
    """The movies that a fit begins with: those of the earlier fit, and random ones that it did not know."""
    earlier = np.column_stack([start.movie_vectors, start.movie_biases])
    return np.where(np.isnan(earlier).any(axis=1, keepdims=True), random, earlier)


def _most_active(ratings: Ratings) -> Ratings:
    """The ratings of the users who have most, up to ``_WARM_SHARE`` of all; users are numbered anew."""
    counts = np.bincount(ratings.users, minlength=ratings.user_count)
    by_activity = np.argsort(-counts, kind="stable")
    chosen = by_activity[: np.searchsorted(np.cumsum(counts[by_activity]), _WARM_SHARE * len(ratings.ratings)) + 1]
    number = np.full(ratings.user_count, -1, np.int32)
    number[np.sort(chosen)] = np.arange(len(chosen), dtype=np.int32)
    kept = number[ratings.users] >= 0
    return Ratings(
        number[ratings.users[kept]], ratings.movies[kept], ratings.ratings[kept], len(chosen), ratings.movie_count
    )


def _small_vectors(shape: tuple[int, int], dtype: str | None = None) -> tf.Tensor:
    """Random vectors to begin with; their biases are zero."""
    vectors = keras.random.normal((shape[0], shape[1] - 1), stddev=0.1, dtype=dtype)
    return tf.concat([vectors, tf.zeros([shape[0], 1])], axis=1)
