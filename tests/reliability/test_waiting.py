"""An application's open transaction, isolation level or foreign key stops nobody without a word."""

from __future__ import annotations

import threading
import time

import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec.data import merge, ratings
from embrec.data.files import sources
from embrec.data.loading import load
from embrec.errors import BusyError

NEW = pd.DataFrame({"user_id": ["somebody"], "movie_id": [100], "rating": [4.0]})


def count(engine: sa.Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(query)))


def test_a_new_users_open_transaction_is_named_to_other_new_ones_and_to_loads(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "LOCK_SECONDS", 1)
    load_frame(engine, rating_frame())
    with engine.connect() as open_one:
        ratings.add_rating(open_one, "new", 100, 3)
        pid = open_one.scalar(sa.text("SELECT pg_backend_pid()"))
        named = rf"process {pid} of the server \(role \w+, application embrec.*run again once it has ended"
        with pytest.raises(BusyError, match=named):
            ratings.add_rating(engine, "another", 100, 3)
        with pytest.raises(BusyError, match=named):
            load(engine, sources.from_frame(NEW, []))
        monkeypatch.setattr(merge, "LOCK_SECONDS", 60)
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            began = time.monotonic()
            with pytest.raises(BusyError, match=f"{named}.*higher lock_timeout"):
                ratings.add_rating(connection, "u1", "a new movie", 3)
            assert time.monotonic() - began < 30, "the session's own limit is shorter"
        ratings.add_rating(engine, "u1", 100, 3)
        open_one.rollback()
    ratings.add_rating(engine, "another", 100, 3)
    load(engine, sources.from_frame(NEW, []))
    assert count(engine, "SELECT count(*) - 1 - max(user_index) FROM embrec.users") == 0


def test_a_new_user_waits_for_a_load(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    with engine.connect() as loading:
        load(loading, sources.from_frame(NEW, []))  # type: ignore[arg-type]
        rating = threading.Thread(target=ratings.add_rating, args=(engine, "another", 100, 3))
        rating.start()
        rating.join(4)
        assert rating.is_alive()
        loading.commit()
        rating.join(10)
    assert count(engine, "SELECT count(*) FROM embrec.users WHERE user_id IN ('somebody', 'another')") == 2


def test_a_sessions_own_lock_timeout_is_as_before(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '17s'"))
        ratings.add_rating(connection, "new", "newer", 3)
        assert connection.scalar(sa.text("SHOW lock_timeout")) == "17s"


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_default_isolation_level_does_not_starve_loads(engine: sa.Engine, level: str) -> None:
    """Ratings come between a load's first statement and its merge."""
    load_frame(engine, rating_frame())
    with engine.begin() as connection:
        name = connection.scalar(sa.text("SELECT quote_ident(current_database())"))
        connection.execute(sa.text(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'"))
    engine.dispose()
    ended = threading.Event()

    def rate() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            try:
                ratings.add_rating(engine, f"u{number % 30}", 100 + number % 20, 1 + number % 5)
            except BusyError:
                continue

    raters = [threading.Thread(target=rate) for _ in range(2)]
    for each in raters:
        each.start()
    try:
        for seed in range(5):
            load_frame(engine, rating_frame(seed=seed))
            ratings.add_rating(engine, f"f{seed}", 100, 3)
            assert ratings.forget_user(engine, f"f{seed}")
    finally:
        ended.set()
        for each in raters:
            each.join()


@pytest.mark.parametrize(
    "dependent",
    [
        "CREATE TABLE public.comments (u integer, m integer, FOREIGN KEY (u, m) REFERENCES embrec.ratings)",
        "CREATE TABLE public.profiles (u integer REFERENCES embrec.users, m integer REFERENCES embrec.movies)",
        "CREATE VIEW public.by_key AS SELECT user_index, movie_index, rating FROM embrec.ratings"
        " GROUP BY user_index, movie_index",
    ],
)
def test_what_a_host_makes_of_the_keys_does_not_stop_the_first_load(engine: sa.Engine, dependent: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(dependent))
    assert load_frame(engine, rating_frame()).inserted == count(engine, "SELECT count(*) FROM embrec.ratings") > 0
    kinds = (
        "SELECT count(*) FROM pg_constraint WHERE conrelid = to_regclass('embrec.ratings') AND contype IN ('p', 'f')"
    )
    assert count(engine, kinds) == 3
