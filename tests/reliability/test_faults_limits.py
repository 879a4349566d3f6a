"""Low limits of the server: embrec names the limit that it reached, and stores nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame
from faulting import QUICK, hooked, orphans, published_run

from embrec.errors import BusyError, DatabaseError
from embrec.runs import records
from embrec.training import train


@pytest.fixture
def limit(engine: sa.Engine, admin: sa.Engine) -> Callable[..., None]:
    """A function that sets a limit for all new sessions of the test's database."""
    with engine.connect() as connection:
        name = connection.scalar(sa.text("SELECT current_database()"))

    def set_limit(setting: str, value: str) -> None:
        with admin.connect() as connection:
            connection.execute(sa.text(f"ALTER DATABASE {name} SET {setting} = '{value}'"))
        engine.dispose()

    return set_limit


@pytest.fixture
def locked(url: str) -> Iterator[Callable[[str], None]]:
    """A function that locks a table against embrec's writes until the test ends."""
    with psycopg.connect(url) as holder:
        yield lambda table: holder.execute(f"LOCK TABLE embrec.{table} IN SHARE ROW EXCLUSIVE MODE") and None


def asleep(*_: Any, **__: Any) -> None:
    time.sleep(0.3)


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
def test_a_load_names_the_limit_it_ran_into(
    engine: sa.Engine, limit: Callable[..., None], locked: Callable[[str], None], setting: str
) -> None:
    locked("movies")
    limit(setting, "200ms")
    with pytest.raises(BusyError if setting == "lock_timeout" else DatabaseError, match=f"SET {setting} = 0") as raised:
        load_frame(engine, rating_frame())
    assert "Nothing of it is stored; run again" in str(raised.value)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.users")) == 0


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
def test_a_training_names_the_limit_it_ran_into(
    engine: sa.Engine, limit: Callable[..., None], locked: Callable[[str], None], setting: str
) -> None:
    earlier = published_run(engine)
    limit(setting, "300ms")
    with pytest.raises(DatabaseError, match=f"SET {setting} = 0"):
        train(engine, QUICK, {"epochs": 1}, on_epoch=lambda epoch: locked("movie_embeddings"))
    (failed, published) = records.list_runs(engine)
    assert failed.status == "failed"
    assert setting in str(failed.error)
    assert (published.model_run_id, published.published) == (earlier, True)
    assert orphans(engine) == []


def test_an_idle_transaction_that_is_ended_is_named(engine: sa.Engine, limit: Callable[..., None]) -> None:
    published_run(engine)
    before = counts(engine)
    limit("idle_in_transaction_session_timeout", "100ms")
    named = "SET idle_in_transaction_session_timeout = 0"
    with hooked(("embrec.data.loading.merge_ratings", 1, "before"), asleep), pytest.raises(DatabaseError, match=named):
        load_frame(engine, rating_frame(users=40))
    with hooked(("embrec.runs.embeddings.store", 2, "before"), asleep), pytest.raises(DatabaseError, match=named):
        train(engine, QUICK, {"epochs": 1})
    assert counts(engine) == before
    assert records.list_runs(engine)[0].status == "failed"
    assert orphans(engine) == []


def test_no_limit_is_hit_while_a_model_fits(engine: sa.Engine, limit: Callable[..., None]) -> None:
    published_run(engine)
    for setting in ("idle_in_transaction_session_timeout", "idle_session_timeout"):
        limit(setting, "200ms")
    result = train(engine, QUICK, {"epochs": 1}, on_epoch=asleep)
    assert records.get_run(engine, result.model_run_id).published


def counts(engine: sa.Engine) -> tuple[int, ...]:
    with engine.connect() as connection:
        return tuple(
            connection.scalar(sa.text(f"SELECT count(*) FROM embrec.{table}")) or 0
            for table in ("users", "movies", "ratings")
        )
