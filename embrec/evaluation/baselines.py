"""Two contenders that learn no vectors; every model should beat them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec import metrics
from embrec.evaluation.contender import Contender, Predict, Score
from embrec.models.base import Ratings

# A mean is shrunk towards the overall mean as by 10 ratings, or few ratings would make an extreme bias.
_BIAS_RATINGS = 10.0


def biases() -> Contender:
    """The mean with the biases of movies and users: no vectors."""

    def rate(training: Ratings, seed: int) -> Predict:
        mean = training.ratings.mean(dtype=np.float64)
        left = training.ratings - mean
        of_movies = _damped(training.movies, left, training.movie_count)
        of_users = _damped(training.users, left - of_movies[training.movies], training.user_count)
        return lambda users, movies: mean + of_users[users] + of_movies[movies]

    def rank(training: Ratings, seed: int) -> Score:
        return by_prediction(rate(training, seed), training.movie_count)

    return Contender("biases", rate, rank, learns_events=False)


def by_prediction(predict: Predict, movie_count: int) -> Score:
    """Scores that are predicted ratings."""

    def score(users: NDArray[np.int32]) -> NDArray[Any]:
        movies = np.tile(np.arange(movie_count, dtype=np.int32), len(users))
        return predict(np.repeat(users, movie_count), movies).reshape(len(users), movie_count)

    return score


def _damped(rows: NDArray[np.int32], values: NDArray[Any], count: int) -> NDArray[np.float64]:
    sums = np.bincount(rows, values, minlength=count)
    return np.asarray(sums / (np.bincount(rows, minlength=count) + _BIAS_RATINGS))


def popularity() -> Contender:
    """The same top-n list for all users: the most liked movies, which is what SQL gives to newcomers."""

    def rank(training: Ratings, seed: int) -> Score:
        places = np.argsort(popularity_order(training))
        return lambda users: np.tile(-places, (len(users), 1))

    return Contender("popularity", rank=rank)


def popularity_order(training: Ratings) -> NDArray[np.int64]:
    """Return the movies by their number of likes, then of ratings, then by their mean, as the view movie_likes does.

    A user with events and no rating of a movie counts as one who likes it, unless they dislike it; movie_likes counts
    the events. Of movies that are equal in all three the one with the first external id comes first.
    """
    liked = training.ratings >= metrics.liked_from(*training.scale)
    counts = np.bincount(training.movies, minlength=training.movie_count)
    likes = np.bincount(training.movies, liked, minlength=training.movie_count)
    if training.events is not None:
        likes = likes + np.bincount(
            training.events.movies, training.events.interests > 0, minlength=training.movie_count
        )
    means = np.bincount(training.movies, training.ratings, minlength=training.movie_count) / np.maximum(counts, 1)
    ties = np.arange(training.movie_count) if training.id_places is None else training.id_places
    return np.lexsort((ties, -means, -counts, -likes))
