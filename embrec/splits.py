"""Train-test splits and cross-validation folds of ratings, as ascending positions (int64)."""

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
        seed: Random seed; the same seed gives the same split.

    Returns:
        Training positions and held-out positions; neither is empty if there are at least two ratings.
    """
    held = min(max(round(count * held_out), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])


def blocks(count: int, folds: int) -> Iterator[Split]:
    """Yield folds that are consecutive blocks of the file, such as the official folds of MovieLens 100K."""
    yield from _folds(np.arange(count), folds)


def random_folds(count: int, folds: int, seed: int) -> Iterator[Split]:
    """Yield random folds, each held out once."""
    yield from _folds(np.random.default_rng(seed).permutation(count), folds)


def _folds(order: NDArray[np.int64], folds: int) -> Iterator[Split]:
    edges = np.linspace(0, len(order), folds + 1).round().astype(int)
    for begin, end in itertools.pairwise(edges):
        yield np.sort(np.concatenate([order[:begin], order[end:]])), np.sort(order[begin:end])


def by_time(rated_at: NDArray[np.int64], held_out: float) -> Split:
    """Hold out the newest share; ratings with the same timestamp as the oldest held out are held out too."""
    edge = np.sort(rated_at)[-max(round(held_out * len(rated_at)), 1)]
    held = rated_at >= edge
    return np.flatnonzero(~held), np.flatnonzero(held)


def per_user(users: NDArray[np.int32], held_out: float, seed: int) -> Split:
    """Hold out a random share of every user's ratings, rounded to a whole number."""
    order = np.random.default_rng(seed).permutation(len(users))
    order = order[np.argsort(users[order], kind="stable")]
    counts = np.bincount(users)
    within = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.zeros(len(users), bool)
    held[order] = within < np.repeat(np.rint(held_out * counts), counts)
    return np.flatnonzero(~held), np.flatnonzero(held)


def half_of_users(users: NDArray[np.int32], user_count: int, seed: int) -> Split:
    """Split by user: the ratings of a random half of the users, and those of the others."""
    first = np.zeros(user_count, bool)
    first[np.random.default_rng(seed).permutation(user_count)[: user_count // 2]] = True
    return np.flatnonzero(first[users]), np.flatnonzero(~first[users])
