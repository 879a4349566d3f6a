"""Interactions: all pairs of a user and a movie that a ranking model learns from, of ratings and of events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embrec import metrics
from embrec.models.base import Ratings, RatingWeights
from embrec.models.event_pairs import EventPairs


@dataclass(frozen=True)
class Interactions:
    """The pairs that have a rating, and those that have events and none.

    Attributes:
        users: int32 of shape (n,).
        movies: int32 of shape (n,).
        ratings: float32 of shape (n,), NaN for a pair of events.
        interests: float32 of shape (n,), as in :class:`embrec.models.event_pairs.EventPairs`, NaN for a rating; None
            without events.
    """

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    ratings: NDArray[np.float32]
    interests: NDArray[np.float32] | None

    @classmethod
    def of(cls, given: Ratings) -> Interactions:
        """Return the ratings, then the pairs of events."""
        if given.events is None:
            return cls(given.users, given.movies, given.ratings, None)
        return cls.beside(given.users, given.movies, given.ratings, given.events)

    @classmethod
    def beside(
        cls, users: NDArray[np.int32], movies: NDArray[np.int32], ratings: NDArray[np.float32], events: EventPairs
    ) -> Interactions:
        """Return ratings, then pairs of events; the arrays of ratings are of shape (n,)."""
        return cls(
            np.concatenate([users, events.users]),
            np.concatenate([movies, events.movies]),
            np.concatenate([ratings, np.full(len(events.users), np.nan, np.float32)]),
            np.concatenate([np.full(len(users), np.nan, np.float32), events.interests]),
        )

    def at(self, positions: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Interactions:
        """Return the interactions at some positions."""
        interests = None if self.interests is None else self.interests[positions]
        return Interactions(self.users[positions], self.movies[positions], self.ratings[positions], interests)

    def liked(self, weighting: RatingWeights) -> NDArray[np.bool_]:
        """Return a mask of the interactions that speak for their movie: high ratings, and events but dislikes."""
        liked = self.ratings >= metrics.liked_from(weighting.lowest, weighting.highest)
        return liked if self.interests is None else liked | (self.interests > 0)


def signed(
    weighting: RatingWeights, ratings: NDArray[np.float32], interests: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """Return the weights of interactions in a user's ranking vector, as the SQL function interaction_weight does.

    Args:
        weighting: The weights of ratings, and of a dislike.
        ratings: float32 of shape (n,), NaN for a pair of events.
        interests: float32 of shape (n,), NaN for a rating; None without events.

    Returns:
        float64 of shape (n,), negative for dislikes.
    """
    weights = weighting.of(ratings)
    if interests is None:
        return weights
    of_events = np.where(interests < 0, weighting.dislike * interests.astype(np.float64), interests)
    return np.where(np.isnan(interests), weights, of_events)


def unsigned(
    weighting: RatingWeights, ratings: NDArray[np.float32], interests: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """Return the weights for learning which movies go together: a dislike is little evidence, as the lowest rating."""
    weights = weighting.unsigned(ratings)
    if interests is None:
        return weights
    return np.where(np.isnan(interests), weights, np.where(interests < 0, weighting.least, interests))
