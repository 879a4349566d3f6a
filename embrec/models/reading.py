"""Read any Keras model that embrec can serve: its own, the article's, or a user's own."""

from __future__ import annotations

from pathlib import Path

import keras

from embrec.models import keras_model, outer_product, recommender
from embrec.models.base import FittedModel


def load(path: Path) -> keras.Model:
    """Load a Keras file in safe mode, in which it can run no code of its own."""
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def read(model: keras.Model, user_count: int, movie_count: int) -> FittedModel:
    """Read the vectors and layers that SQL needs from a model's layers.

    Args:
        model: A model that embrec has trained, fine-tuned or not, or one with the layers that
            :mod:`embrec.models.keras_model` names.
        user_count: Number of users.
        movie_count: Number of movies.

    Raises:
        TrainingError: The model lacks a layer that SQL needs, or a layer has another number of rows.
    """
    if isinstance(model, recommender.Recommender):
        return recommender.fitted(model, [], 0)
    if {"article_embedding", "outer_product", "hidden"} <= {layer.name for layer in model.layers}:
        return outer_product.fitted(model, [], 0)
    return keras_model.fitted(model, user_count, movie_count, [], 0)
