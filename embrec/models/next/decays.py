"""A Keras model of the next step: histories whose steps fade at rates that are learned.

A history's vector is the sum of its movies' embeddings, in channels that fade at different rates, each with a matrix of
its own. A movie's score is the product of its embedding with that vector, so SQL computes it from any history. The
model is a log-linear one (Mnih, Hinton, Three new graphical models for statistical language modelling, ICML 2007) with
decays in place of positions. It learns by a softmax over the step's movie and a sample of all movies, whose logits are
corrected for the probability with which they are drawn (Bengio, Senecal, IEEE Transactions on Neural Networks, 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from embrec.models.sequences import Sequences

# The decays to begin with: from the last step alone to nearly the whole history.
_DECAYS = (0.01, 0.5, 0.8, 0.93, 0.99)
# The learning rate rises for an epoch and then falls along half a cosine to this share.
_LEAST_RATE = 0.05


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of an embedding.
        epochs: Maximum number of passes over the steps.
        patience: Epochs without a better validation after which the fit stops.
        learning_rate: Adam's highest learning rate.
        batch_steps: About this many steps are learned from at a time.
        sampled: Number of movies that a step's own is told from.
        dropout: Dropout of the embeddings' numbers in a history.
    """

    dimensions: int = 64
    epochs: int = 15
    patience: int = 3
    learning_rate: float = 5e-3
    batch_steps: int = 1024
    sampled: int = 500
    dropout: float = 0.3


class DecayedHistory(keras.Model):  # type: ignore[misc]  # keras has no types
    """The model: from histories to their vectors after each step.

    Its input is int32 of shape (histories, steps), oldest step first, with ``movie_count`` after a history's end. Its
    output is float32 of shape (histories, steps, dimensions).

    Args:
        movie_count: Number of movies.
        dimensions: Length of an embedding.
        sampled: Number of movies that a step's own is told from.
        dropout: Dropout of the embeddings' numbers.
        seed: Seeds the start, the dropout and the samples.
    """

    def __init__(self, movie_count: int, dimensions: int, sampled: int, dropout: float, seed: int) -> None:
        super().__init__(name="decayed_history")
        self.movie_count, self._sampled = movie_count, min(sampled, movie_count)
        self._seeds = keras.random.SeedGenerator(seed)
        start = keras.initializers.RandomNormal(stddev=0.32 / dimensions**0.5, seed=seed)
        self.movies = keras.layers.Embedding(movie_count + 1, dimensions, embeddings_initializer=start, name="movies")
        self.movies.build()
        self._dropout = keras.layers.Dropout(dropout, seed=seed + 1)
        decays = np.array(_DECAYS, np.float32)
        self.logits = self.add_weight(
            shape=decays.shape, initializer=keras.initializers.Constant(np.log(decays / (1 - decays))), name="decays"
        )
        self.maps = self.add_weight(
            shape=(len(decays), dimensions, dimensions),
            initializer=keras.initializers.GlorotUniform(seed=seed + 2),
            name="maps",
        )

    @property
    def decays(self) -> NDArray[np.float32]:
        """The decays, float32 of shape (channels,)."""
        return np.asarray(ops.convert_to_numpy(ops.sigmoid(self.logits)))

    def call(self, histories: Any, training: bool = False) -> Any:
        """Return the histories' vectors after each step."""
        mask = ops.cast(histories < self.movie_count, "float32")
        steps = self._dropout(self.movies(histories) * self.movies.output_dim**0.5, training=training)
        steps = steps * mask[..., None]
        places = ops.arange(ops.shape(histories)[1])
        ages = places[:, None] - places[None]
        decays = ops.sigmoid(self.logits)[:, None, None]
        factors = ops.where(ages >= 0, decays ** ops.cast(ops.maximum(ages, 0), "float32"), 0.0)
        sums = ops.einsum("cts,bsd->bctd", factors, steps)
        lengths = ops.maximum(ops.einsum("cts,bs->bct", factors, mask), 1.0) ** 0.5
        return ops.einsum("bctd,cde->bte", sums / lengths[..., None], self.maps)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the mean cross entropy of the next movies ``y``, with ``movie_count`` where there is none."""
        known = ops.cast(y < self.movie_count, "float32")
        others = keras.random.randint((self._sampled,), 0, self.movie_count, seed=self._seeds)
        own = ops.sum(y_pred * self.movies(y), -1)
        # Each movie is drawn so often in expectation.
        correction = np.float32(np.log(self.movie_count / self._sampled))
        scores = ops.einsum("btd,nd->btn", y_pred, self.movies(others)) + correction
        scores = ops.where(ops.equal(y[..., None], others), -1e9, scores)
        total = ops.logsumexp(ops.concatenate([own[..., None], scores], -1), -1)
        return ops.sum((total - own) * known) / ops.maximum(ops.sum(known), 1.0)

    def vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the vectors of :class:`embrec.models.next.base.NextModel`.

        Returns:
            The history vectors, float32 of shape (channels, movie_count, dimensions), and the movies' own, float32 of
            shape (movie_count, dimensions).
        """
        movies = np.asarray(self.movies.get_weights()[0][:-1], np.float32)
        maps = np.asarray(ops.convert_to_numpy(self.maps)) * np.float32(self.movies.output_dim**0.5)
        return np.stack([movies @ each for each in maps]), movies


