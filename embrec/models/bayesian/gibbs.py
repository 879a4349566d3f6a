"""Bayesian matrix factorization by block Gibbs sampling.

A rating is mean + user bias + movie bias + user vector . movie vector + noise, and how much noise depends on the user
and the movie (:mod:`embrec.models.bayesian.noise`). Instead of the one best pair of factors, as in
:mod:`embrec.models.als.model`, many pairs are drawn from what the ratings leave possible, and their
mean predicts: it does not overfit, and there is nothing to tune, for the priors and the noise are drawn too. An epoch
is a sweep: all users' vectors and biases given the movies', then all movies' given the users', each from its exact
conditional distribution (:mod:`embrec.models.bayesian.posterior`). What is averaged is the product of the users drawn
and the movies expected given them: the same mean as of draws of both, with less noise (Rao-Blackwell).

The mean of a side's prior is linear in features of each row (:mod:`embrec.models.bayesian.prior`): which movies a user
rated says much about the user, whatever the ratings were, and likewise for movies. Movies' genres and years, and users'
labels, join in where they are known (the implicit terms of Koren, Factorization meets the neighborhood, KDD 2008, in
the prior of Simm et al.). The first sweeps, until the draws have forgotten where they began, do not count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embrec.errors import TrainingError
from embrec.models.base import Epoch, RatingFactors, Ratings
from embrec.models.bayesian.average import PosteriorMean
from embrec.models.bayesian.noise import Scales, Spreads
from embrec.models.bayesian.normal_equations import Explained, Map, NormalEquations, Sums
from embrec.models.bayesian.posterior import Drawn, draw
from embrec.models.bayesian.prior import LinkedPrior
from embrec.models.grouping import sample
from embrec.models.history import History

_BURN_IN = 20
# Deviation of the vectors to begin with. From small ones the factors grow slowly.
_START = 0.5
# Draws at most, and the ratings that all of them together may visit.
_DRAWS = 200
_VISITS = 200_000_000
_FEWEST_DRAWS = 20
# No rating is more exact than this, of a deviation of 1: ratings that are explained without any noise, as where all are
# the same, would have it shrink to nothing.
_LEAST_NOISE = 0.02
# More would be in each other's way, and each takes some 30 MB.
_MOST_THREADS = 8
# Ratings to report errors on after a sweep.
_REPORTED = 1 << 15


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector of the mean.
        draw_dimensions: Length of a vector of a draw. 15, and the bias that is drawn with it, make 16.
        draws: Draws to average; None for as many as the number of ratings allows, up to 200.
    """

    dimensions: int = 64
    draw_dimensions: int = 15
    draws: int | None = None

    def epochs_for(self, rating_count: int) -> int:
        """Sweeps of a fit to so many ratings."""
        allowed = min(max(_VISITS // max(rating_count, 1), _FEWEST_DRAWS), _DRAWS)
        return _BURN_IN + (self.draws or allowed)


class _Side:
    """Users or movies: their vectors with the bias in the last column, their prior, their noise."""

    def __init__(
        self,
        counts: NDArray[np.int64],
        features: scipy.sparse.csr_array,
        width: int,
        random: np.random.Generator,
    ) -> None:
        self._random = random
        self.vectors = _START * random.standard_normal((len(counts), width), np.float32)
        self.expected = self.vectors
        self.prior = LinkedPrior(features, width, random)
        self.scales = Scales(counts, random)
        self._count = int(counts.sum())
        self._squares = np.zeros(len(counts))

    def update_prior(self) -> None:
        """Draw the prior given the vectors."""
        self.prior.update(self.vectors)

    def explaining(self) -> Explained:
        """How this side's draw explains the ratings of the other one."""
        features = self.vectors.copy()
        features[:, -1] = 1.0  # the other's own bias
        return Explained(features, self.vectors[:, -1], self.scales.values**-2)

    def drawing(self, noise: float) -> Callable[[slice, Sums], Drawn]:
        """A function that draws some rows given the sums of their ratings."""
        normal = self._random.standard_normal(self.vectors.shape, np.float32)
        priors, noises = self.prior.means(), np.float32(noise) * self.scales.values
        precision = self.prior.precision.astype(np.float32)
        return lambda rows, sums: draw(sums, priors[rows], precision, noises[rows], normal[rows])

    def take(self, drawn: Iterable[Drawn], noise: float) -> None:
        """Take all rows' draws, and draw the scales."""
        self.vectors, self.expected, squares = (np.concatenate(each) for each in zip(*drawn, strict=True))
        self._squares = squares.astype(np.float64)
        if not np.isfinite(self._squares).all():
            raise TrainingError("The draws are no longer finite. Look for ratings that are far out of scale.")
        self.scales.draw(self._squares / noise**2)

    def mean_square(self) -> float:
        """Of all residuals, each over its scales."""
        return float(np.sum(self._squares / self.scales.values.astype(np.float64) ** 2)) / self._count


class GibbsSampler:
    """The sampler: the state of a chain, and the average of its posterior draws.

    Args:
        training: The ratings to learn from.
        held_out: The ratings to report the error on after each sweep, or None.
        options: Options of the fit.
        seed: Seeds all draws.
        map_parts: ``map``, or what does the same on several threads.
    """

    def __init__(
        self, training: Ratings, held_out: Ratings | None, options: Options, seed: int, map_parts: Map
    ) -> None:
        self._random = np.random.default_rng(seed)
        # Priors are for ratings of mean 0 and deviation 1, whatever their scale is.
        self.mean = float(training.ratings.mean(dtype=np.float64))
        self.unit = float(training.ratings.std(dtype=np.float64)) or 1.0
        training = self._standardised(training)
        blur = _LEAST_NOISE * self._random.standard_normal(len(training.ratings), np.float32)
        training = replace(training, ratings=training.ratings + blur)
        self._count = len(training.ratings)
        user_features, movie_features = features(training)
        user_counts = np.bincount(training.users, minlength=training.user_count)
        movie_counts = np.bincount(training.movies, minlength=training.movie_count)
        # Each has random numbers of its own, so that they can be drawn side by side.
        of_users, of_movies = self._random.spawn(2)
        width = options.draw_dimensions + 1
        self._users = _Side(user_counts, user_features, width, of_users)
        self._movies = _Side(movie_counts, movie_features, width, of_movies)
        self._map = map_parts
        self._equations = NormalEquations(training, map_parts)
        self._noise = 1.0
        self._sweeps = 0
        self.posterior = PosteriorMean(options.dimensions)
        self.spreads = Spreads(user_counts, movie_counts)
        self.biases = [np.zeros(count) for count in (training.user_count, training.movie_count)]
        self._reported = [sample(training, _REPORTED)]
        if held_out is not None:
            self._reported.append(sample(self._standardised(held_out), _REPORTED))
        self._sums = [np.zeros(len(ratings)) for _, _, ratings in self._reported]

    def _standardised(self, ratings: Ratings) -> Ratings:
        values = (ratings.ratings.astype(np.float64) - self.mean) / self.unit
        return replace(ratings, ratings=values.astype(np.float32))

    def _predict(self, users: NDArray[np.int32], movies: NDArray[np.int32]) -> NDArray[np.float32]:
        """Predict standardised ratings by the last draw of users, and the movies expected given that."""
        drawn, expected = self._users.vectors[users], self._movies.expected[movies]
        product = np.einsum("nd,nd->n", drawn[:, :-1], expected[:, :-1])
        return np.asarray(drawn[:, -1] + expected[:, -1] + product)

    def sweep(self) -> list[float]:
        """Draw all vectors once, and average the draw in after the burn-in.

        Returns:
            The mean squared error of the average, on training and on held-out ratings.
        """
        self._draw()
        self._sweeps += 1
        if self._sweeps > _BURN_IN:
            self._take()
        return self._errors()

    def _draw(self) -> None:
        users, movies = self._users, self._movies
        list(self._map(_Side.update_prior, (users, movies)))
        users.take(self._equations.of_users(movies.explaining(), users.drawing(self._noise)), self._noise)
        movies.take(self._equations.of_movies(users.explaining(), movies.drawing(self._noise)), self._noise)
        squares = self._count * movies.mean_square()
        self._noise = float(self._random.gamma((1 + self._count) / 2, 2 / (1 + squares)) ** -0.5)

    def _take(self) -> None:
        users, movies = self._users, self._movies
        self.posterior.add(users.vectors[:, :-1], movies.expected[:, :-1])
        for biases, vectors in zip(self.biases, (users.vectors, movies.expected), strict=True):
            biases += vectors[:, -1]
        scales = users.scales, movies.scales
        self.spreads.add(users.vectors, movies.vectors, movies.expected, self._noise, scales)

    def factors(self, history: History) -> RatingFactors:
        """The average of the draws, in the ratings' unit."""
        factors, biases = self.posterior.factors(), [each / self.posterior.draws for each in self.biases]
        means = [np.column_stack(each).astype(np.float32) for each in zip(factors, biases, strict=True)]
        spreads = self.spreads.values(means[0], means[1])
        users, movies, user_spreads, movie_spreads = (
            (each * self.unit**0.5).astype(np.float32) for each in (*factors, *spreads)
        )
        user_biases, movie_biases = ((each * self.unit).astype(np.float32) for each in biases)
        return RatingFactors(
            user_vectors=users,
            movie_vectors=movies,
            user_biases=user_biases,
            movie_biases=movie_biases,
            mean=self.mean,
            history=history.epochs,
            kept_epoch=history.kept_epoch,
            user_spreads=user_spreads,
            movie_spreads=movie_spreads,
        )

    def _errors(self) -> list[float]:
        """The errors of the mean of the draws; during the burn-in, of the last draw."""
        errors = []
        for number, (users, movies, ratings) in enumerate(self._reported):
            predicted: NDArray[np.floating[Any]] = self._predict(users, movies)
            if self.posterior.draws:
                self._sums[number] += predicted
                predicted = self._sums[number] / self.posterior.draws
            errors.append(float(np.mean((predicted - ratings) ** 2, dtype=np.float64) * self.unit**2))
        return errors


def features(training: Ratings) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
    """What is known of each user and each movie, beside the ratings' values.

    Which ones it is rated with, and what ``training.user_features`` and ``training.movie_features`` have, each row of
    both scaled by one over the root of their number, so that no kind of knowledge outweighs the other by being longer.
    """
    shape = (training.user_count, training.movie_count)
    who = scipy.sparse.csr_array((np.ones(len(training.users)), (training.users, training.movies)), shape=shape)
    of_users, of_movies = _by_root(who), _by_root(who.T.tocsr())
    if training.movie_features is not None:
        known = _by_root(scipy.sparse.csr_array(training.movie_features))
        of_movies = scipy.sparse.hstack([of_movies, known], format="csr")
    if training.user_features is not None:
        users, starts = training.user_features
        having = (np.ones(len(users)), users, starts)
        known = scipy.sparse.csc_array(having, shape=(training.user_count, len(starts) - 1))
        of_users = scipy.sparse.hstack([of_users, _by_root(known.tocsr())], format="csr")
    return of_users, of_movies


def _by_root(incidence: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    counts = np.maximum(np.diff(incidence.indptr), 1)
    return scipy.sparse.csr_array(scipy.sparse.diags_array(counts**-0.5) @ incidence)


def factorize(
    training: Ratings,
    held_out: Ratings | None,
    options: Options,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> RatingFactors:
    """Sample the posterior, and average it into one pair of factors.

    Meanwhile BLAS has one thread, in the whole process; fits of one process must not overlap.

    Args:
        training: Ratings to learn from.
        held_out: Ratings to report the error of the draws' mean on; nothing is chosen by them.
        options: Options of the fit.
        seed: The same seed gives the same vectors.
        on_epoch: Called after each sweep.

    Raises:
        TrainingError: The ratings are not finite.
    """
    if not np.isfinite(training.ratings).all():
        raise TrainingError("A rating is not finite. Look for ratings that are infinite, or not a number.")
    epochs = options.epochs_for(len(training.ratings))
    history = History(epochs, on_epoch, "Look for ratings that are not finite, or far out of scale.")
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    with ThreadPoolExecutor(threads) as pool, threadpool_limits(1, user_api="blas"):
        sampler = GibbsSampler(training, held_out, options, seed, pool.map)
        for _ in range(epochs):
            loss, *others = sampler.sweep()
            history.add(loss, loss**0.5, others[0] ** 0.5 if others else None)
        return sampler.factors(history)
