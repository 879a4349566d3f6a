"""Users' ranking vectors, from ratings and events as they are now: no run stores them.

A user's vector is the weighted sum of the item profiles of the movies rated or watched, which the SQL function
preference_vector computes too.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from embrec.data.extraction import RatingArrays
from embrec.models.interactions import Interactions, signed
from embrec.runs.embeddings import Vectors
from embrec.runs.records import ModelRun

# Users whose movies' profiles are gathered at a time: 4,096 with 100 movies each take 100 MB.
_USERS = 1 << 12


def interactions(arrays: RatingArrays) -> Interactions:
    """Return what each user rated or watched, sorted by user; events are as old as they are now."""
    events = arrays.event_pairs(time.time_ns() // 1_000)
    if events is None:
        return Interactions(arrays.users, arrays.movies, arrays.ratings, None)
    found = Interactions.beside(arrays.users, arrays.movies, arrays.ratings, events)
    return found.at(np.argsort(found.users, kind="stable"))


def of_users(run: ModelRun, arrays: RatingArrays, profiles: Vectors) -> Callable[[slice], NDArray[np.float32]]:
    """Return a function from a slice of the extracted users to their ranking vectors.

    Args:
        run: A run with a ranking model.
        arrays: The extracted ratings and events.
        profiles: The run's item profiles.

    Returns:
        The function; its result is float32 of shape (users, dimensions). A user who likes no movie that has a profile,
        or whose vector is rounding noise, has NaN.
    """
    place, pairs = positions(arrays.movie_indexes, profiles.indexes), interactions(arrays)

    def vectors(block: slice) -> NDArray[np.float32]:
        mine, starts = of_block(pairs, block)
        position = place[mine.movies]
        weight = signed(run.weighting, mine.ratings, mine.interests)
        weight = np.where(position >= 0, weight, 0.0).astype(np.float32)
        sums = np.add.reduceat(profiles.vectors[position] * weight[:, np.newaxis], starts, axis=0)
        sums[~np.logical_or.reduceat(weight > 0, starts)] = np.nan
        return without_noise(sums, run)

    return vectors


def of_all_users(run: ModelRun, arrays: RatingArrays, profiles: Vectors) -> NDArray[np.float32]:
    """Return the ranking vectors of all extracted users, as :func:`of_users` finds them."""
    count, users = len(arrays.user_indexes), of_users(run, arrays, profiles)
    return np.concatenate([users(slice(begin, min(begin + _USERS, count))) for begin in range(0, count, _USERS)])


def without_noise(users: NDArray[np.float32], run: ModelRun) -> NDArray[np.float32]:
    """Return user vectors with NaN in place of those that are too short to rank by."""
    users[np.linalg.norm(users, axis=1) < (run.least_length or 0.0)] = np.nan
    return users


def positions(wanted: NDArray[np.int32], indexes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the position of each wanted index in ``indexes``, or -1 if it is absent.

    Args:
        wanted: Indexes to look up, of any shape.
        indexes: Ascending indexes.

    Returns:
        int64 of the shape of ``wanted``.
    """
    if not len(indexes):
        return np.full(wanted.shape, -1)
    place = np.searchsorted(indexes, wanted).clip(0, len(indexes) - 1)
    return np.where(indexes[place] == wanted, place, -1)


def of_block(pairs: Interactions, block: slice) -> tuple[Interactions, NDArray[np.int64]]:
    """Return the interactions of a block of users, each of whom has some, and the offset of each user's first one."""
    starts = np.searchsorted(pairs.users, np.arange(block.start, block.stop + 1))
    return pairs.at(slice(int(starts[0]), int(starts[-1]))), starts[:-1] - starts[0]
