"""The projection of vectors onto a plane."""

from __future__ import annotations

import numpy as np
import pytest

from embrec.serving.projection import project


def directions(groups: int, each: int, dimensions: int = 8) -> np.ndarray:
    """Make groups of vectors with nearly the same direction in a group, and very different lengths."""
    random = np.random.default_rng(0)
    centres = np.repeat(random.normal(size=(groups, dimensions)), each, axis=0)
    vectors = (centres + random.normal(size=centres.shape) * 0.05) * random.uniform(0.1, 10, (len(centres), 1))
    return vectors.astype(np.float32)


def test_what_points_the_same_way_is_near() -> None:
    points = project(directions(groups=3, each=20))
    distances = np.linalg.norm(points[:, np.newaxis] - points, axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(axis=1)[:, :5]
    assert (nearest // 20 == np.arange(60)[:, np.newaxis] // 20).all()


def test_the_same_vectors_give_the_same_points() -> None:
    vectors = directions(groups=2, each=15)
    assert np.array_equal(project(vectors), project(vectors))


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 1), (5, 3), (11, 1), (12, 1), (13, 2)])
def test_few_vectors_and_few_dimensions_have_points_too(shape: tuple[int, int]) -> None:
    points = project(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()


def test_vectors_that_are_all_the_same_are_one_point() -> None:
    points = project(np.ones((40, 3), np.float32))
    assert np.abs(points).max() < 1e-6
