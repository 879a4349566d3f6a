"""The functions and views that every upgrade installs: each in one text, known by a digest in the schema's comment.

schema.txt is the schema on record. To write it anew:
EMBREC_WRITE_RECORD=1 python -m pytest tests/migrations/test_install.py -k on_record
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from catalogue import catalogue, psql
from data import load_frame, rating_frame, two_part_run

from embrec import db
from embrec.db import resources, schema
from embrec.errors import SchemaError
from embrec.serving import recommend

RECORD = Path(__file__).with_name("schema.txt")
SQL = Path(resources.__file__).parents[2] / "sql"
# Each major version of PostgreSQL writes functions and views in its own way.
MAJOR = 18
Run = Callable[..., tuple[int, str, str]]


def execute(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(resources.statement(statement))


def as_lines(engine: sa.Engine) -> str:
    """Return the catalogue as text, a function by its first line, its rights and a digest."""
    lines = []
    for line in catalogue(engine):
        if line.startswith("function"):
            first, rights = line.partition("\n")[0], line.rpartition("\n")[2]
            line = f"{first} {rights} {hashlib.sha256(line.encode()).hexdigest()[:16]}"
        if "embrec." in line:
            lines.append(line)
    return "\n".join(lines) + "\n"


def test_the_schema_is_the_one_on_record(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if int(connection.scalar(sa.text("SHOW server_version_num"))) // 10_000 != MAJOR:
            pytest.skip(f"the record is of PostgreSQL {MAJOR}")
    if os.environ.get("EMBREC_WRITE_RECORD"):
        RECORD.write_text(as_lines(engine))
    assert as_lines(engine) == RECORD.read_text()
    schema.upgrade(engine)
    assert as_lines(engine) == RECORD.read_text(), "and it is when everything is installed a second time"


def test_each_function_and_view_has_one_file_and_install_names_each_once() -> None:
    files = [f"{path.parent.name}/{path.stem}" for path in (*SQL.glob("functions/*"), *SQL.glob("views/*"))]
    assert sorted(resources.installed()) == sorted(files)
    for name in files:
        made = re.findall(r"^CREATE (?!OR REPLACE TRIGGER).*?embrec\.(\w+)", resources.sql_text(name), re.MULTILINE)
        assert set(made) == {name.split("/")[1]}, "the downgrade to base goes by the names"
    assert [path for path in SQL.rglob("*.sql") if re.search(r"_v\d+$", path.stem)] == []


def test_psql_installs_the_same_as_an_upgrade(url: str, engine: sa.Engine) -> None:
    before = catalogue(engine)
    execute(engine, "DROP FUNCTION embrec.trending_movies")
    execute(engine, "DROP VIEW embrec.warnings")
    files = ("schema/prepare", "install", "schema/rights")
    done = psql(url, "BEGIN;\n" + "".join(f"\\i {SQL / name}.sql\n" for name in files) + "COMMIT;\n")
    assert done.returncode == 0, done.stderr
    assert catalogue(engine) == before


@pytest.fixture
def own_sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of sql/ that is used in its stead; a test changes files before it asks for the digest."""
    copy = tmp_path / "sql"
    shutil.copytree(SQL, copy)
    whole = resources._directory
    monkeypatch.setattr(resources, "_directory", lambda name: copy if name == "sql" else whole(name))
    caches = (resources.installed, resources.sql_digest, db.sql_comment)
    for each in caches:
        each.cache_clear()
    yield copy
    for each in caches:
        each.cache_clear()


def test_a_changed_function_needs_no_revision_and_is_asked_for_until_an_upgrade(
    engine: sa.Engine, url: str, own_sql: Path, embrec: Run
) -> None:
    before = catalogue(engine)
    file = own_sql / "functions" / "known_genres.sql"
    text = file.read_text()
    assert text.count("count(*)") == 1
    file.write_text(text.replace("count(*)", "count(*) + 1000"))
    behind = pytest.raises(SchemaError, match=r"are those of another embrec \S+, not of this.*Run: embrec db upgrade")
    with engine.connect() as connection, behind:
        db.require_schema(connection)
    assert "embrec db upgrade" in embrec("db", "check", "--database-url", url)[2]
    assert "FAIL  schema: The functions and views" in embrec("doctor", "--database-url", url)[1]
    assert "schema_behind" in embrec("status", "--json", "--database-url", url)[1]
    assert schema.upgrade(engine) == db.SCHEMA_REVISION == schema.history()[-1].revision
    assert schema.check(engine) == []
    (changed,) = [line for line in catalogue(engine) if line not in before and line.startswith("function")]
    assert "known_genres" in changed
    assert "1000" in changed
    doctor = embrec("doctor", "--database-url", url)[1]
    assert re.search(r"ok    schema: revision \d+, functions and views of embrec \d", doctor)


