"""SASRec (Kang and McAuley, ICDM 2018) in Keras, with the softmax over all movies as its loss, as a peer.

The published model: item and position embeddings, blocks of causal self-attention and a pointwise feed-forward network
with residuals, layer normalization and dropout, and the item embeddings again as output. Its binary cross-entropy with
one negative is replaced by the cross-entropy over all movies, which ranks much better (Klenitskiy and Vasilev, RecSys
2023). The training ends when NDCG@10 on validation questions has not risen for some epochs, and keeps the best weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from embrec.evaluation.contender import Contender, Follow
from embrec.evaluation.next_steps import popularity, quality
from embrec.evaluation.steps import Questions
from embrec.models.sequences import Sequences

LENGTH = 50
DIMENSIONS, BLOCKS, DROPOUT, RATE = 64, 2, 0.3, 1e-3
BATCH, MOST_EPOCHS, PATIENCE, VALIDATED = 64, 80, 5, 2_000


@keras.saving.register_keras_serializable(package="benchmarks")
class SASRec(keras.Model):
    """The model: ids of shape (batch, length), 0 for padding before the first step, to vectors of the same shape."""

    def __init__(self, movie_count: int) -> None:
        super().__init__()
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.movie = keras.layers.Embedding(movie_count + 1, DIMENSIONS, normal)
        self.place = keras.layers.Embedding(LENGTH, DIMENSIONS, normal)
        self.dropout = keras.layers.Dropout(DROPOUT)
        self.blocks = [Block() for _ in range(BLOCKS)]
        self.last = keras.layers.LayerNormalization(epsilon=1e-8)

    def call(self, ids: Any, training: bool = False) -> Any:
        """Return a vector for each step, to score the step after it with."""
        length = keras.ops.shape(ids)[1]
        given = keras.ops.cast(ids > 0, "float32")[..., np.newaxis]
        places = LENGTH - 1 - keras.ops.arange(length)[::-1]
        steps = self.movie(ids) * math.sqrt(DIMENSIONS) + self.place(places)
        steps = self.dropout(steps, training=training) * given
        for block in self.blocks:
            steps = block(steps, ids, training=training) * given
        return self.last(steps)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *others: Any, **named: Any) -> Any:
        """Return the mean cross-entropy over all movies of the steps that are not padding."""
        wanted = y > 0
        scores = keras.ops.matmul(tf.boolean_mask(y_pred, wanted), keras.ops.transpose(self.movie.embeddings))
        targets = tf.boolean_mask(y, wanted)
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(targets, scores, from_logits=True))


class Block(keras.layers.Layer):
    """Causal self-attention and a pointwise feed-forward network, each with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = keras.layers.MultiHeadAttention(1, DIMENSIONS, dropout=DROPOUT)
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-8) for _ in range(2)]
        self.dense = [keras.layers.Dense(DIMENSIONS, "relu"), keras.layers.Dense(DIMENSIONS)]
        self.dropout = keras.layers.Dropout(DROPOUT)

    def call(self, steps: Any, ids: Any, training: bool = False) -> Any:
        """Return the steps, each changed by itself and those before it."""
        query = self.norms[0](steps)
        known = (ids > 0)[:, np.newaxis, :]
        steps = query + self.attention(query, steps, attention_mask=known, use_causal_mask=True, training=training)
        inner = self.norms[1](steps)
        return inner + self.dropout(self.dense[1](self.dense[0](inner)), training=training)


def batches(training: Sequences, seed: int) -> tuple[tf.data.Dataset, int]:
    """Return batches without end, and their number in an epoch.

    A batch has inputs and targets of pieces of histories of similar length. Each epoch cuts other batches.
    """
    random = np.random.default_rng(seed)
    pieces = [piece for user in range(len(training.lengths)) for piece in _pieces(training.history(user))]

    def epoch() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.argsort([len(piece) for piece in pieces] + random.random(len(pieces)) * 4)
        cut = [order[begin : begin + BATCH] for begin in range(0, len(order), BATCH)]
        for place in random.permutation(len(cut)):
            rows = [pieces[each] for each in cut[place]]
            yield padded([row[:-1] for row in rows]), padded([row[1:] for row in rows])

    # A keras.utils.PyDataset would take the length of the first batches for that of all.
    ids = tf.TensorSpec((None, None), tf.int32)
    return tf.data.Dataset.from_generator(epoch, output_signature=(ids, ids)).repeat(), -(-len(pieces) // BATCH)


def _pieces(history: np.ndarray) -> list[np.ndarray]:
    """Cut a history into pieces of at most 51 steps, from its end; a step in two of them is the target of one only."""
    ends = range(len(history), 1, -LENGTH)
    return [history[max(0, end - LENGTH - 1) : end] for end in ends]


def padded(histories: Sequence[np.ndarray]) -> np.ndarray:
    """Return the newest 50 steps of histories as ids from 1, int32 of (histories, longest), with zeros before them."""
    longest = max(1, max(min(len(each), LENGTH) for each in histories))
    ids = np.zeros((len(histories), longest), np.int32)
    for row, history in zip(ids, histories, strict=True):
        newest = history[-longest:]
        row[longest - len(newest) :] = newest + 1
    return ids


class Stopping(keras.callbacks.Callback):
    """Early stopping by NDCG@10 on validation questions."""

    def __init__(self, validation: Questions, ties: np.ndarray, seed: int) -> None:
        super().__init__()
        self.asked, self.ties = validation.sample(VALIDATED, seed), ties
        self.reached, self.epoch, self.weights = -1.0, 0, []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the best weights, and stop when they are old."""
        value = quality(by_model(self.model), self.asked, self.ties)
        if value > self.reached:
            self.reached, self.epoch, self.weights = value, epoch, self.model.get_weights()
        self.model.stop_training = epoch - self.epoch >= PATIENCE


def by_model(model: SASRec) -> Follow:
    """Return the scores of a model: the last step's vector times all movies' vectors."""
    ask = tf.function(lambda ids: model(ids, training=False)[:, -1], reduce_retracing=True)

    def score(histories: Sequence[np.ndarray]) -> np.ndarray:
        movies = keras.ops.convert_to_numpy(model.movie.embeddings)[1:]
        blocks = [histories[begin : begin + 256] for begin in range(0, len(histories), 256)]
        return np.concatenate([ask(padded(block)).numpy() for block in blocks]) @ movies.T

    return score


def sasrec(chosen: dict[str, str]) -> Contender:
    """Return SASRec as a contender, which notes its number of epochs in ``chosen``."""

    def fit(training: Sequences, validation: Questions, seed: int) -> Follow:
        keras.utils.set_random_seed(seed)
        model = SASRec(training.movie_count)
        model.compile(keras.optimizers.Adam(RATE), jit_compile=False)
        stopping = Stopping(validation, popularity(training), seed)
        data, steps = batches(training, seed)
        model.fit(data, epochs=MOST_EPOCHS, steps_per_epoch=steps, callbacks=[stopping], shuffle=False, verbose=0)
        model.set_weights(stopping.weights)
        chosen["SASRec"] = (
            f"{DIMENSIONS} dimensions, {BLOCKS} blocks, one head, length {LENGTH}, dropout {DROPOUT}, Adam {RATE}; "
            f"{stopping.epoch + 1} epochs by early stopping"
        )
        return by_model(model)

    return Contender("SASRec", follow=fit)
