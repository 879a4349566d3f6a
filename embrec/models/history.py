"""The history of a fit: record each epoch, report it, keep the best weights, stop early."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from embrec.errors import TrainingError
from embrec.models.base import Epoch, Ratings

# Errors are reported on at most 262,144 ratings per epoch, or the report would slow the fit.
_SAMPLE = 1 << 18


class History:
    """The epochs of a fit.

    Args:
        of: Maximum number of epochs.
        on_epoch: Called after each epoch.
        advice: The next step if the loss diverges, for the error's message.
        weights: Returns the weights after an epoch, for :attr:`best_weights`; None to keep the last epoch's.
        patience: Number of epochs without a better one after which to stop; None goes on to the end.
    """

    def __init__(
        self,
        of: int,
        on_epoch: Callable[[Epoch], None],
        advice: str,
        weights: Callable[[], Any] | None = None,
        patience: int | None = None,
    ) -> None:
        self.epochs: list[Epoch] = []
        self.kept_epoch = 0
        self.best_weights: Any = None
        self._best = np.inf
        self._of, self._on_epoch, self._advice, self._weights, self._patience = of, on_epoch, advice, weights, patience

    def add(self, loss: float, rmse: float, held_out_rmse: float | None = None) -> bool:
        """Record an epoch.

        Args:
            loss: Training loss.
            rmse: Error on the training ratings.
            held_out_rmse: Error on the held-out ratings, by which the best epoch is chosen.

        Returns:
            True if the fit should go on.

        Raises:
            TrainingError: The loss is infinite or not a number.
        """
        number = len(self.epochs) + 1
        if not np.isfinite(loss):
            raise TrainingError(f"The loss became {loss} in epoch {number}. {self._advice}")
        going_on = True
        if self._weights is None:
            self.kept_epoch = number
        elif held_out_rmse is not None and held_out_rmse < self._best:
            self._best, self.kept_epoch = held_out_rmse, number
            self.best_weights = self._weights()
        elif self._patience is not None and number - self.kept_epoch >= self._patience:
            going_on = False
        self.epochs.append(Epoch(number, self._of, loss, rmse, held_out_rmse))
        self._on_epoch(self.epochs[-1])
        return going_on


def sample(ratings: Ratings, most: int = _SAMPLE) -> Ratings:
    """Return at most ``most`` ratings, at even intervals, to report the error on."""
    count = len(ratings.ratings)
    return ratings.part(np.arange(0, count, -(-count // most)))
