"""Side information: features of movies and users beside their ratings, as numbers for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Release years are grouped by 5, because a single year has too few movies to learn from.
_PERIOD_YEARS = 5
# The rating model learns from at most 32 principal components of content: 64 predict no better, and take longer.
_COMPONENTS = 32
# Relative tolerance: components with less than this share of the largest one's variance are rounding noise.
_LEAST_VARIANCE = 1e-6


class UserFeatures(NamedTuple):
    """Binary user features, stored sparsely as the users who have each one: there may be a million users.

    Attributes:
        users: int32 of shape (n,); the users with feature f are ``users[starts[f] : starts[f + 1]]``, ascending.
        starts: int64 of shape (feature_count + 1,).
    """

    users: NDArray[np.int32]
    starts: NDArray[np.int64]


def user_features(labels: Mapping[str, NDArray[np.int32]]) -> UserFeatures | None:
    """Return one feature for each label of at least two users; a label of one user says nothing about others.

    Args:
        labels: The numbers of the users with each label, int32 of shape (n,), ascending, each once.

    Returns:
        The features in the labels' order; None if there are none.
    """
    having = [users for _, users in sorted(labels.items()) if len(users) > 1]
    if not having:
        return None
    return UserFeatures(np.concatenate(having), np.cumsum([0, *map(len, having)], dtype=np.int64))


def movie_labels(genres: Sequence[str], year: int | None) -> list[str]:
    """Return a movie's labels, its genres and its period of five years; described_vectors writes them alike in SQL."""
    return [*(f"genre {genre}" for genre in genres), *([] if year is None else [f"period {year // _PERIOD_YEARS}"])]


def movie_features(genres: Sequence[Sequence[str]], years: Sequence[int | None]) -> NDArray[np.float32] | None:
    """Return genres and periods of five years, one column each.

    Args:
        genres: Each movie's genres.
        years: Each movie's release year, or None.

    Returns:
        float32 of shape (movie_count, feature_count), 1 if the movie has the feature; None if no movie has any.
    """
    labels = [movie_labels(each, year) for each, year in zip(genres, years, strict=True)]
    columns = {label: number for number, label in enumerate(sorted(set().union(*labels)))}
    if not columns:
        return None
    features = np.zeros((len(labels), len(columns)), np.float32)
    for row, mine in enumerate(labels):
        features[row, [columns[label] for label in mine]] = 1
    return features


def content_features(content: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the principal components of movies' content vectors, with rows of root mean square length 1.

    Args:
        content: float32 of shape (movie_count, dimensions), NaN for a movie without content.

    Returns:
        float32 of shape (movie_count, at most 32), zeros for a movie without content; None if all content is the same.
    """
    # Not above: commands that only ask have neither, and they take longer than an answer.
    import scipy.linalg
    from threadpoolctl import threadpool_limits

    told = np.isfinite(content).all(axis=1)
    if not content.shape[1] or not told.any():
        return None
    centred = content[told].astype(np.float64)
    centred -= centred.mean(axis=0)
    with threadpool_limits(1, user_api="blas"):  # or the number of threads would change how it rounds
        gram = centred.T @ centred
        squares, vectors = scipy.linalg.eigh(gram, subset_by_index=[max(len(gram) - _COMPONENTS, 0), len(gram) - 1])
        real = squares > _LEAST_VARIANCE * squares[-1]
        if squares[-1] <= 0 or not real.any():
            return None
        # Fix the signs of the vectors, or the draws would depend on the CPU: each BLAS chooses its own signs.
        vectors = vectors[:, real] * np.sign(np.random.default_rng(0).standard_normal(len(gram)) @ vectors[:, real])
        components = centred @ vectors
    found = np.zeros((len(content), components.shape[1]), np.float32)
    found[told] = components / np.sqrt(np.mean(np.sum(components**2, axis=1)))
    return found
