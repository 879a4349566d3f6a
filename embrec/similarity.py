"""Cosine similarity of rows of a matrix, and the nearest rows by it; numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec.metrics import top

# Scores or similarities at a time, 32 MB of them.
_AT_ONCE = 1 << 23


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row made of length one; one of no length stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny))


def cosines(vectors: NDArray[Any]) -> NDArray[Any]:
    """The cosine of each row with each, of shape (rows, rows)."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    return np.asarray(unit @ unit.T)


def nearest(similarity: NDArray[Any], n: int) -> NDArray[np.int64]:
    """The n columns most similar to each row, never the row itself, nearest first: int64 of shape (rows, n)."""
    others = np.array(similarity, np.float64)
    np.fill_diagonal(others, -np.inf)
    return top(others, min(n, len(others) - 1))


def blocks(rows: NDArray[Any], width: int) -> list[NDArray[Any]]:
    """The rows, in their order, as many at once as a matrix of them by ``width`` columns should have."""
    at_once = max(_AT_ONCE // max(width, 1), 1)
    return [rows[begin : begin + at_once] for begin in range(0, len(rows), at_once)]


def nearest_rows(
    vectors: NDArray[np.float32], asked: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The n rows nearest to some rows by cosine, never the row itself; the matrix of all cosines is never made.

    Args:
        vectors: float32 of shape (rows, dimensions).
        asked: int64 of shape (m,).
        n: How many; all others where there are fewer.

    Returns:
        Rows, int64 of shape (m, n), nearest first, and their cosines, float64 of the same shape.
    """
    units = unit(vectors)
    n = min(n, len(vectors) - 1)
    if n < 1 or not len(asked):
        return np.empty((len(asked), 0), np.int64), np.empty((len(asked), 0))
    rows, near = [], []
    for block in blocks(asked, len(vectors)):
        similarity = units[block] @ units.T
        similarity[np.arange(len(block)), block] = -np.inf
        rows.append(top(similarity, n))
        near.append(np.take_along_axis(similarity, rows[-1], 1).astype(np.float64))
    return np.concatenate(rows), np.concatenate(near)
