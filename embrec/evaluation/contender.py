"""A model as the evaluation sees it: functions that learn from ratings or histories, and then predict or score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec.evaluation.steps import Questions
from embrec.models.base import Ratings
from embrec.models.sequences import Sequences

Predict = Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[Any]]
Score = Callable[[NDArray[np.int32]], NDArray[Any]]
Compare = Callable[[NDArray[np.int64]], NDArray[Any]]
Follow = Callable[[Sequence[NDArray[np.int32]]], NDArray[Any]]


@dataclass(frozen=True)
class Contender:
    """A model to evaluate; a task that it cannot do is None.

    Attributes:
        name: Its name in the tables.
        learns_events: False if it learns nothing without ratings that differ.
        rate: Learns from ratings with a seed; returns a function that predicts ratings of users and movies, (n,).
        rank: The same; returns a function that scores all movies for some users, (users, movies).
        compare: The same; returns a function for the similarity of some movies, (n,), to each other, (n, n).
        follow: Learns from histories, and chooses its options on validation questions, with a seed; returns a function
            that scores all movies as the next step of some histories, oldest step first: (histories, movies).
    """

    name: str
    learns_events: bool = field(default=True, kw_only=True)
    rate: Callable[[Ratings, int], Predict] | None = None
    rank: Callable[[Ratings, int], Score] | None = None
    compare: Callable[[Ratings, int], Compare] | None = None
    follow: Callable[[Sequences, Questions, int], Follow] | None = None
