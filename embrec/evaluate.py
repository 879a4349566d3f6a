"""Splits and metrics, in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def random_split(count: int, held_out: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split positions 0 .. count - 1 at random.

    Args:
        count: Number of ratings.
        held_out: Share to hold out, more than 0 and less than 1.
        seed: The same seed gives the same split.

    Returns:
        Positions to train on and positions held out, int64, each in ascending order; neither is empty where
        there are at least two ratings.
    """
    held = min(max(round(count * held_out), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])


def rmse(predicted: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    """Root mean squared error of predicted ratings, in the ratings' unit."""
    return float(np.sqrt(np.mean(np.square(predicted.astype(np.float64) - actual))))


def mae(predicted: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    """Mean absolute error of predicted ratings, in the ratings' unit."""
    return float(np.mean(np.abs(predicted.astype(np.float64) - actual)))
