"""Histories in order of time, and the score of the next step."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from embrec.models.next.base import NextModel, strongest
from embrec.models.sequences import Sequences

NAN = float("nan")


def sequences() -> Sequences:
    users = np.array([0, 0, 0, 0, 2, 2], np.int32)
    movies = np.array([5, 5, 5, 1, 3, 2], np.int32)
    types = np.array([2, 3, 3, 1, 1, 1], np.int16)
    days = np.array([NAN, 1, 2, 3, NAN, 7])
    return Sequences.of(users, movies, types, days, 4, 6)


def test_a_view_and_a_click_are_one_step_and_two_clicks_are_two() -> None:
    found = sequences()
    assert found.starts.tolist() == [0, 3, 3, 5, 5]
    assert found.history(0).tolist() == [5, 5, 1]
    assert found.days[:3].tolist() == [1, 2, 3]
    assert found.history(1).tolist() == []
    assert found.lengths.tolist() == [3, 0, 2, 0]


def test_the_last_steps_are_left_out_of_those_who_have_more() -> None:
    shorter = sequences().without_last(2)
    assert [shorter.history(user).tolist() for user in range(4)] == [[5], [], [3, 2], []]
    np.testing.assert_array_equal(shorter.days, [1, NAN, 7])


def test_scores_by_hand() -> None:
    rows = strongest(scipy.sparse.csr_array(np.array([[0, 2, 0], [1, 0, 4], [0, 0, 0]], np.float32)), 3)
    histories = np.array([[[1, 0], [0, 1], [2, 2]]], np.float32)
    movies = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    model = NextModel(2, (0.0, 0.5), (rows, rows), (0.5,), histories, movies)
    found = model.score(np.array([2, 0, 1], np.int32))  # of which the newest two count: 1, and 0 before it
    by_rows = np.array([1, 0, 4]) + (np.array([1, 0, 4]) + 0.5 * np.array([0, 2, 0]))
    by_vectors = movies @ (np.array([0.5, 1.0]) / np.sqrt(1.5))
    np.testing.assert_allclose(found, by_rows + by_vectors, rtol=1e-7)
    assert model.score(np.array([], np.int32)).tolist() == [0, 0, 0]


def test_rows_alone_and_vectors_alone() -> None:
    rows = scipy.sparse.csr_array(np.eye(2, dtype=np.float32))
    history = np.array([1], np.int32)
    assert NextModel(5, (1.0,), (rows,)).score(history).tolist() == [0, 1]
    vectors = np.eye(2, dtype=np.float32)
    assert NextModel(5, (), (), (0.3,), vectors[np.newaxis], vectors).score(history).tolist() == [0, 1]
    with pytest.raises(ValueError, match="has history_vectors"):
        NextModel(5, (), (), (0.3,)).score(history)
