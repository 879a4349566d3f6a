"""The side information of movies and users, as feature matrices."""

from __future__ import annotations

import numpy as np
import pytest

from embrec.models.features import content_features, movie_features, user_features


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


def test_content_is_its_principal_components() -> None:
    random = np.random.default_rng(0)
    content = (random.normal(size=(50, 3)) @ random.normal(size=(3, 40)) + 7).astype(np.float32)
    content[[4, 9]] = np.nan
    found = content_features(content)
    assert found is not None
    assert (found.shape, found.dtype) == ((50, 3), np.float32)
    assert not found[[4, 9]].any()
    told = np.delete(found, [4, 9], axis=0).astype(float)
    assert np.mean(np.sum(told**2, axis=1)) == pytest.approx(1)
    centred = np.delete(content, [4, 9], axis=0).astype(float)
    centred -= centred.mean(axis=0)
    # Inner products of movies are kept, but for the scale.
    assert np.allclose(told @ told.T, centred @ centred.T / np.mean(np.sum(centred**2, axis=1)), atol=1e-5)
    wide = content_features(random.normal(size=(60, 90)).astype(np.float32))
    assert wide is not None
    assert wide.shape == (60, 32)


@pytest.mark.parametrize("content", [np.empty((5, 0)), np.full((5, 2), np.nan), np.ones((5, 2))])
def test_content_that_tells_nothing_is_none(content: np.ndarray) -> None:
    assert content_features(content.astype(np.float32)) is None
