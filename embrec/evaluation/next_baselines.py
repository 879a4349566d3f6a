"""Contenders for the next step that count and learn no vectors; every model should beat them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.evaluation.contender import Contender, Follow
from embrec.evaluation.next_steps import popularity, quality
from embrec.evaluation.steps import Questions
from embrec.models.next.lags import transitions
from embrec.models.sequences import Sequences

_WEEK = 7.0
# Rules connect a step with the 10 steps after it, weighted by one over the distance.
_BY_DISTANCE = (1 / np.arange(1, 11)).astype(np.float32)
_DECAYS = (0.2, 0.5, 0.8)
# Options are chosen on at most 2,000 users: more change the choice little.
_VALIDATED = 2_000


def popular() -> Contender:
    """Return the movies with the most steps, the same list for all."""
    return Contender("popularity", follow=lambda training, validation, seed: same_for_all(popularity(training)))


def popular_lately() -> Contender:
    """Return the movies with the most steps in the last seven days that are known."""

    def fit(training: Sequences, validation: Questions, seed: int) -> Follow:
        known = validation.histories.days
        end = known[~np.isnan(known)].max(initial=-np.inf)
        late = training.movies[training.days > end - _WEEK]
        return same_for_all(np.bincount(late, minlength=training.movie_count))

    return Contender("popularity, 7 days", follow=fit)


def same_for_all(values: NDArray[np.int64]) -> Follow:
    """Return scores that do not depend on the history, of shape (movie_count,)."""
    return lambda histories: np.tile(values.astype(np.float32), (len(histories), 1))


def markov() -> Contender:
    """Return a Markov chain of the first order: the movies that most often came right after the newest one."""

    def fit(training: Sequences, validation: Questions, seed: int) -> Follow:
        return by_rows(transitions(training, _BY_DISTANCE[:1]), 0.0)

    return Contender("Markov", follow=fit)


def rules() -> Contender:
    """Return sequential rules (Kamehkhosh et al., 2017), summed over the history with a decay.

    The weight of a rule is the sum, over its transitions, of one over the distance in steps. It is divided by the sum
    over all rules of its movie. The decay is chosen on the validation questions.
    """

    def fit(training: Sequences, validation: Questions, seed: int) -> Follow:
        weights = transitions(training, _BY_DISTANCE)
        totals = np.maximum(weights.sum(axis=1), 1.0)
        shares = scipy.sparse.csr_array(scipy.sparse.diags_array(1 / totals).astype(np.float32) @ weights)
        tries = [functools.partial(by_rows, shares, decay) for decay in _DECAYS]
        return best_of(tries, training, validation, seed)[1]

    return Contender("rules", follow=fit)


def baselines(sequences: Sequences) -> list[Contender]:
    """Return the contenders that stand beside every model; the last days' popularity only if any step has a time."""
    timed = not np.isnan(sequences.days).all()
    return [popular(), *([popular_lately()] if timed else []), markov(), rules()]


def best_of(
    tries: Sequence[Callable[[], Follow]], training: Sequences, validation: Questions, seed: int
) -> tuple[int, Follow]:
    """Return the scores with the highest NDCG@10 on validation questions, and their place; the first of equal ones.

    Args:
        tries: Functions that learn from the training steps. One result beside the best is in memory at a time.
        training: The steps to learn from, whose popularity breaks ties.
        validation: The questions, of which at most 2,000 are asked.
        seed: Seed of their choice.
    """
    asked, ties = validation.sample(_VALIDATED, seed), popularity(training)
    best, reached, found = 0, -1.0, tries[0]()
    if len(asked.users) and len(tries) > 1:
        for place, make in enumerate(tries):
            made = found if place == 0 else make()
            if (value := quality(made, asked, ties)) > reached:
                best, reached, found = place, value, made
    return best, found


def by_rows(rows: scipy.sparse.csr_array, decay: float) -> Follow:
    """Return scores that sum the rows of a history's movies, weighted by ``decay ** age``; 0 takes the newest alone."""
    return lambda histories: (decayed(histories, decay, rows.shape[0]) @ rows).toarray()


def decayed(histories: Sequence[NDArray[np.int32]], decay: float, movie_count: int) -> scipy.sparse.csr_array:
    """Return the sum of ``decay ** age`` for each movie of each history, float32 of shape (histories, movie_count)."""
    lengths = np.array([len(each) for each in histories])
    movies = np.concatenate([np.empty(0, np.int32), *histories])
    ages = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(len(movies))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    weights = np.power(decay, ages).astype(np.float32)
    found = scipy.sparse.csr_array((weights, movies, starts), shape=(len(histories), movie_count))
    found.sum_duplicates()
    return found
