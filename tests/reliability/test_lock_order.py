"""The order of locks: rows, then users and movies, so that loads and writers with new ids are in no deadlock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from faulting import wait_for

from embrec.data import events, merge, ratings
from embrec.data.loading import load
from embrec.data.table_loading import load_from_table
from embrec.data.table_source import TableSource

RATINGS = pd.DataFrame({"user_id": ["ann", "bob"], "movie_id": ["m1", "m2"], "rating": [4.0, 3.0]})
EVENTS = RATINGS.drop(columns="rating")
LOADS: dict[str, Callable[[sa.Engine], Any]] = {
    "ratings of a file": lambda engine: load(engine, RATINGS),
    "events of a file": lambda engine: load(engine, EVENTS),
    "ratings of a table": lambda engine: load_from_table(engine, TableSource("host_ratings")),
    "events of a table": lambda engine: load_from_table(engine, TableSource("host_events")),
}


@pytest.fixture
def known(engine: sa.Engine) -> sa.Engine:
    """A database that knows users and movies and has neither ratings nor events, beside tables of the host."""
    with engine.begin() as connection:
        RATINGS.to_sql("host_ratings", connection, index=False)
        EVENTS.to_sql("host_events", connection, index=False)
        for side, name in (("user", "ann"), ("movie", "m1")):
            connection.execute(sa.text(f"INSERT INTO embrec.{side}s ({side}_index, {side}_id) VALUES (0, '{name}')"))
    return engine


def count(engine: sa.Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(query)))


def someone_waits(engine: sa.Engine) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return count(engine, waiting) > 0


class Beside(threading.Thread):
    """A thread that does something, and raises what it raised when it is waited for."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._action, self.fault = action, None
        self.start()

    def run(self) -> None:
        try:
            self._action()
        except Exception as error:
            self.fault = error

    def end(self) -> None:
        self.join(30)
        assert not self.is_alive()
        if self.fault is not None:
            raise self.fault


@pytest.mark.parametrize("kind", LOADS)
def test_a_transaction_that_meets_a_new_user_while_a_load_waits_for_it_goes_on(known: sa.Engine, kind: str) -> None:
    def write(connection: sa.Connection, user: str) -> None:
        if kind.startswith("events"):
            events.add_event(connection, user, "m1")
        else:
            ratings.add_rating(connection, user, "m1", 2)

    with known.connect() as connection:
        write(connection, "ann")
        loading = Beside(lambda: LOADS[kind](known))
        wait_for(lambda: someone_waits(known))
        write(connection, "new")
        connection.commit()
    loading.end()
    table = kind.split()[0]
    users = f"SELECT count(DISTINCT user_index) FROM embrec.{table} JOIN embrec.users USING (user_index)"
    assert count(known, f"{users} WHERE user_id IN ('ann', 'bob', 'new')") == 3


ACTIONS: dict[str, Callable[[sa.Engine], Any]] = {
    "forget_user": lambda engine: ratings.forget_user(engine, "ann"),
    "apply_followed": ratings.apply_followed,
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", ["ratings of a file", "events of a table"])
def test_whoever_writes_users_waits_for_the_rows_of_a_load_first(
    known: sa.Engine, kind: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load has locked its table, and not yet the users, when the other begins."""
    others = []
    lock_indexes = merge.lock_indexes

    def later(connection: sa.Connection) -> None:
        others.append(Beside(lambda: ACTIONS[action](known)))
        wait_for(lambda: someone_waits(known))
        lock_indexes(connection)

    monkeypatch.setattr(merge, "lock_indexes", later)
    change = (
        "INSERT INTO embrec.followed_changes (user_ids, movie_ids, ratings, times, event_types, external_ids, waiting)"
        " VALUES ('{later}', '{m1}', '{NULL}', '{NULL}', '{event}', '{1}', true),"
        " ('{later}', '{m1}', '{3}', '{NULL}', NULL, NULL, true)"
    )
    if action == "apply_followed":
        with known.begin() as connection:
            connection.execute(sa.text(change))
    LOADS[kind](known)
    for other in others:
        other.end()
    user = "later" if action == "apply_followed" else "ann"
    assert count(known, f"SELECT count(*) FROM embrec.users WHERE user_id = '{user}'") == (user == "later")
