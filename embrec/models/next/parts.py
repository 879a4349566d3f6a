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
        self._newest = [history[::-1][:length] for history in histories]
        self.shape = len(histories), movie_count

    def __len__(self) -> int:
        """Return the number of histories."""
        return len(self._newest)

    def decayed(self, decay: float) -> scipy.sparse.csr_array:
        """Return the sum of ``decay ** age`` for each movie of each history, float32 of the shape of all scores."""
        factors = [powers(decay, len(history)) for history in self._newest]
        kept = [np.count_nonzero(each) for each in factors]
        movies = [history[:most] for history, most in zip(self._newest, kept, strict=True)]
        values = np.concatenate([each[:most] for each, most in zip(factors, kept, strict=True)])
        starts = np.concatenate([[0], np.cumsum(kept)])
        indices = np.concatenate(movies).astype(np.int32)
        return scipy.sparse.csr_array((values.astype(np.float32), indices, starts), shape=self.shape)
