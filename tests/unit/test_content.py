"""Maps from what is known of movies to their vectors, beside plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from embrec.models import content
from embrec.models.content import Descriptions


def described(seed: int = 0, movies: int = 60, dimensions: int = 4) -> Descriptions:
    """Return movies of three genres and some years, with random content; two have none."""
    random = np.random.default_rng(seed)
    genres = [["Comedy"], ["Drama"], ["Comedy", "Drama"], []]
    vectors = random.normal(size=(movies, dimensions)).astype(np.float32)
    vectors[[3, 17]] = np.nan
    return Descriptions(
        [genres[number % 4] for number in range(movies)],
        [1990 + number % 9 if number % 7 else None for number in range(movies)],
        vectors,
        random.integers(0, 50, movies),
    )


def features(known: Descriptions, labels: list[str], with_content: bool) -> np.ndarray:
    """Return the features of all movies, of those that have content: 1, labels, content."""
    rows = []
    for genres, year, vector in zip(known.genres, known.years, known.content, strict=True):
        mine = {f"genre {genre}" for genre in genres} | ({f"period {year // 5}"} if year else set())
        row = [1.0, *(float(label in mine) for label in labels)]
        if with_content and np.isnan(vector).any():
            continue
        rows.append([*row, *vector.astype(float)] if with_content else row)
    return np.array(rows)


def test_what_depends_on_the_description_alone_is_found() -> None:
    known = described()
    labels = ["genre Comedy", "genre Drama", "period 398", "period 399"]
    random = np.random.default_rng(1)
    of_labels, of_both = random.normal(size=(3, 5)), random.normal(size=(3, 9))
    told = np.isfinite(known.content).all(axis=1)
    by_both = np.zeros((60, 3), np.float32)
    by_both[told] = features(known, labels, True) @ of_both.T
    by_labels = (features(known, labels, False) @ of_labels.T).astype(np.float32)
    found = content.fit(known, {"rating": by_labels, "preference": by_both})
    assert (found.labels, found.dimensions) == (labels, 4)
    assert np.allclose(features(known, labels, False) @ found.weights["genres_rating"].T, by_labels, atol=0.05)
    assert np.allclose(features(known, labels, True) @ found.weights["content_preference"].T, by_both[told], atol=0.05)


def test_the_penalty_is_that_of_the_least_error_on_movies_left_out() -> None:
    """Each movie is left out in turn, for each penalty; the intercept is not penalized."""
    known = described(2)
    random = np.random.default_rng(3)
    design = features(known, ["genre Comedy", "genre Drama", "period 398", "period 399"], False)[:, 1:]
    targets = (design @ random.normal(size=(4, 2)) + random.normal(size=(60, 2))).astype(np.float32)
    weights = known.counts / (known.counts + 10)
    centred = design - weights @ design / weights.sum()
    scale = np.linalg.svd(centred * np.sqrt(weights)[:, None], compute_uv=False) ** 2

    def solved(rows: np.ndarray, penalty: float) -> np.ndarray:
        plain = np.column_stack([np.ones(rows.sum()), design[rows]])
        gram = plain.T @ (weights[rows, None] * plain) + penalty * np.diag([0, 1, 1, 1, 1])
        return np.linalg.solve(gram, plain.T @ (weights[rows, None] * targets[rows].astype(float)))

    def error(penalty: float) -> float:
        total = 0.0
        for movie in range(60):
            rest = np.arange(60) != movie
            miss = targets[movie] - np.array([1, *design[movie]]) @ solved(rest, penalty)
            total += weights[movie] * float(miss @ miss)
        return total

    best = min(2.0 ** np.arange(-8, 13) * scale.mean(), key=error)
    found = content.fit(known, {"rating": targets}).weights["genres_rating"]
    assert np.allclose(found, solved(np.ones(60, bool), best).T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["no content", "few with content", "nothing"])
def test_movies_of_which_little_is_known_have_the_mean(kind: str) -> None:
    known = described(4)
    empty = np.full_like(known.content, np.nan)
    if kind == "few with content":
        empty[:10] = known.content[:10]
    nothing = [[] for _ in known.genres], [None] * 60
    genres, years = nothing if kind == "nothing" else (known.genres, known.years)
    width = 0 if kind == "no content" else 4
    found = content.fit(Descriptions(genres, years, empty[:, :width], known.counts), {"rating": np.ones((60, 2))})
    assert found.dimensions is None
    assert set(found.weights) == {"genres_rating"}
    assert np.allclose(found.weights["genres_rating"][:, 0], 1)
    assert found.labels == ([] if kind == "nothing" else ["genre Comedy", "genre Drama", "period 398", "period 399"])


def test_more_content_than_movies_gives_the_same_bits_again() -> None:
    known = described(5, movies=50, dimensions=300)
    targets = {"rating": np.random.default_rng(6).normal(size=(50, 3)).astype(np.float32)}
    first, second = content.fit(known, targets), content.fit(known, targets)
    assert first.weights["content_rating"].shape == (3, 1 + len(first.labels) + 300)
    for name, weights in first.weights.items():
        assert np.isfinite(weights).all()
        assert np.array_equal(weights, second.weights[name])
