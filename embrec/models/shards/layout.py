"""The cuts of users into shards and of movies into blocks, which depend on the data alone, and ratings by shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embrec.models.base import Ratings
from embrec.models.shards.tree import Leaves, equal, power_of_two, weighted

# At most 1,024 shards, each with at least 16 ratings for each movie, or adding the movies' sums of all shards would
# take longer than summing. Small data has 4 shards, for as many cores.
_MOST_LEAVES = 1024
_RATINGS_OF_MOVIE = 16
_FEW_SHARDS = 4
# A shard has at least 64 users, and a block at least 1,024 movies: what is done once for each takes as long as these.
_LEAST_USERS, _LEAST_MOVIES = 64, 1024
# A user weighs as much as 8 ratings when shards are cut, because a draw takes time however few the ratings are.
_RATINGS_OF_USER = 8


@dataclass(frozen=True)
class Layout:
    """The cuts.

    Attributes:
        users: The users' shards.
        movies: The movies' blocks.
    """

    users: Leaves
    movies: Leaves

    @classmethod
    def of(cls, user_counts: NDArray[np.int64], movie_count: int) -> Layout:
        """Cut users and movies, given the users' numbers of ratings."""
        by_ratings = int(user_counts.sum()) // (_RATINGS_OF_MOVIE * movie_count)
        by_users = power_of_two(len(user_counts) // _LEAST_USERS)
        shards = min(max(power_of_two(by_ratings), _FEW_SHARDS), by_users, _MOST_LEAVES)
        weights = np.concatenate([[0], np.cumsum(user_counts + _RATINGS_OF_USER)])
        return cls(weighted(weights, shards), equal(movie_count, _LEAST_MOVIES, _MOST_LEAVES))

    @property
    def movie_count(self) -> int:
        """The number of movies."""
        return int(self.movies.ends[-1])


def shard_count(ratings: Ratings) -> int:
    """Return the number of shards that the users of these ratings are cut into."""
    return len(Layout.of(np.bincount(ratings.users, minlength=ratings.user_count), ratings.movie_count).users)


class Rated(NamedTuple):
    """Ratings by user.

    Attributes:
        starts: Position of each user's first rating, and the number of ratings, int64 of shape (users + 1,).
        movies: int32 of shape (ratings,).
        values: float32 of shape (ratings,).
    """

    starts: NDArray[np.int64]
    movies: NDArray[np.int32]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, ratings: Ratings) -> Rated:
        """Sort ratings by user, unless they are; ratings of a user keep their order."""
        users, movies, values = ratings.users, ratings.movies, ratings.ratings
        if (users[1:] < users[:-1]).any():
            order = np.argsort(users, kind="stable")
            users, movies, values = users[order], movies[order], values[order]
        counts = np.bincount(users, minlength=ratings.user_count)
        return cls(np.concatenate([[0], np.cumsum(counts)]), movies, values)

    def part(self, users: slice) -> Rated:
        """Return the ratings of consecutive users, without copying them."""
        starts = self.starts[users.start : users.stop + 1]
        within = slice(int(starts[0]), int(starts[-1]))
        return Rated(starts - starts[0], self.movies[within], self.values[within])

    def standardised(self, mean: float, unit: float) -> Rated:
        """Return ratings less their mean, in a unit."""
        return self._replace(values=((self.values.astype(np.float64) - mean) / unit).astype(np.float32))
