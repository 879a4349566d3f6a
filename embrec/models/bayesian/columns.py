"""A worker's columns of posterior draws, of which the mean of their product is made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec.models.shards.tree import Branch, Share, Terms

Floats = NDArray[np.float32]


class Columns:
    """The columns of some rows of one side, kept leaf by leaf.

    Args:
        share: The worker's leaves.
    """

    def __init__(self, share: Share) -> None:
        self._share = share
        self._pieces: list[list[Floats]] = [[] for _ in share.spans]

    def add(self, vectors: Floats) -> None:
        """Add a draw's columns, float32 of shape (rows, width)."""
        for pieces, rows in zip(self._pieces, self._share.spans, strict=True):
            pieces.append(vectors[rows].copy())

    def gram(self) -> list[Branch]:
        """Return the columns' inner products, float64."""

        def terms(leaf: int, rows: slice) -> Terms:
            columns = self._joined(leaf - self._share.leaves.start).astype(np.float64)
            return (columns.T @ columns,)

        return self._share.sums(terms)

    def turn(self, right: Floats) -> None:
        """Multiply the columns by a matrix, float32 of shape (columns, new columns)."""
        for place in range(len(self._pieces)):
            self._pieces[place] = [self._joined(place) @ right]

    def values(self) -> Floats:
        """Return all columns, float32 of shape (rows, columns)."""
        pieces = [self._joined(place) for place in range(len(self._pieces))]
        return np.concatenate(pieces) if pieces else np.empty((0, 0), np.float32)

    def _joined(self, place: int) -> Floats:
        pieces = self._pieces[place]
        if len(pieces) > 1:
            pieces[:] = [np.concatenate(pieces, axis=1)]
        return pieces[0]
