"""What is known of movies and of users beside their ratings, as numbers for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PERIOD_YEARS = 5


class UserFeatures(NamedTuple):
    """Features that users have or have not, as no more than who has them: there may be a million users.

    Attributes:
        users: int32 of shape (n,); those who have feature f are ``users[starts[f] : starts[f + 1]]``, ascending.
        starts: int64 of shape (feature_count + 1,).
    """

    users: NDArray[np.int32]
    starts: NDArray[np.int64]


def user_features(labels: Mapping[str, NDArray[np.int32]]) -> UserFeatures | None:
    """One feature for each label that two users have; what one alone has says nothing of anybody else.

    Args:
        labels: For each label the numbers of the users who have it, int32 of shape (n,), ascending, each once.

    Returns:
        The features in the labels' order; None where there are none.
    """
    having = [users for _, users in sorted(labels.items()) if len(users) > 1]
    if not having:
        return None
    return UserFeatures(np.concatenate(having), np.cumsum([0, *map(len, having)], dtype=np.int64))


def movie_features(genres: Sequence[Sequence[str]], years: Sequence[int | None]) -> NDArray[np.float32] | None:
    """Genres and periods of five years, one column each.

    Args:
        genres: Each movie's genres.
        years: Each movie's release year, or None.

    Returns:
        float32 of shape (movie_count, feature_count), 1 where it holds; None where nothing is known of any movie.
    """
    labels = [{f"genre {genre}" for genre in each} for each in genres]
    for mine, year in zip(labels, years, strict=True):
        if year is not None:
            mine.add(f"period {year // _PERIOD_YEARS}")
    columns = {label: number for number, label in enumerate(sorted(set().union(*labels)))}
    if not columns:
        return None
    features = np.zeros((len(labels), len(columns)), np.float32)
    for row, mine in enumerate(labels):
        features[row, [columns[label] for label in mine]] = 1
    return features
