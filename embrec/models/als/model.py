"""Biased matrix factorization by block-coordinate alternating least squares (ALS).

A rating is mean + user bias + movie bias + user vector . movie vector (Koren, Bell, Volinsky, Matrix factorization
techniques for recommender systems, IEEE Computer 42(8), 2009). An epoch is a sweep: all movies' vectors and biases
given the users', then all users' given the movies'. Each is an exact ridge solution, shared by workers
(:mod:`embrec.models.als.share`). Its penalty grows with the number of ratings (Zhou, Wilkinson, Schreiber, Pan,
Large-scale parallel collaborative filtering for the Netflix Prize, AAIM 2008).
The first sweep solves only the users, given random movies or an earlier fit's movies. A few sweeps are enough. With
held-out ratings the fit stops early, when their error rises. With many ratings the first sweeps use the most active
users only: they carry most information about the movies, for a fraction of the work. The solution is set into a Keras
model (:mod:`embrec.models.recommender`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embrec.engines.protocol import Engine, Pool
from embrec.engines.threads import THREADS
from embrec.errors import TrainingError
from embrec.models import keras_import
from embrec.models.als.share import BIAS_FEATURE, Data, Penalty, Worker
from embrec.models.base import Epoch, FittedModel, FoldIn, RatingFactors, Ratings, Start
from embrec.models.history import History, sample
from embrec.models.protocol import Range, Search
from embrec.models.shards.handing import hand_on
from embrec.models.shards.layout import Layout, Rated, shard_count
from embrec.models.shards.recovery import made
from embrec.models.shards.tree import total

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
    """The conductor of the ALS solver, for standardized ratings, of mean 0 and standard deviation ``_DEVIATION``.

    If a worker is lost in a sweep, new ones begin with the movies before it, and make it again.

    Args:
        training: The ratings to learn from.
        held_out: The ratings to report the error on after each sweep, or None.
        options: Options of the fit.
        seed: Seeds the random vectors.
        engine: Workers of :class:`embrec.models.als.share.Worker`.
        start: Movies to begin with, or None for random ones.

    Attributes:
        mean: The mean of the ratings.
        unit: The unit of the standardized ratings, in the ratings' own.
    """

    def __init__(
        self,
        training: Ratings,
        held_out: Ratings | None,
        options: Options,
        seed: int,
        engine: Engine,
        start: Start | None,
    ) -> None:
        self._engine, self._options, self._seed, self._training = engine, options, seed, training
        self.mean = float(training.ratings.mean(dtype=np.float64))
        self.unit = float(training.ratings.std(dtype=np.float64)) / _DEVIATION or 1.0
        self._reported = [sample(each) for each in ([training] if held_out is None else [training, held_out])]
        # The movies before the next sweep, of shape (movies, dimensions + 1): as given, and where workers may be lost
        # as the last sweep left them.
        self._start = None if start is None else self._standardized(start)
        self._movies: list[Any] = []
        self._swept = False
        made(engine, self._begin, lambda: None)

    def _begin(self) -> None:
        """Give the workers their shares of the data, and begin with the movies before the next sweep."""
        engine, options = self._engine, self._options
        rated, *reported = (
            Rated.of(each).standardised(self.mean, self.unit) for each in (self._training, *self._reported)
        )
        layout = Layout.of(np.diff(rated.starts), self._training.movie_count)
        movie_counts = np.bincount(self._training.movies, minlength=self._training.movie_count)
        penalty = Penalty(options.penalty, options.penalty_per_rating)
        loaded = []
        for worker in range(engine.workers):
            users, movies = (each.share(worker, engine.workers).rows for each in (layout.users, layout.movies))
            data = Data(
                rated=rated.part(users),
                reported=[each.part(users) for each in reported],
                movie_counts=movie_counts[movies],
                start=None if self._start is None else self._start[movies],
            )
            loaded.append(engine.one(worker, "load", layout, data, options.dimensions, penalty, self._seed))
        engine.get(loaded)
        self._movies = engine.all("movies")

    def _again(self) -> None:
        """Bring new workers to where they were after the last sweep."""
        self._begin()
        if self._swept:
            self._engine.all("solve_users", *self._movies)

    def _standardized(self, start: Start) -> NDArray[np.float32]:
        rows = np.column_stack([start.movie_vectors / self.unit**0.5, start.movie_biases / self.unit])
        return rows.astype(np.float32)

    def sweep(self) -> list[float]:
        """Solve the movies, from the second sweep on, then the users.

        Returns:
            The mean squared error afterwards, on training and on held-out ratings, in the square of their unit.
        """
        return made(self._engine, self._sweep, self._again)

    def _sweep(self) -> list[float]:
        engine, movies = self._engine, self._movies
        if self._swept:
            sums = engine.all("movie_sums", returns=engine.workers)
            movies = hand_on(engine, sums, "solve_movies")
        engine.all("solve_users", *movies)
        errors = total(engine.get(engine.all("errors", *movies)))
        if engine.may_lose:
            self._start = np.concatenate(engine.get(engine.all("movie_results")))
        self._movies, self._swept = movies, True
        pairs = zip(errors, self._reported, strict=True)
        return [error / len(each.ratings) * self.unit**2 for error, each in pairs]

    def results(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the users' and the movies' rows, the bias last, float32, in the ratings' unit.

        A product has it if each of the two vectors has its root.
        """
        engine, sides = self._engine, ("user_results", "movie_results")
        users, movies = made(engine, lambda: [engine.get(engine.all(side)) for side in sides], self._again)
        scale = np.full(self._options.dimensions + 1, self.unit**0.5, np.float32)
        scale[-1] = self.unit
        return np.concatenate(users) * scale, np.concatenate(movies) * scale


