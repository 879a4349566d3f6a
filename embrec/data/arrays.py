"""Conventions of ratings as arrays: a time that is absent, and the order by user and movie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Stands for no time among int64 microseconds since 1970.
NO_TIME = np.iinfo(np.int64).min
MICROSECONDS_PER_DAY = 86_400_000_000


def key_order(users: NDArray[np.int32], movies: NDArray[np.int32]) -> NDArray[np.int64] | slice:
    """Return positions in the order of user, then movie; a slice if the ratings are in that order already."""
    key = (users.astype(np.int64) << 32) | movies
    if (key[1:] > key[:-1]).all():
        return slice(None)
    return np.argsort(key)
