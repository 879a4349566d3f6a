"""The migrations: every revision up, down and up again, online and offline, alone and concurrently."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from catalogue import catalogue, psql
from conftest import with_database
from data import load_frame, rating_frame, stored_run

from embrec import config, db
from embrec.db import resources, schema
from embrec.db.requirements import Server
from embrec.errors import RequirementError, SchemaError
from embrec.runs import publishing
from embrec.serving import similar

ROOT = Path(resources.__file__).parents[2]


def test_up_down_and_up_again(empty_engine: sa.Engine) -> None:
    before = catalogue(empty_engine)
    assert schema.current(empty_engine) is None
    assert schema.upgrade(empty_engine) == db.SCHEMA_REVISION
    migrated = catalogue(empty_engine)
    assert any("similar_movies" in line for line in migrated)
    assert schema.upgrade(empty_engine) == db.SCHEMA_REVISION
    assert catalogue(empty_engine) == migrated
    assert schema.downgrade(empty_engine, "base") is None
    assert catalogue(empty_engine) == before, "nothing is left behind"
    schema.upgrade(empty_engine)
    assert catalogue(empty_engine) == migrated


def test_down_with_data_leaves_nothing_either(empty_engine: sa.Engine) -> None:
    before = catalogue(empty_engine)
    schema.upgrade(empty_engine)
    load_frame(empty_engine, rating_frame())
    publishing.publish(empty_engine, stored_run(empty_engine, np.eye(4)))
    schema.downgrade(empty_engine, "base")
    assert catalogue(empty_engine) == before


def test_offline_output_through_psql_gives_the_same_schema(
    empty_url: str, empty_engine: sa.Engine, engine: sa.Engine
) -> None:
    before = catalogue(empty_engine)
    done = psql(empty_url, schema.upgrade_sql())
    assert done.returncode == 0, done.stderr
    assert catalogue(empty_engine) == catalogue(engine)
    assert schema.upgrade(empty_engine) == db.SCHEMA_REVISION, "and the online way goes on from there"
    done = psql(empty_url, schema.downgrade_sql(f"{db.SCHEMA_REVISION}:base"))
    assert done.returncode == 0, done.stderr
    assert catalogue(empty_engine) == before


def test_the_metadata_agrees_with_the_migrations(engine: sa.Engine) -> None:
    assert schema.check(engine) == []


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("ALTER TABLE embrec.movies DROP COLUMN title CASCADE", "title"),
        ("ALTER TABLE embrec.movies ADD COLUMN extra text", "extra"),
        ("ALTER TABLE embrec.movies ALTER COLUMN title SET NOT NULL", "nullable"),
        ("ALTER TABLE embrec.ratings DROP CONSTRAINT ratings_user_index_fkey", "fk"),
    ],
)
def test_the_check_sees_a_damaged_schema(engine: sa.Engine, damage: str, complaint: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(damage))
    assert complaint in " ".join(schema.check(engine))


def test_the_library_expects_the_newest_revision() -> None:
    revisions = [each.revision for each in schema.history()]
    assert revisions == sorted(revisions)
    assert revisions[-1] == db.SCHEMA_REVISION


def test_eight_upgrades_at_once_all_succeed(empty_url: str, empty_engine: sa.Engine, engine: sa.Engine) -> None:
    code = (
        "import sys; from embrec import db; from embrec.db import schema;"
        "print(schema.upgrade(db.create_engine(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, empty_url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, results
    assert {output.strip() for output, _ in results} == {db.SCHEMA_REVISION}
    assert catalogue(empty_engine) == catalogue(engine)


def test_it_deploys_beside_a_host_applications_own_tables(empty_engine: sa.Engine) -> None:
    host = [
        "CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO public.alembic_version VALUES ('host42')",
        "CREATE TABLE public.users (id int PRIMARY KEY, user_id text)",
        "CREATE TABLE public.movies (id int)",
        "CREATE VIEW public.ratings AS SELECT 1 AS rating",
    ]
    with empty_engine.begin() as connection:
        for statement in host:
            connection.execute(sa.text(statement))
    before = catalogue(empty_engine)
    schema.upgrade(empty_engine)
    assert schema.check(empty_engine) == []
    load_frame(empty_engine, rating_frame())
    schema.downgrade(empty_engine, "base")
    assert catalogue(empty_engine) == before
    with empty_engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM public.alembic_version")) == "host42"


def test_downgrading_leaves_what_others_put_or_use(empty_engine: sa.Engine) -> None:
    schema.upgrade(empty_engine)
    with empty_engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE embrec.mine (v vector(3))"))
    schema.downgrade(empty_engine, "base")
    with empty_engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.mine")) == 0
        assert db.installed_sql(connection) is None
        left = "SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('embrec')"
        assert connection.scalar(sa.text(left)) == 0
    assert schema.upgrade(empty_engine) == db.SCHEMA_REVISION


def test_an_extension_in_a_schema_of_its_own_is_found(empty_engine: sa.Engine) -> None:
    with empty_engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA extensions"))
        connection.execute(sa.text("CREATE EXTENSION vector SCHEMA extensions"))
    before = catalogue(empty_engine)
    schema.upgrade(empty_engine)
    assert schema.check(empty_engine) == []
    load_frame(empty_engine, rating_frame())
    publishing.publish(empty_engine, stored_run(empty_engine, np.eye(4) + 1))
    assert len(similar.similar_movies(empty_engine, movie_with_index_0(empty_engine))) == 3
    schema.downgrade(empty_engine, "base")
    assert catalogue(empty_engine) == before, "an extension that was there before stays"


def movie_with_index_0(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(sa.text("SELECT movie_id FROM embrec.movies WHERE movie_index = 0")))


@pytest.fixture
def ordinary_role(admin: sa.Engine, empty_url: str, empty_engine: sa.Engine) -> Iterator[sa.Engine]:
    """An engine as a role that may create schemas in its database, and nothing more."""
    name = f"embrec_role_{os.getpid()}"
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD 'p'"))
        database_name = config.parse_database_url(empty_url, "test").parameters["dbname"]
        connection.execute(sa.text(f"GRANT CREATE ON DATABASE {database_name} TO {name}"))
    engine = db.create_engine(with_database(empty_url, database_name, user=name, password="p"))
    yield engine
    engine.dispose()
    with empty_engine.begin() as connection:
        connection.execute(sa.text(f"DROP OWNED BY {name} CASCADE"))
    with admin.connect() as connection:
        connection.execute(sa.text(f"REVOKE ALL ON DATABASE {database_name} FROM {name}"))
        connection.execute(sa.text(f"DROP ROLE {name}"))


def test_an_ordinary_role_is_told_what_a_superuser_must_run_and_then_needs_no_more(
    ordinary_role: sa.Engine, empty_engine: sa.Engine
) -> None:
    with pytest.raises(RequirementError, match=r"needs a superuser\. Ask for: CREATE EXTENSION vector"):
        schema.upgrade(ordinary_role)
    with empty_engine.begin() as connection:
        connection.execute(sa.text("CREATE EXTENSION vector"))
    assert schema.upgrade(ordinary_role) == db.SCHEMA_REVISION
    load_frame(ordinary_role, rating_frame())
    schema.downgrade(ordinary_role, "base")
    with empty_engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM pg_extension WHERE extname = 'vector'")) == 1


def test_a_role_that_owns_the_schema_needs_no_right_on_the_database(
    ordinary_role: sa.Engine, empty_engine: sa.Engine
) -> None:
    with empty_engine.begin() as connection:
        name = f"embrec_role_{os.getpid()}"
        database_name = connection.scalar(sa.text("SELECT current_database()"))
        connection.execute(sa.text(f"REVOKE CREATE ON DATABASE {database_name} FROM {name}"))
        connection.execute(sa.text("CREATE EXTENSION vector"))
        connection.execute(sa.text(f"CREATE SCHEMA embrec AUTHORIZATION {name}"))
    assert schema.upgrade(ordinary_role) == db.SCHEMA_REVISION
    assert schema.downgrade(ordinary_role, "base") is None


def test_a_role_without_rights_gets_one_clear_error_and_nothing_is_left(
    ordinary_role: sa.Engine, empty_engine: sa.Engine
) -> None:
    with empty_engine.begin() as connection:
        database_name = connection.scalar(sa.text("SELECT current_database()"))
        connection.execute(sa.text(f"REVOKE CREATE ON DATABASE {database_name} FROM embrec_role_{os.getpid()}"))
        connection.execute(sa.text("CREATE EXTENSION vector"))
    before = catalogue(empty_engine)
    with pytest.raises(RequirementError, match="may not create the schema embrec.*CREATE SCHEMA embrec AUTHORIZATION"):
        schema.upgrade(ordinary_role)
    assert catalogue(empty_engine) == before


def test_alembic_in_the_checkout_is_the_same_code(empty_url: str, empty_engine: sa.Engine, engine: sa.Engine) -> None:
    environment = {**os.environ, "EMBREC_DATABASE_URL": empty_url}
    for arguments in (["upgrade", "head"], ["current"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert catalogue(empty_engine) == catalogue(engine)
    offline = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert offline.stdout.strip() == schema.upgrade_sql().strip()


def test_asking_for_the_revision_changes_nothing(empty_url: str, empty_engine: sa.Engine) -> None:
    before = catalogue(empty_engine)
    subprocess.run(
        [sys.executable, "-m", "alembic", "current"],
        cwd=ROOT,
        env={**os.environ, "EMBREC_DATABASE_URL": empty_url},
        check=True,
        capture_output=True,
    )
    assert catalogue(empty_engine) == before


def test_an_unknown_revision_is_refused(engine: sa.Engine) -> None:
    for action in (schema.upgrade, schema.downgrade):
        with pytest.raises(SchemaError, match="embrec db history"):
            action(engine, "9999")


def test_a_schema_that_is_behind_or_absent_is_refused_and_a_newer_one_is_not(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        for revision, message in (("0000", "is at revision 0000; this release needs"), (None, "no embrec schema yet")):
            if revision:
                connection.execute(sa.text(f"UPDATE embrec.alembic_version SET version_num = '{revision}'"))
            else:
                connection.execute(sa.text("DROP TABLE embrec.alembic_version CASCADE"))
            with pytest.raises(SchemaError, match=f"{message}.*embrec db upgrade"):
                db.require_schema(connection)
        connection.rollback()
        connection.execute(sa.text("UPDATE embrec.alembic_version SET version_num = '9999'"))
        db.require_schema(connection)


def test_a_database_that_is_not_utf8_is_refused(admin: sa.Engine, server_url: str) -> None:
    name = f"embrec_latin_{os.getpid()}"
    with admin.connect() as connection:
        connection.execute(
            sa.text(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0 LOCALE_PROVIDER libc")
        )
    engine = db.create_engine(with_database(server_url, name))
    try:
        with pytest.raises(RequirementError, match="encoded in LATIN1; embrec needs UTF8"):
            schema.upgrade(engine)
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}"))


FINE = Server(170005, "UTF8", "films", "deployer", True, "0.8.0", "0.8.0", "public", True, False, False, True)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"version": 140011}, "is PostgreSQL 14; embrec needs 15"),
        ({"installed": None, "available": None}, "pgvector is not installed on this server.*postgresql-17-pgvector"),
        ({"installed": "0.7.4"}, "has pgvector 0.7.4; embrec needs 0.8.0.*ALTER EXTENSION vector UPDATE"),
        ({"installed": None, "available": "0.6.2"}, "has pgvector 0.6.2"),
    ],
)
def test_a_server_that_is_too_old_is_named_with_what_to_do(facts: dict[str, Any], message: str) -> None:
    """Facts are made up here alone, because few environments have servers that old."""
    assert db.server_faults(FINE) == []
    (fault,) = db.server_faults(dataclasses.replace(FINE, **facts))
    assert re.search(message, fault)
