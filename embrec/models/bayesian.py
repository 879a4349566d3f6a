"""Bayesian matrix factorisation by block Gibbs sampling, as a Keras model.

A rating is mean + user bias + movie bias + user vector . movie vector + noise, and how much noise depends on the user
and the movie (:mod:`embrec.models.spread`). Instead of the one best pair of factors, as in
:mod:`embrec.models.matrix_factorization`, many pairs are drawn from what the ratings leave possible, and their
mean predicts: it does not overfit, and there is nothing to tune, for the priors and the noise are drawn too. An epoch
is a sweep: all users' vectors and biases given the movies', then all movies' given the users', by the same block
solver with noise (:func:`embrec.models.ridge.draw`).

The mean of a side's prior is linear in features of each row (:mod:`embrec.models.linked_prior`): which movies a user
rated says much about the user, whatever the ratings were, and likewise for movies, whose genres and years join in
where they are known (the implicit terms of Koren, Factorization meets the neighborhood, KDD 2008, in the prior of Simm
et al.). The first sweeps, until the draws have forgotten where they began, do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf
from numpy.typing import NDArray

from embrec.models import Epoch, FittedModel, Ratings
from embrec.models.factorization import by_movie, by_user, predictor, sample, sweep
from embrec.models.following import Following
from embrec.models.linked_prior import LinkedPrior
from embrec.models.posterior_mean import PosteriorMean
from embrec.models.ridge import Rows, draw
from embrec.models.spread import Scales, Spreads

_BURN_IN = 20
# Deviation of the vectors to begin with. From small ones the factors grow slowly, which in the mean of many draws
# predicts better; few draws cannot wait for that.
_START, _QUICK_START = 0.1, 0.25
_MANY_DRAWS = 200
# Draws at most, and the ratings that all of them together may visit.
_DRAWS = 300
_VISITS = 100_000_000
_FEWEST_DRAWS = 20


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector of the mean.
        draw_dimensions: Length of a vector of a draw. 15, and the bias that is drawn with it, make 16.
        draws: Draws to average; None for as many as the number of ratings allows, 300 at most.
    """

    dimensions: int = 64
    draw_dimensions: int = 15
    draws: int | None = None

    def epochs_for(self, rating_count: int) -> int:
        """Sweeps of a fit to so many ratings."""
        allowed = min(max(_VISITS // max(rating_count, 1), _FEWEST_DRAWS), _DRAWS)
        return _BURN_IN + (self.draws or allowed)


class _Side:
    """Users or movies: their vectors with the bias in the last column, their ratings, their prior, their noise."""

    def __init__(
        self,
        rows: Rows,
        counts: NDArray[np.int64],
        start: NDArray[np.float32],
        features: scipy.sparse.csr_array,
        random: np.random.Generator,
    ) -> None:
        self.rows, self.vectors, self._random = rows, start, random
        self.prior = LinkedPrior(features, start.shape[1], random)
        self.scales = Scales(counts, random)
        self._squares = np.zeros(len(counts))
        self._target = tf.Variable(_with_column(start), trainable=False)

    def draw(self, other: _Side, noise: float) -> None:
        """Draw the prior, the vectors given the other side's, the scales; rows without ratings are from the priors."""
        self.prior.update(self.vectors)
        # In coordinates where the prior's precision is the identity, all rows are plain ridge regressions.
        lower = np.linalg.cholesky(self.prior.precision)
        inverse = np.linalg.inv(lower)
        priors = (self.prior.means() @ lower + self._random.standard_normal(self.vectors.shape)).astype(np.float32)
        features = np.column_stack([other.vectors[:, :-1], np.ones(len(other.vectors), np.float32)])
        self._target.assign(_with_column(priors))
        draw(
            self._target,
            tf.constant(features @ inverse.T.astype(np.float32)),
            tf.constant(other.vectors[:, -1]),
            tf.constant(other.scales.values),
            self.rows,
            tf.constant(priors),
            tf.constant(noise * self.scales.values, tf.float32),
            tf.constant([self._random.integers(2**31), 0], tf.int32),
        )
        drawn = self._target.numpy()
        self.vectors = drawn[:, :-1] @ inverse.astype(np.float32)
        self._squares = drawn[:, -1].astype(np.float64)
        self.scales.draw(self._squares / noise**2)

    def mean_square(self) -> float:
        """Of all residuals, each over its scales."""
        return float(np.sum(self._squares / self.scales.values.astype(np.float64) ** 2)) / len(self.rows.ratings)


def _with_column(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors, and in one more column zeros."""
    return np.pad(vectors, ((0, 0), (0, 1)))


class BayesianFactorization(keras.Model):  # type: ignore[misc]  # keras has no types
    """The model; it predicts by the mean of its draws.

    Args:
        training: The ratings to learn from.
        held_out: The ratings to report the error on after each sweep, or None.
        options: Options of the fit.
        seed: Seeds all draws.
    """

    def __init__(self, training: Ratings, held_out: Ratings | None, options: Options, seed: int) -> None:
        super().__init__(name="bayesian")
        self._random = np.random.default_rng(seed)
        # Priors are for ratings of mean 0 and deviation 1, whatever their scale is.
        self.mean = float(training.ratings.mean(dtype=np.float64))
        self.unit = float(training.ratings.std(dtype=np.float64)) or 1.0
        training = self._standardised(training)
        self._count = len(training.ratings)
        user_features, movie_features = features(training)
        many = options.epochs_for(self._count) - _BURN_IN >= _MANY_DRAWS
        users, movies = (
            (_START if many else _QUICK_START)
            * self._random.standard_normal((count, options.draw_dimensions + 1)).astype(np.float32)
            for count in (training.user_count, training.movie_count)
        )
        user_counts = np.bincount(training.users, minlength=training.user_count)
        movie_counts = np.bincount(training.movies, minlength=training.movie_count)
        self._users = _Side(by_user(training), user_counts, users, user_features, self._random)
        self._movies = _Side(by_movie(training), movie_counts, movies, movie_features, self._random)
        self._noise = 1.0
        self._sweep = 0
        self.posterior = PosteriorMean(options.dimensions)
        self.spreads = Spreads(user_counts, movie_counts)
        self.biases = [np.zeros(count) for count in (training.user_count, training.movie_count)]
        self._reported = {"": sample(training)} | (
            {} if held_out is None else {"val_": sample(self._standardised(held_out))}
        )
        self._sums = {prefix: np.zeros(len(ratings)) for prefix, (_, _, ratings) in self._reported.items()}
        self._errors = {
            name: keras.metrics.Mean(name) for prefix in self._reported for name in (f"{prefix}loss", f"{prefix}rmse")
        }
        self.built = True

    def _standardised(self, ratings: Ratings) -> Ratings:
        values = (ratings.ratings.astype(np.float64) - self.mean) / self.unit
        return replace(ratings, ratings=values.astype(np.float32))

    @property
    def metrics(self) -> list[Any]:
        """The metrics that Keras resets before each sweep."""
        return list(self._errors.values())

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Predict standardised ratings by the last draw."""
        users, movies = self._users.vectors[inputs[0]], self._movies.vectors[inputs[1]]
        product = np.einsum("nd,nd->n", users[:, :-1], movies[:, :-1])
        return users[:, -1] + movies[:, -1] + product

    def train_step(self, data: Any) -> dict[str, Any]:
        """One sweep; the ratings are the model's own, so ``data`` means nothing."""
        self._sweep += 1
        self._users.draw(self._movies, self._noise)
        self._movies.draw(self._users, self._noise)
        self._draw_noise(self._movies.mean_square())
        draws = max(self._sweep - _BURN_IN, 0)
        if draws:
            self.posterior.add(self._users.vectors[:, :-1], self._movies.vectors[:, :-1])
            for biases, side in zip(self.biases, (self._users, self._movies), strict=True):
                biases += side.vectors[:, -1]
            scales = self._users.scales, self._movies.scales
            self.spreads.add(self._users.vectors, self._movies.vectors, self._noise, scales)
        for prefix, (users, movies, ratings) in self._reported.items():
            predicted = self.call((users, movies))
            if draws:
                self._sums[prefix] += predicted
                predicted = self._sums[prefix] / draws
            error = float(np.mean((predicted - ratings) ** 2)) * self.unit**2
            self._errors[f"{prefix}loss"].update_state(error)
            self._errors[f"{prefix}rmse"].update_state(np.sqrt(error))
        return {metric.name: metric.result() for metric in self.metrics}

    def _draw_noise(self, mean_square: float) -> None:
        precision = self._random.gamma((1 + self._count) / 2, 2 / (1 + self._count * mean_square))
        self._noise = float(precision**-0.5)


def features(training: Ratings) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
    """What is known of each user and each movie, beside the ratings' values.

    Which ones it is rated with, each row scaled by one over the root of their number; for movies, what
    ``training.movie_features`` has as well.
    """
    shape = (training.user_count, training.movie_count)
    who = scipy.sparse.csr_array((np.ones(len(training.users)), (training.users, training.movies)), shape=shape)
    of_users, of_movies = _by_root(who), _by_root(who.T.tocsr())
    if training.movie_features is not None:
        of_movies = scipy.sparse.hstack([of_movies, scipy.sparse.csr_array(training.movie_features)], format="csr")
    return of_users, of_movies


def _by_root(incidence: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    counts = np.maximum(np.diff(incidence.indptr), 1)
    return scipy.sparse.csr_array(scipy.sparse.diags_array(counts**-0.5) @ incidence)


def fit(
    training: Ratings,
    held_out: Ratings | None,
    options: Options,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> FittedModel:
    """Fit the model.

    Args:
        training: Ratings to learn from.
        held_out: Ratings to report the error of the draws' mean on; nothing is chosen by them.
        options: Options of the fit.
        seed: The same seed gives the same vectors.
        on_epoch: Called after each sweep.

    Raises:
        TrainingError: The ratings are not finite.
    """
    keras.utils.set_random_seed(seed)
    model = BayesianFactorization(training, held_out, options, seed)
    following = Following(on_epoch, False, "Look for ratings that are not finite, or far out of scale.")
    sweep(model, options.epochs_for(len(training.ratings)), [following], run_eagerly=True)
    factors, biases = model.posterior.factors(), [each / model.posterior.draws for each in model.biases]
    means = [np.column_stack(each).astype(np.float32) for each in zip(factors, biases, strict=True)]
    spreads = model.spreads.values(means[0], means[1])
    users, movies, user_spreads, movie_spreads = (
        (each * model.unit**0.5).astype(np.float32) for each in (*factors, *spreads)
    )
    user_biases, movie_biases = ((each * model.unit).astype(np.float32) for each in biases)
    return FittedModel(
        user_vectors=users,
        movie_vectors=movies,
        parameters={"users": users.size + len(users), "movies": movies.size + len(movies), "mean": 1},
        history=following.epochs,
        kept_epoch=following.kept_epoch,
        predict=predictor(users, movies, user_biases, movie_biases, model.mean),
        user_biases=user_biases,
        movie_biases=movie_biases,
        mean=model.mean,
        user_spreads=user_spreads,
        movie_spreads=movie_spreads,
    )
