"""Batches of pieces of histories, as a Keras model of the next step learns from them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embrec.models.sequences import Sequences

# A few widths of batches, or TensorFlow would trace the model for each: multiples of 10 steps.
_WIDTHS = 10


class Pieces:
    """Batches of pieces of histories, cut anew in each pass, those of similar length together.

    Args:
        sequences: The histories.
        length: Maximum number of steps of a piece.
        batch_steps: About this many steps are in a batch.
        seed: Seeds the cuts and the order.
    """

    def __init__(self, sequences: Sequences, length: int, batch_steps: int, seed: int) -> None:
        self._sequences, self._length = sequences, length
        self._random = np.random.default_rng(seed)
        # As many batches in each pass, or Keras would wait for those that are missing.
        steps = int(np.maximum(sequences.lengths - 1, 0).sum())
        self._count = max(1, steps // max(batch_steps, 2 * length))

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._count

    def __iter__(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """Yield histories and the movie after each of their steps, int32 of shape (pieces, steps)."""
        starts, ends = self._cut()
        lengths = ends - starts - 1
        order = np.argsort(lengths + 4 * self._random.random(len(lengths)), kind="stable")
        total = np.cumsum(lengths[order])
        batches = np.split(order, np.searchsorted(total, total[-1] * np.arange(1, self._count) / self._count))
        for at in self._random.permutation(self._count):
            yield self._batch(starts[batches[at]], lengths[batches[at]])

    def dataset(self) -> tf.data.Dataset:
        """Return the batches as Keras takes them; a pass over it is one over the pieces."""
        shape = tf.TensorSpec((None, None), tf.int32)
        found = tf.data.Dataset.from_generator(lambda: iter(self), output_signature=(shape, shape))
        return found.apply(tf.data.experimental.assert_cardinality(self._count)).prefetch(2)

    def _batch(
        self, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        places = np.arange(int(-(-lengths.max() // _WIDTHS) * _WIDTHS))
        within = places < lengths[:, np.newaxis]
        at = np.where(within, starts[:, np.newaxis] + places, 0)
        movies, none = self._sequences.movies, np.int32(self._sequences.movie_count)
        return np.where(within, movies[at], none), np.where(within, movies[np.minimum(at + 1, len(movies) - 1)], none)

    def _cut(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where pieces of at least two steps begin and end; where a long history is cut is random."""
        starts, ends = [], []
        for begin, end in zip(self._sequences.starts[:-1], self._sequences.starts[1:], strict=True):
            if end - begin < 2:
                continue
            first = begin
            if end - begin > self._length:
                first = begin + int(self._random.integers(1, self._length))
                starts.append(np.array([begin]))
                ends.append(np.array([first + 1]))
            cuts = np.arange(first, end - 1, self._length)
            starts.append(cuts)
            ends.append(np.minimum(cuts + self._length + 1, end))
        return np.concatenate(starts), np.concatenate(ends)
