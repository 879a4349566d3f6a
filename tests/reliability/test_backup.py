"""A pg_dump backup, restored into an empty database, answers as the original did, and keeps working."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from asking import analyze, another_run, answers, catalogue, indexed
from conftest import with_database
from data import load_frame, rating_frame

import embrec
from embrec import db
from embrec.config import server_environment
from embrec.db import schema
from embrec.db.server_binaries import find_binaries
from embrec.runs import experiments, publishing, records
from embrec.training import train


def program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's client programs, of the embedded server's release."""
    command = [str(find_binaries() / name), *arguments]
    return subprocess.run(command, env=server_environment(), capture_output=True, text=True)


def dump(url: str, way: str, to: Path) -> None:
    """Dump a database into a file."""
    done = program("pg_dump", f"--format={way}", f"--file={to}", f"--dbname={url}")
    if "server version mismatch" in done.stderr:
        pytest.skip("the server is newer than the pg_dump that is here")
    assert (done.returncode, done.stderr) == (0, "")


def restore(url: str, way: str, of: Path) -> None:
    """Restore a file into an empty database; the first error ends it."""
    if way == "custom":
        done = program("pg_restore", "--exit-on-error", f"--dbname={url}", str(of))
    else:
        done = program("psql", "-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-f", str(of), url)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def original(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """Two runs, one of them with indexes and published, and an experiment between them."""
    first = catalogue(engine)
    second = another_run(engine, seed=2)
    indexed(engine, second, monkeypatch)
    experiments.start(engine, "which is better", first, second)
    experiments.record_exposure(engine, "u5")
    experiments.record_outcome(engine, "u5", 2.5)
    analyze(engine)
    return engine


@pytest.fixture
def second_url(admin: sa.Engine, server_url: str) -> Iterator[str]:
    """The connection string of another empty database."""
    with admin.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE embrec_test_restored TEMPLATE template0"))
    yield with_database(server_url, "embrec_test_restored")
    with admin.connect() as connection:
        connection.execute(sa.text("DROP DATABASE embrec_test_restored WITH (FORCE)"))


def inventory(engine: sa.Engine) -> list[tuple[str, ...]]:
    """Return every object in the schema, and a digest of each table's rows."""
    with engine.connect() as connection:
        kinds = (
            "SELECT c.relname, c.relkind::text, coalesce(pg_get_viewdef(c.oid), pg_get_indexdef(c.oid), '')"
            " FROM pg_class AS c WHERE relnamespace = 'embrec'::regnamespace AND relkind NOT IN ('t', 'c')"
            " UNION ALL SELECT p.oid::regprocedure::text, 'function', pg_get_functiondef(p.oid)"
            " FROM pg_proc AS p WHERE pronamespace = 'embrec'::regnamespace"
            " UNION ALL SELECT r.conname, 'constraint', pg_get_constraintdef(r.oid)"
            " FROM pg_constraint AS r WHERE connamespace = 'embrec'::regnamespace ORDER BY 1, 2, 3"
        )
        found = [tuple(row) for row in connection.execute(sa.text(kinds.replace("::", r"\:\:")))]
        for name, kind, _ in list(found):
            if kind in "rpm":
                digest = f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM embrec.{name} AS t"
                found.append((name, "rows", connection.scalar(sa.text(digest.replace("::", r"\:\:"))) or ""))
    return found


@pytest.mark.parametrize("way", ["custom", "plain"])
def test_a_restored_dump_answers_byte_for_byte_and_goes_on_working(
    original: sa.Engine, url: str, second_url: str, way: str, tmp_path: Path
) -> None:
    before, objects = answers(original), inventory(original)
    dump(url, way, tmp_path / "backup")
    restore(second_url, way, tmp_path / "backup")
    restored = db.create_engine(second_url)
    try:
        analyze(restored)
        assert answers(restored) == before
        assert inventory(restored) == objects
        assert schema.check(restored) == []
        _goes_on(restored)
        assert answers(original) == before
    finally:
        restored.dispose()


def _goes_on(restored: sa.Engine) -> None:
    """Use a restored database: sequences continue, and restored rows can be changed and deleted."""
    control, treatment = sorted(run.model_run_id for run in records.list_runs(restored))
    assert experiments.end(restored).name == "which is better"
    assert publishing.rollback(restored) == control
    publishing.publish(restored, treatment)
    load_frame(restored, rating_frame(users=31, seed=3))
    embrec.add_rating(restored, "after the restore", "101", 4.5)
    embrec.add_rating(restored, "u1", "new movie", 4.5)
    assert embrec.refresh(restored) == 1
    fitted = train(restored, "matrix-factorization", {"epochs": 1, "dimensions": 3})
    assert fitted.model_run_id > treatment
    publishing.delete(restored, control)
    assert {run.model_run_id for run in records.list_runs(restored)} == {treatment, fitted.model_run_id}
    assert len(embrec.recommend_movies(restored, "after the restore", 5)) == 5
    assert set(embrec.similar_movies(restored, "100").model_run_id) == {fitted.model_run_id}
    assert schema.downgrade(restored, "base") is None
    assert schema.upgrade(restored) == db.SCHEMA_REVISION


def test_a_restored_dump_follows_the_partitions_that_it_had(
    engine: sa.Engine, url: str, second_url: str, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE public.stars (a text, b text, c real) PARTITION BY LIST (b)",
            "CREATE TABLE public.\"Part One\" PARTITION OF public.stars FOR VALUES IN ('1')",
            "CREATE TABLE public.rest PARTITION OF public.stars DEFAULT",
            "SELECT embrec.follow_table('public.stars', 'a', 'b', 'c')",
            "INSERT INTO public.stars VALUES ('me', '1', 3), ('me', '2', 4)",
        ):
            connection.execute(sa.text(statement))
    dump(url, "custom", tmp_path / "backup")
    restore(second_url, "custom", tmp_path / "backup")
    restored = db.create_engine(second_url)
    try:
        with restored.begin() as connection:
            connection.execute(sa.text('ALTER TABLE public.stars DETACH PARTITION public."Part One"'))
        with restored.connect() as connection:
            assert connection.scalars(sa.text("SELECT rating FROM embrec.ratings")).all() == [4]
    finally:
        restored.dispose()


def test_a_dump_restores_where_pgvector_is_in_a_schema_of_its_own(
    empty_url: str, empty_engine: sa.Engine, second_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with empty_engine.begin() as connection:
        connection.execute(sa.text('CREATE SCHEMA "Its Own"'))
        connection.execute(sa.text('CREATE EXTENSION vector SCHEMA "Its Own"'))
    schema.upgrade(empty_engine)
    indexed(empty_engine, catalogue(empty_engine), monkeypatch)
    analyze(empty_engine)
    before = answers(empty_engine)
    dump(empty_url, "custom", tmp_path / "backup")
    restore(second_url, "custom", tmp_path / "backup")
    restored = db.create_engine(second_url)
    try:
        analyze(restored)
        assert answers(restored) == before
        assert schema.check(restored) == []
    finally:
        restored.dispose()


def test_a_dump_of_the_schema_alone_leaves_the_rest_of_the_database_out(
    original: sa.Engine, url: str, second_url: str, tmp_path: Path
) -> None:
    # --schema=embrec has no extension in it, so that the target needs one before.
    with original.begin() as connection:
        connection.execute(sa.text("CREATE TABLE public.films_of_the_host (title text)"))
    before = answers(original)
    done = program("pg_dump", "--format=custom", "--schema=embrec", f"--file={tmp_path / 'backup'}", f"--dbname={url}")
    assert (done.returncode, done.stderr) == (0, "")
    restored = db.create_engine(second_url)
    try:
        with restored.begin() as connection:
            connection.execute(sa.text("CREATE EXTENSION vector"))
        restore(second_url, "custom", tmp_path / "backup")
        analyze(restored)
        assert answers(restored) == before
        assert sa.inspect(restored).get_table_names("public") == []
    finally:
        restored.dispose()
