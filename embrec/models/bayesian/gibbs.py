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
from copy import copy
from dataclasses import dataclass, field, replace
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
from embrec.models.bayesian.link import Regressions
from embrec.models.bayesian.noise import draw_weight
from embrec.models.bayesian.notes import Notes
from embrec.models.bayesian.prior import Described, LinkedPrior
from embrec.models.bayesian.share import Averaged, Data, Told, Worker
from embrec.models.bayesian.side import Prior
from embrec.models.fold_in import with_fold_in
from embrec.models.history import History, sample
from embrec.models.shards.handing import hand_on
from embrec.models.shards.layout import Layout, Rated, shard_count
from embrec.models.shards.recovery import made
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
# Below 50 draws, users with 50 ratings or fewer on average are solved for, given the movies' mean: their own mean is
# noisier, and the movies', of many users each, is good after 10 draws.
_FOLDED_DRAWS, _FOLDED_RATINGS, _FEWEST_FOLDED = 50, 50, 10
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

    def folds(self, rating_count: int, user_count: int) -> bool:
        """Return whether users are solved for given the movies, because the data are too big for draws enough."""
        few = _VISITS // max(rating_count, 1) < _FOLDED_DRAWS
        return self.draws is None and few and rating_count <= _FOLDED_RATINGS * user_count

    def epochs_for(self, rating_count: int, user_count: int) -> int:
        """Return the number of sweeps for these numbers of ratings and users."""
        fewest = _FEWEST_FOLDED if self.folds(rating_count, user_count) else _FEWEST_DRAWS
        allowed = min(max(_VISITS // max(rating_count, 1), fewest), _DRAWS)
        return _BURN_IN + (self.draws or allowed)


@dataclass
class Chain:
    """The state of a chain between two sweeps, but for what the workers share.

    Attributes:
        users: The prior of users.
        movies: The prior of movies.
        average: The posterior mean.
        drawn: References to the movies' vectors and scales, of each worker.
        noise: Standard deviation of a rating's noise if both scales are 1.
        sweep: Number of sweeps.
    """

    users: LinkedPrior
    movies: LinkedPrior
    average: PosteriorMean
    drawn: list[Any] = field(default_factory=list)
    noise: float = 1.0
    sweep: int = 0

    def copy(self) -> Chain:
        """Return a copy for the next sweep, which this state survives."""
        return replace(self, users=copy(self.users), movies=copy(self.movies), average=copy(self.average))


class GibbsSampler:
    """The conductor of the sampler. If a worker is lost in a sweep, new ones make it again.

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
        self._engine, self._seed, self._training = engine, seed, training
        # Standardise the ratings, because the priors assume mean 0 and standard deviation 1.
        self.mean = float(training.ratings.mean(dtype=np.float64))
        self.unit = float(training.ratings.std(dtype=np.float64)) or 1.0
        given = [training] if held_out is None else [training, held_out]
        self._reported = [sample(each, _REPORTED) for each in given]
        self._user_counts = np.bincount(training.users, minlength=training.user_count)
        self._movie_counts = np.bincount(training.movies, minlength=training.movie_count)
        self._layout = Layout.of(self._user_counts, training.movie_count)
        self._regressions = Regressions(engine, training, self._layout, _WIDTH)
        self._chain = Chain(
            LinkedPrior(_WIDTH, training.user_count, self._regressions.users),
            LinkedPrior(_WIDTH, training.movie_count, self._regressions.movies),
            PosteriorMean(engine, options.dimensions, len(training.ratings)),
        )
        self._notes = Notes(engine)
        made(engine, self._begin, lambda: None)

    def _begin(self) -> None:
        """Let the workers begin a chain."""
        self._load()
        self._regressions.give()
        self._chain.drawn = self._drawn()
        self._notes.begin(self._chain.drawn)

    def _load(self) -> None:
        """Give the workers their shares of the data."""
        engine, layout, training = self._engine, self._layout, self._training
        rated = Rated.of(training).standardised(self.mean, self.unit)
        reported = [Rated.of(each).standardised(self.mean, self.unit) for each in self._reported]
        labels, genres = in_roots(training, self._user_counts, self._movie_counts)
        loaded = []
        for worker in range(engine.workers):
            users = layout.users.share(worker, engine.workers).rows
            data = Data(
                rated=rated.part(users),
                reported=[each.part(users) for each in reported],
                movie_counts=self._movie_counts[layout.movies.share(worker, engine.workers).rows],
                labels=labels[users],
                genres=genres if worker == engine.workers - 1 else None,
            )
            loaded.append(engine.one(worker, "load", layout, data, _WIDTH, self._seed))
        engine.get(loaded)

    def _again(self) -> None:
        """Bring new workers to where they were after the last sweep."""
        self._begin()
        self._notes.replay()
        self._chain.drawn = self._drawn()
        self._chain.average.ask_again()

    def _drawn(self) -> list[Any]:
        return self._engine.all("movies.drawn", returns=2)

    def sweep(self) -> list[float]:
        """Draw all vectors once, and add the draw to the average after the burn-in.

        Returns:
            The mean squared error of the average, on training and on held-out ratings.
        """
        return made(self._engine, self._sweep, self._again)

    def _sweep(self) -> list[float]:
        engine, chain = self._engine, self._chain.copy()
        random = generator(self._seed, Stage.PRIORS, chain.sweep)
        described = engine.all("users.describe"), engine.all("movies.describe")
        for prior, sums in zip((chain.users, chain.movies), described, strict=True):
            prior.update(chain.sweep, Described(*total(engine.get(sums))), random)
        prior_of_users = engine.put(self._prior(chain, chain.users))
        movie_sums, users, weight, rights = self._draw_users(chain, prior_of_users, random)
        movies = self._draw_movies(chain, movie_sums, random)
        expected, averaged = engine.all("movies.expectation"), None
        if chain.sweep >= _BURN_IN:
            added = chain.average.add(chain.noise**2, (users, movies), _WIDTH - 1)
            averaged = Averaged(added, chain.average.draws, expected, engine.all("movies.expected_squares"))
        errors = total(engine.get(engine.all("errors", chain.average.draws, *expected)))
        chain.drawn = self._drawn()
        self._notes.add(Told(prior_of_users, chain.users.link.slices, weight, rights, averaged), chain.drawn)
        chain.sweep += 1
        self._chain = chain
        pairs = zip(errors, self._reported, strict=True)
        return [error / len(each.ratings) * self.unit**2 for error, each in pairs]

    def _draw_users(
        self, chain: Chain, prior: Any, random: np.random.Generator
    ) -> tuple[list[Any], float, float, tuple[Any, Any] | None]:
        """Draw the users given the movies.

        Returns:
            References to the sums of the movies' equations, the sum of the expected squares of the users' scales over
            ratings, the weight of the prior of the scales, and what columns were compressed by.
        """
        engine = self._engine
        arrays = [each for kind in zip(*chain.drawn, strict=True) for each in kind]
        found = engine.all("users.draw", chain.sweep, prior, *arrays, *chain.users.link.slices)
        rights = chain.average.compress()  # while the workers draw
        weight = self._weight(found, random)
        sums = engine.all("users.draw_scales_and_sum", chain.sweep, weight, returns=1 + engine.workers)
        _, expected = total(engine.get(parts[0] for parts in sums))
        return [parts[1:] for parts in sums], float(expected), weight, rights

    def _draw_movies(self, chain: Chain, sums: list[Any], random: np.random.Generator) -> float:
        """Draw the movies given the users, and the noise; return the sum of the expected squares of their scales."""
        engine = self._engine
        found = hand_on(engine, sums, "movies.draw", chain.sweep, engine.put(self._prior(chain, chain.movies)))
        drawn = engine.all("movies.draw_scales", chain.sweep, self._weight(found, random))
        squares, expected = total(engine.get(drawn))
        chain.noise = float(random.gamma((1 + len(self._training.ratings)) / 2, 2 / (1 + squares)) ** -0.5)
        return float(expected)

    def _prior(self, chain: Chain, of: LinkedPrior) -> Prior:
        return Prior(of.mean, of.precision.astype(np.float32), chain.noise, of.link.coefficients)

    def _weight(self, log_likelihoods: list[Any], random: np.random.Generator) -> float:
        (sums,) = total(self._engine.get(log_likelihoods))
        if not np.isfinite(sums).all():
            raise TrainingError("The draws are no longer finite. Look for ratings that are far out of scale.")
        return draw_weight(sums, random)

    def factors(self, history: History) -> RatingFactors:
        """Return the posterior mean and the standard deviations, in the unit of the ratings."""
        users, movies, user_spreads, movie_spreads = made(
            self._engine, lambda: copy(self._chain.average).result(), self._again
        )
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

    Where the data are too big for draws enough, users are solved for by the rule of :mod:`embrec.models.fold_in`.

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
    started = workers.start(Worker, shard_count(training), len(training.ratings))
    with threadpool_limits(1, user_api="blas"):
        factors = _sampled(training, held_out, options, seed, on_epoch, started)
        if options.folds(len(training.ratings), training.user_count):
            return with_fold_in(factors, training, replaced=True)
        return factors


def _sampled(
    training: Ratings,
    held_out: Ratings | None,
    options: Options,
    seed: int,
    on_epoch: Callable[[Epoch], None],
    started: Engine,
) -> RatingFactors:
    """Average the draws; the workers and what they hold end before users are solved for."""
    epochs = options.epochs_for(len(training.ratings), training.user_count)
    history = History(epochs, on_epoch, "Look for ratings that are not finite, or far out of scale.")
    with started as engine:
        sampler = GibbsSampler(training, held_out, options, seed, engine)
        for _ in range(epochs):
            loss, *others = sampler.sweep()
            history.add(loss, loss**0.5, others[0] ** 0.5 if others else None)
        return sampler.factors(history)
