"""A worker's share of one side, users or movies: their vectors, and the noise of their ratings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embrec import kernels
from embrec.models.bayesian.keys import Stage, generator
from embrec.models.bayesian.noise import Scales
from embrec.models.shards.tree import Branch, Share, Terms

Floats = NDArray[np.float32]
# Standard deviation of the starting vectors. From smaller ones the factors grow slowly and need a longer burn-in.
_START = np.float32(0.5)


class Prior(NamedTuple):
    """The distribution that vectors are drawn from before their ratings count.

    Attributes:
        mean: Mean of a row without features, float32 of shape (width,).
        precision: float32 of shape (width, width).
        noise: Standard deviation of a rating if both scales are 1.
        coefficients: Coefficients of the side's basis, float32 of shape (columns, width); None if there is none.
    """

    mean: Floats
    precision: Floats
    noise: float
    coefficients: Floats | None


class Stages(NamedTuple):
    """The stages that a side draws random numbers for."""

    start: Stage
    vectors: Stage
    scales: Stage


class Side:
    """The rows of one side.

    Args:
        counts: Ratings of each row, int64 of shape (rows,).
        share: The worker's leaves.
        width: Length of a vector, the bias in the last column.
        seed: Seeds all draws.
        stages: What random numbers are drawn for.

    Attributes:
        vectors: The last draw, float32 of shape (rows, width).
        expected: Its expectation given the other side's draw, float32 of the same shape.
        scales: The scales of the rows' noise.
        roots: Root of one over the number of ratings, by which features are multiplied, float32 of shape (rows,).
    """

    def __init__(self, counts: NDArray[np.int64], share: Share, width: int, seed: int, stages: Stages) -> None:
        self.share, self.counts, self._seed, self._stages = share, counts, seed, stages
        self.scales = Scales(counts)
        self.roots = (np.maximum(counts, 1) ** -0.5).astype(np.float32)
        self.vectors = np.empty((len(counts), width), np.float32)
        for leaf, rows in self.leaves():
            self.vectors[rows] = _START * self.normals(stages.start, 0, leaf, rows)
        self.expected = self.vectors
        self._squares = np.zeros(len(counts), np.float32)
        self._basis = np.empty((len(counts), 0), np.float32)

    def leaves(self) -> zip[tuple[int, slice]]:
        """Return the number and the rows of each leaf."""
        return zip(self.share.leaves, self.share.spans, strict=True)

    def normals(self, stage: Stage, sweep: int, leaf: int, rows: slice) -> Floats:
        """Return standard normal numbers for the vectors of a leaf."""
        return kernels.normals((self._seed, stage, sweep, leaf), (rows.stop - rows.start, self.vectors.shape[1]))

    def describe(self) -> list[Branch]:
        """Return the sums of the vectors and of their outer products, and the transposed basis times the vectors."""

        def terms(leaf: int, rows: slice) -> Terms:
            mine = self.vectors[rows]
            products = (mine.T @ mine).astype(np.float64)
            return mine.sum(axis=0, dtype=np.float64), products, kernels.multiply_transposed(self._basis[rows], mine)

        return self.share.sums(terms)

    def take_basis(self, basis: Floats) -> None:
        """Store these rows of the basis of the side's features, float32 of shape (rows, columns)."""
        self._basis = basis

    def of_basis(self, coefficients: Floats, rows: slice) -> Floats:
        """Return what the features add to some rows, given the coefficients of their basis."""
        return kernels.multiply(self._basis[rows], coefficients)

    def take(self, leaf: int, rows: slice, drawn: kernels.Drawn, noise: float) -> NDArray[np.float64]:
        """Store the draw of a leaf, and return the log likelihoods of the weights of the scales' prior."""
        self.vectors[rows], self._squares[rows] = drawn.vectors, drawn.squares
        return self.scales.log_likelihoods(rows, drawn.squares.astype(np.float64) / noise**2)

    def draw_scales(self, sweep: int, weight: float) -> list[Branch]:
        """Draw the scales of the noise.

        Returns:
            The sum of squared residuals, each divided by the scales, and the sum of the scales' expected squares, each
            times the row's ratings.
        """

        def terms(leaf: int, rows: slice) -> Terms:
            self.scales.draw(rows, weight, generator(self._seed, self._stages.scales, sweep, leaf))
            squares = self._squares[rows] @ self.scales.values[rows].astype(np.float64) ** -2
            return squares, self.counts[rows] @ self.scales.expected_squares[rows]

        return self.share.sums(terms)
