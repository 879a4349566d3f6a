"""The conjugate gradients of one worker's rows, for all columns at once (Hestenes, Stiefel, 1952)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec import kernels
from embrec.models.shards.tree import Branch, Share

Floats = NDArray[np.float32]


class Gradients:
    """Some rows of the system A x = target. The matrix is known by its products with directions alone.

    Args:
        target: float32 of shape (rows, columns).
        scale: The preconditioner, the inverse of the matrix's diagonal up to a factor, float32 of shape (rows,).
        share: The worker's leaves.

    Attributes:
        direction: float32 of shape (rows, columns).
        solution: The same.
        residual: The same.
        share: The leaves.
    """

    def __init__(self, target: Floats, scale: Floats, share: Share) -> None:
        self.target, self._scale, self.share = target, scale, share
        self.solution, self.residual = np.zeros_like(target), target.copy()
        self.direction = target * scale[:, np.newaxis]
        self._changed = self.direction

    def size(self) -> list[Branch]:
        """Return the squared size of the residual at the start, float64, one for each column."""
        return self.share.sums(lambda leaf, rows: (kernels.dots(self.residual[rows], self.direction[rows]),))

    def along(self, changed: Floats) -> list[Branch]:
        """Take the matrix's product with the direction, and return its dot products with the direction."""
        self._changed = changed
        return self.share.sums(lambda leaf, rows: (kernels.dots(self.direction[rows], changed[rows]),))

    def step(self, step: Floats) -> list[Branch]:
        """Go a step in the direction, and return the squared size of the residual."""

        def leaf_step(leaf: int, rows: slice) -> tuple[NDArray[np.float64]]:
            state = (each[rows] for each in (self._scale, self.solution, self.residual))
            return (kernels.cg_update(step, self.direction[rows], self._changed[rows], *state),)

        return self.share.sums(leaf_step)

    def turn(self, ratio: Floats) -> None:
        """Turn the direction."""
        kernels.cg_direction(ratio, self.residual, self._scale, self.direction)
