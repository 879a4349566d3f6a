"""The article's model: the outer product of a user's and a movie's embedding, and a dense head on it.

Two embeddings of 32, whose ``Dot(axes=1)`` of shapes (1, 32) and (1, 32) is their 32 x 32 outer product, flattened
into Dense(500, relu) and Dense(1): a rating as regression. With Adam at 0.01 it overfits and then diverges, and
its embeddings carry little similarity; it is here as the article has it, to start from and to compare with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embrec.models import keras_import
from embrec.models.base import DenseLayer, Epoch, FittedModel, Ratings

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Options:
    """Options of a fit; the defaults are the article's.

    Attributes:
        dimensions: Length of an embedding.
        hidden_units: Width of the dense layer.
        learning_rate: Adam's learning rate.
        epochs: Passes over the ratings.
        batch_size: Ratings per step.
    """

    dimensions: int = 32
    hidden_units: int = 500
    learning_rate: float = 0.01
    epochs: int = 50
    batch_size: int = 128


def build(user_count: int, movie_count: int, options: Options) -> keras.Model:
    """Build and compile the model; its inputs are ``user_in`` and ``article_in``, int32 of shape (batch, 1)."""
    import keras

    user_in = keras.Input(shape=(1,), dtype="int32", name="user_in")
    article_in = keras.Input(shape=(1,), dtype="int32", name="article_in")
    user = keras.layers.Embedding(user_count, options.dimensions, name="user_embedding")(user_in)
    article = keras.layers.Embedding(movie_count, options.dimensions, name="article_embedding")(article_in)
    outer_product = keras.layers.Dot(axes=1, name="outer_product")([user, article])
    features = keras.layers.Flatten(name="flatten")(outer_product)
    hidden = keras.layers.Dense(options.hidden_units, activation="relu", name="hidden")(features)
    rating = keras.layers.Dense(1, name="rating")(hidden)
    model = keras.Model([user_in, article_in], rating, name="outer_product")
    model.compile(
        optimizer=keras.optimizers.Adam(options.learning_rate),
        loss="mse",
        metrics=[keras.metrics.RootMeanSquaredError(name="rmse")],
    )
    return model


class OuterProduct:
    """The article's model, as :class:`embrec.models.protocol.Model` describes."""

    name = "outer-product"
    options = Options

    def fit(
        self,
        training: Ratings,
        held_out: Ratings | None,
        options: Options,
        seed: int,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    ) -> FittedModel:
        """Fit the model.

        Args:
            training: Ratings to learn from.
            held_out: Ratings to choose the best epoch by; without them the last epoch is kept, as in the article.
            options: Options of the fit.
            seed: Seeds Keras's and numpy's global generators; the same seed gives the same vectors, bit for bit.
            on_epoch: Called after each epoch.

        Raises:
            TrainingError: The loss became infinite or not a number.
        """
        keras_import.wait()
        import keras

        from embrec.models.gradient import fit_ratings

        keras.utils.set_random_seed(seed)
        model = build(training.user_count, training.movie_count, options)
        advice = "Train again with a lower --learning-rate."
        history = fit_ratings(model, training, held_out, options.epochs, options.batch_size, on_epoch, advice)
        return fitted(model, history.epochs, history.kept_epoch)


def fitted(model: keras.Model, history: list[Epoch], kept_epoch: int) -> FittedModel:
    """Read the vectors and dense layers that SQL needs from the model's layers.

    Args:
        model: A model that :func:`build` made.
        history: The epochs of the fit.
        kept_epoch: The epoch whose weights these are.
    """
    from embrec.models.gradient import predict_ratings

    return FittedModel(
        keras_model=model,
        serving="dense_head",
        user_vectors=_weights(model, "user_embedding"),
        movie_vectors=_weights(model, "article_embedding"),
        history=history,
        kept_epoch=kept_epoch,
        predict=lambda users, movies: predict_ratings(model, users, movies),
        head={name: _layer(model, name) for name in ("hidden", "rating")},
    )


def from_layers(
    users: NDArray[np.float32], movies: NDArray[np.float32], hidden: DenseLayer, rating: DenseLayer
) -> keras.Model:
    """Build a model with these weights: embeddings, float32 of shape (count, dimensions), and dense layers."""
    options = Options(dimensions=users.shape[1], hidden_units=len(hidden.biases))
    model = build(len(users), len(movies), options)
    model.get_layer("user_embedding").set_weights([users])
    model.get_layer("article_embedding").set_weights([movies])
    model.get_layer("hidden").set_weights([hidden.weights.T, hidden.biases])
    model.get_layer("rating").set_weights([rating.weights.T, rating.biases])
    model.optimizer.build(model.trainable_variables)  # or Keras warns when it loads the saved model
    return model


def _layer(model: keras.Model, layer: str) -> DenseLayer:
    weights, biases = model.get_layer(layer).get_weights()
    return DenseLayer(np.ascontiguousarray(weights.T, np.float32), np.asarray(biases, np.float32))


def _weights(model: keras.Model, layer: str) -> NDArray[np.float32]:
    return np.asarray(model.get_layer(layer).get_weights()[0], np.float32)
