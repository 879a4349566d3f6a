"""embrec's models as contenders for :mod:`embrec.evaluation.evaluate`, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from embrec import similarity
from embrec.evaluation.baselines import biases, by_prediction, popularity
from embrec.evaluation.contender import Compare, Contender, Predict, Score
from embrec.models import hybrid as two_part_model
from embrec.models import outer_product
from embrec.models.als import model as als
from embrec.models.base import FittedModel, Ratings
from embrec.models.bayesian import gibbs
from embrec.models.ease import model as ease


def two_part(draws: int | None = None) -> Contender:
    """The default model; of its parts only those are fitted that a task is about."""

    def rank(training: Ratings, seed: int) -> Score:
        return ease.fit(training, ease.Options(), seed).score

    def rate(training: Ratings, seed: int) -> Predict:
        return gibbs.fit(training, None, gibbs.Options(draws=draws), seed).predict

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
    return lambda movies: similarity.cosines(vectors[movies])


CONTENDERS: dict[str, Callable[[], Contender]] = {
    "two-part": two_part,
    "matrix-factorization": lambda: one_part("matrix-factorization", als),
    "outer-product": lambda: one_part("outer-product", outer_product),
    "biases": biases,
    "popularity": popularity,
}
BASELINES = ("biases", "popularity")
