"""Peers that are asked for the next step: implicit's ALS, EASE, item-kNN and V-SKNN, each with options to try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import scipy.sparse

from embrec.evaluation.contender import Contender, Follow
from embrec.evaluation.list_baselines import closed_form, nearest
from embrec.evaluation.next_baselines import best_of, decayed
from embrec.evaluation.steps import Questions
from embrec.models.sequences import Sequences

Histories = Sequence[np.ndarray]


def tuned(
    name: str, make: Callable[..., Follow], options: Sequence[tuple[Any, ...]], chosen: dict[str, str]
) -> Contender:
    """Return a peer that takes the best of several options on validation questions, and notes them in ``chosen``."""

    def fit(training: Sequences, validation: Questions, seed: int) -> Follow:
        place, found = best_of([partial(make, training, *each) for each in options], training, validation, seed)
        chosen[name] = f"{options[place]} of {len(options)} tries"
        return found

    return Contender(name, follow=fit)


def sets(histories: Histories, movie_count: int) -> scipy.sparse.csr_array:
    """Return the movies of each history without order or repeats: 1 for each, float32 of (histories, movie_count)."""
    found = decayed(histories, 1.0, movie_count)
    found.data[:] = 1
    return found


def all_sets(training: Sequences) -> scipy.sparse.csr_array:
    """Return the movies of each user."""
    return sets([training.history(user) for user in range(len(training.lengths))], training.movie_count)


def ease(training: Sequences, penalty: float) -> Follow:
    """Fit EASE in single precision."""
    weights = closed_form(all_sets(training), penalty)
    return lambda histories: sets(histories, training.movie_count) @ weights


def item_knn(training: Sequences, neighbours: int, shrinkage: float) -> Follow:
    """Fit item-based k nearest neighbours by cosine similarity of users."""
    near = nearest(all_sets(training), neighbours, shrinkage)
    return lambda histories: (sets(histories, training.movie_count) @ near).toarray()


def implicit_als(training: Sequences, factors: int, regularization: float, alpha: float) -> Follow:
    """Fit implicit's alternating least squares; a history's vector is solved for as that of a new user."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors, regularization=regularization, alpha=alpha, iterations=15, random_state=0, num_threads=1
    )
    model.fit(scipy.sparse.csr_matrix(all_sets(training)), show_progress=False)

    def score(histories: Histories) -> np.ndarray:
        rows = scipy.sparse.csr_matrix(sets(histories, training.movie_count))
        return model.recalculate_user(np.arange(len(histories)), rows) @ model.item_factors.T

    return score


def v_sknn(training: Sequences, neighbours: int) -> Follow:
    """Fit V-SKNN, the session-based nearest neighbours of Ludewig and Jannach (UMUAI 2018); a user is a session.

    A movie of the history weighs by its place, the newest 1 and the others linearly less. The similarity of a session
    is the sum of the weights of the movies that both have. A movie's score is the sum of the similarities of the
    nearest sessions that have it, each divided by the age, from 1, of the newest movie that both have.
    """
    users = all_sets(training)
    having = users.tocsc()

    def one(history: np.ndarray) -> np.ndarray:
        newest = history[::-1]
        _, first = np.unique(newest, return_index=True)
        distinct = newest[np.sort(first)]
        weights = 1 - np.arange(len(distinct)) / len(distinct)
        parts = [having.indices[having.indptr[movie] : having.indptr[movie + 1]] for movie in distinct]
        counts = [len(part) for part in parts]
        sessions, place = np.unique(np.concatenate(parts), return_inverse=True)
        similarity = np.bincount(place, np.repeat(weights, counts), len(sessions))
        age = np.full(len(sessions), len(distinct))
        np.minimum.at(age, place, np.repeat(np.arange(len(distinct)), counts))
        nearest = np.argsort(-similarity, kind="stable")[:neighbours]
        found = users[sessions[nearest]]
        scale = np.repeat(similarity[nearest] / (age[nearest] + 1), np.diff(found.indptr))
        return np.bincount(found.indices, scale, training.movie_count)

    return lambda histories: np.stack([one(history) for history in histories]).astype(np.float32)


def everybody(chosen: dict[str, str]) -> list[Contender]:
    """Return the peers that are fitted without Keras."""
    return [
        tuned("item-kNN", item_knn, list(product((20, 100, 300), (0.0, 20.0))), chosen),
        tuned("EASE", ease, [(penalty,) for penalty in (20.0, 50.0, 200.0, 800.0)], chosen),
        tuned("implicit ALS", implicit_als, list(product((64, 128, 256), (1.0, 10.0), (2.0, 8.0))), chosen),
        tuned("V-SKNN", v_sknn, [(20,), (50,), (100,), (500,)], chosen),
    ]
