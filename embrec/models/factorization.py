"""What the factorisations share: grouping ratings, sweeping, reporting, predicting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embrec.models.als.solver import Rows
from embrec.models.base import Ratings

# Ratings to report errors on after a sweep, and to predict at a time.
_SAMPLE = 1 << 18


def by_user(training: Ratings) -> Rows:
    """Group the ratings by user."""
    return Rows.of(*sorted_by_user(training))


def sorted_by_user(training: Ratings) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """How many ratings each user has, and the ratings' movies and values by user."""
    users, movies, ratings = training.users, training.movies, training.ratings
    if (users[1:] < users[:-1]).any():
        order = _stable_order(users, training.user_count)
        users, movies, ratings = users[order], movies[order], ratings[order]
    return np.bincount(users, minlength=training.user_count), movies, ratings


def by_movie(training: Ratings) -> Rows:
    """Group the ratings by movie."""
    order = _stable_order(training.movies, training.movie_count)
    counts = np.bincount(training.movies, minlength=training.movie_count)
    return Rows.of(counts, training.users[order], training.ratings[order])


def _stable_order(keys: NDArray[np.int32], key_count: int) -> NDArray[np.int64]:
    """Positions in the order of the keys, as a stable sort gives them, by the ways that numpy is quickest at."""
    if key_count <= 1 << 16:
        return np.argsort(keys.astype(np.uint16), kind="stable")  # a radix sort
    bits = len(keys).bit_length()
    packed = np.sort((keys.astype(np.int64) << bits) | np.arange(len(keys)))
    return packed & ((1 << bits) - 1)


def sample(ratings: Ratings, most: int = _SAMPLE) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """At most so many ratings, evenly spread: a sweep should not spend its time on its report."""
    spread = slice(None, None, -(-len(ratings.ratings) // most))
    return ratings.users[spread], ratings.movies[spread], ratings.ratings[spread]


def sweep(
    model: keras.Model, epochs: int, callbacks: list[keras.callbacks.Callback], run_eagerly: bool = False
) -> None:
    """Call the model's train_step once an epoch; the ratings are its own."""
    model.compile(jit_compile=False, run_eagerly=run_eagerly)  # XLA's scatter is many times slower on processors
    # Endless: a new iterator for each sweep would take longer than a sweep of a small data set.
    model.fit(
        untuned(tf.data.Dataset.from_tensors(0).repeat()),
        steps_per_epoch=1,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The data set without TensorFlow's tuning of it.

    There is nothing to tune, and ending the thread that would may wait for as long again as the fit took.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def predictor(
    user_vectors: NDArray[np.float32],
    movie_vectors: NDArray[np.float32],
    user_biases: NDArray[np.float32],
    movie_biases: NDArray[np.float32],
    mean: float,
) -> Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[np.float32]]:
    """A function that predicts ratings, float32 of shape (n,), from users and movies, int32 of shape (n,)."""

    def predict(users: NDArray[np.int32], movies: NDArray[np.int32]) -> NDArray[np.float32]:
        found = np.empty(len(users), np.float32)
        for begin in range(0, len(users), _SAMPLE):
            u, m = users[begin : begin + _SAMPLE], movies[begin : begin + _SAMPLE]
            product = np.einsum("nd,nd->n", user_vectors[u], movie_vectors[m])
            found[begin : begin + _SAMPLE] = np.float32(mean) + user_biases[u] + movie_biases[m] + product
        return found

    return predict


def tensors(arrays: tuple[Any, ...]) -> tuple[tf.Tensor, ...]:
    """Arrays as TensorFlow's constants."""
    return tuple(tf.constant(each) for each in arrays)
