"""Vectors for the long tail: rarely rated movies beyond the number that the closed form of EASE can hold.

The closed form needs a square matrix of the movies, or of the users if they are fewer. With too many of both it covers
only the most rated movies. The others, each with few ratings, are folded in like a new movie: the vector is a ridge
regression of the movie's ratings on the users' vectors. It is then shrunk as the closed form regularizes a movie of n
interactions, by n / (n + penalty). Unshrunk, movies with one or two ratings would displace better known ones in lists.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.base import Preference, Ratings
from embrec.models.ease import alike
from embrec.models.ease.rows import Rows

# Ridge penalty, in units of a user vector of mean length. It shrinks the vectors of movies with few ratings.
PENALTY_USERS = 10.0


def most_rated(training: Ratings, most: int) -> tuple[NDArray[np.int64], Ratings]:
    """Return at most this number of the movies with most interactions, ascending, and those, numbered anew."""
    most = min(most, training.movie_count)
    events = training.events
    counts = np.bincount(training.movies, minlength=training.movie_count)
    if events is not None:
        counts += np.bincount(events.movies, minlength=training.movie_count)
    chosen = np.sort(np.argsort(-counts, kind="stable")[:most])
    number = np.full(training.movie_count, -1, np.int32)
    number[chosen] = np.arange(most, dtype=np.int32)
    kept = number[training.movies] >= 0
    users, movies, ratings = training.users[kept], number[training.movies[kept]], training.ratings[kept]
    if events is not None:
        of_chosen = events.at(number[events.movies] >= 0)
        events = replace(of_chosen, movies=number[of_chosen.movies])
    features = None if training.movie_features is None else training.movie_features[chosen]
    return chosen, Ratings(users, movies, ratings, training.user_count, most, features, events=events)


def with_others(fitted: Preference, chosen: NDArray[np.int64], rows: Rows) -> Preference:
    """Fold in the movies that were not chosen.

    Args:
        fitted: The ranking model of the chosen movies.
        chosen: The numbers of the chosen movies, ascending.
        rows: The interactions of all movies.
    """
    movie_count = rows.ratings.shape[1]
    others = np.setdiff1d(np.arange(movie_count), chosen)
    weights = rows.unsigned()[:, others].tocsc()
    counts = np.diff(weights.indptr)[:, np.newaxis]
    tail = _folded_in(fitted, weights) * (counts / (counts + fitted.penalty))

    def all_movies(head: NDArray[np.float32], of_others: NDArray[np.float64]) -> NDArray[np.float32]:
        vectors = np.empty((movie_count, head.shape[1]), np.float32)
        vectors[chosen], vectors[others] = head, of_others
        return vectors

    profiles = tail * _median_length(fitted.movie_profiles) / _median_length(fitted.movie_vectors)
    every_profile = all_movies(fitted.movie_profiles, profiles)
    to_similarity, *_ = np.linalg.lstsq(fitted.movie_vectors.astype(np.float64), fitted.similarity, rcond=None)
    users = np.bincount(rows.ratings.indices, minlength=movie_count)[others]
    compared = all_movies(fitted.similarity, alike.shortened(tail @ to_similarity, users))
    return replace(
        fitted,
        user_vectors=np.asarray(rows.signed() @ every_profile, np.float32),
        movie_vectors=all_movies(fitted.movie_vectors, tail),
        movie_profiles=every_profile,
        similarity=alike.bounded(compared),
    )


def _folded_in(fitted: Preference, weights: scipy.sparse.csc_array) -> NDArray[np.float64]:
    """Return the vectors of movies, solved from the users who rated them; zero if none of those has a vector."""
    users = fitted.user_vectors
    gram = (users.T @ users).astype(np.float64)
    gram += (PENALTY_USERS * np.trace(gram) / len(users) / len(gram) or 1.0) * np.eye(len(gram))
    return np.asarray(np.linalg.solve(gram, (weights.T @ users).T).T)


def _median_length(vectors: NDArray[np.float32]) -> float:
    lengths = np.linalg.norm(vectors, axis=1)
    return float(np.median(lengths[lengths > 0])) if lengths.any() else 1.0
