"""Parts of a model of the next step: scorers whose weighted sum is the model, each in the form that SQL answers by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.next.base import powers

Matrix: TypeAlias = scipy.sparse.csr_array | NDArray[np.float32]
# Rows of which at least 5 % are not zero are added up faster as dense ones.
_DENSE = 0.05


class Part(Protocol):
    """A scorer of next steps.

    Attributes:
        name: Its name, by which its weight is recorded.
    """

    @property
    def name(self) -> str:
        """Its name, by which its weight is recorded."""

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """Score all movies as the next step of some histories, float32 of shape (len(histories), movie_count)."""


@dataclass(frozen=True)
class Rows:
    """A part that adds up rows of next movies.

    Attributes:
        name: Its name.
        by_decay: The weights of next movies for each decay, float32 of shape (movie_count, movie_count).
    """

    name: str
    by_decay: Mapping[float, Matrix]

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """Score all movies, as :class:`Part` describes."""
        total = np.zeros(histories.shape, np.float32)
        for decay, rows in self.by_decay.items():
            if not isinstance(rows, np.ndarray) and rows.nnz > _DENSE * rows.shape[0] * rows.shape[1]:
                rows = rows.toarray()
            found = histories.decayed(decay) @ rows
            total += found.toarray() if scipy.sparse.issparse(found) else found
        return total


@dataclass(frozen=True)
class Vectors:
    """A part that multiplies movies' vectors with those of histories, which :class:`NextModel` defines.

    Attributes:
        name: Its name.
        decays: The decay of each channel.
        history_vectors: float32 of shape (channels, movie_count, dimensions).
        movie_vectors: float32 of shape (movie_count, dimensions).
    """

    name: str
    decays: tuple[float, ...]
    history_vectors: NDArray[np.float32]
    movie_vectors: NDArray[np.float32]

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """Score all movies, as :class:`Part` describes."""
        total = np.zeros((len(histories), self.movie_vectors.shape[1]), np.float32)
        for decay, vectors in zip(self.decays, self.history_vectors, strict=True):
            factors = histories.decayed(decay)
            scale = 1 / np.sqrt(np.maximum(factors.sum(axis=1), 1.0))
            total += (scale[:, np.newaxis] * (factors @ vectors)).astype(np.float32)
        return np.asarray(total @ self.movie_vectors.T)


class Histories:
    """The newest steps of some histories.

    Args:
        histories: The movies of each, oldest first.
        length: The number of newest steps that count.
        movie_count: Number of all movies.
    """

    def __init__(self, histories: Sequence[NDArray[np.int32]], length: int, movie_count: int) -> None:
        newest = [history[::-1][:length] for history in histories]
        lengths = np.array([len(each) for each in newest], np.int64)
        self.shape = len(histories), movie_count
        self._movies = np.concatenate([np.empty(0, np.int32), *newest])
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self._ages = np.arange(len(self._movies)) - np.repeat(self._starts[:-1], lengths)

    def __len__(self) -> int:
        """Return the number of histories."""
        return self.shape[0]

    def decayed(self, decay: float) -> scipy.sparse.csr_array:
        """Return the sum of ``decay ** age`` for each movie of each history, float32 of the shape of all scores."""
        factors = powers(decay, int(self._ages.max(initial=-1)) + 1).astype(np.float32)
        kept = self._ages < np.count_nonzero(factors)
        starts = np.concatenate([[0], np.cumsum(kept)])[self._starts]
        return scipy.sparse.csr_array((factors[self._ages[kept]], self._movies[kept], starts), shape=self.shape)
