"""Splits for lists: what is learned from, and what each user is found to like or dislike afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import splits
from embrec.data.arrays import NO_TIME
from embrec.errors import DataError
from embrec.evaluation.data import HELD_OUT, EvaluationData
from embrec.models.base import Ratings
from embrec.models.interactions import Interactions


@dataclass(frozen=True)
class ListSplit:
    """A split for lists.

    Attributes:
        training: What is learned from.
        liked: Held-out movies that their users like or watched, bool of shape (users, movies).
        disliked: Held-out movies that their users dislike, of the same shape.
    """

    training: Ratings
    liked: scipy.sparse.csr_array
    disliked: scipy.sparse.csr_array


def at_random(data: EvaluationData, seed: int) -> ListSplit:
    """Hold out a fifth of each user's movies, rated or watched."""
    kept, held = splits.per_user(data.interactions.users, HELD_OUT, seed)
    liked, disliked = held[data.liked[held]], held[data.disliked[held]]
    return ListSplit(data.part(kept), movies_of(data, liked), movies_of(data, disliked))


def by_time(data: EvaluationData) -> ListSplit:
    """Hold out the newest fifth of all ratings and events, of the users who have older ones.

    A movie that a user watched before and again is no held-out one.

    Raises:
        DataError: A rating or an event has no time, or all have the same.
    """
    times = np.concatenate([data.rated_at, data.events.occurred_at])
    if (times == NO_TIME).any():
        raise DataError(
            f"{data.name} has ratings or events without a time; evaluate lists with --split random, or load times."
        )
    older, _ = splits.by_time(times, HELD_OUT)
    if not len(older):
        raise DataError(f"All ratings and events of {data.name} have the same time; evaluate with --split random.")
    ratings = len(data.rated_at)
    before_edge = np.zeros(len(times), bool)
    before_edge[older] = True
    training = data.part(older[older < ratings])
    # Events are weighed as if there were no newer ones.
    events = data.events.at(before_edge[ratings:]).pairs(training.users, training.movies)
    training = replace(training, events=events)
    shape = (training.user_count, training.movie_count)
    known, pairs = Interactions.of(training), data.interactions
    before = scipy.sparse.csr_array((np.ones(len(known.users), bool), (known.users, known.movies)), shape=shape)
    held = (np.diff(before.indptr) > 0)[pairs.users] & ~np.asarray(before[pairs.users, pairs.movies]).ravel()
    liked, disliked = np.flatnonzero(held & data.liked), np.flatnonzero(held & data.disliked)
    return ListSplit(training, movies_of(data, liked), movies_of(data, disliked))


def movies_of(data: EvaluationData, positions: NDArray[Any]) -> scipy.sparse.csr_array:
    """Return the movies of each user among some interactions, bool of shape (users, movies)."""
    users, movies = data.interactions.users[positions], data.interactions.movies[positions]
    shape = (data.ratings.user_count, data.ratings.movie_count)
    return scipy.sparse.csr_array((np.ones(len(users), bool), (users, movies)), shape=shape)
