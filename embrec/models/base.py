"""The Keras models, one module each. They know numpy and keras, and nothing of the database.

A module offers ``Options`` (a frozen dataclass) and ``fit(training, held_out, options, seed, on_epoch)``; where a fit
may begin with the movies of an earlier one, it takes ``start`` as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embrec import similarity
from embrec.models.features import UserFeatures


@dataclass(frozen=True)
class Ratings:
    """Ratings as a model sees them.

    Attributes:
        users: int32 of shape (n,), 0 .. user_count - 1.
        movies: int32 of shape (n,), 0 .. movie_count - 1.
        ratings: float32 of shape (n,).
        user_count: Number of users; some may have no rating here.
        movie_count: Number of movies; some may have no rating here.
        movie_features: What is known of each movie, float32 of shape (movie_count, feature_count), or None.
        user_features: What is known of users, or None.
    """

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    ratings: NDArray[np.float32]
    user_count: int
    movie_count: int
    movie_features: NDArray[np.float32] | None = None
    user_features: UserFeatures | None = None

    def part(self, positions: NDArray[np.int64]) -> Ratings:
        """The ratings at some positions, in their order, of the same users and movies."""
        users, movies, ratings = self.users[positions], self.movies[positions], self.ratings[positions]
        return replace(self, users=users, movies=movies, ratings=ratings)


@dataclass(frozen=True)
class Start:
    """Movies to begin a fit with.

    Attributes:
        movie_vectors: float32 of shape (movie_count, dimensions); rows of NaN for movies that begin at random.
        movie_biases: float32 of shape (movie_count,).
    """

    movie_vectors: NDArray[np.float32]
    movie_biases: NDArray[np.float32]


@dataclass(frozen=True)
class Epoch:
    """One pass over the training ratings.

    Attributes:
        epoch: Counted from 1.
        of: How many there will be at most.
        loss: Training loss.
        rmse: Root mean squared error on the training ratings, as Keras averages it during the epoch.
        held_out_rmse: The same on the held-out ratings after the epoch, or None without a held-out part.
    """

    epoch: int
    of: int
    loss: float
    rmse: float
    held_out_rmse: float | None


@dataclass(frozen=True)
class RatingWeights:
    """How much a rating weighs in a user's preference: (0.2 + 0.8 s) ** power, s its place on the scale from 0 to 1.

    Attributes:
        lowest: The lowest rating of the scale.
        highest: The highest.
        power: 0 for all alike.
    """

    lowest: float
    highest: float
    power: float

    def of(self, ratings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Weights of ratings, float64 of the same shape; what is off the scale is taken for its end."""
        span = self.highest - self.lowest
        place = (np.clip(ratings.astype(np.float64), self.lowest, self.highest) - self.lowest) / (span or 1.0)
        return np.asarray((0.2 + 0.8 * (place if span > 0 else 1.0)) ** self.power * np.ones(len(ratings)))


@dataclass(frozen=True)
class FoldIn:
    """How a user's rating vector p, with the bias over ``bias_feature`` appended, is had from n ratings.

    It minimises ``sum (rating - mean - movie's bias - [movie's vector, bias_feature] . p)^2
    + (constant + per_rating * n) |p|^2``.
    """

    bias_feature: float
    constant: float
    per_rating: float


@dataclass(frozen=True)
class DenseLayer:
    """A dense layer.

    Attributes:
        weights: float32 of shape (units, inputs).
        biases: float32 of shape (units,).
    """

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]


# Of users' vectors, for comparing them.
_COMPARED_DIRECTIONS = 16
_LEAST_LENGTH = 1e-6


@dataclass(frozen=True)
class Preference:
    """Vectors of who likes what: a user's vector . a movie's is the score to rank movies by.

    Attributes:
        user_vectors: float32 of shape (user_count, dimensions).
        movie_vectors: float32 of shape (movie_count, dimensions).
        movie_profiles: What a rating of a movie adds to its user's vector, float32 of shape (movie_count, dimensions).
        similarity: Vectors for the cosine of movies, float32 of shape (movie_count, dimensions).
        penalty: The regularisation that was chosen.
        weighting: What a rating weighs in its user's vector, the weighted sum of the profiles of the movies rated.
    """

    user_vectors: NDArray[np.float32]
    movie_vectors: NDArray[np.float32]
    movie_profiles: NDArray[np.float32]
    similarity: NDArray[np.float32]
    penalty: float
    weighting: RatingWeights

    def score(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Scores of all movies for some users, float32 of shape (len(users), movie_count)."""
        return np.asarray(self.user_vectors[users] @ self.movie_vectors.T)

    def user_similarity(self) -> NDArray[np.float32]:
        """Vectors for the cosine of users: where theirs point, in the sixteen directions in which users differ most.

        Lists of what neighbours like are nearly as good as by all directions (tests/benchmarks/directions.py), and of
        vectors of so few an approximate index misses next to nothing.

        Returns:
            float32 of shape (user_count, 16), or fewer columns where vectors are shorter.
        """
        if not np.isfinite(self.user_vectors).all():
            return self.user_vectors[:, :_COMPARED_DIRECTIONS]  # refused when they are stored
        unit = similarity.unit(self.user_vectors)
        with threadpool_limits(1, user_api="blas"):  # whose threads would round in another way
            _, directions = np.linalg.eigh((unit.T @ unit).astype(np.float64))
            found = np.asarray(unit @ directions[:, ::-1][:, :_COMPARED_DIRECTIONS].astype(np.float32))
        # Who has no part in them, as where few users have rated anything in common, is like the average.
        found[np.linalg.norm(found, axis=1) < _LEAST_LENGTH] = found.mean(axis=0)
        return found


@dataclass(frozen=True)
class FittedModel:
    """What a fit leaves.

    Attributes:
        user_vectors: float32 of shape (user_count, dimensions).
        movie_vectors: float32 of shape (movie_count, dimensions).
        parameters: Parameters of each layer that has any, by its name.
        history: The epochs.
        kept_epoch: The epoch whose weights these are.
        predict: Predicts ratings, float32 of shape (n,), from int32 users and movies of shape (n,).
        user_biases: float32 of shape (user_count,), or None for an architecture without biases.
        movie_biases: float32 of shape (movie_count,), or None.
        mean: What the biases are relative to, or None.
        user_spreads: float32 of shape (user_count,), or None for an architecture that does not know how sure it is. A
            user's times a movie's is the standard deviation of the rating around its prediction.
        movie_spreads: float32 of shape (movie_count,), or None.
        preference: The preference part, or None for an architecture without one.
        fold_in: How a user's vector is had from ratings, or None where it cannot be.
        head: Dense layers on the outer product of a user's and a movie's vector (row-major), the first with a
            rectifier; none where the vectors' inner product predicts.
    """

    user_vectors: NDArray[np.float32]
    movie_vectors: NDArray[np.float32]
    parameters: dict[str, int]
    history: list[Epoch]
    kept_epoch: int
    predict: Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[np.float32]]
    user_biases: NDArray[np.float32] | None = None
    movie_biases: NDArray[np.float32] | None = None
    mean: float | None = None
    user_spreads: NDArray[np.float32] | None = None
    movie_spreads: NDArray[np.float32] | None = None
    preference: Preference | None = None
    fold_in: FoldIn | None = None
    head: Mapping[str, DenseLayer] = field(default_factory=dict)
