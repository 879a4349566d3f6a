"""ELSA, a linear autoencoder with a low-rank factor, trained by gradient descent, as a contender.

Vančura et al., Scalable linear shallow autoencoder for collaborative filtering, RecSys 2022. Scores are x A A' - x
with unit rows of A; the loss is the distance of scores and x, both normalized to length 1. It needs no matrix of
movies by movies, so it is an alternative to EASE with a folded-in tail for a big catalogue.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from embrec.evaluation.contender import Contender, Score
from embrec.evaluation.contenders import by_cosine
from embrec.models.base import Ratings, RatingWeights
from embrec.models.interactions import Interactions, signed

_USERS = 128
_RATE = 0.01


class Elsa(keras.Model):  # type: ignore[misc]  # keras has no types
    """The autoencoder; fit it to rows of users' weights, float32 of shape (users, movies)."""

    def __init__(self, movies: int, dimensions: int, kept: float) -> None:
        super().__init__()
        self._kept = kept
        self.vectors = self.add_weight(shape=(movies, dimensions), initializer="random_normal", name="vectors")
        self.loss_tracker = keras.metrics.Mean("loss")
        self.built = True

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        vectors = tf.math.l2_normalize(self.vectors, axis=1)
        return tf.matmul(tf.matmul(rows, vectors), vectors, transpose_b=True) - rows

    def train_step(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        shown = rows * tf.cast(tf.random.uniform(tf.shape(rows)) < self._kept, tf.float32)
        with tf.GradientTape() as tape:
            scores, wanted = (tf.math.l2_normalize(each, axis=1) for each in (tf.nn.relu(self(shown)), rows))
            loss = tf.reduce_mean(tf.reduce_sum((scores - wanted) ** 2, axis=1))
        self.optimizer.apply(tape.gradient(loss, [self.vectors]), [self.vectors])
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}


def elsa(epochs: int, kept: float, of_ratings: bool) -> Contender:
    """Return ELSA of 64 dimensions with dropout that keeps share ``kept`` of the input, which is weights or ones."""

    def fit(training: Ratings, seed: int) -> tuple[np.ndarray, np.ndarray]:
        keras.utils.set_random_seed(seed)
        pairs = Interactions.of(training)
        weights = signed(RatingWeights(*training.scale, 1.5 if of_ratings else 0.0), pairs.ratings, pairs.interests)
        rows = np.zeros((training.user_count, training.movie_count), np.float32)
        rows[pairs.users, pairs.movies] = np.maximum(weights, 0.0)
        model = Elsa(training.movie_count, 64, kept)
        model.compile(optimizer=keras.optimizers.Adam(_RATE), jit_compile=False)
        model.fit(rows, epochs=epochs, batch_size=_USERS, verbose=0)
        return rows, tf.math.l2_normalize(model.vectors, axis=1).numpy()

    def rank(training: Ratings, seed: int) -> Score:
        rows, vectors = fit(training, seed)
        return lambda users: rows[users] @ vectors @ vectors.T

    return Contender("ELSA", None, rank, lambda training, seed: by_cosine(fit(training, seed)[1]))
