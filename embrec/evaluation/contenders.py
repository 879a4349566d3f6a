"""Models as contenders for :mod:`embrec.evaluation.evaluate`, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec import similarity
from embrec.evaluation.baselines import biases, popularity
from embrec.evaluation.contender import Compare, Contender, Follow, Predict, Score
from embrec.evaluation.steps import Questions
from embrec.models import registry
from embrec.models.base import FittedModel, Ratings
from embrec.models.next import model as next_step
from embrec.models.next.learned import Learned
from embrec.models.protocol import Model
from embrec.models.sequences import Sequences

BASELINES: dict[str, Callable[[], Contender]] = {"biases": biases, "popularity": popularity}


def named(name: str) -> Contender:
    """Return a contender: a baseline, or a model with its default options.

    Args:
        name: A baseline's name, or a model's as :func:`embrec.models.registry.get` takes it.

    Raises:
        ConfigError: There is no such model.
    """
    return BASELINES[name]() if name in BASELINES else of_model(registry.get(name))


def of_model(model: Model, **options: Any) -> Contender:
    """Return a model as a contender; of several parts only the one that a task needs is fitted.

    Args:
        model: The model.
        options: Options that differ from its defaults.
    """
    chosen = registry.make_options(model, options)

    def fit(training: Ratings, seed: int) -> FittedModel:
        return model.fit(training, None, chosen, seed, lambda epoch: None)

    def rate(training: Ratings, seed: int) -> Predict:
        part: Callable[..., Predict] | None = getattr(model, "rate", None)
        return part(training, chosen, seed) if part else fit(training, seed).predict

    def rank(training: Ratings, seed: int) -> Score:
        part: Callable[..., Score] | None = getattr(model, "rank", None)
        return part(training, chosen, seed) if part else fit(training, seed).score

    def compare(training: Ratings, seed: int) -> Compare:
        vectors = fit(training, seed).compared_movies
        return lambda movies: similarity.likenesses(vectors[movies])

    learns_events = getattr(model, "learns_events", False)
    return Contender(model.name, rate, rank, compare, learns_events=learns_events)


def next_model(by_keras: bool = False) -> Contender:
    """Return the model of the next step as a contender.

    It chooses on the last steps of the training part, as :func:`embrec.training.train` does on all, and so it needs no
    validation questions.

    Args:
        by_keras: Whether Keras learns one more part.
    """

    def follow(training: Sequences, validation: Questions, seed: int) -> Follow:
        options = next_step.Options()
        more = Learned(options.length, seed) if by_keras else next_step.nothing_more
        fitted = next_step.fit(training, options, seed, more)
        return lambda histories: np.stack([fitted.score(history) for history in histories])

    return Contender("embrec, learned" if by_keras else "embrec", follow=follow)


def by_cosine(vectors: NDArray[Any]) -> Compare:
    """Similarities that are cosines of vectors, (movies, dimensions)."""
    return lambda movies: similarity.cosines(vectors[movies])
