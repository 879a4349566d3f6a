"""The number of users of two movies above chance, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from embrec.models.next import along


def pairs(*users: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of users whose movies are digits."""
    movies = [int(movie) for each in users for movie in each]
    return np.repeat(np.arange(len(users)), [len(each) for each in users]).astype(np.int32), np.array(movies, np.int32)


def test_excesses_by_hand() -> None:
    users, movies = pairs("01", "01", "012", "2", "2", "3", "3", "0344")
    found = along.excesses(users, movies, 8, 5, 0)
    expected = np.zeros((5, 5))
    expected[0, 1] = expected[1, 0] = (3 - 4 * 3 / 8) / np.sqrt(4 * 3 / 8 + 3)
    np.testing.assert_allclose(found.rows.toarray(), expected, rtol=1e-6)  # one user of both is chance
    assert found.users.tolist() == [4, 3, 3, 3, 1]


@pytest.mark.parametrize("limits", [{"_PRODUCTS": 100}, {"_PAIRS": 2_000}])
def test_many_are_counted_in_blocks_and_by_a_share(monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]) -> None:
    random = np.random.default_rng(3)
    taste = np.repeat(random.integers(0, 2, 300), 20)
    users, movies = np.repeat(np.arange(300), 20).astype(np.int32), (random.integers(0, 15, 6000) + 15 * taste)
    whole = along.excesses(users, movies.astype(np.int32), 300, 30, 0).rows
    for name, value in limits.items():
        monkeypatch.setattr(along, name, value)
    part = along.excesses(users, movies.astype(np.int32), 300, 30, 0).rows
    if "_PRODUCTS" in limits:
        np.testing.assert_array_equal(whole.toarray(), part.toarray())
        np.testing.assert_array_equal(whole.indices, part.indices)
    else:
        other = along.excesses(users, movies.astype(np.int32), 300, 30, 0).rows
        np.testing.assert_array_equal(other.data, part.data)
        first = part.toarray()
        assert first[:15, 15:].sum() == 0
        assert (first[:15, :15] > 0).mean() > 0.25


def test_nothing_gives_none() -> None:
    nothing = np.array([], np.int32)
    assert along.excesses(nothing, nothing, 0, 3, 0).rows.nnz == 0