class Pieces(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of pieces of histories, cut anew in each epoch, those of similar length together.

    Args:
        sequences: The histories.
        length: Maximum number of steps of a piece.
        batch_steps: About this many steps are in a batch.
        seed: Seeds the cuts and the order.
    """

    def __init__(self, sequences: Sequences, length: int, batch_steps: int, seed: int) -> None:
        super().__init__()
        self._sequences, self._length, self._batch_steps = sequences, length, batch_steps
        self._random = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Cut the histories anew."""
        starts, ends = self._cut()
        lengths = ends - starts - 1
        order = np.argsort(lengths + 4 * self._random.random(len(lengths)), kind="stable")
        total = np.cumsum(lengths[order])
        # As many batches in each epoch, or Keras would wait for those that are missing.
        count = max(1, int(total[-1]) // max(self._batch_steps, 2 * self._length))
        bounds = np.searchsorted(total, total[-1] * np.arange(1, count) / count)
        batches = np.split(order, bounds)
        self._batches = [(starts[each], ends[each]) for each in (batches[at] for at in self._random.permutation(count))]

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return histories and the movie after each of their steps, int32 of shape (pieces, steps)."""
        starts, ends = self._batches[index]
        lengths = ends - starts - 1
        # A few widths, or the function is traced again for each.
        width = int(-(-lengths.max() // 10) * 10)
        places = np.arange(width)
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


class _BestEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Keep the weights of the best epoch, and stop when none was better for some.

    Args:
        validate: Measures the model; more is better.
        patience: The number of epochs that are waited for a better one.
    """

    def __init__(self, validate: Callable[[DecayedHistory], float], patience: int) -> None:
        super().__init__()
        self._validate, self._patience = validate, patience
        self.best, self.epoch = -np.inf, 0
        self._weights: list[NDArray[np.float32]] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        found = self._validate(self.model)
        if found > self.best:
            self.best, self.epoch, self._weights = found, epoch + 1, self.model.get_weights()
        elif epoch + 1 - self.epoch >= self._patience:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._weights is not None:
            self.model.set_weights(self._weights)


def fit(
    sequences: Sequences,
    length: int,
    options: Options,
    seed: int,
    validate: Callable[[DecayedHistory], float],
    epochs: int | None = None,
) -> tuple[DecayedHistory, int]:
    """Fit the model.

    Args:
        sequences: The histories to learn from, at least one of two steps.
        length: Number of newest steps that count in a history.
        options: Options of the fit.
        seed: The same seed, histories and versions give the same bits.
        validate: Measures the model on steps that it does not learn from; more is better.
        epochs: Maximum number of passes, in place of that of the options.

    Returns:
        The model with the weights of its best epoch, and that epoch, from 1.
    """
    most = options.epochs if epochs is None else epochs
    model = DecayedHistory(sequences.movie_count, options.dimensions, options.sampled, options.dropout, seed)
    model.compile(optimizer=keras.optimizers.Adam(options.learning_rate, clipnorm=1.0))

    def rate(epoch: int, _: float) -> float:
        cosine = 0.5 * (1 + np.cos(np.pi * epoch / options.epochs))
        return float(options.learning_rate * min(1.0, (epoch + 1) / 2) * (_LEAST_RATE + (1 - _LEAST_RATE) * cosine))

    best = _BestEpoch(validate, options.patience)
    pieces = Pieces(sequences, length, options.batch_steps, seed)
    callbacks = [keras.callbacks.LearningRateScheduler(rate), best]
    model.fit(pieces, epochs=most, shuffle=False, verbose=0, callbacks=callbacks)
    return model, best.epoch
