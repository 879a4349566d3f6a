"""The keys of random numbers: seed, stage, sweep, and the shard of users or block of movies that they are for.

They are the same on any number of workers, because no generator is shared.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stage(IntEnum):
    """The uses of random numbers."""

    BLUR = 0
    PRIORS = 1
    USERS_START = 2
    USERS = 3
    USERS_SCALES = 4
    USERS_FEATURES = 5
    USERS_LINK = 6
    MOVIES_START = 7
    MOVIES = 8
    MOVIES_SCALES = 9
    MOVIES_FEATURES = 10
    MOVIES_LINK = 11
    GENRES_LINK = 12


def generator(seed: int, stage: Stage, sweep: int, leaf: int = 0) -> np.random.Generator:
    """Return a generator for numbers that are not standard normal."""
    return np.random.default_rng((seed, stage, sweep, leaf))
