"""What is known of movies, as numbers."""

from __future__ import annotations

import numpy as np

from embrec.features import movie_features


def test_genres_and_periods_are_columns() -> None:
    features = movie_features([["Comedy", "Drama"], [], ["Drama"]], [1994, 1995, None])
    assert features is not None
    # In order: Comedy, Drama, 1990-1994, 1995-1999.
    assert features.tolist() == [[1, 1, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    assert features.dtype == np.float32


def test_where_nothing_is_known_there_is_nothing() -> None:
    assert movie_features([[], []], [None, None]) is None
