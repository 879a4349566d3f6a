"""Loads and answers do not depend on a session's settings."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from asking import MOVIES, analyze, another_run, answers
from conftest import with_database
from data import load_frame, rating_frame, two_part_run

import embrec
from embrec import db
from embrec.data.files import sources
from embrec.db import schema
from embrec.errors import DatabaseError
from embrec.runs import experiments, publishing, records
from embrec.training import train

# Objects with the names in embrec's statements, in a schema that comes first in search_path.
HOSTILE = """
CREATE EXTENSION vector SCHEMA public;
CREATE SCHEMA hostile;
CREATE TABLE hostile.ratings (user_index integer);
CREATE TABLE hostile.movies (movie_index integer);
CREATE TABLE hostile.users (user_index integer);
CREATE TABLE hostile.model_runs (model_run_id integer);
CREATE TABLE hostile.alembic_version (version_num text);
CREATE TYPE hostile.vector AS (nothing integer);
CREATE TYPE hostile.part AS ENUM ('hostile');
CREATE FUNCTION hostile.vector_dims(public.vector) RETURNS integer LANGUAGE sql AS $$ SELECT 0 $$;
CREATE FUNCTION hostile.subvector(public.vector, integer, integer) RETURNS public.vector
    LANGUAGE sql AS $$ SELECT $1 $$;
