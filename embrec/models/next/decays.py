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

from embrec.models.next.pieces import Pieces
from embrec.models.sequences import Sequences

# The decays to begin with: from the last step alone to nearly the whole history.
_DECAYS = (0.01, 0.5, 0.8, 0.93, 0.99)
# The learning rate rises through an epoch and then falls along half a cosine to this share.
_LEAST_RATE = 0.05


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of an embedding.
        epochs: Maximum number of passes over the steps.
        patience: Epochs without a better validation after which the fit stops. At fewer than 5 the noise of validation
            would end it before the learning rate falls.
        learning_rate: Adam's highest learning rate.
        batch_steps: About this many steps are learned from at a time.
        sampled: Number of movies that a step's own is told from.
        dropout: Dropout of the embeddings' numbers in a history.
    """

    dimensions: int = 64
    epochs: int = 20
    patience: int = 5
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


def fit(
    sequences: Sequences,
    length: int,
    options: Options,
    seed: int,
    validate: Callable[[DecayedHistory], float] | None = None,
    epochs: int | None = None,
) -> tuple[DecayedHistory, int]:
    """Compile and fit the model.

    Args:
        sequences: The histories to learn from, at least one of two steps.
        length: Number of newest steps that count in a history.
        options: Options of the fit.
        seed: The same seed, histories and versions give the same bits.
        validate: Measures the model after each epoch on steps that it does not learn from; more is better. The fit
            stops early by it, and keeps the best epoch's weights. None keeps the last epoch's.
        epochs: Number of passes over the steps, if it is not that of the options.

    Returns:
        The model, and the number of passes that its weights come from.
    """
    pieces = Pieces(sequences, length, options.batch_steps, seed)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, (options.epochs - 1) * len(pieces)),
        alpha=_LEAST_RATE,
        warmup_target=options.learning_rate,
        warmup_steps=len(pieces),
    )
    model = DecayedHistory(sequences.movie_count, options.dimensions, options.sampled, options.dropout, seed)
    # XLA would compile the step anew for each shape of a batch.
    model.compile(optimizer=keras.optimizers.Adam(rate, clipnorm=1.0), jit_compile=False)
    stopping, callbacks = None, []
    if validate is not None:
        measure = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(ndcg=validate(model)))
        stopping = keras.callbacks.EarlyStopping(
            "ndcg", mode="max", patience=options.patience, restore_best_weights=True
        )
        callbacks = [measure, stopping]
    passes = options.epochs if epochs is None else epochs
    model.fit(pieces.dataset(), epochs=passes, shuffle=False, verbose=0, callbacks=callbacks)
    return model, stopping.best_epoch + 1 if stopping else passes
