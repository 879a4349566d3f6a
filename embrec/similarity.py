"""Cosine similarity of the rows of a matrix, and exact nearest neighbours by it; numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec.metrics import top

# At most 8 million similarities at a time: 32 MB in single precision.
_AT_ONCE = 1 << 23
# A vector shorter than a millionth of the root mean square length is rounding noise. The median would not do: more than
# half of the vectors may be noise.
_LEAST_SHARE = 1e-6
# pgvector multiplies in single precision, and refuses products that vanish, as a regression on shorter vectors has.
_LEAST_LENGTH = 1e-6


def least_length(vectors: NDArray[Any]) -> float:
    """Return the length below which a row is no vector: rounding noise, or too short for single precision."""
    squares = np.einsum("nd,nd->n", vectors, vectors)
    typical = np.sqrt(squares.mean(dtype=np.float64)) if len(squares) else 0.0
    return float(max(_LEAST_SHARE * typical, _LEAST_LENGTH))


def has_length(vectors: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows are as long as :func:`least_length` of all at least, bool of shape (rows,)."""
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", vectors, vectors)) >= least_length(vectors))


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalize each row to length one; a row of zeros stays as it is, and one that is not finite becomes NaN."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny))


def cosines(vectors: NDArray[Any]) -> NDArray[Any]:
    """Return the cosine similarity of all pairs of rows, of shape (rows, rows)."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    return np.asarray(unit @ unit.T)


def likenesses(vectors: NDArray[Any]) -> NDArray[Any]:
    """Return the cosine of each pair of rows times the length of the second, of shape (rows, rows)."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    return np.asarray((vectors / lengths) @ vectors.T)


def nearest(similarity: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Return the n columns most similar to each row except itself, nearest first: int64 of shape (rows, n)."""
    others = np.array(similarity, np.float64)
    np.fill_diagonal(others, -np.inf)
    return top(others, min(n, len(others) - 1))


def blocks(rows: NDArray[Any], width: int) -> list[NDArray[Any]]:
    """Split rows into blocks, in order, so that a matrix of a block by ``width`` columns fits the memory limit."""
    at_once = max(_AT_ONCE // max(width, 1), 1)
    return [rows[begin : begin + at_once] for begin in range(0, len(rows), at_once)]


def nearest_rows(
    vectors: NDArray[np.float32], asked: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the n nearest neighbours of some rows, by cosine times the neighbour's length, never the row itself.

    Of vectors of length 1 it is the cosine. Rows are compared block by block, so the full matrix is never in memory.

    Args:
        vectors: Vectors to search, float32 of shape (rows, dimensions).
        asked: Rows whose neighbours are wanted, int64 of shape (m,).
        n: Number of neighbours; all other rows if there are fewer.

    Returns:
        Neighbours, int64 of shape (m, n), nearest first, and their similarities, float64 of the same shape.
    """
    units = unit(vectors)
    n = min(n, len(vectors) - 1)
    if n < 1 or not len(asked):
        return np.empty((len(asked), 0), np.int64), np.empty((len(asked), 0))
    rows, near = [], []
    for block in blocks(asked, len(vectors)):
        similarity = units[block] @ vectors.T
        similarity[np.arange(len(block)), block] = -np.inf
        rows.append(top(similarity, n))
        near.append(np.take_along_axis(similarity, rows[-1], 1).astype(np.float64))
    return np.concatenate(rows), np.concatenate(near)
