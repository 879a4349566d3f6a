"""The events and steps that a report counts: by type and over time, repeats, and the lengths of histories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embrec.data.arrays import NO_TIME
from embrec.data.event_arrays import EventArrays
from embrec.models.sequences import Sequences

_BINS = 40
# A colour for each of the page's series; further types are shown as one.
_MOST_TYPES = 7
_OTHERS = "other types"


@dataclass(frozen=True)
class Activity:
    """The events, by type and over time.

    Attributes:
        names: The types with the most events, most first, and ``other types`` for all further ones.
        counts: Number of events of each, int64 of shape (types,).
        edges: Ends of the bins of time, datetime64[us] of shape (bins + 1,); empty if fewer than two times are known.
        over_time: Number of events of each type in each bin, int64 of shape (types, bins).
        untimed: Number of events without a time.
        users: Number of users with events.
        movies: Number of movies with events.
    """

    names: list[str]
    counts: NDArray[np.int64]
    edges: NDArray[np.datetime64]
    over_time: NDArray[np.int64]
    untimed: int
    users: int
    movies: int


@dataclass(frozen=True)
class Steps:
    """The histories of ratings and events, dislikes left out.

    Attributes:
        count: Number of steps.
        users: Number of users with steps.
        median: Median number of steps of a user.
        single: Number of users with one step.
        repeated: Share of the steps whose movie the user had watched or rated before.
        labels: Ranges of the number of steps, each twice as wide as the one before.
        lengths: Number of users in each range, int64 of shape (ranges,).
    """

    count: int
    users: int
    median: float
    single: int
    repeated: float
    labels: list[str]
    lengths: NDArray[np.int64]


def activity_of(events: EventArrays) -> Activity | None:
    """Count events by type and over time; None without any."""
    if not len(events.users):
        return None
    present, type_counts = np.unique(events.types, return_counts=True)
    order = np.argsort(-type_counts, kind="stable")
    shown = present[order][:_MOST_TYPES]
    place = np.searchsorted(present, events.types)
    row = np.minimum(np.argsort(order)[place], len(shown))
    names = [events.known_types[int(each)].name for each in shown]
    if len(present) > len(shown):
        names.append(_OTHERS)
    timed = events.occurred_at != NO_TIME
    edges, over_time = np.empty(0, "datetime64[us]"), np.empty((len(names), 0), np.int64)
    times = events.occurred_at[timed]
    if len(times) and times.min() < times.max():
        edges = np.linspace(times.min(), times.max(), _BINS + 1).round().astype(np.int64)
        bins = np.clip(np.searchsorted(edges, times, "right") - 1, 0, _BINS - 1)
        flat = np.bincount(row[timed] * _BINS + bins, minlength=len(names) * _BINS)
        edges, over_time = edges.astype("datetime64[us]"), flat.reshape(len(names), _BINS)
    return Activity(
        names,
        np.bincount(row, minlength=len(names)),
        edges,
        over_time,
        untimed=int(np.count_nonzero(~timed)),
        users=len(np.unique(events.users)),
        movies=len(np.unique(events.movies)),
    )


def steps_of(sequences: Sequences) -> Steps:
    """Count the steps of histories, of which at least one is known."""
    lengths = sequences.lengths[sequences.lengths > 0]
    owners = np.repeat(np.arange(len(sequences.lengths)), sequences.lengths)
    pairs = np.unique(owners * np.int64(sequences.movie_count) + sequences.movies)
    ranges = np.frexp(lengths.astype(np.float64))[1] - 1  # the power of two below
    lowest = 2 ** np.arange(int(ranges.max()) + 1)
    return Steps(
        count=len(sequences.movies),
        users=len(lengths),
        median=float(np.median(lengths)),
        single=int(np.count_nonzero(lengths == 1)),
        repeated=1 - len(pairs) / len(sequences.movies),
        labels=[f"{low:,}" if low == 1 else f"{low:,} to {2 * low - 1:,}" for low in lowest.tolist()],
        lengths=np.bincount(ranges),
    )
