"""Bayesian matrix factorization by block Gibbs sampling.

A rating is mean + user bias + movie bias + user vector . movie vector + noise. The standard deviation of the noise
depends on the user and the movie (:mod:`embrec.models.bayesian.noise`). ALS (:mod:`embrec.models.als.model`) finds one
best pair of factors; here many pairs are drawn from the posterior, and their mean predicts. It does not overfit, and
there is nothing to tune, because the priors and the noise are drawn too. An epoch is a sweep: all users' vectors and
biases given the movies', then all movies' given the users', each from its exact conditional distribution
(:mod:`embrec.models.bayesian.posterior`). The average is over the product of the users drawn and the movies' expected
vectors given them. It has the same mean as draws of both, with less variance (Rao-Blackwell).

The mean of a side's prior is linear in features of each row (:mod:`embrec.models.bayesian.prior`). The features are
implicit feedback, the set of movies that a user rated or of users who rated a movie, and side information: movies'
genres and years, and users' labels (the implicit terms of Koren, Factorization meets the neighborhood, KDD 2008, in
the prior of Simm et al.). The first sweeps are a burn-in: their draws depend on the starting point and are discarded.
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

# The first 20 sweeps are discarded, or the mean would depend on the random starting vectors.
_BURN_IN = 20
# Standard deviation of the starting vectors. From smaller ones the factors grow slowly and need a longer burn-in.
_START = 0.5
# At most 200 draws and 200 million visits to a rating, which bounds the time of a fit; but 20 draws at least, because
# the mean of fewer is noisy.
_DRAWS = 200
_VISITS = 200_000_000
_FEWEST_DRAWS = 20
# Standard deviation of noise added to the standardised ratings. Without it the noise of ratings that are predicted
# exactly, for example if all are equal, would shrink to zero.
_LEAST_NOISE = 0.02
# At most 8 threads: more compete for memory bandwidth, and each needs about 30 MB.
_MOST_THREADS = 8
# Errors are reported on at most 32,768 ratings per sweep, or the report would take longer than the sweep.
_REPORTED = 1 << 15


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector of the posterior mean.
        draw_dimensions: Length of a vector of a posterior draw. 15 and the bias make 16.
        draws: Draws to average; None for as many as the number of ratings allows, up to 200.
    """

    dimensions: int = 64
    draw_dimensions: int = 15
    draws: int | None = None

    def epochs_for(self, rating_count: int) -> int:
        """Return the number of sweeps for this number of ratings."""
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
        """Return the features, offsets and weights with which this side's draw explains the other side's ratings."""
        features = self.vectors.copy()
        features[:, -1] = 1.0  # the other's own bias
        return Explained(features, self.vectors[:, -1], self.scales.values**-2)

    def drawing(self, noise: float) -> Callable[[slice, Sums], Drawn]:
        """Return a function that draws some rows given the sums of their ratings."""
        normal = self._random.standard_normal(self.vectors.shape, np.float32)
        priors, noises = self.prior.means(), np.float32(noise) * self.scales.values
        precision = self.prior.precision.astype(np.float32)
        return lambda rows, sums: draw(sums, priors[rows], precision, noises[rows], normal[rows])

    def take(self, drawn: Iterable[Drawn], noise: float) -> None:
        """Store all rows' draws, and draw the noise scales."""
        self.vectors, self.expected, squares = (np.concatenate(each) for each in zip(*drawn, strict=True))
        self._squares = squares.astype(np.float64)
        if not np.isfinite(self._squares).all():
            raise TrainingError("The draws are no longer finite. Look for ratings that are far out of scale.")
        self.scales.draw(self._squares / noise**2)

    def mean_square(self) -> float:
        """Return the mean square of all residuals, each divided by its noise scales."""
        return float(np.sum(self._squares / self.scales.values.astype(np.float64) ** 2)) / self._count


class GibbsSampler:
    """The sampler: the state of a chain, and the average of its posterior draws.

    Args:
        training: The ratings to learn from.
        held_out: The ratings to report the error on after each sweep, or None.
        options: Options of the fit.
        seed: Seeds all draws.
        map_parts: ``map``, or an equivalent on several threads.
    """

    def __init__(
        self, training: Ratings, held_out: Ratings | None, options: Options, seed: int, map_parts: Map
    ) -> None:
        self._random = np.random.default_rng(seed)
        # Standardise the ratings, because the priors assume mean 0 and standard deviation 1.
        self.mean = float(training.ratings.mean(dtype=np.float64))
        self.unit = float(training.ratings.std(dtype=np.float64)) or 1.0
        training = self._standardised(training)
        blur = _LEAST_NOISE * self._random.standard_normal(len(training.ratings), np.float32)
        training = replace(training, ratings=training.ratings + blur)
        self._count = len(training.ratings)
        user_features, movie_features = features(training)
        user_counts = np.bincount(training.users, minlength=training.user_count)
        movie_counts = np.bincount(training.movies, minlength=training.movie_count)
        # Each side has its own random generator, because the two are drawn from at the same time.
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
        """Predict standardised ratings from the last draw of users and the expected movies given that draw."""
        drawn, expected = self._users.vectors[users], self._movies.expected[movies]
        product = np.einsum("nd,nd->n", drawn[:, :-1], expected[:, :-1])
        return np.asarray(drawn[:, -1] + expected[:, -1] + product)

    def sweep(self) -> list[float]:
        """Draw all vectors once, and add the draw to the average after the burn-in.

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
        """Return the posterior mean and the standard deviations, in the unit of the ratings."""
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
        """Return the errors of the posterior mean, or of the last draw during the burn-in."""
        errors = []
        for number, (users, movies, ratings) in enumerate(self._reported):
            predicted: NDArray[np.floating[Any]] = self._predict(users, movies)
            if self.posterior.draws:
                self._sums[number] += predicted
                predicted = self._sums[number] / self.posterior.draws
            errors.append(float(np.mean((predicted - ratings) ** 2, dtype=np.float64) * self.unit**2))
        return errors


def features(training: Ratings) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
    """Return the implicit feedback and side information of each user and each movie, as sparse rows of features.

    A row has the other side of its ratings, and its entries in ``training.user_features`` or
    ``training.movie_features``. Each kind is divided by the square root of its number in the row, or the longer kind
    would outweigh the other.
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
    """Draw from the posterior, and average the draws into one pair of factors.

    BLAS is limited to one thread in the whole process until the fit ends, so fits of one process must not overlap.

    Args:
        training: Ratings to learn from.
        held_out: Ratings to report the error of the posterior mean on; they influence nothing else.
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
