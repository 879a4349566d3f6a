"""Side information: features of movies and users beside their ratings, as numbers for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Release years are grouped by 5, because a single year has too few movies to learn from.
_PERIOD_YEARS = 5


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
