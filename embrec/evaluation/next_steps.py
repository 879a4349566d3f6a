"""The evaluation of what comes next: the rank of the step that came, among all movies (full ranking)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec import metrics
from embrec.errors import DataError
from embrec.evaluation.contender import Contender, Follow
from embrec.evaluation.outcome import Outcome, Progress, counting, quiet
from embrec.evaluation.steps import SPLITS, Questions
from embrec.models.sequences import Sequences

LIST, LONG_LIST = 10, 20
# At most 20,000 users are asked about: more take longer and change the means little.
USERS_ASKED = 20_000
# Scores are computed for as many histories at once as need 80 MB in single precision.
_SCORES_AT_ONCE = 20_000_000


def follow(
    sequences: Sequences,
    contenders: Sequence[Contender],
    way: str,
    repeats: bool = False,
    progress: Progress = quiet,
) -> list[Outcome]:
    """Rank all movies as the next step of histories.

    Movies of the history are left out of the list unless ``repeats`` is True; steps that repeat one are then asked for
    too. Equal scores are ranked by popularity, as SQL does; of equally popular movies half count as before the target.
    Coverage is the share of all movies that are in any list of ten.

    Args:
        sequences: All histories.
        contenders: The models; those that do not follow histories are left out.
        way: ``leave-last-out`` or ``time``, as in :mod:`embrec.evaluation.steps`.
        repeats: True if a movie of the history may come next.
        progress: Told which contender is next.

    Raises:
        DataError: There is no user to ask about, or a score is not a number.
    """
    split = SPLITS[way](sequences, repeats)
    test = split.test.sample(USERS_ASKED, 0)
    facts = {**split.facts, "users": len(test.users)}
    task = f"next, {way}"
    followers = [(each.name, each.follow) for each in contenders if each.follow]
    begin = counting(progress, task, len(followers))
    outcomes = []
    for name, fit in followers:
        begin(name)
        outcomes.append(Outcome(task, name, facts=facts))
        outcomes[-1].add(**measure(fit(split.training, split.validation, 0), test, popularity(split.training)))
    return outcomes


def popularity(sequences: Sequences) -> NDArray[np.int64]:
    """Return the number of steps of each movie, int64 of shape (movie_count,)."""
    return np.bincount(sequences.movies, minlength=sequences.movie_count)


def measure(score: Follow, questions: Questions, ties: NDArray[np.int64]) -> dict[str, float]:
    """Return the metrics of the answers to some questions, by name.

    Args:
        score: A contender that has learned.
        questions: The questions.
        ties: Popularity of each movie, which equal scores are ranked by.
    """
    order = np.argsort(-ties, kind="stable")
    recommended = np.zeros(len(ties), bool)
    found: dict[str, list[NDArray[np.float64]]] = {}
    for scores, repeated, targets in _answers(score, questions):
        ranks = metrics.expected_ranks(scores, targets, ties)
        lists = order[metrics.top(scores[:, order], LIST)]
        shown = np.isfinite(np.take_along_axis(scores, lists, 1))
        recommended[lists[shown]] = True
        values = metrics.of_ranks(ranks, LIST, LONG_LIST)
        if questions.repeats:
            values[f"repeats@{LIST}"] = (np.take_along_axis(repeated, lists, 1) & shown).mean(axis=1)
        for name, each in values.items():
            found.setdefault(name, []).append(each)
    means: dict[str, Any] = {name: float(np.concatenate(each).mean()) for name, each in found.items()}
    return {**means, "coverage": float(recommended.mean())}


def quality(score: Follow, questions: Questions, ties: NDArray[np.int64]) -> float:
    """Return NDCG@10 alone, to choose by; arguments are as of :func:`measure`."""
    ranks = [metrics.expected_ranks(scores, targets, ties) for scores, _, targets in _answers(score, questions)]
    return float(metrics.of_ranks(np.concatenate(ranks), LIST, LIST)[f"NDCG@{LIST}"].mean())


def _answers(
    score: Follow, questions: Questions
) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.int32]]]:
    """Yield the scores of some questions at a time, the movies of their histories, and their targets.

    Scores and movies are of shape (questions, movie_count). A movie that may not be recommended has the score -inf.
    """
    size = max(1, _SCORES_AT_ONCE // questions.histories.movie_count)
    for begin in range(0, len(questions.users), size):
        block = range(begin, min(begin + size, len(questions.users)))
        histories = [questions.history(each) for each in block]
        scores = np.array(score(histories))
        if np.isnan(scores).any():
            raise DataError("A model scored a movie with a value that is not a number, so it cannot be measured.")
        repeated = np.zeros(scores.shape, bool)
        rows = np.repeat(np.arange(len(histories)), [len(each) for each in histories])
        repeated[rows, np.concatenate(histories)] = True
        if not questions.repeats:
            scores[repeated] = -np.inf
        yield scores, repeated, questions.targets[block.start : block.stop]
