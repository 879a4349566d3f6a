"""Ways to split ratings into a part to learn from and a part to test on; all give positions, int64, ascending."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Split = tuple[NDArray[np.int64], NDArray[np.int64]]


def random_split(count: int, held_out: float, seed: int) -> Split:
    """Split positions 0 .. count - 1 at random.

    Args:
        count: Number of ratings.
        held_out: Share to hold out, more than 0 and less than 1.
        seed: The same seed gives the same split.

    Returns:
        Positions to train on and positions held out; neither is empty where there are at least two ratings.
    """
    held = min(max(round(count * held_out), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])


def blocks(count: int, folds: int) -> Iterator[Split]:
    """Consecutive blocks in the order of the file, each held out once: the official folds of MovieLens 100K."""
    yield from _folds(np.arange(count), folds)


def random_folds(count: int, folds: int, seed: int) -> Iterator[Split]:
    """Folds at random, each held out once."""
    yield from _folds(np.random.default_rng(seed).permutation(count), folds)


def _folds(order: NDArray[np.int64], folds: int) -> Iterator[Split]:
    edges = np.linspace(0, len(order), folds + 1).round().astype(int)
    for begin, end in itertools.pairwise(edges):
        yield np.sort(np.concatenate([order[:begin], order[end:]])), np.sort(order[begin:end])


def by_time(rated_at: NDArray[np.int64], held_out: float) -> Split:
    """Hold the newest share out; at the edge, ratings of one time stay together in the held-out part."""
    edge = np.sort(rated_at)[-max(round(held_out * len(rated_at)), 1)]
    held = rated_at >= edge
    return np.flatnonzero(~held), np.flatnonzero(held)


def per_user(users: NDArray[np.int32], held_out: float, seed: int) -> Split:
    """Hold a share of every user's ratings out, rounded, at random."""
    order = np.random.default_rng(seed).permutation(len(users))
    order = order[np.argsort(users[order], kind="stable")]
    counts = np.bincount(users)
    within = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.zeros(len(users), bool)
    held[order] = within < np.repeat(np.rint(held_out * counts), counts)
    return np.flatnonzero(~held), np.flatnonzero(held)


def half_of_users(users: NDArray[np.int32], user_count: int, seed: int) -> Split:
    """The ratings of a random half of the users, and those of the others."""
    first = np.zeros(user_count, bool)
    first[np.random.default_rng(seed).permutation(user_count)[: user_count // 2]] = True
    return np.flatnonzero(first[users]), np.flatnonzero(~first[users])
