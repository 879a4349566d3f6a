"""The closed form of EASE, cut to its leading singular vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embrec.models.ease.components import leading
from embrec.models.ease.gram import Gram
from embrec.models.svd import PRODUCTS

# The singular vector at 75 % of those kept is shrunk by half; later ones by more, because they carry more noise.
_HALF_AT = 0.75
# Relative tolerance: squared singular values below this fraction of the largest are rounding noise and are dropped.
_LEAST_SHARE = 1e-8


@dataclass(frozen=True)
class Solution:
    """The leading singular vectors of the scores of EASE.

    Attributes:
        basis: float64 of shape (movie_count, dimensions).
        sizes: The singular values of the scores, float64 of shape (dimensions,), descending.
        profiles: Item profiles: the amount that a movie in a row adds to the scores' coordinates, float64 of shape
            (movie_count, dimensions).
    """

    basis: NDArray[np.float64]
    sizes: NDArray[np.float64]
    profiles: NDArray[np.float64]

    @property
    def shrinkage(self) -> NDArray[np.float64]:
        """The factor on each singular value, float64 of shape (dimensions,)."""
        half = self.sizes[int(_HALF_AT * (len(self.sizes) - 1))] ** 2
        return np.asarray(self.sizes**2 / (self.sizes**2 + half))

    def leading(self, count: int) -> Solution:
        """Return the solution of at most this number of dimensions."""
        return Solution(self.basis[:, :count], self.sizes[:count], self.profiles[:, :count])


def solve(
    gram: Gram, labels: NDArray[np.int32], penalty: float, dropout: float, dimensions: int, products: int = PRODUCTS
) -> Solution:
    """Solve for the encoder I - P / diag(P), P the inverse of the regularized Gram matrix, and cut its scores.

    Args:
        gram: The Gram matrix of the rows.
        labels: The connected component of each movie.
        penalty: Regularization.
        dropout: Dropout of the input, as regularization that grows with popularity.
        dimensions: Number of singular vectors to keep.
        products: Number of products by which they are found, as :func:`embrec.models.svd.largest` takes it.

    Raises:
        TrainingError: There is too little regularization for single precision.
    """
    inverse = gram.inverse((gram.diagonal * (dropout / (1 - dropout)) + penalty).astype(np.float32))
    scale: NDArray[np.float32] = np.reciprocal(inverse.diagonal)[:, np.newaxis]
    # A movie that is a component by itself has an encoder of zero; its remainder would be rounding noise.
    alone = (np.bincount(labels) == 1)[labels]

    def encode(block: NDArray[np.float32]) -> NDArray[np.float32]:
        found = block - inverse.times(scale * block)
        found[alone] = 0.0
        return found

    def transposed(block: NDArray[np.float32]) -> NDArray[np.float32]:
        found = block - scale * inverse.times(block)
        found[alone] = 0.0
        return found

    values, basis = leading(lambda block: transposed(gram.times(encode(block))), labels, dimensions, products)
    # Smaller ones are rounding noise, and dividing by them would amplify it.
    real = values > max(_LEAST_SHARE * values[0], np.finfo(np.float32).tiny)
    if not real.any():  # no user rated two movies, so that no movie tells anything about another
        return Solution(np.zeros((len(labels), 1)), np.ones(1), np.zeros((len(labels), 1)))
    profiles = encode(basis[:, real].astype(np.float32))
    return Solution(basis[:, real], np.sqrt(values[real]), profiles.astype(np.float64))
