"""The measures of contenders, and the progress of an evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """The metrics of one contender in one task.

    Attributes:
        task: The task.
        contender: The contender's name.
        values: For each metric its value on every split, in the splits' order.
        facts: Counts of what was measured and left out, the same for all contenders of a task; empty if there are none.
    """

    task: str
    contender: str
    values: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, **values: float) -> None:
        """Add the metrics of a split."""
        for metric, value in values.items():
            self.values.setdefault(metric, []).append(value)


# Told which task and contender is next, how many splits are done, and of how many.
Progress = Callable[[str, str, int, int], None]


def quiet(task: str, contender: str, done: int, of: int) -> None:
    """Say nothing about the progress."""


def counting(progress: Progress, task: str, of: int) -> Callable[[str], None]:
    """Return a function to be told which contender is next, that tells how many splits were before."""
    done = itertools.count()
    return lambda contender: progress(task, contender, next(done), of)


def summary(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """A row for each outcome: each metric's mean, standard deviation, and paired difference from the first's.

    Yields:
        ``task``, ``model``, and for each metric ``(mean, standard deviation, difference, standard deviation of
        the difference)``.
    """
    first: dict[str, Outcome] = {}
    for outcome in outcomes:
        reference = first.setdefault(outcome.task, outcome)
        row: dict[str, Any] = {"task": outcome.task, "model": outcome.contender}
        for metric, values in outcome.values.items():
            paired = np.subtract(values, reference.values[metric]) if metric in reference.values else np.array([np.nan])
            deviations = [float(np.std(each, ddof=1)) if len(each) > 1 else 0.0 for each in (values, paired)]
            row[metric] = (float(np.mean(values)), deviations[0], float(np.mean(paired)), deviations[1])
        yield row
