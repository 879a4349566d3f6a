"""The benchmark of similar movies where ratings are few."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def sparse(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    return importlib.import_module("sparse")


def test_most_made_up_movies_have_few_ratings_and_users_watch_their_groups(sparse: ModuleType) -> None:
    training, group = sparse.made_up(0)
    counts = np.bincount(training.movies, minlength=sparse.MOVIES)
    assert np.median(counts) <= 2 < counts.max()
    own = [
        np.bincount(group[movies]).max() / len(movies) for movies in np.split(training.movies, of_each(training.users))
    ]
    assert np.mean(own) > 0.35


def of_each(users: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.diff(users)) + 1


@pytest.mark.parametrize(("knows", "share"), [(True, 1.0), (False, 1 / 6)])
def test_who_knows_the_groups_has_all_neighbours_right(
    sparse: ModuleType, knows: bool, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"GROUPS": 6, "MOVIES": 300, "USERS": 200}.items():
        monkeypatch.setattr(sparse, name, value)
    _, group = sparse.made_up(4)
    random = np.random.default_rng(0).random((300, 300))
    same = group[:, np.newaxis] == group
    found = sparse.grouped(
        lambda training, seed: lambda movies: (same + 0.0 if knows else random)[np.ix_(movies, movies)], 4
    )
    assert list(found.values()) == pytest.approx([share] * len(found), abs=0.08)
