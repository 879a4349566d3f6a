"""Ratings as sparse rows of weights, one for each user, from which EASE learns and by which it scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.base import Ratings, RatingWeights

# A user's row is scaled by its number of ratings to this power, or very active users would dominate the Gram matrix.
_ROW_POWER = -0.25
# Ratings are weighed a million at a time: the weights are computed in double precision and kept in single.
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Rows:
    """The ratings by user, and their weights for each purpose, each made when it is asked for.

    Attributes:
        ratings: The ratings, float32 of shape (user_count, movie_count).
        weighting: The weights of ratings.
    """

    ratings: scipy.sparse.csr_array
    weighting: RatingWeights

    @classmethod
    def of(cls, ratings: Ratings, weighting: RatingWeights, positions: NDArray[np.bool_] | slice = slice(None)) -> Rows:
        """Return the rows of the ratings at some positions."""
        given, users, movies = ratings.ratings[positions], ratings.users[positions], ratings.movies[positions]
        found = scipy.sparse.csr_array((given, (users, movies)), shape=(ratings.user_count, ratings.movie_count))
        found.sort_indices()
        return cls(found, weighting)

    def signed(self) -> scipy.sparse.csr_array:
        """Return the weights in users' vectors.

        Users with dislikes alone weigh nothing, because nothing says what they like.
        """
        weights = self._weighed(self.weighting.of)
        likes = self._with(weights.data > 0) @ np.ones(weights.shape[1], np.float32)
        weights.data *= np.repeat(likes > 0, np.diff(weights.indptr))
        return weights

    def unsigned(self) -> scipy.sparse.csr_array:
        """Return the weights for learning, which knows no dislikes."""
        return self._weighed(self.weighting.unsigned)

    def scaled(self) -> scipy.sparse.csr_array:
        """Return the weights for learning, each user's scaled by the number of their ratings."""
        weights = self.unsigned()
        before = np.square(weights.data).sum(dtype=np.float64)
        counts = np.diff(weights.indptr)
        weights.data *= np.repeat(np.maximum(counts, 1.0) ** np.float32(_ROW_POWER), counts).astype(np.float32)
        # Keep the total weight, or the same penalty would regularize other data more or less.
        after = np.square(weights.data).sum(dtype=np.float64)
        weights.data *= np.float32(np.sqrt(before / max(after, 1e-30)))
        return weights

    def _weighed(self, weigh: Callable[[NDArray[np.float32]], NDArray[np.float64]]) -> scipy.sparse.csr_array:
        data = np.empty(len(self.ratings.data), np.float32)
        for begin in range(0, len(data), _AT_ONCE):
            data[begin : begin + _AT_ONCE] = weigh(self.ratings.data[begin : begin + _AT_ONCE])
        return self._with(data)

    def _with(self, data: NDArray[np.float32] | NDArray[np.bool_]) -> scipy.sparse.csr_array:
        return scipy.sparse.csr_array((data, self.ratings.indices, self.ratings.indptr), shape=self.ratings.shape)
