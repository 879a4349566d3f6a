"""Histories: the steps of users in order of time, from which models of the next movie learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sequences:
    """The history of each user, oldest step first.

    A step is a rating, or an event that is no dislike. Events in a row with the same movie and different types are one
    step, because a view, a click and a purchase are one decision; of them the last counts.

    Attributes:
        starts: int64 of shape (user_count + 1,), the position of each user's first step, and the number of all.
        movies: int32 of shape (n,), 0 .. movie_count - 1.
        days: float64 of shape (n,), days since 1970; NaN if the time is unknown. Within a user they do not decrease,
            after those that are unknown.
        movie_count: Number of movies; some may be in no step.
    """

    starts: NDArray[np.int64]
    movies: NDArray[np.int32]
    days: NDArray[np.float64]
    movie_count: int

    @classmethod
    def of(
        cls,
        users: NDArray[np.int32],
        movies: NDArray[np.int32],
        types: NDArray[np.int16],
        days: NDArray[np.float64],
        user_count: int,
        movie_count: int,
    ) -> Sequences:
        """Return the histories of events in order of user and time, all arrays of shape (n,)."""
        last = np.ones(len(users), bool)
        last[:-1] = (users[1:] != users[:-1]) | (movies[1:] != movies[:-1]) | (types[1:] == types[:-1])
        starts = np.searchsorted(users[last], np.arange(user_count + 1)).astype(np.int64)
        return cls(starts, movies[last], days[last], movie_count)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of steps of each user, int64 of shape (user_count,)."""
        return np.diff(self.starts)

    def history(self, user: int) -> NDArray[np.int32]:
        """Return the movies of a user's steps, oldest first, int32."""
        return self.movies[self.starts[user] : self.starts[user + 1]]

    def without_last(self, number: int) -> Sequences:
        """Return the histories without the last steps of each user who has more than that; others stay whole."""
        lengths = self.lengths
        return self.first(np.where(lengths > number, lengths - number, lengths))

    def first(self, kept: NDArray[np.int64]) -> Sequences:
        """Return the first steps of each user, ``kept`` of them, int64 of shape (user_count,)."""
        lengths = self.lengths
        place = np.arange(len(self.movies)) - np.repeat(self.starts[:-1], lengths)
        chosen = place < np.repeat(kept, lengths)
        starts = np.concatenate([[0], np.cumsum(np.minimum(kept, lengths))]).astype(np.int64)
        return Sequences(starts, self.movies[chosen], self.days[chosen], self.movie_count)
