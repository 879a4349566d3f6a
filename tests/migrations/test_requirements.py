"""A role without any right in a database: one list of what it lacks, and one script after which it migrates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from catalogue import psql
from conftest import with_database
from data import load_frame, rating_frame, two_part_run

from embrec import config, db
from embrec.db import schema
from embrec.errors import RequirementError
from embrec.serving import similar

Run = Callable[..., tuple[int, str, str]]
# A name that must be quoted in every statement.
NAME = f"De'ploy {os.getpid()}"


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@pytest.fixture
def own_url(admin: sa.Engine, empty_url: str, empty_engine: sa.Engine) -> Iterator[str]:
    """The connection string of a role that may only log in, in a database that grants nothing to PUBLIC."""
    run(admin, f"CREATE ROLE \"{NAME}\" LOGIN PASSWORD 'p'")
    database = str(config.parse_database_url(empty_url, "test").parameters["dbname"])
    run(empty_engine, f"REVOKE ALL ON DATABASE {database} FROM PUBLIC", "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    yield with_database(empty_url, database, user=NAME, password="p")
    run(empty_engine, f'DROP OWNED BY "{NAME}" CASCADE')
    run(admin, f'DROP ROLE "{NAME}"')


@pytest.mark.parametrize(
    "before",
    [
        (),
        ("CREATE SCHEMA ext", "CREATE EXTENSION vector SCHEMA ext"),
        ("DROP SCHEMA public",),
        ("DROP SCHEMA public", "CREATE SCHEMA embrec"),
    ],
    ids=["nothing", "pgvector in a schema", "no public", "a schema of somebody else's"],
)
def test_one_script_of_a_superuser_and_the_role_migrates_at_once(
    embrec: Run, empty_engine: sa.Engine, empty_url: str, own_url: str, before: tuple[str, ...]
) -> None:
    run(empty_engine, *before)
    code, script, told = embrec("db", "requirements", "--sql", "--role", NAME)
    assert (code, told) == (0, "")
    for _ in range(2):  # a second time changes nothing
        done = psql(empty_url, script)
        assert done.returncode == 0, done.stderr
    if "CREATE SCHEMA embrec" in before:
        run(empty_engine, "ALTER SCHEMA embrec OWNER TO embrec_owner")
    assert embrec("db", "requirements", "--database-url", own_url)[:2] == (0, "")
    assert embrec("db", "upgrade", "--database-url", own_url)[0] == 0
    engine = db.create_engine(own_url)
    assert schema.check(engine) == []
    load_frame(engine, rating_frame())
    two_part_run(engine)
    assert len(similar.similar_movies(engine, 100)) > 0
    code, out, _ = embrec("doctor", "--database-url", own_url)
    assert code == 0, out
    assert embrec("db", "upgrade", "--database-url", empty_url)[0] == 0
    assert schema.downgrade(engine, "base") is None
    engine.dispose()


def test_everything_that_is_missing_is_listed_at_once(
    embrec: Run, empty_engine: sa.Engine, empty_url: str, own_url: str
) -> None:
    run(empty_engine, f'GRANT CONNECT ON DATABASE {_name(empty_url)} TO "{NAME}"')
    wanted = ("CREATE EXTENSION vector", "CREATE SCHEMA embrec AUTHORIZATION", "GRANT USAGE ON SCHEMA public TO")
    code, out, told = embrec("db", "requirements", "--database-url", own_url)
    assert (code, len(out.splitlines())) == (1, len(wanted))
    assert "embrec db requirements --sql --role" in told
    assert embrec("db", "requirements", "--role", NAME, "--database-url", empty_url)[:2] == (code, out)
    doctor = embrec("doctor", "--database-url", own_url)[1]
    engine = db.create_engine(own_url)
    with pytest.raises(RequirementError) as refused:
        schema.upgrade(engine)
    engine.dispose()
    for statement in wanted:
        assert out.count(statement) == doctor.count(statement) == str(refused.value).count(statement) == 1
    assert "CREATE EXTENSION vector. The role" in str(refused.value)
    assert doctor.count("FAIL  requirements: ") == len(wanted)
    assert "ok    pgvector's schema: none yet" in doctor


def test_a_role_that_is_not_there_is_named(embrec: Run, empty_url: str) -> None:
    code, _, told = embrec("db", "requirements", "--role", "nobody here", "--database-url", empty_url)
    assert (code, told) == (
        1,
        "embrec: There is no role nobody here on this server. Create it first: CREATE ROLE ... LOGIN\n",
    )
    done = psql(empty_url, embrec("db", "requirements", "--sql", "--role", "nobody here")[1])
    assert 'there is no role nobody here; make it first: CREATE ROLE "nobody here" LOGIN' in done.stderr


def _name(url: str) -> str:
    return str(config.parse_database_url(url, "test").parameters["dbname"])
