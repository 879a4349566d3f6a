"""Low limits of the server: embrec names the limit that it reached, and stores nothing."""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
import tensorflow as tf
from data import load_frame, rating_frame
from faulting import QUICK, command_line, ended, hooked, orphans, published_run, started

from embrec.errors import BusyError, DatabaseError, TrainingError
from embrec.models.base import Ratings
from embrec.models.memory import enough_memory
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
    with hooked(("embrec.data.loading.merge_rows", 1, "before"), asleep), pytest.raises(DatabaseError, match=named):
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


def train_with_little_memory(url: str, model: str, point: str, megabytes: int) -> None:
    """Train on the command line, with few megabytes left from a point on."""

    def limit(*_: Any, **__: Any) -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20), -1))

    with hooked((point, 1, "before"), limit):
        command_line("train", "--model", model, "--database-url", url)


@pytest.mark.slow
def test_a_fit_that_runs_out_of_memory_says_what_was_too_large_and_what_needs_less(engine: sa.Engine, url: str) -> None:
    load_frame(engine, rating_frame(users=100, movies=6_000, count=30_000))
    process = started(train_with_little_memory, url, "two-part", "embrec.models.ease.model.begin", 400)
    assert ended(process) == 1
    (run,) = records.list_runs(engine)
    assert run.status == "failed"
    assert re.search(
        r"not enough for two-part with [\d,]+ ratings of 100 users and [\d,]+ movies: .+ allocat", run.error
    )
    assert "embrec train --model matrix-factorization" in run.error
    assert orphans(engine) == []


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (MemoryError(), "an array could not be made"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\n at: x.py"), "OOM when allocating"),
        (
            tf.errors.ResourceExhaustedError(None, None, "Exception in a layer\n\nOOM when allocating x"),
            "OOM when alloc",
        ),
    ],
)
def test_a_lack_of_memory_is_named_whoever_notices_it(error: Exception, named: str) -> None:
    ratings = Ratings(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1, np.float32), 1, 1)
    with pytest.raises(TrainingError, match="memory is not enough") as raised, enough_memory("any", ratings):
        raise error
    assert "\n" not in str(raised.value)
    assert named in str(raised.value)
