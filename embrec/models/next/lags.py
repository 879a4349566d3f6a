"""Pairs of steps of the same history, by the distance between them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.sequences import Sequences


class Pairs(NamedTuple):
    """Pairs of steps that are equally far apart, n of them.

    Attributes:
        earlier: The movie of the earlier step, int32 of shape (n,).
        later: The movie of the later one, int32 of shape (n,).
        places: The position of the later step among all steps, int64 of shape (n,).
    """

    earlier: NDArray[np.int32]
    later: NDArray[np.int32]
    places: NDArray[np.int64]


def newest(sequences: Sequences, most: int) -> Sequences:
    """Return the newest steps of each user, as many for each as keep the total at or below ``most``.

    Users with fewer steps keep all. The total exceeds ``most`` only if there are more users, who keep one step each.
    """
    lengths = sequences.lengths
    if lengths.sum() <= most:
        return sequences
    low, high = 1, int(lengths.max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(lengths, middle).sum() <= most else (low, middle - 1)
    kept = np.minimum(lengths, low)
    chosen = steps_left(sequences) < np.repeat(kept, lengths)
    starts = np.concatenate([[0], np.cumsum(kept)])
    return Sequences(starts, sequences.movies[chosen], sequences.days[chosen], sequences.movie_count)


def steps_before(sequences: Sequences) -> NDArray[np.int64]:
    """Return the number of steps before each step in its history, int64 of shape (n,)."""
    return np.arange(len(sequences.movies)) - np.repeat(sequences.starts[:-1], sequences.lengths)


def steps_left(sequences: Sequences) -> NDArray[np.int64]:
    """Return the number of steps after each step in its history, int64 of shape (n,)."""
    return np.repeat(sequences.starts[1:], sequences.lengths) - 1 - np.arange(len(sequences.movies))


def pairs(sequences: Sequences, before: NDArray[np.int64], distance: int) -> Pairs:
    """Return the pairs of steps at a distance; at distance 0 each step is paired with itself.

    Args:
        sequences: The histories.
        before: What :func:`steps_before` returns of them.
        distance: The distance, in steps.
    """
    places = np.flatnonzero(before >= distance)
    return Pairs(sequences.movies[places - distance], sequences.movies[places], places)


def transitions(sequences: Sequences, weights: NDArray[np.floating[Any]]) -> scipy.sparse.csr_array:
    """Sum up the transitions from each movie to each that came after it; a movie after itself is one too.

    Args:
        sequences: The histories.
        weights: What a transition counts by the distance of its steps, from 1 on, of shape (distances,).

    Returns:
        Of shape (movie_count, movie_count) and the weights' dtype, a row for each earlier movie.
    """
    shape, before = (sequences.movie_count,) * 2, steps_before(sequences)
    total = scipy.sparse.csr_array(shape, dtype=weights.dtype)
    for distance, weight in enumerate(weights, start=1):
        found = pairs(sequences, before, distance)
        values = np.full(len(found.later), weight)
        total = total + scipy.sparse.csr_array((values, (found.earlier, found.later)), shape=shape)
    return scipy.sparse.csr_array(total)
