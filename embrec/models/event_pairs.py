"""Pairs of a user and a movie, weighed by their events: implicit feedback, from which the ranking model learns.

The amount of a pair is the sum over its events of type weight * value * 0.5 ** (age / half-life), with 1 for no value.
Its interest is log2(1 + amount) over the root mean square of the user's interests. The logarithm saturates: the
hundredth play tells less than the first (raw counts rank worse than no counts). By the division users who play
everything often weigh no more than others. The SQL function event_pairs computes the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EventPairs:
    """The pairs with events and without a rating: what a user says of a movie outweighs that they watched it.

    Attributes:
        users: int32 of shape (n,), ascending.
        movies: int32 of shape (n,), ascending within a user; a pair occurs once.
        interests: float32 of shape (n,); below 0 for a dislike, which outweighs all other events of its pair.
    """

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    interests: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        users: NDArray[np.int32],
        movies: NDArray[np.int32],
        amounts: NDArray[np.float64],
        dislikes: NDArray[np.bool_],
    ) -> EventPairs:
        """Return the pairs of events.

        Args:
            users: int32 of shape (n,), the user of each event.
            movies: int32 of shape (n,).
            amounts: Type weight * value * decay of each event, float64 of shape (n,).
            dislikes: Mask of the events that are dislikes, of shape (n,).
        """
        keys, pair = np.unique((users.astype(np.int64) << 32) | movies, return_inverse=True)
        of_users, of_movies = (keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)
        liked, disliked = (np.bincount(pair[mask], amounts[mask], len(keys)) for mask in (~dislikes, dislikes))
        against = np.bincount(pair[dislikes], minlength=len(keys)) > 0
        interests = np.log1p(np.where(against, disliked, liked)) / np.log(2)
        squares = np.bincount(of_users, np.where(against, 0.0, interests**2))
        roots = np.sqrt(squares / np.maximum(np.bincount(of_users, ~against), 1))[of_users]
        interests = np.where(against, -interests, interests / np.where(roots > 0, roots, 1.0))
        return cls(of_users, of_movies, interests.astype(np.float32))

    def part(self, positions: NDArray[np.int64]) -> EventPairs:
        """Return the pairs at some positions, weighed as if there were no others of their users."""
        found = self.at(positions)
        watched = np.maximum(found.interests, 0).astype(np.float64)
        counts = np.bincount(found.users, watched > 0)
        roots = np.sqrt(np.bincount(found.users, watched**2) / np.maximum(counts, 1))[found.users]
        interests = np.where(watched > 0, watched / np.where(roots > 0, roots, 1.0), found.interests)
        return EventPairs(found.users, found.movies, interests.astype(np.float32))

    def at(self, positions: NDArray[np.bool_] | NDArray[np.int64]) -> EventPairs:
        """Return the pairs at some positions, in their order."""
        return EventPairs(self.users[positions], self.movies[positions], self.interests[positions])
