"""The ranking model as a part of what comes next: which movies go together, asked with several decays."""

from __future__ import annotations

import numpy as np

from embrec.models.base import Ratings
from embrec.models.ease import model as ease
from embrec.models.ease.penalty import FIRST_PENALTY
from embrec.models.next.parts import Vectors
from embrec.models.sequences import Sequences

# A decay of 1 counts all steps of a history alike, as the ranking model does.
_DECAYS = (0.85, 0.98, 1.0)
# The most frequent 4,000 movies have vectors: the closed form of more would take most of the fit's time.
_MOST_MOVIES = 4_000


def lists(sequences: Sequences, dimensions: int, penalty: float | None, seed: int) -> list[Vectors]:
    """Fit the ranking model on histories, in which each movie counts once.

    Args:
        sequences: The histories.
        dimensions: Length of a vector.
        penalty: Regularization, or None for the default.
        seed: Seed of the fit.

    Returns:
        A part for each decay, all with the same vectors; movies without one have zeros.
    """
    counts = np.bincount(sequences.movies, minlength=sequences.movie_count)
    chosen = np.sort(np.argsort(-counts, kind="stable")[:_MOST_MOVIES])
    number = np.full(sequences.movie_count, -1, np.int32)
    number[chosen] = np.arange(len(chosen), dtype=np.int32)
    owners = np.repeat(np.arange(len(sequences.lengths)), sequences.lengths)
    known = number[sequences.movies] >= 0
    keys = np.unique(owners[known] * len(chosen) + number[sequences.movies[known]])
    users, movies = (keys // len(chosen)).astype(np.int32), (keys % len(chosen)).astype(np.int32)
    once = Ratings(users, movies, np.ones(len(keys), np.float32), len(sequences.lengths), len(chosen))
    options = ease.Options(dimensions=dimensions, penalty=FIRST_PENALTY if penalty is None else penalty)
    vectors, added = ease.scorers(once, options, seed)
    own, profiles = (np.zeros((sequences.movie_count, each.shape[1]), np.float32) for each in (vectors, added))
    own[chosen], profiles[chosen] = vectors, added
    return [Vectors(f"list {decay:g}", (decay,), profiles[np.newaxis], own) for decay in _DECAYS]