@pytest.mark.parametrize(
    "damage",
    [
        "DROP FUNCTION embrec.trending_movies",
        "CREATE OR REPLACE FUNCTION embrec.known_genres() RETURNS SETOF embrec.genre_count"
        " LANGUAGE sql AS 'SELECT NULL::embrec.genre_count'",
        "CREATE OR REPLACE VIEW embrec.published_run AS SELECT 7 AS model_run_id, now() AS published_at,"
        " 'rating'::embrec.part AS movie_similarity, 'rating'::embrec.part AS user_similarity",
        "DROP VIEW embrec.warnings",
        "ALTER FUNCTION embrec.similar_users(text, integer) SECURITY INVOKER",
        "COMMENT ON SCHEMA embrec IS 'movies'",
    ],
)
def test_an_upgrade_mends_functions_and_views_that_somebody_changed(engine: sa.Engine, damage: str) -> None:
    before = catalogue(engine)
    execute(engine, damage)
    assert catalogue(engine) != before
    schema.upgrade(engine)
    assert catalogue(engine) == before


def test_an_upgrade_with_nothing_to_do_waits_for_no_reader(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 0.0)
    load_frame(engine, rating_frame())
    two_part_run(engine)
    views = [name.removeprefix("views/") for name in resources.installed() if name.startswith("views/")]
    with engine.connect() as reader:
        assert len(recommend.recommend_movies(reader, "u1", 5)) == 5
        for view in views:
            reader.execute(sa.text(f"SELECT * FROM embrec.{view}"))
        assert schema.upgrade(engine) == db.SCHEMA_REVISION


def test_no_caller_meets_a_function_without_its_owners_rights(engine: sa.Engine, url: str) -> None:
    """Replacing a function takes its SECURITY DEFINER away, which rights.sql gives again: at once, or not at all."""
    definers = "SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('embrec') AND prosecdef"
    other, seen = db.create_engine(url), []

    def look(*arguments: object) -> None:
        with other.connect() as connection:
            seen.append(connection.scalar(sa.text(definers)))

    look()
    sa.event.listen(engine, "after_cursor_execute", look)
    schema.upgrade(engine)
    other.dispose()
    assert len(seen) > 70
    assert seen[0] > 20
    assert set(seen) == {seen[0]}


def test_an_older_release_uses_the_functions_of_a_newer_one_and_does_not_replace_them(engine: sa.Engine) -> None:
    execute(engine, f"COMMENT ON SCHEMA embrec IS 'embrec 99.1.0, SQL sha256:{'0' * 64}'")
    before = catalogue(engine)
    with engine.connect() as connection:
        db.require_schema(connection)
    for action in (schema.upgrade, lambda engine: schema.downgrade(engine, "base")):
        with pytest.raises(SchemaError, match=r"of embrec 99\.1\.0, which is newer than this.*install embrec 99"):
            action(engine)
    assert catalogue(engine) == before


@pytest.mark.parametrize(
    ("version", "newer"),
    [("0.0.9", False), ("0.1.0", False), ("0.1.0rc1", False), ("0.1.1", True), ("0.10.0", True), ("1.0.0.dev3", True)],
)
def test_versions_are_compared_as_numbers(version: str, newer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1.0")
    assert db.is_newer(version) is newer


def test_an_application_that_may_only_ask_can_see_which_functions_there_are(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("SET LOCAL ROLE embrec_api"))
        version, digest = db.installed_sql(connection) or ("", "")
    assert (version[0].isdigit(), digest) == (True, resources.sql_digest())
