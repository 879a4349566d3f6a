"""The side information of movies and users, as feature matrices."""

from __future__ import annotations

import numpy as np

from embrec.models.features import movie_features, user_features


def test_genres_and_periods_are_columns() -> None:
    features = movie_features([["Comedy", "Drama"], [], ["Drama"]], [1994, 1995, None])
    assert features is not None
    # In order: Comedy, Drama, 1990-1994, 1995-1999.
    assert features.tolist() == [[1, 1, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    assert features.dtype == np.float32


def test_where_nothing_is_known_there_is_nothing() -> None:
    assert movie_features([[], []], [None, None]) is None


def test_labels_that_several_users_have_are_features() -> None:
    having = {"sex M": [0, 2], "age 7": [1], "age 20-29": [0, 1, 3]}
    features = user_features({label: np.array(users, np.int32) for label, users in having.items()})
    assert features is not None
    users, starts = features
    assert (users.tolist(), starts.tolist()) == ([0, 1, 3, 0, 2], [0, 3, 5])
    assert (users.dtype, starts.dtype) == (np.int32, np.int64)
    assert user_features({"age 7": np.array([1], np.int32)}) is None
    assert user_features({}) is None
