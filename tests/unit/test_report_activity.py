"""The counts of events and steps in a report, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from embrec.data.arrays import NO_TIME
from embrec.data.event_arrays import EventArrays
from embrec.models.sequences import Sequences
from embrec.report.activity import activity_of, steps_of

DAY = 86_400_000_000


def arrays(types: list[int], days: list[int | None], names: list[str]) -> EventArrays:
    count = len(types)
    return EventArrays.of(
        np.arange(count, dtype=np.int32) % 3,
        np.arange(count, dtype=np.int32) % 2,
        np.array(types, np.int16),
        np.full(count, np.nan, np.float32),
        np.array([NO_TIME if day is None else day * DAY for day in days]),
        names,
    )


def test_events_are_counted_by_type_and_time() -> None:
    found = activity_of(arrays([0, 1, 1, 1, 0], [0, 40, 20, 39, None], ["view", "play"]))
    assert found is not None
    assert (found.names, found.counts.tolist()) == (["play", "view"], [3, 2])
    assert (found.users, found.movies, found.untimed) == (3, 2, 1)
    # Forty bins of a day: the last one has both of its ends.
    assert [str(each) for each in found.edges[[0, -1]].astype("datetime64[D]")] == ["1970-01-01", "1970-02-10"]
    plays, views = found.over_time
    assert (np.flatnonzero(plays).tolist(), plays[[20, 39]].tolist()) == ([20, 39], [1, 2])
    assert (np.flatnonzero(views).tolist(), views[0]) == ([0], 1)


def test_types_beyond_the_colours_are_one() -> None:
    names = [f"type {number}" for number in range(10)]
    types = [number for number in range(10) for _ in range(20 - number)]
    found = activity_of(arrays(types, list(range(len(types))), names))
    assert found is not None
    assert found.names == [*names[:7], "other types"]
    assert found.counts.tolist() == [20, 19, 18, 17, 16, 15, 14, 13 + 12 + 11]
    assert found.over_time.sum(axis=1).tolist() == found.counts.tolist()


def test_equal_times_and_none_have_no_bins() -> None:
    for days in ([5, 5, 5], [None, None, None], [None, 3, None]):
        found = activity_of(arrays([0, 0, 0], days, ["view"]))
        assert found is not None
        assert (found.over_time.shape, len(found.edges)) == ((1, 0), 0)
    assert activity_of(EventArrays.none()) is None


def test_steps_are_counted_by_user() -> None:
    histories = [[0], [0, 1, 0], [], [1, 2, 3, 4], [2, 2], [0]]
    starts = np.concatenate([[0], np.cumsum([len(each) for each in histories])])
    movies = np.concatenate([np.array(each, np.int32) for each in histories])
    found = steps_of(Sequences(starts, movies, np.zeros(len(movies)), 5))
    assert (found.count, found.users, found.single, found.median) == (11, 5, 2, 2)
    assert found.repeated == pytest.approx(2 / 11)
    assert (found.labels, found.lengths.tolist()) == (["1", "2 to 3", "4 to 7"], [2, 2, 1])
