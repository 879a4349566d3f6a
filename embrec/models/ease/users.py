"""Vectors for the cosine of users: the principal components of their ranking vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embrec import similarity

# Principal components to compare users by.
_COMPONENTS = 16
# Users whose vector in these components is shorter than this have no direction to compare.
_LEAST_LENGTH = 1e-6


def user_similarity(user_vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project users' directions onto the sixteen principal components in which they differ most.

    Lists of what neighbours like are nearly as good as by all components (tests/benchmarks/directions.py), and among
    vectors of so few an approximate index misses next to nothing.

    Args:
        user_vectors: float32 of shape (user_count, dimensions).

    Returns:
        float32 of shape (user_count, 16), or fewer columns where vectors are shorter.
    """
    if not np.isfinite(user_vectors).all():
        return user_vectors[:, :_COMPONENTS]  # refused when they are stored
    unit = similarity.unit(user_vectors)
    with threadpool_limits(1, user_api="blas"):  # or the number of threads would change how it rounds
        _, components = np.linalg.eigh((unit.T @ unit).astype(np.float64))
        found = np.asarray(unit @ components[:, ::-1][:, :_COMPONENTS].astype(np.float32))
    # Users with no component in these directions (few users share a movie) get the average vector.
    found[np.linalg.norm(found, axis=1) < _LEAST_LENGTH] = found.mean(axis=0)
    return found
