"""Events in the database, and as arrays."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec.data.arrays import NO_TIME
from embrec.data.extraction import extract
from embrec.errors import DataError


def do(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


USERS = "INSERT INTO embrec.users (user_index, user_id) VALUES (0, 'ann'), (1, 'bob'), (2, 'cas')"
MOVIES = "INSERT INTO embrec.movies (movie_index, movie_id) VALUES (0, 'm0'), (1, 'm1'), (2, 'm2'), (3, 'm3')"
EVENTS = """
INSERT INTO embrec.events (user_index, movie_index, event_type, value, occurred_at)
VALUES (2, 3, 4, 1.5, '1970-01-03 00:00+00'), (2, 1, 1, NULL, NULL), (0, 3, 7, NULL, '1970-01-01 12:00+00'),
    (2, 0, 1, 2, '1970-01-02 00:00+00'), (2, 1, 4, NULL, '1970-01-03 00:00+00')
"""


def test_events_alone_are_extracted_in_order_of_user_and_time(engine: sa.Engine) -> None:
    do(engine, USERS, MOVIES, EVENTS)
    arrays = extract(engine, with_times=True)
    assert arrays.user_indexes.tolist() == [0, 2]
    assert arrays.movie_indexes.tolist() == [0, 1, 3]
    events = arrays.events
    assert events.users.tolist() == [0, 1, 1, 1, 1]
    assert events.movies.tolist() == [2, 1, 0, 2, 1]
    assert events.types.tolist() == [7, 1, 1, 4, 4]
    np.testing.assert_array_equal(events.values, np.array([np.nan, np.nan, 2, 1.5, np.nan], np.float32))
    assert events.occurred_at.tolist() == [43_200_000_000, NO_TIME, 86_400_000_000, *[2 * 86_400_000_000] * 2]
    assert events.newest_at is not None
    assert events.newest_at.isoformat() == "1970-01-03T00:00:00+00:00"
    assert events.known_types[6].weight == 3
    assert arrays.fingerprints().tolist() == [0, 0]
    history = arrays.sequences()
    assert [history.history(user).tolist() for user in range(2)] == [[], [1, 0, 2, 1]]  # a dislike is no step
    assert np.isnan(history.days[0])
    assert history.days[1:].tolist() == [1, 2, 2]


def test_ratings_are_steps_too_and_their_digest_is_their_own(engine: sa.Engine) -> None:
    frame = rating_frame()
    load_frame(engine, frame)
    before = extract(engine, with_times=True)
    assert before.events.sha256 is None
    assert before.sequences().lengths.sum() == len(before.ratings)
    do(
        engine,
        "INSERT INTO embrec.users (user_index, user_id) VALUES (1000, 'late')",
        "INSERT INTO embrec.events (user_index, movie_index, event_type, occurred_at)"
        " VALUES (0, 7, 4, '2099-01-01'), (1000, 5, 4, NULL)",
    )
    after = extract(engine, with_times=True)
    assert after.sha256 == before.sha256
    assert after.events.sha256 is not None
    assert after.user_indexes.tolist() == [*before.user_indexes.tolist(), 1000]
    assert after.fingerprints().tolist() == [*before.fingerprints().tolist(), 0]
    own = after.sequences().history(0)
    assert len(own) == np.count_nonzero(after.users == 0) + 1
    assert after.movie_indexes[own[-1]] == 7


def test_half_lives_are_in_days(engine: sa.Engine) -> None:
    do(engine, USERS, MOVIES, EVENTS, "UPDATE embrec.event_types SET half_life = '36 hours' WHERE name = 'play'")
    known = extract(engine).events.known_types
    assert (known[4].half_life, known[1].half_life) == (1.5, None)


def test_nothing_at_all_is_said(engine: sa.Engine) -> None:
    with pytest.raises(DataError, match="There are no ratings or events in the database"):
        extract(engine)
