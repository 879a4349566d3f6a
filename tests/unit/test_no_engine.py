"""Arguments that stand for a database and are none: every function refuses them first, and says what to give."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable
from typing import Any

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import embrec
from embrec.db import schema
from embrec.errors import ArgumentError
from embrec.report import write_report
from embrec.runs import cleanup, experiments, publishing
from embrec.web.app import create_app

URL = "postgresql+psycopg://ann:hunter2@127.0.0.1:1/films"
ASYNC = "asyncio.to_thread"
ENGINE = "embrec.create_engine"

NO_ENGINES: dict[str, tuple[Callable[[], Any], str]] = {
    "None": (lambda: None, "is None; give an Engine"),
    "a URL": (lambda: URL, ENGINE),
    "sqlalchemy.URL": (lambda: sa.make_url(URL), ENGINE),
    "a Session": (lambda: Session(sa.create_engine(URL)), r"sqlalchemy\.Session; .*session\.connection\(\)"),
    "a class of its own": (lambda: type("Mine", (Session,), {})(), r"session\.connection\(\)"),
    "a sessionmaker": (lambda: sessionmaker(sa.create_engine(URL)), r"session\.connection\(\)"),
    "a scoped_session": (lambda: scoped_session(sessionmaker(sa.create_engine(URL))), r"session\.connection\(\)"),
    "an AsyncEngine": (lambda: create_async_engine(URL), ASYNC),
    "an AsyncSession": (lambda: AsyncSession(create_async_engine(URL)), ASYNC),
    "an async_sessionmaker": (lambda: async_sessionmaker(create_async_engine(URL)), ASYNC),
    "psycopg's connection": (
        lambda: psycopg.Connection.__new__(psycopg.Connection),
        rf"psycopg\.Connection; .*{ENGINE}",
    ),
    "a pool": (lambda: sa.create_engine(URL).pool, ENGINE),
    "SQLite": (lambda: sa.create_engine("sqlite://"), "is one of sqlite; give an Engine for PostgreSQL"),
}
# Arguments after the first by their names; each function is called with those that it requires.
OTHERS: dict[str, Any] = {
    "lowest": 1,
    "highest": 5,
    **dict.fromkeys(("user_id", "movie_id", "query", "name"), "1"),
    **dict.fromkeys(("model_run_id", "like", "rating", "value", "control_run", "treatment_run"), 1),
    "user_ids": ["1"],
    "movie_ids": ["1"],
    "ratings": {"1": 5},
    "movies": pd.DataFrame({"movie_id": ["1"]}),
    "history": ["1"],
    "older_than": dt.timedelta(days=30),
    "since": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    "keras_model": None,
    "revision": "base",
}


def _functions() -> dict[str, Callable[..., Any]]:
    """Return every public function whose first argument is a database, and those behind the commands."""
    public = [getattr(embrec, name) for name in embrec.__all__]
    behind = [schema.check, schema.current, schema.downgrade, cleanup.collect_garbage, publishing.delete, write_report]
    behind += [experiments.start, experiments.results, create_app]
    functions = [each for each in (*public, *behind) if inspect.isfunction(each)]
    firsts = {each: next(iter(inspect.signature(each).parameters), None) for each in functions}
    return {each.__qualname__: each for each, first in firsts.items() if first in ("bind", "engine", "connection")}


def _call(function: Callable[..., Any], bind: Any, tmp_path: Any) -> None:
    others = {
        **OTHERS,
        "path": tmp_path / "run.keras",
        "output": tmp_path / "report.html",
        "source": embrec.TableSource("shop.stars")
        if function is embrec.load_from_table
        else pd.DataFrame({"user_id": ["1"], "movie_id": ["1"], "rating": [5.0]}),
    }
    _, *rest = inspect.signature(function).parameters.values()
    given = {
        each.name: others[each.name]
        for each in rest
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD
    }
    answer = function(bind, **given)
    if hasattr(answer, "__enter__"):  # of a context manager, which begins by entering it
        with answer:
            pass


def test_every_function_says_what_to_give_for_an_engine(tmp_path: Any) -> None:
    functions = _functions()
    assert len(functions) > 40
    for kind, (make, message) in NO_ENGINES.items():
        for name, function in functions.items():
            with pytest.raises(ArgumentError, match=message) as caught:
                _call(function, make(), tmp_path)
            assert "hunter2" not in str(caught.value), (name, kind)


@pytest.mark.parametrize(
    "name", ["train", "upgrade", "load_from_table", "downgrade", "delete", "collect_garbage", "add_run"]
)
def test_several_transactions_take_an_engine(name: str, tmp_path: Any) -> None:
    connection = sa.Connection.__new__(sa.Connection)
    connection.dialect = sa.create_engine(URL).dialect
    with pytest.raises(ArgumentError, match=r"several transactions; give connection\.engine"):
        _call(_functions()[name], connection, tmp_path)


def test_an_answer_from_another_run_takes_a_connection() -> None:
    with (
        pytest.raises(ArgumentError, match=r"with engine\.begin\(\) as connection"),
        embrec.answering_from(sa.create_engine(URL), 1),
    ):
        pass


@pytest.mark.parametrize("value", [5, b"postgresql://h/d", ["postgresql://h/d"]])
def test_no_url_is_named(value: Any) -> None:
    for function in (embrec.create_engine, embrec.open_engine):
        with pytest.raises(ArgumentError, match="The database's URL is of type .*; give text"):
            function(value)