CREATE FUNCTION hostile.add_rating(text, text, real) RETURNS void LANGUAGE sql AS $$ SELECT NULL::void $$;
"""
SETTINGS = {
    "UTC, German dates, LATIN1": {
        "TimeZone": "UTC",
        "DateStyle": "German, DMY",
        "IntervalStyle": "sql_standard",
        "client_encoding": "LATIN1",
        "bytea_output": "escape",
    },
    "Kolkata, SQL's dates, SQL_ASCII, old strings": {
        "TimeZone": "Asia/Kolkata",
        "DateStyle": "SQL, DMY",
        "client_encoding": "SQL_ASCII",
        "extra_float_digits": "3",
        "standard_conforming_strings": "off",
        "escape_string_warning": "off",
    },
    "St John's, Postgres's dates, everything compiled": {
        "TimeZone": "America/St_Johns",
        "DateStyle": "Postgres, MDY",
        "IntervalStyle": "iso_8601",
        "jit_above_cost": "0",
        "transform_null_equals": "on",
    },
    "no search path, serializable": {"search_path": "''", "default_transaction_isolation": "serializable"},
    "a hostile search path": {"search_path": "hostile, public"},
}
# Timestamps in several formats; two are the same time, and one is in St John's daylight saving time, but not in UTC's.
RATINGS = """user_id,movie_id,rating,rated_at
anna,100,5,1998-04-05T05:29:59Z
anna,101,3.5,1998-04-05T07:30:00+05:30
anna,102,1,891742199
Öğe 日本,100,4,2024-02-29 23:59:59
Öğe 日本,103,2.5,
o'neil\\,100,0.1,1969-12-31T23:59:59.999999Z
"""


def _life(engine: sa.Engine, file: Path) -> tuple[object, ...]:
    """Migrate, load, train, publish, compare, ask; returns all that is stored and answered."""
    schema.upgrade(engine)
    embrec.load(engine, sources.open_source(file))
    load_frame(engine, rating_frame(), MOVIES)
    embrec.add_rating(engine, "u1", "100", 2.5, dt.datetime(2020, 6, 1, 12, tzinfo=dt.UTC))
    embrec.add_event(engine, "u2", "103", "play", 0.1, dt.datetime(2020, 6, 1, 12, tzinfo=dt.UTC), "Öğe 1")
    two_part_run(engine)
    first, second = records.list_runs(engine)[0].model_run_id, another_run(engine, seed=2)
    experiments.start(engine, "settings", first, second)
    fitted = train(engine, "matrix-factorization", {"epochs": 1, "dimensions": 3}, publish=False)
    analyze(engine)
    vectors = [_digest(engine, side) for side in ("user", "movie")]
    recorded = records.get_run(engine, fitted.model_run_id)
    assert (dt.datetime.now(dt.UTC) - recorded.started_at).total_seconds() < 600
    assert schema.check(engine) == []
    return _stored(engine), vectors, recorded.metrics, recorded.ratings_sha256, answers(engine)


def _digest(engine: sa.Engine, side: str) -> str:
    """Return a digest of all vectors in binary form, which no setting changes."""
    columns = f"model_run_id, CAST(part AS text), {side}_index, bias, spread, CAST(embedding AS real[])"
    rows = f"SELECT record_send(ROW({columns})) AS bits FROM embrec.{side}_embeddings"
    with engine.connect() as connection:
        return str(connection.scalar(sa.text(f"SELECT md5(string_agg(bits, '' ORDER BY bits)) FROM ({rows}) AS r")))


def _stored(engine: sa.Engine) -> list[tuple[str, ...]]:
    """Return every rating exactly, with its time in seconds."""
    query = (
        "SELECT user_id, movie_id, encode(float4send(rating), 'hex'), extract(epoch FROM rated_at)"
        " FROM embrec.ratings JOIN embrec.users USING (user_index) JOIN embrec.movies USING (movie_index)"
        " ORDER BY user_index, movie_index"
    )
    with engine.connect() as connection:
        return [tuple(map(str, row)) for row in connection.execute(sa.text(query))]


@contextlib.contextmanager
def _empty_database(admin: sa.Engine, server_url: str, settings: dict[str, str]) -> Iterator[sa.Engine]:
    """An empty database with these settings for all sessions."""
    with admin.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE embrec_test_settings TEMPLATE template0"))
    url = with_database(server_url, "embrec_test_settings")
    engine = db.create_engine(url)
    if "hostile" in settings.get("search_path", ""):
        with engine.begin() as connection:
            connection.exec_driver_sql(HOSTILE)
    _set(admin, settings)
    engine.dispose()
    try:
        yield engine
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.execute(sa.text("DROP DATABASE embrec_test_settings WITH (FORCE)"))


def _set(admin: sa.Engine, settings: dict[str, str]) -> None:
    with admin.connect() as connection:
        for name, value in settings.items():
            quoted = value if name == "search_path" else f"'{value}'"
            connection.execute(sa.text(f"ALTER DATABASE embrec_test_settings SET {name} = {quoted}"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ratings with timestamps in all formats."""
    path = tmp_path_factory.mktemp("sessions") / "ratings.csv"
    path.write_text(RATINGS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def usual(admin: sa.Engine, server_url: str, file: Path) -> tuple[object, ...]:
    """The stored rows and the answers with the server's own settings."""
    with _empty_database(admin, server_url, {}) as engine:
        return _life(engine, file)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_no_setting_of_a_session_changes_what_is_stored_or_answered(
    admin: sa.Engine, server_url: str, file: Path, usual: tuple[object, ...], settings: dict[str, str]
) -> None:
    with _empty_database(admin, server_url, settings) as engine:
        assert _life(engine, file) == usual


def test_a_session_that_asks_for_fewer_digits_is_given_the_same_answers_in_fewer_digits(
    admin: sa.Engine, server_url: str, file: Path, usual: tuple[object, ...]
) -> None:
    with _empty_database(admin, server_url, {"extra_float_digits": "0"}) as engine:
        found = _life(engine, file)
        exact = embrec.similar_movies(engine, "100", 20)
        assert found[:2] == usual[:2]
        _set(admin, {"extra_float_digits": "1"})
        engine.dispose()
        assert answers(engine) == usual[-1]
        again = embrec.similar_movies(engine, "100", 20)
    assert list(exact.movie_id) == list(again.movie_id)
    assert abs(exact.similarity - again.similarity).max() < 1e-14


def test_a_database_whose_transactions_only_read_answers_and_says_why_it_takes_nothing_in(
    admin: sa.Engine, server_url: str, file: Path, usual: tuple[object, ...]
) -> None:
    with _empty_database(admin, server_url, {}) as engine:
        _life(engine, file)
        _set(admin, {"default_transaction_read_only": "on"})
        engine.dispose()
        assert (answers(engine), _stored(engine)) == (usual[-1], usual[0])
        for write in (
            lambda: load_frame(engine, rating_frame(seed=3)),
            lambda: embrec.add_rating(engine, "u1", "101", 1.0),
            lambda: publishing.rollback(engine),
        ):
            with pytest.raises(DatabaseError, match="default_transaction_read_only is on"):
                write()
        assert _stored(engine) == usual[0]
