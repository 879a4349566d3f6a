"""Keras models of one's own: any compiled model of users and movies, trained by ``fit`` and served from its vectors.

The model names what SQL needs by its layers: ``user_vector`` and ``movie_vector`` give a user's and a movie's vector,
and ``user_bias`` and ``movie_bias``, where there are any, their biases. Each is an Embedding layer, or the end of a
tower that takes ids: a dense layer of a functional model, or a model within the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import make_dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from embrec.errors import TrainingError
from embrec.models.base import Epoch, FittedModel, Ratings
from embrec.models.gradient import fit_ratings, predict_ratings
from embrec.models.gradient import inputs as as_inputs
from embrec.models.protocol import Model, Search

# Pairs to compare the model's predictions with those of its vectors.
_PAIRS = 2_000
# Predictions that differ by less than this share of their range are equal but for rounding.
_ROUNDING = 1e-3


class KerasModel:
    """A model that :func:`keras_model` makes; see :class:`embrec.models.protocol.Model`."""

    def __init__(self, build: Callable[..., keras.Model], name: str, options: type, search: Search | None) -> None:
        self.name, self.options, self._build = name, options, build
        if search is not None:
            self.search = search

    def fit(
        self,
        training: Ratings,
        held_out: Ratings | None,
        options: Any,
        seed: int,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    ) -> FittedModel:
        """Build the model, and fit it to the ratings.

        Args:
            training: Ratings to learn from.
            held_out: Ratings to choose the best epoch by; without them the last epoch is kept.
            options: Options of the fit and of the build.
            seed: Seeds Keras's and numpy's global generators.
            on_epoch: Called after each epoch.

        Raises:
            TrainingError: The loss became infinite or not a number, or the model lacks a layer that SQL needs.
        """
        keras.utils.set_random_seed(seed)
        given = {name: getattr(options, name) for name in options.__dataclass_fields__}
        epochs, batch_size = given.pop("epochs"), given.pop("batch_size")
        model = self._build(training.user_count, training.movie_count, **given)
        if not getattr(model, "compiled", False):
            raise TrainingError(f"The model {self.name} is not compiled. Call model.compile(...) before it is returned")
        history = fit_ratings(model, training, held_out, epochs, batch_size, on_epoch, "Train it with a lower rate.")
        return fitted(model, training.user_count, training.movie_count, history.epochs, history.kept_epoch)


def keras_model(
    build: Callable[..., keras.Model],
    epochs: int = 10,
    batch_size: int = 1024,
    name: str = "keras-model",
    search: Search | None = None,
    **options: Any,
) -> Model:
    """Make a model that embrec can train of a function that builds a Keras model.

    Args:
        build: Called as ``build(user_count, movie_count, **options)``, where parameters with a default are options;
            returns a compiled ``keras.Model`` that takes int32 users and movies, in this order, and gives a rating.
            Its layers ``user_vector`` and ``movie_vector`` are what is stored, and ``user_bias`` and ``movie_bias`` if
            it has them.
        epochs: Passes over the ratings.
        batch_size: Ratings per step.
        name: The name that runs are recorded by.
        search: The search space of the options, for tuning.
        options: Options of ``build``, with other defaults than it has.

    Returns:
        A model for :func:`embrec.training.train`.
    """
    defaults = {
        key: each.default
        for key, each in inspect.signature(build).parameters.items()
        if each.default is not inspect.Parameter.empty
    }
    chosen = {"epochs": epochs, "batch_size": batch_size, **defaults, **options}
    fields = [(key, Any, value) for key, value in chosen.items()]
    return KerasModel(build, name, make_dataclass("Options", fields, frozen=True), search)


def fitted(model: keras.Model, user_count: int, movie_count: int, history: list[Epoch], kept_epoch: int) -> FittedModel:
    """Read what SQL answers from out of a model's layers.

    If its predictions are a constant plus the biases and the product of the vectors, SQL predicts as it does. Otherwise
    SQL can only compare the vectors.

    Args:
        model: A model with layers ``user_vector`` and ``movie_vector``.
        user_count: Number of users.
        movie_count: Number of movies.
        history: The epochs of the fit.
        kept_epoch: The epoch whose weights these are.

    Raises:
        TrainingError: The model lacks such a layer, or it has another number of rows.
    """
    users, movies = _rows(model, "user", "vector", user_count), _rows(model, "movie", "vector", movie_count)
    if users.shape[1] != movies.shape[1]:
        raise TrainingError(
            f"The model's user vectors have {users.shape[1]} dimensions and its movie vectors {movies.shape[1]}. "
            "Give the layers user_vector and movie_vector one length"
        )
    user_biases, movie_biases = (
        _rows(model, side, "bias", count)[:, 0] if _has(model, f"{side}_bias") else np.zeros(count, np.float32)
        for side, count in (("user", user_count), ("movie", movie_count))
    )
    random = np.random.default_rng(0)
    pairs = [random.integers(0, count, _PAIRS).astype(np.int32) for count in (user_count, movie_count)]
    predicted = predict_ratings(model, *pairs)
    products = np.einsum("nd,nd->n", users[pairs[0]], movies[pairs[1]])
    left = predicted - user_biases[pairs[0]] - movie_biases[pairs[1]] - products
    mean = float(left.mean(dtype=np.float64))
    linear = bool(np.abs(left - mean).max() <= _ROUNDING * max(float(np.ptp(predicted)), 1e-6))
    return FittedModel(
        keras_model=model,
        serving="dot_product" if linear else "similarity_only",
        user_vectors=users,
        movie_vectors=movies,
        history=history,
        kept_epoch=kept_epoch,
        predict=lambda asked, of: predict_ratings(model, asked, of),
        user_biases=user_biases if linear else None,
        movie_biases=movie_biases if linear else None,
        mean=mean if linear else None,
    )


def _has(model: keras.Model, name: str) -> bool:
    return any(layer.name == name for layer in model.layers)


def _rows(model: keras.Model, side: str, kind: str, count: int) -> NDArray[np.float32]:
    """The output of a layer for each id, float32 of shape (count, dimensions)."""
    name = f"{side}_{kind}"
    if not _has(model, name):
        raise TrainingError(
            f"The model has no layer {name}. Name the layer that gives a {side}'s {kind}: keras.layers.Embedding(..., "
            f'name="{name}"), or the last layer of a tower'
        )
    layer, ids = model.get_layer(name), np.arange(count, dtype=np.int32)
    if isinstance(layer, keras.layers.Embedding):
        found = layer.get_weights()[0]
    elif isinstance(layer, keras.Model):
        found = layer.predict(ids[:, np.newaxis], verbose=0)
    else:
        tower = keras.Model(model.inputs, layer.output)
        other = np.zeros_like(ids)
        pairs = (ids, other) if side == "user" else (other, ids)
        found = tower.predict(as_inputs(model, *pairs), verbose=0)
    if len(found) != count:
        raise TrainingError(f"The layer {name} has {len(found)} rows for {count} {side}s. Build it with {side}_count")
    return np.ascontiguousarray(np.asarray(found, np.float32).reshape(count, -1))
