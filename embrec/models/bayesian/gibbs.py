"""Bayesian matrix factorization by block Gibbs sampling.

A rating is mean + user bias + movie bias + user vector . movie vector + noise. The standard deviation of the noise
depends on the user and the movie (:mod:`embrec.models.bayesian.noise`). ALS (:mod:`embrec.models.als.model`) finds one
best pair of factors; here many pairs are drawn from the posterior, and their mean predicts. It does not overfit, and
there is nothing to tune, because the priors and the noise are drawn too. An epoch is a sweep: all users' vectors and
biases given the movies', then all movies' given the users', each from its exact conditional distribution. The average
is over the product of the users drawn and the movies' expected vectors given them. It has the same mean as draws of
both, with less variance (Rao-Blackwell).

The mean of a side's prior is linear in features of each row (:mod:`embrec.models.bayesian.features`). The first sweeps
are a burn-in: their draws depend on the starting point and are discarded.

Workers share the users and the movies (:mod:`embrec.models.bayesian.share`). The conductor here tells them what to do,
and has only numbers of the size of a vector's width. What it draws depends on sums by a fixed tree, so that the number
of workers changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from embrec.engines.protocol import Engine, Pool
from embrec.engines.threads import THREADS
from embrec.errors import TrainingError
from embrec.models.base import Epoch, RatingFactors, Ratings
from embrec.models.bayesian.average import PosteriorMean
from embrec.models.bayesian.features import in_roots
from embrec.models.bayesian.keys import Stage, generator
from embrec.models.bayesian.link import regressions
from embrec.models.bayesian.noise import draw_weight
from embrec.models.bayesian.prior import Described, LinkedPrior
from embrec.models.bayesian.share import Data, Worker
from embrec.models.bayesian.side import Prior
from embrec.models.history import History, sample
from embrec.models.shards.handing import hand_on
from embrec.models.shards.layout import Layout, Rated, shard_count
from embrec.models.shards.tree import total

# 15 coordinates and the bias make 16, the length of a vector register.
_WIDTH = 16
# The first 20 sweeps are discarded, or the mean would depend on the random starting vectors.
_BURN_IN = 20
# At most 200 draws and 200 million visits to a rating, which bounds the time of a fit; but 20 draws at least, because
# the mean of fewer is noisy.
_DRAWS = 200
_VISITS = 200_000_000
_FEWEST_DRAWS = 20
# Errors are reported on at most 32,768 ratings per sweep, or the report would take longer than the sweep.
_REPORTED = 1 << 15


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector of the posterior mean.
        draws: Draws to average; None for as many as the number of ratings allows, up to 200.
    """

    dimensions: int = 64
    draws: int | None = None

    def epochs_for(self, rating_count: int) -> int:
        """Return the number of sweeps for this number of ratings."""
        allowed = min(max(_VISITS // max(rating_count, 1), _FEWEST_DRAWS), _DRAWS)
        return _BURN_IN + (self.draws or allowed)


class GibbsSampler:
    """The conductor of the sampler: the state of a chain but for what the workers share.

    Args:
        training: The ratings to learn from.
        held_out: The ratings to report the error on after each sweep, or None.
        options: Options of the fit.
        seed: Seeds all draws.
        engine: Workers of :class:`embrec.models.bayesian.share.Worker`.
    """

    def __init__(
        self, training: Ratings, held_out: Ratings | None, options: Options, seed: int, engine: Engine
    ) -> None:
        self._engine, self._seed = engine, seed
        # Standardise the ratings, because the priors assume mean 0 and standard deviation 1.
        self.mean = float(training.ratings.mean(dtype=np.float64))
        self.unit = float(training.ratings.std(dtype=np.float64)) or 1.0
        self._count = len(training.ratings)
        known = self._load(training, [training] if held_out is None else [training, held_out])
        of_users, of_movies = regressions(engine, training, known, self._layout, _WIDTH)
        self._users = LinkedPrior(_WIDTH, training.user_count, of_users)
        self._movies = LinkedPrior(_WIDTH, training.movie_count, of_movies)
        self._average = PosteriorMean(engine, options.dimensions, self._count)
        self._noise, self._sweep = 1.0, 0
        self._explaining = engine.all("movies.explain", returns=3)

    def _load(self, training: Ratings, reported: list[Ratings]) -> tuple[int, int]:
        """Give the workers their shares of the data; return the number of labels and of genres."""
        engine, rated = self._engine, Rated.of(training).standardised(self.mean, self.unit)
        layout = self._layout = Layout.of(np.diff(rated.starts), training.movie_count)
        sampled = [Rated.of(sample(each, _REPORTED)).standardised(self.mean, self.unit) for each in reported]
        self._reported = [len(each.values) for each in sampled]
        movie_counts = np.bincount(training.movies, minlength=training.movie_count)
        labels, genres = in_roots(training, np.diff(rated.starts), movie_counts)
        loaded = []
        for worker in range(engine.workers):
            users = layout.users.share(worker, engine.workers).rows
            data = Data(
                rated=rated.part(users),
                reported=[each.part(users) for each in sampled],
                movie_counts=movie_counts[layout.movies.share(worker, engine.workers).rows],
                labels=labels[users],
                genres=genres if worker == engine.workers - 1 else None,
            )
            loaded.append(engine.one(worker, "load", layout, data, _WIDTH, self._seed))
        engine.get(loaded)
        return labels.shape[1], 0 if genres is None else genres.shape[1]

    def sweep(self) -> list[float]:
        """Draw all vectors once, and add the draw to the average after the burn-in.

        Returns:
            The mean squared error of the average, on training and on held-out ratings.
        """
        engine, random = self._engine, generator(self._seed, Stage.PRIORS, self._sweep)
        described = engine.all("users.describe"), engine.all("movies.describe")
        for prior, sums in zip((self._users, self._movies), described, strict=True):
            prior.update(self._sweep, Described(*total(engine.get(sums))), random)
        users = self._draw_users(random)
        movies = self._draw_movies(random)
        if self._sweep >= _BURN_IN:
            self._average.add(self._noise**2, (users, movies), _WIDTH - 1)
        self._sweep += 1
        errors = total(engine.get(engine.all("errors", self._average.draws, *self._expected)))
        return [error / count * self.unit**2 for error, count in zip(errors, self._reported, strict=True)]

    def _draw_users(self, random: np.random.Generator) -> float:
        """Draw the users given the movies; return the sum of the expected squares of their ratings' scales."""
        engine, link = self._engine, self._users.link
        arrays = [each for kind in zip(*self._explaining, strict=True) for each in kind]
        prior = self._prior(self._users)
        found = engine.all("users.draw", self._sweep, prior, *arrays, *link.slices)
        self._average.compress()  # while the workers draw
        weight = self._weight(found, random)
        made = engine.all("users.draw_scales_and_sum", self._sweep, weight, returns=1 + engine.workers)
        self._movie_sums = [parts[1:] for parts in made]
        _, expected = total(engine.get(parts[0] for parts in made))
        return float(expected)

    def _draw_movies(self, random: np.random.Generator) -> float:
        """Draw the movies given the users, and the noise; return the sum of the expected squares of their scales."""
        engine = self._engine
        found = hand_on(engine, self._movie_sums, "movies.draw", self._sweep, self._prior(self._movies))
        drawn = engine.all("movies.draw_scales", self._sweep, self._weight(found, random))
        self._explaining = engine.all("movies.explain", returns=3)
        self._expected = engine.all("movies.expectation")
        squares, expected = total(engine.get(drawn))
        self._noise = float(random.gamma((1 + self._count) / 2, 2 / (1 + squares)) ** -0.5)
        return float(expected)

    def _prior(self, of: LinkedPrior) -> Prior:
        return Prior(of.mean, of.precision.astype(np.float32), self._noise, of.link.coefficients)

    def _weight(self, log_likelihoods: list[Any], random: np.random.Generator) -> float:
        (sums,) = total(self._engine.get(log_likelihoods))
        if not np.isfinite(sums).all():
            raise TrainingError("The draws are no longer finite. Look for ratings that are far out of scale.")
        return draw_weight(sums, random)

    def factors(self, history: History) -> RatingFactors:
        """Return the posterior mean and the standard deviations, in the unit of the ratings."""
        users, movies, user_spreads, movie_spreads = self._average.result()
        root, unit = np.float32(self.unit**0.5), np.float32(self.unit)
        return RatingFactors(
            user_vectors=users[:, :-1] * root,
            movie_vectors=movies[:, :-1] * root,
            user_biases=users[:, -1] * unit,
            movie_biases=movies[:, -1] * unit,
            mean=self.mean,
            history=history.epochs,
            kept_epoch=history.kept_epoch,
            user_spreads=(user_spreads * root).astype(np.float32),
            movie_spreads=(movie_spreads * root).astype(np.float32),
        )


def factorize(
    training: Ratings,
    held_out: Ratings | None,
    options: Options,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    workers: Pool = THREADS,
) -> RatingFactors:
    """Draw from the posterior, and average the draws into one pair of factors.

    BLAS is limited to one thread in the whole process until the fit ends, so fits of one process must not overlap.

    Args:
        training: Ratings to learn from.
        held_out: Ratings to report the error of the posterior mean on; they influence nothing else.
        options: Options of the fit.
        seed: The same seed gives the same vectors, bit for bit, on any number of workers.
        on_epoch: Called after each sweep.
        workers: Starts the workers.

    Raises:
        ConfigError: There are more workers than shards.
        TrainingError: The ratings are not finite.
    """
    if not np.isfinite(training.ratings).all():
        raise TrainingError("A rating is not finite. Look for ratings that are infinite, or not a number.")
    epochs = options.epochs_for(len(training.ratings))
    history = History(epochs, on_epoch, "Look for ratings that are not finite, or far out of scale.")
    started = workers.start(Worker, shard_count(training), len(training.ratings))
    with started as engine, threadpool_limits(1, user_api="blas"):
        sampler = GibbsSampler(training, held_out, options, seed, engine)
        for _ in range(epochs):
            loss, *others = sampler.sweep()
            history.add(loss, loss**0.5, others[0] ** 0.5 if others else None)
        return sampler.factors(history)
