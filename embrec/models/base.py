"""The input and output of a model: ratings as arrays, options, and a fitted Keras model with the vectors for SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embrec import metrics, similarity
from embrec.models.event_pairs import EventPairs
from embrec.models.features import UserFeatures
from embrec.models.next.base import NextModel


@dataclass(frozen=True)
class Ratings:
    """Ratings as a model sees them.

    Attributes:
        users: int32 of shape (n,), 0 .. user_count - 1.
        movies: int32 of shape (n,), 0 .. movie_count - 1.
        ratings: float32 of shape (n,).
        user_count: Number of users; some may have no rating here.
        movie_count: Number of movies; some may have no rating here.
        movie_features: Side information on movies, float32 of shape (movie_count, feature_count), or None.
        user_features: Side information on users, or None.
        id_places: Place of each movie in the order of external ids, int64 of shape (movie_count,), to break ties by; or
            None for the order of the movies here.
        events: The pairs of the same users and movies that have events and no rating, or None without any.
        movie_content: Principal components of movies' content, float32 of shape (movie_count, components), or None.
    """

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    ratings: NDArray[np.float32]
    user_count: int
    movie_count: int
    movie_features: NDArray[np.float32] | None = None
    user_features: UserFeatures | None = None
    id_places: NDArray[np.int64] | None = None
    events: EventPairs | None = None
    movie_content: NDArray[np.float32] | None = None

    @property
    def differ(self) -> bool:
        """True if there are two different ratings, so that a model can learn from them how people rate."""
        return len(self.ratings) > 0 and bool(self.ratings.min() < self.ratings.max())

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating; (0, 0) without ratings."""
        return (float(self.ratings.min()), float(self.ratings.max())) if len(self.ratings) else (0.0, 0.0)

    def part(self, positions: NDArray[np.int64]) -> Ratings:
        """Return the ratings at some positions, in their order, of the same users and movies; events stay."""
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
        of: Maximum number of epochs.
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
    """The weight of a rating in a user's ranking vector: (0.2 + 0.8 s) ** power, s its place on the scale from 0 to 1.

    A dislike, a rating in the lowest quarter of the scale, weighs -dislike * (1 - 2 s): it counts against the movie and
    those like it.

    Attributes:
        lowest: The lowest rating of the scale.
        highest: The highest.
        power: The exponent; 0 weighs all ratings alike.
        dislike: The weight of the lowest rating against its movie; 0 if no rating counts against one.
    """

    lowest: float
    highest: float
    power: float
    dislike: float = 0.0

    def of(self, ratings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the weights of ratings, float64 of the same shape; ratings off the scale are clipped to it."""
        place = self._place(ratings)
        against = self.dislike > 0 and np.asarray(ratings <= metrics.disliked_to(self.lowest, self.highest))
        return np.where(against, -self.dislike * (1 - 2 * place), (0.2 + 0.8 * place) ** self.power)

    def unsigned(self, ratings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the weights for learning which movies go together: a dislike is little evidence, never against."""
        return replace(self, dislike=0.0).of(ratings)

    @property
    def least(self) -> float:
        """The weight of the lowest rating for learning."""
        return float(0.2**self.power)

    def _place(self, ratings: NDArray[np.float32]) -> NDArray[np.float64]:
        span = self.highest - self.lowest
        if span <= 0:
            return np.ones(len(ratings))
        return np.asarray((np.clip(ratings.astype(np.float64), self.lowest, self.highest) - self.lowest) / span)


@dataclass(frozen=True)
class FoldIn:
    """The rule that solves for a user's rating vector p, with the bias over ``bias_feature`` appended, from n ratings.

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


@dataclass(frozen=True)
class Preference:
    """Ranking vectors: the product of a user's vector and a movie's is the score to rank movies by.

    A vector of zeros is no vector: the ratings tell nothing about the user or movie.

    Attributes:
        user_vectors: float32 of shape (user_count, dimensions).
        movie_vectors: float32 of shape (movie_count, dimensions).
        movie_profiles: Item profiles, which a rating adds to its user's vector, float32 of shape (movie_count,
            dimensions).
        similarity: Vectors to compare movies by, at most of length 1, float32 of shape (movie_count, any). The
            similarity of a movie to another is their cosine times the other's length.
        penalty: The regularization that was chosen.
        weighting: The weight of a rating in its user's vector, the weighted sum of the profiles of the movies rated.
        quality: Mean NDCG@10 on held-out interactions of each number of dimensions that was tried; empty if the number
            was given.
    """

    user_vectors: NDArray[np.float32]
    movie_vectors: NDArray[np.float32]
    movie_profiles: NDArray[np.float32]
    similarity: NDArray[np.float32]
    penalty: float
    weighting: RatingWeights
    quality: Mapping[int, float] = field(default_factory=dict)

    def score(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the scores of all movies for some users, float32 of shape (len(users), movie_count).

        Users without a vector get the scores of the average user, which rank much as popularity does.
        """
        vectors = self.user_vectors[users]
        vectors[~vectors.any(axis=1)] = self.user_vectors.mean(axis=0)
        return np.asarray(vectors @ self.movie_vectors.T)


