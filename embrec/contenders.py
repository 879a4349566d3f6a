"""embrec's models, and two baselines that every model should beat, as contenders for :mod:`embrec.evaluate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec import metrics
from embrec.evaluate import Compare, Contender, Predict, Score
from embrec.models import FittedModel, Ratings, autoencoder, bayesian, matrix_factorization, outer_product
from embrec.models import two_part as two_part_model

# Ratings that a mean is drawn towards the overall mean by, so that few ratings do not make an extreme bias.
_BIAS_RATINGS = 10.0


def two_part(draws: int | None = None) -> Contender:
    """The default model; of its parts only those are fitted that a task is about."""

    def rank(training: Ratings, seed: int) -> Score:
        return autoencoder.fit(training, autoencoder.Options(), seed).score

    def rate(training: Ratings, seed: int) -> Predict:
        return bayesian.fit(training, None, bayesian.Options(draws=draws), seed).predict

    def compare(training: Ratings, seed: int) -> Compare:
        fitted = two_part_model.fit(training, None, two_part_model.Options(draws=draws), seed)
        return by_cosine(fitted.preference.similarity) if fitted.preference else by_cosine(fitted.movie_vectors)

    return Contender("two-part", rate, rank, compare)


def one_part(name: str, module: Any) -> Contender:
    """A model of one part, by its module: it ranks by predicted ratings."""

    def fit(training: Ratings, seed: int) -> FittedModel:
        fitted: FittedModel = module.fit(training, None, module.Options(), seed)
        return fitted

    def rank(training: Ratings, seed: int) -> Score:
        return by_prediction(fit(training, seed).predict, training.movie_count)

    return Contender(
        name,
        lambda training, seed: fit(training, seed).predict,
        rank,
        lambda training, seed: by_cosine(fit(training, seed).movie_vectors),
    )


def by_cosine(vectors: NDArray[Any]) -> Compare:
    """Similarities that are cosines of vectors, (movies, dimensions)."""
    return lambda movies: metrics.cosines(vectors[movies])


def by_prediction(predict: Predict, movie_count: int) -> Score:
    """Scores that are predicted ratings."""

    def score(users: NDArray[np.int32]) -> NDArray[Any]:
        movies = np.tile(np.arange(movie_count, dtype=np.int32), len(users))
        return predict(np.repeat(users, movie_count), movies).reshape(len(users), movie_count)

    return score


def biases() -> Contender:
    """The mean, and how much movies and users differ from it: no vectors."""

    def rate(training: Ratings, seed: int) -> Predict:
        mean = training.ratings.mean(dtype=np.float64)
        left = training.ratings - mean
        of_movies = _damped(training.movies, left, training.movie_count)
        of_users = _damped(training.users, left - of_movies[training.movies], training.user_count)
        return lambda users, movies: mean + of_users[users] + of_movies[movies]

    def rank(training: Ratings, seed: int) -> Score:
        return by_prediction(rate(training, seed), training.movie_count)

    return Contender("biases", rate, rank)


def _damped(rows: NDArray[np.int32], values: NDArray[Any], count: int) -> NDArray[np.float64]:
    sums = np.bincount(rows, values, minlength=count)
    return np.asarray(sums / (np.bincount(rows, minlength=count) + _BIAS_RATINGS))


def popularity() -> Contender:
    """The same list for everybody: what most users rated."""

    def rank(training: Ratings, seed: int) -> Score:
        counts = np.bincount(training.movies, minlength=training.movie_count)
        return lambda users: np.tile(counts, (len(users), 1))

    return Contender("popularity", rank=rank)


CONTENDERS: dict[str, Callable[[], Contender]] = {
    "two-part": two_part,
    "matrix-factorization": lambda: one_part("matrix-factorization", matrix_factorization),
    "outer-product": lambda: one_part("outer-product", outer_product),
    "biases": biases,
    "popularity": popularity,
}
BASELINES = ("biases", "popularity")
