"""Interactions as sparse rows of weights, one for each user, from which EASE learns and by which it scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.base import Ratings, RatingWeights
from embrec.models.interactions import Interactions, signed, unsigned

# A user's row is scaled by its number of ratings to this power, or very active users would dominate the Gram matrix.
_ROW_POWER = -0.25
# Interactions are weighed a million at a time: the weights are computed in double precision and kept in single.
_AT_ONCE = 1 << 20

Weigh = Callable[[RatingWeights, NDArray[np.float32], "NDArray[np.float32] | None"], NDArray[np.float64]]


@dataclass(frozen=True)
class Rows:
    """The interactions by user, and their weights for each purpose, each made when it is asked for.

    Attributes:
        ratings: The ratings, float32 of shape (user_count, movie_count); NaN for a pair of events.
        interests: The interests, NaN for a rating, in the order of ``ratings.data``; None without events.
        weighting: The weights of ratings.
    """

    ratings: scipy.sparse.csr_array
    interests: NDArray[np.float32] | None
    weighting: RatingWeights

    @classmethod
    def of(cls, given: Ratings, weighting: RatingWeights) -> Rows:
        """Return the rows of ratings, and of the events beside them."""
        return cls.between(Interactions.of(given), weighting, (given.user_count, given.movie_count))

    @classmethod
    def between(cls, pairs: Interactions, weighting: RatingWeights, shape: tuple[int, int]) -> Rows:
        """Return the rows of interactions; ``shape`` is (user_count, movie_count)."""

        def by_user(values: NDArray[np.float32]) -> scipy.sparse.csr_array:
            found = scipy.sparse.csr_array((values, (pairs.users, pairs.movies)), shape=shape)
            found.sort_indices()
            return found

        interests = None if pairs.interests is None else by_user(pairs.interests).data
        return cls(by_user(pairs.ratings), interests, weighting)

    def signed(self) -> scipy.sparse.csr_array:
        """Return the weights in users' vectors.

        Users with dislikes alone weigh nothing, because nothing says what they like.
        """
        weights = self._weighed(signed)
        likes = self._with(weights.data > 0) @ np.ones(weights.shape[1], np.float32)
        weights.data *= np.repeat(likes > 0, np.diff(weights.indptr))
        return weights

    def unsigned(self) -> scipy.sparse.csr_array:
        """Return the weights for learning, which knows no dislikes."""
        return self._weighed(unsigned)

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

    def _weighed(self, weigh: Weigh) -> scipy.sparse.csr_array:
        data = np.empty(len(self.ratings.data), np.float32)
        for begin in range(0, len(data), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            interests = None if self.interests is None else self.interests[part]
            data[part] = weigh(self.weighting, self.ratings.data[part], interests)
        return self._with(data)

    def _with(self, data: NDArray[np.float32] | NDArray[np.bool_]) -> scipy.sparse.csr_array:
        return scipy.sparse.csr_array((data, self.ratings.indices, self.ratings.indptr), shape=self.ratings.shape)