@dataclass(frozen=True)
class RatingFactors:
    """The solution of a rating model: mean + user bias + movie bias + user vector . movie vector.

    Attributes:
        user_vectors: float32 of shape (user_count, dimensions).
        movie_vectors: float32 of shape (movie_count, dimensions).
        user_biases: float32 of shape (user_count,).
        movie_biases: float32 of shape (movie_count,).
        mean: The rating that biases and products are added to.
        history: The epochs of the solver.
        kept_epoch: The epoch whose solution this is.
        user_spreads: Uncertainty of users, float32 of shape (user_count,), or None. A user's times a movie's is the
            standard deviation of the rating around its prediction.
        movie_spreads: Uncertainty of movies, float32 of shape (movie_count,), or None.
        fold_in: The rule that solves for a user's vector from ratings, or None if there is none.
    """

    user_vectors: NDArray[np.float32]
    movie_vectors: NDArray[np.float32]
    user_biases: NDArray[np.float32]
    movie_biases: NDArray[np.float32]
    mean: float
    history: list[Epoch]
    kept_epoch: int
    user_spreads: NDArray[np.float32] | None = None
    movie_spreads: NDArray[np.float32] | None = None
    fold_in: FoldIn | None = None


# The formula by which SQL serves a run. dot_product: mean + biases + product of the vectors. two_part: the same for
# ratings, and products of ranking vectors to rank by; without a mean there is no rating part, and none is predicted.
# dense_head: dense layers on the outer product of the vectors. similarity_only: vectors are compared, and nothing is
# predicted.
Serving = Literal["dot_product", "two_part", "dense_head", "similarity_only"]
# The source of a user's rating vector in SQL: the stored one, or fold_in, which solves for it from current ratings.
UserVectors = Literal["stored", "fold_in"]


@dataclass(frozen=True)
class FittedModel:
    """A fitted Keras model, and the arrays read from its layers for SQL.

    Attributes:
        keras_model: The model, built and with its weights: call it with int32 users and movies of shape (n,).
        serving: The formula by which SQL predicts and ranks from the vectors.
        user_vectors: float32 of shape (user_count, dimensions).
        movie_vectors: float32 of shape (movie_count, dimensions).
        history: The epochs.
        kept_epoch: The epoch whose weights these are.
        predict: Predicts ratings before they are limited to the scale, float32 of shape (n,), from int32 users and
            movies of shape (n,).
        user_biases: float32 of shape (user_count,), or None for an architecture without biases.
        movie_biases: float32 of shape (movie_count,), or None.
        mean: The rating that biases are relative to, or None.
        user_spreads: float32 of shape (user_count,), or None for an architecture without uncertainty. A user's times a
            movie's is the standard deviation of the rating around its prediction.
        movie_spreads: float32 of shape (movie_count,), or None.
        preference: The ranking model, or None for an architecture without one.
        user_similarity: Vectors for the cosine of users, float32 of shape (user_count, at most 16); None to compare
            their rating vectors.
        fold_in: The rule that solves for a user's vector from ratings, or None if the stored vector is used.
        head: Dense layers on the outer product of a user's and a movie's vector (row-major), the first with a
            rectifier; empty if the vectors' inner product predicts.
        next: The model of what comes next, or None without one.
    """

    keras_model: Any
    serving: Serving
    user_vectors: NDArray[np.float32]
    movie_vectors: NDArray[np.float32]
    history: list[Epoch]
    kept_epoch: int
    predict: Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[np.float32]]
    user_biases: NDArray[np.float32] | None = None
    movie_biases: NDArray[np.float32] | None = None
    mean: float | None = None
    user_spreads: NDArray[np.float32] | None = None
    movie_spreads: NDArray[np.float32] | None = None
    preference: Preference | None = None
    user_similarity: NDArray[np.float32] | None = None
    fold_in: FoldIn | None = None
    head: Mapping[str, DenseLayer] = field(default_factory=dict)
    next: NextModel | None = None

    @property
    def predicts_ratings(self) -> bool:
        """True if there is a rating part; without one the rating vectors are zeros, and predictions are NaN."""
        return self.serving != "two_part" or self.mean is not None

    @property
    def user_rule(self) -> UserVectors:
        """The source of a user's rating vector in SQL."""
        return "fold_in" if self.fold_in else "stored"

    @property
    def parameters(self) -> dict[str, int]:
        """Number of parameters of each layer that has any, by its name."""
        return {layer.name: layer.count_params() for layer in self.keras_model.layers if layer.count_params()}

    @property
    def compared_movies(self) -> NDArray[np.float32]:
        """The vectors that movies are compared by, float32 of shape (movie_count, any).

        The similarity of a movie to another is their cosine times the other's length: 1 without a ranking part.
        """
        return self.preference.similarity if self.preference else similarity.unit(self.movie_vectors)

    def score(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Score all movies for some users, to rank them by.

        Args:
            users: int32 of shape (n,).

        Returns:
            float32 of shape (n, movie_count).
        """
        if self.preference:
            return self.preference.score(users)
        count = len(self.movie_vectors)
        movies = np.tile(np.arange(count, dtype=np.int32), len(users))
        return self.predict(np.repeat(users, count), movies).reshape(len(users), count)
