"""The choice of the peers' options, on a split of the first training part."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import peers

from embrec import metrics, splits
from embrec.evaluation import evaluate
from embrec.evaluation.contender import Contender
from embrec.evaluation.data import EvaluationData, rating_splits

SEED = 0


def tuned(data: EvaluationData, only: str, way: str) -> Iterator[tuple[Contender, str]]:
    """Yield each peer whose name has ``only`` in it with its best options, and a text that says which.

    Args:
        data: The data. Ranking is tuned on a split of the first training part of lists, ratings on one of the first
            training part of the folds. Peers that predict ratings are left out if there are none.
        only: Part of a name.
        way: The folds of ratings, ``official`` or ``random``.
    """
    kept, _ = splits.per_user(data.interactions.users, 0.2, SEED)
    ranking = inner(data, kept)

    def ndcg(contender: Contender) -> float:
        return evaluate.rank(ranking, [contender], (100,))[0].values["NDCG@10"][0]

    for make, tries in peers.ranking(data.ratings):
        yield from best(make, tries, ndcg, only)
    if not data.ratings.differ:
        return
    kept, _ = rating_splits(data, way)[0]
    rating = inner(data, kept)
    fold = splits.random_split(len(rating.ratings.ratings), 0.2, 0)

    def accuracy(contender: Contender) -> float:
        assert contender.rate is not None
        test = rating.part(fold[1])
        predicted = contender.rate(rating.part(fold[0]), 0)(test.users, test.movies)
        limited = np.clip(np.asarray(predicted, np.float32), *data.ratings.scale)
        return -metrics.rmse(limited, test.ratings)

    for make, tries in peers.rating():
        yield from best(make, tries, accuracy, only)


def inner(data: EvaluationData, kept: np.ndarray) -> EvaluationData:
    """Return a training part as data of its own, to choose options on."""
    return replace(data, ratings=data.part(kept))


def best(
    make: Callable[..., Contender],
    tries: Sequence[tuple[Any, ...]],
    quality: Callable[[Contender], float],
    only: str,
) -> Iterator[tuple[Contender, str]]:
    """Yield the contender of the highest quality, if its name has ``only`` in it."""
    name = make(*tries[0]).name
    if only not in name:
        return
    found = {each: quality(make(*each)) for each in tries} if len(tries) > 1 else {tries[0]: 0.0}
    print(name, found, file=sys.stderr, flush=True)
    chosen = max(found, key=lambda each: found[each])
    yield make(*chosen), f"{chosen} of {len(tries)} tries"
