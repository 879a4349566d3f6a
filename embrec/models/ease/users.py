"""Vectors for the cosine of users: the principal components of their ranking vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embrec import similarity

# Users are compared by 16 principal components: an approximate index on so few dimensions misses almost nothing.
_COMPONENTS = 16
# Users whose vector in these components is shorter than this have a cosine of rounding noise.
_LEAST_LENGTH = 1e-6


def user_similarity(user_vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project users' unit vectors onto their first sixteen principal components.

    Recommendations from top-n neighbours are nearly as good as by all components (tests/benchmarks/directions.py).

    Args:
        user_vectors: float32 of shape (user_count, dimensions); a row of zeros is no vector.

    Returns:
        float32 of shape (user_count, 16), or fewer columns where vectors are shorter; zeros for a row of zeros.
    """
    if not np.isfinite(user_vectors).all():
        return user_vectors[:, :_COMPONENTS]  # refused when they are stored
    unit = similarity.unit(user_vectors)
    with threadpool_limits(1, user_api="blas"):  # or the number of threads would change how it rounds
        _, components = np.linalg.eigh((unit.T @ unit).astype(np.float64))
        found = np.asarray(unit @ components[:, ::-1][:, :_COMPONENTS].astype(np.float32))
    # Users with no part in these principal components (few users share a movie) get the average vector.
    lost = (np.linalg.norm(found, axis=1) < _LEAST_LENGTH) & user_vectors.any(axis=1)
    found[lost] = found.mean(axis=0)
    return found
