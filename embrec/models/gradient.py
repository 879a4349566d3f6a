"""Fit a compiled Keras model by gradients, epoch by epoch, and keep the best epoch's weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from embrec import metrics
from embrec.models.base import Epoch, Ratings
from embrec.models.history import History, sample

_VALIDATION_BATCH = 8192


def fit_ratings(
    model: keras.Model,
    training: Ratings,
    held_out: Ratings | None,
    epochs: int,
    batch_size: int,
    on_epoch: Callable[[Epoch], None],
    advice: str,
) -> History:
    """Fit a model to ratings.

    Args:
        model: Compiled with a loss on ratings.
        training: Ratings to learn from.
        held_out: Ratings to choose the best epoch by; without them the last epoch is kept.
        epochs: Passes over the ratings.
        batch_size: Ratings per step.
        on_epoch: Called after each epoch.
        advice: The next step when the loss runs away.

    Returns:
        The epochs; the model is left with the weights of the one that is kept.

    Raises:
        TrainingError: The loss became infinite or not a number.
    """
    history = History(epochs, on_epoch, advice, None if held_out is None else model.get_weights)
    model.fit(
        inputs(model, training.users, training.movies),
        training.ratings,
        validation_data=None
        if held_out is None
        else (inputs(model, held_out.users, held_out.movies), held_out.ratings),
        epochs=epochs,
        batch_size=batch_size,
        validation_batch_size=_VALIDATION_BATCH,
        verbose=0,
        callbacks=[_Recording(history, training, held_out)],
    )
    if history.best_weights is not None:
        model.set_weights(history.best_weights)
    return history


def predict_ratings(model: keras.Model, users: NDArray[np.int32], movies: NDArray[np.int32]) -> NDArray[np.float32]:
    """Predict ratings, float32 of shape (n,), by a model of one output."""
    found = model.predict(inputs(model, users, movies), batch_size=_VALIDATION_BATCH, verbose=0)
    return np.asarray(found, np.float32).reshape(len(users))


def inputs(model: keras.Model, users: NDArray[np.int32], movies: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """Users and movies in the shape that a model's inputs have: int32 of shape (n,) or (n, 1) each."""
    flat = [len(each.shape) == 1 for each in getattr(model, "inputs", None) or ()]
    return [users, movies] if all(flat) and flat else [users[:, np.newaxis], movies[:, np.newaxis]]


class _Recording(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """Add each epoch to a history; a model without a metric named ``rmse`` is asked for predictions."""

    def __init__(self, history: History, training: Ratings, held_out: Ratings | None) -> None:
        super().__init__()
        self._history, self._training, self._held_out = history, training, held_out

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values: dict[str, Any] = logs or {}
        if "rmse" in values:
            errors = values["rmse"], values.get("val_rmse")
        else:
            errors = self._error(self._training), self._held_out and self._error(self._held_out)
        if not self._history.add(values["loss"], *errors):
            self.model.stop_training = True

    def _error(self, ratings: Ratings) -> float:
        some = sample(ratings)
        return metrics.rmse(predict_ratings(self.model, some.users, some.movies), some.ratings)
