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
        self.share = share
        self._pieces: list[list[Floats]] = [[] for _ in share.spans]

    def add(self, vectors: Floats) -> None:
        """Add a draw's columns, float32 of shape (rows, width)."""
        for pieces, rows in zip(self._pieces, self.share.spans, strict=True):
            pieces.append(vectors[rows].copy())

    def gram(self) -> list[Branch]:
        """Return the columns' inner products, float64."""

        def terms(leaf: int, rows: slice) -> Terms:
            columns = self._joined(leaf - self.share.leaves.start).astype(np.float64)
            return (columns.T @ columns,)

        return self.share.sums(terms)

    def turn(self, right: Floats) -> None:
        """Multiply the columns by a matrix, float32 of shape (columns, new columns)."""
        for place in range(len(self._pieces)):
            self._pieces[place] = [self._joined(place) @ right]

    def move(self, scale: np.float32, into: Floats) -> None:
        """Move the columns, times a scale, into the first ones of an array, float32 of shape (rows, any)."""
        for place, rows in enumerate(self.share.spans):
            found = self._joined(place)
            np.multiply(found, scale, out=into[rows, : found.shape[1]])
            self._pieces[place] = []

    def _joined(self, place: int) -> Floats:
        pieces = self._pieces[place]
        if len(pieces) > 1:
            pieces[:] = [np.concatenate(pieces, axis=1)]
        return pieces[0]
