"""Follows a fit epoch by epoch: records, reports, keeps the best weights, stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from embrec.errors import TrainingError
from embrec.models.base import Epoch


class Following(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """A callback for models that report ``loss`` and ``rmse``.

    Args:
        on_epoch: Called after each epoch.
        keep_best: Keep the weights of the epoch with the least error on the held-out part, instead of the last.
        patience: Stop after so many epochs without a better one; None goes on to the end.
        advice: What to do when the loss runs away, for the error's message.
    """

    def __init__(
        self, on_epoch: Callable[[Epoch], None], keep_best: bool, advice: str, patience: int | None = None
    ) -> None:
        super().__init__()
        self.epochs: list[Epoch] = []
        self.kept_epoch = 0
        self._best_weights: list[Any] | None = None
        self._best = np.inf
        self._on_epoch, self._keep_best, self._advice, self._patience = on_epoch, keep_best, advice, patience

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Take note of an epoch."""
        values = logs or {}
        if not np.isfinite(values["loss"]):
            raise TrainingError(f"The loss became {values['loss']} in epoch {epoch + 1}. {self._advice}")
        held_out = values.get("val_rmse")
        if not self._keep_best:
            self.kept_epoch = epoch + 1
        elif held_out is not None and held_out < self._best:
            self._best, self.kept_epoch = held_out, epoch + 1
            self._best_weights = self.model.get_weights()
        elif self._patience is not None and epoch + 1 - self.kept_epoch >= self._patience:
            self.model.stop_training = True
        self.epochs.append(Epoch(epoch + 1, self.params["epochs"], values["loss"], values["rmse"], held_out))
        self._on_epoch(self.epochs[-1])

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Leave the model with the weights to keep."""
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)
