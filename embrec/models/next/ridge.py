"""Next movies by ridge regression: from the newest step and decayed histories, jointly, to the step that comes next.

A step is predicted from three rows: the step before it, and the sums of ``decay ** age`` over all steps before it with
a fast and a slow decay. The coefficients are three matrices of movies by movies, in closed form. Two facts make them
cheap. The Gram matrix is a sum over pairs of steps, because the products of two decayed sums over all later targets are
a geometric series. And the block of the newest step is diagonal, so it is eliminated first (Schur complement).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from embrec.models.next.lags import pairs, steps_before, steps_left
from embrec.models.sequences import Sequences

# The decays of the rows; the newest step alone comes first, because its block is eliminated.
DECAYS = (0.0, 0.5, 0.85)
# At most 4,000 movies: the coefficients of all then take 0.2 GB.
LARGEST = 4_000
# The most frequent movies that have this share of all steps have coefficients, at most 2,000. The time grows with the
# cube of their number, and a rare movie has too few steps to tell more than rules do.
_SHARE, _MOST_MOVIES = 0.97, 2_000
# Pairs of steps whose factor is smaller are left out of the sums.
_LEAST_FACTOR = 0.01


@dataclass(frozen=True)
class Moments:
    """Sums over all steps that have one before them, from which the regression is solved for any regularization.

    Attributes:
        movies: The n movies that have coefficients, ascending, int64 of shape (n,).
        movie_count: The number of all movies.
        newest: The diagonal of the newest step's block of the Gram matrix, float32 of shape (n,).
        across: Its products with the decayed sums, float32 of shape (n, 2n).
        decayed: The Gram matrix of the decayed sums, float32 of shape (2n, 2n).
        newest_targets: The products of the newest step with the next one, float32 of shape (n, n).
        decayed_targets: Those of the decayed sums, float32 of shape (2n, n).
    """

    movies: NDArray[np.int64]
    movie_count: int
    newest: NDArray[np.float32]
    across: NDArray[np.float32]
    decayed: NDArray[np.float32]
    newest_targets: NDArray[np.float32]
    decayed_targets: NDArray[np.float32]

    @classmethod
    def of(cls, sequences: Sequences, movies: NDArray[np.int64]) -> Moments:
        """Sum up the moments of all steps, for some movies, ascending; steps of other movies only age a history."""
        count, (_, *slow) = len(movies), DECAYS
        steps, left = _renumbered(sequences, movies), steps_left(sequences)
        newest = np.bincount(steps.movies[left > 0], minlength=count + 1)[:count].astype(np.float32)
        width = len(slow) * count
        across, decayed = np.zeros((count, width), np.float32), np.zeros((width, width), np.float32)
        targets = np.zeros((width, count), np.float32)
        for first, decay in enumerate(slow):
            own = slice(first * count, (first + 1) * count)
            following, *inner = _pair_sums(steps, decay, [0.0, *slow])
            targets[own] = following
            across[:, own] = inner[0].T
            for second, sums in enumerate(inner[1:]):
                other = slice(second * count, (second + 1) * count)
                decayed[own, other] += sums
                decayed[other, own] += sums.T
        # A step with itself was added from both sides.
        each = np.arange(count)
        for first, decay in enumerate(slow):
            for second, other_decay in enumerate(slow):
                twice = np.bincount(steps.movies, _series(decay * other_decay, left), minlength=count + 1)[:count]
                decayed[first * count + each, second * count + each] -= twice.astype(np.float32)
        newest_targets = np.zeros((count + 1, count + 1), np.float32)
        earlier, later, _ = pairs(steps, steps_before(steps), 1)
        _add(newest_targets, earlier, later, np.ones(len(later), np.float32))
        return cls(movies, sequences.movie_count, newest, across, decayed, newest_targets[:-1, :-1], targets)

    def among(self, some: NDArray[np.int64]) -> Moments:
        """Return the moments of some of the n movies, by their places among them, as if there were no others."""
        both = np.concatenate([some, some + len(self.movies)])
        return Moments(
            np.arange(len(some)),
            len(some),
            self.newest[some],
            self.across[np.ix_(some, both)],
            self.decayed[np.ix_(both, both)],
            self.newest_targets[np.ix_(some, some)],
            self.decayed_targets[np.ix_(both, some)],
        )

    def solve(self, shrinkage: float) -> list[NDArray[np.float32]]:
        """Return the coefficients of each decay, float32 of shape (movie_count, movie_count).

        A row has the coefficients of an earlier movie. They are 0 for all but the n movies.

        Args:
            shrinkage: Regularization, in units of the mean of each block's diagonal.
        """
        count = len(self.newest)
        scale = 1 / (self.newest + np.float32(shrinkage * max(float(self.newest.mean()), 1e-6)))
        scaled = np.sqrt(scale)[:, np.newaxis] * self.across
        schur = self.decayed - scaled.T @ scaled
        for begin in (0, count):
            own = np.arange(begin, begin + count)
            schur[own, own] += np.float32(shrinkage * max(float(self.decayed[own, own].mean()), 1e-6))
        decayed = cho_solve(
            cho_factor(schur, lower=True, overwrite_a=True, check_finite=False),
            self.decayed_targets - self.across.T @ (scale[:, np.newaxis] * self.newest_targets),
            overwrite_b=True,
            check_finite=False,
        ).astype(np.float32, copy=False)
        newest = scale[:, np.newaxis] * (self.newest_targets - self.across @ decayed)
        return [self._among_all(each) for each in (newest, decayed[:count], decayed[count:])]

    def _among_all(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        found = np.zeros((self.movie_count, self.movie_count), np.float32)
        found[np.ix_(self.movies, self.movies)] = coefficients
        return found


def frequent(sequences: Sequences) -> NDArray[np.int64]:
    """Return the movies that have coefficients: the most frequent ones, ascending, int64."""
    counts = np.bincount(sequences.movies, minlength=sequences.movie_count)
    order = np.argsort(-counts, kind="stable")
    needed = int(np.searchsorted(np.cumsum(counts[order]), _SHARE * counts.sum())) + 1
    return np.sort(order[: min(needed, _MOST_MOVIES)])


def _renumbered(sequences: Sequences, movies: NDArray[np.int64]) -> Sequences:
    """Return the histories with some movies, ascending, numbered from 0, and all others as one more movie."""
    number = np.full(sequences.movie_count, len(movies), np.int32)
    number[movies] = np.arange(len(movies), dtype=np.int32)
    return dataclasses.replace(sequences, movies=number[sequences.movies], movie_count=len(movies) + 1)


def _pair_sums(sequences: Sequences, decay: float, others: list[float]) -> list[NDArray[np.float32]]:
    """Sum up pairs of steps, the earlier one in a row with a decay.

    Returns:
        First the products with the targets, then with the rows of each other decay in which the later step is; float32
        of shape (n, n) for all movies but the last, a row for each earlier movie.
    """
    count, before, left = sequences.movie_count, steps_before(sequences), steps_left(sequences)
    sums = [np.zeros((count, count), np.float32) for _ in range(1 + len(others))]
    series = [_series(decay * other, left).astype(np.float32) for other in others]
    for distance in range(int(np.log(_LEAST_FACTOR) / np.log(decay)) + 2):
        earlier, later, places = pairs(sequences, before, distance)
        if distance:
            _add(sums[0], earlier, later, np.full(len(later), decay ** (distance - 1), np.float32))
        for into, weights in zip(sums[1:], series, strict=True):
            _add(into, earlier, later, np.float32(decay**distance) * weights[places])
    return [each[:-1, :-1] for each in sums]


def _series(ratio: float, left: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1 + ratio + ratio ** 2 + ..., as many terms as there are steps left."""
    return np.asarray((1 - np.power(ratio, left)) / (1 - ratio))


def _add(
    into: NDArray[np.float32], rows: NDArray[np.int32], columns: NDArray[np.int32], values: NDArray[np.float32]
) -> None:
    np.add.at(into.reshape(-1), rows.astype(np.int64) * into.shape[1] + columns, values)