class MatrixFactorization:
    """Matrix factorization, as :class:`embrec.models.protocol.Model` describes."""

    name = "matrix-factorization"
    options = Options
    warm_start = True
    in_shards = True
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
        workers: Pool = THREADS,
    ) -> FittedModel:
        """Fit the model.

        Args:
            training: Ratings to learn from.
            held_out: Ratings for early stopping and for choosing the best sweep; without them all sweeps are made.
            options: Options of the fit.
            seed: The same seed gives the same vectors, bit for bit, on any number of workers.
            on_epoch: Called after each sweep.
            start: Movies of an earlier fit (warm start); one or two sweeps are then enough.
            workers: Starts the workers.

        Raises:
            ConfigError: There are more workers than shards.
            TrainingError: All ratings are equal, or the loss became infinite or not a number.
        """
        factors = factorize(training, held_out, options, seed, on_epoch, start, workers)
        keras_import.wait()
        from embrec.models.recommender import recommender

        return recommender(factors, float(training.ratings.min()), float(training.ratings.max()))


def factorize(
    training: Ratings,
    held_out: Ratings | None,
    options: Options,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    start: Start | None = None,
    workers: Pool = THREADS,
) -> RatingFactors:
    """Solve for the factors.

    BLAS is limited to one thread in the whole process until the fit ends, so fits of one process must not overlap.

    Args:
        training: As in :meth:`MatrixFactorization.fit`, like the next five.
        held_out: Ratings for early stopping, or None.
        options: Options of the fit.
        seed: Seeds the random vectors.
        on_epoch: Called after each sweep.
        start: Movies of an earlier fit, or None.
        workers: Starts the workers.
    """
    if not np.isfinite(training.ratings).all():
        raise TrainingError("A rating is not finite. Look for ratings that are infinite, or not a number.")
    if np.ptp(training.ratings) == 0:
        raise TrainingError(
            f"All ratings are {training.ratings[0]:g}, and this model learns from how they differ. "
            "Load ratings that do, or train another model: embrec train"
        )

    def started() -> Engine:
        return workers.start(Worker, shard_count(training), len(training.ratings))

    with threadpool_limits(1, user_api="blas"):
        if start is None and len(training.ratings) >= _MANY_RATINGS:
            start = _warm_start(training, options, seed, started)
        with started() as engine:
            solver = AlternatingLeastSquares(training, held_out, options, seed, engine, start)
            epochs = options.epochs_for(len(training.ratings))
            keeping = None if held_out is None else solver.results
            history = History(epochs, on_epoch, "Train again with a higher --penalty.", keeping, patience=1)
            for _ in range(epochs):
                loss, *others = solver.sweep()
                if not history.add(loss, loss**0.5, others[0] ** 0.5 if others else None):
                    break
            users, movies = history.best_weights or solver.results()
    return RatingFactors(
        user_vectors=users[:, :-1],
        movie_vectors=movies[:, :-1],
        user_biases=users[:, -1],
        movie_biases=movies[:, -1],
        mean=solver.mean,
        history=history.epochs,
        kept_epoch=history.kept_epoch,
        fold_in=FoldIn(
            BIAS_FEATURE * solver.unit**0.5, options.penalty * solver.unit, options.penalty_per_rating * solver.unit
        ),
    )


def _warm_start(training: Ratings, options: Options, seed: int, started: Callable[[], Engine]) -> Start:
    """Return movies solved from the ratings of the most active users alone."""
    with started() as engine:
        solver = AlternatingLeastSquares(_most_active(training), None, options, seed, engine, None)
        for _ in range(_WARM_SWEEPS):
            solver.sweep()
        _, movies = solver.results()
    return Start(movies[:, :-1], movies[:, -1])


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
