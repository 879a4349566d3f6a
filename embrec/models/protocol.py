"""The protocol of a model that embrec can train, and the search space of its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from embrec.models.base import Epoch, FittedModel, Ratings


@dataclass(frozen=True)
class Range:
    """The values of an option that a search may try.

    Attributes:
        low: The lowest.
        high: The highest.
        step: Distance between values of a whole number; None for any number in between.
        log: Whether to search on a logarithmic scale.
    """

    low: float
    high: float
    step: int | None = None
    log: bool = False


@dataclass(frozen=True)
class Search:
    """The search space of a model's options.

    Attributes:
        metric: The metric on held-out ratings: ``RMSE``, the lower the better, or ``NDCG@10``, the higher the better.
        space: The options to search, by name.
        begin_with: The options that are tried first.
    """

    metric: Literal["RMSE", "NDCG@10"]
    space: Mapping[str, Range]
    begin_with: Any


class Model(Protocol):
    """A model that embrec can train, evaluate, tune, store and publish.

    A model may also have:

    - ``search``, a :class:`Search`, to be tuned;
    - ``continued(options, metrics)``, which returns the options to train with after a published run of this model: the
      options that were asked for, changed by what the run's metrics say. The changed ones are recorded;
    - ``learns_events = True`` if ``fit`` learns from ``training.events`` too, and needs no ratings;
    - ``warm_start = True`` if ``fit`` takes ``start``, a :class:`embrec.models.base.Start`;
    - ``in_shards = True`` if ``fit`` takes ``workers``, a :class:`embrec.engines.protocol.Pool` that starts workers;
    - ``rate(training, options, seed)`` and ``rank(training, options, seed)``, for evaluation: they fit no more than is
      needed to predict ratings, or to score all movies for some users, and return the function that does so.

    Attributes:
        name: The name that runs of it are recorded by, such as ``my-model``.
        options: The dataclass of its options, each with a default that JSON can hold.
    """

    @property
    def name(self) -> str:
        """The name that runs of it are recorded by."""

    @property
    def options(self) -> Callable[..., Any]:
        """The dataclass of its options."""

    def fit(
        self,
        training: Ratings,
        held_out: Ratings | None,
        options: Any,
        seed: int,
        on_epoch: Callable[[Epoch], None],
    ) -> FittedModel:
        """Fit the model.

        Args:
            training: Ratings to learn from.
            held_out: Ratings to report the error on after each epoch, or None.
            options: An instance of the model's ``options``.
            seed: The same seed, ratings and options give the same bits.
            on_epoch: Called after each epoch.

        Raises:
            TrainingError: The fit went wrong.
        """
