"""A host's objects that need embrec's: a downgrade names them all, with what drops them, before it removes anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from catalogue import catalogue
from data import load_frame, rating_frame, two_part_run

from embrec import db
from embrec.db import resources, schema
from embrec.db.dependents import dependents
from embrec.errors import DatabaseError, SchemaError
from embrec.serving import similar

# Objects of a host by the statement that makes each, and the beginning of the one that drops it.
OBJECTS = {
    "CREATE VIEW public.titles AS SELECT movie_id, title FROM embrec.movies": "DROP VIEW public.titles",
    "CREATE VIEW embrec.mine AS SELECT * FROM embrec.ratings": "DROP VIEW embrec.mine",
    "CREATE MATERIALIZED VIEW public.counts AS SELECT * FROM embrec.movie_statistics": (
        "DROP MATERIALIZED VIEW public.counts"
    ),
    "CREATE VIEW public.alike AS SELECT * FROM embrec.similar_movies('1'::text, 3)": "DROP VIEW public.alike",
    "CREATE VIEW public.live AS SELECT * FROM embrec.published_run": "DROP VIEW public.live",
    "CREATE FUNCTION public.best() RETURNS SETOF embrec.recommended_movie LANGUAGE sql STABLE BEGIN ATOMIC "
    "SELECT * FROM embrec.recommend_movies('1'::text); END": "DROP FUNCTION public.best()",
    "CREATE FUNCTION public.fits(m embrec.movies) RETURNS boolean LANGUAGE sql AS 'SELECT true'": (
        "DROP FUNCTION public.fits(embrec.movies)"
    ),
    'CREATE TABLE public."My sales" (film integer CONSTRAINT "Film there" REFERENCES embrec.movies)': (
        'ALTER TABLE public."My sales" DROP CONSTRAINT "Film there"'
    ),
    "CREATE TABLE public.notes (part embrec.part)": "ALTER TABLE public.notes DROP COLUMN part",
    "CREATE TABLE public.kept (id text DEFAULT embrec.known_id('user', '1'::text))": (
        "ALTER TABLE public.kept ALTER COLUMN id DROP DEFAULT"
    ),
    "CREATE TABLE public.guarded (id text); CREATE POLICY rated ON public.guarded USING "
    "(id IN (SELECT user_id FROM embrec.users))": "DROP POLICY rated ON public.guarded",
    "CREATE TABLE public.fed (id integer); CREATE RULE feed AS ON INSERT TO public.fed DO ALSO "
    "INSERT INTO embrec.users VALUES (new.id, new.id)": "DROP RULE feed ON public.fed",
    "CREATE TABLE public.heir () INHERITS (embrec.users)": "DROP TABLE public.heir",
}


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(resources.statement(statement))


def refused(engine: sa.Engine, revision: str) -> list[str]:
    """Return the statements that a refused downgrade asks to run."""
    with pytest.raises(SchemaError, match="Objects of yours need .*Nothing was removed") as error:
        schema.downgrade(engine, revision)
    found = re.search("to drop them: (.*); then run it again", str(error.value))
    assert found
    return found[1].split("; ")


@pytest.mark.parametrize("made", OBJECTS)
def test_each_kind_of_object_is_named_before_anything_is_removed(engine: sa.Engine, made: str) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    run(engine, made)
    before = catalogue(engine)
    statements = refused(engine, "base")
    assert statements == [OBJECTS[made]]
    assert catalogue(engine) == before
    assert schema.current(engine) == db.SCHEMA_REVISION
    assert len(similar.similar_movies(engine, 100)) > 0
    run(engine, *statements)
    assert schema.downgrade(engine, "base") is None


def test_all_of_them_are_named_at_once_with_what_is_made_of_them(engine: sa.Engine) -> None:
    run(engine, *OBJECTS)
    run(
        engine,
        "CREATE VIEW public.more AS SELECT * FROM public.titles",
        "CREATE VIEW public.most AS SELECT * FROM public.more",
        "CREATE FUNCTION public.of_rows(m public.titles) RETURNS text LANGUAGE sql AS 'SELECT 1'",
    )
    statements = refused(engine, "base")
    assert set(statements) >= {*OBJECTS.values(), "DROP VIEW public.most", "DROP VIEW public.more"}
    assert len(statements) == len(set(statements)) == len(OBJECTS) + 3
    run(engine, *statements)
    assert schema.downgrade(engine, "base") is None
    with engine.connect() as connection:
        left = connection.scalars(sa.text("SELECT relname FROM pg_class WHERE relname IN ('notes', 'kept', 'fed')"))
        assert len(left.all()) == 3


def test_a_step_back_names_only_what_it_would_remove(engine: sa.Engine) -> None:
    run(engine, "CREATE VIEW public.titles AS SELECT movie_id, title FROM embrec.movies")
    run(engine, "CREATE VIEW public.live AS SELECT * FROM embrec.published_run")
    before = catalogue(engine)
    assert refused(engine, "0013") == ["DROP VIEW public.live"]
    assert catalogue(engine) == before
    run(engine, "DROP VIEW public.live")
    assert schema.downgrade(engine, "0013") == "0013"
    assert refused(engine, "base") == ["DROP VIEW public.titles"]
    assert schema.upgrade(engine) == db.SCHEMA_REVISION
    assert schema.check(engine) == []


def test_what_reads_the_counts_goes_on_and_a_hosts_view_of_them_is_named(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    schema.downgrade(engine, "0014")
    run(
        engine,
        "CREATE VIEW embrec.mine AS SELECT s.movie_index, l.like_count"
        " FROM embrec.movie_statistics AS s JOIN embrec.movie_likes AS l USING (movie_index)",
        "CREATE FUNCTION embrec.counted() RETURNS numeric LANGUAGE sql STABLE BEGIN ATOMIC"
        " SELECT sum(s.rating_count) FROM embrec.movie_statistics AS s; END",
        "CREATE VIEW public.counts AS SELECT movie_index, rating_count FROM embrec.movie_statistics",
    )
    with engine.connect() as connection:
        before = connection.execute(sa.text("SELECT * FROM embrec.mine ORDER BY 1")).all()
    with pytest.raises(
        SchemaError, match=r"become views: view counts depends on .*embrec\.movie_statistics\. Drop those"
    ):
        schema.upgrade(engine)
    assert schema.current(engine) == "0014"
    run(engine, "DROP VIEW public.counts")
    assert schema.upgrade(engine) == db.SCHEMA_REVISION
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT * FROM embrec.mine ORDER BY 1")).all() == before
        assert connection.scalar(sa.text("SELECT embrec.counted()")) == connection.scalar(
            sa.text("SELECT count(*) FROM embrec.ratings")
        )


def test_a_followed_table_is_in_nobodys_way(engine: sa.Engine) -> None:
    run(
        engine,
        "CREATE TABLE public.stars (user_id text, movie_id text, rating real, PRIMARY KEY (user_id, movie_id))",
        "SELECT embrec.follow_table('public.stars', 'user_id', 'movie_id', 'rating')",
        "CREATE TABLE public.parts (LIKE public.stars) PARTITION BY LIST (user_id)",
        "SELECT embrec.follow_table('public.parts', 'user_id', 'movie_id', 'rating')",
    )
    with engine.connect() as connection:
        assert dependents(connection, everything=True) == []
    assert schema.downgrade(engine, "base") is None
    run(engine, "INSERT INTO public.stars VALUES ('1', '1', 1)", "ALTER TABLE public.parts ADD note text")


def test_a_downgrade_that_fails_at_the_last_revision_undoes_all(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if an object had come between the look and the removal."""
    run(engine, "CREATE VIEW public.titles AS SELECT movie_id, title FROM embrec.movies")
    before = catalogue(engine)
    monkeypatch.setattr("embrec.db.dependents.dependents", lambda connection, everything: [])
    with pytest.raises(SchemaError, match="view .*titles depends on table .*movies"):
        schema.downgrade(engine, "base")
    assert (catalogue(engine), schema.current(engine)) == (before, db.SCHEMA_REVISION)


@pytest.mark.parametrize("arguments", [["downgrade", "base"], ["downgrade", "-1"], ["downgrade", "0013"]])
def test_alembic_in_the_checkout_refuses_too(engine: sa.Engine, url: str, arguments: list[str]) -> None:
    run(engine, "CREATE VIEW public.live AS SELECT * FROM embrec.published_run")
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=Path(resources.__file__).parents[2],
        env={**os.environ, "EMBREC_DATABASE_URL": url},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "DROP VIEW public.live" in done.stderr
    assert schema.current(engine) == db.SCHEMA_REVISION


def test_an_upgrade_that_is_refused_says_what_is_missing_and_not_to_upgrade(engine: sa.Engine) -> None:
    run(engine, "DROP TABLE embrec.tuning_trials")
    with pytest.raises(SchemaError, match='migration stopped: .*"embrec.tuning_trials" does not exist') as stopped:
        schema.upgrade(engine)
    assert "absent or behind" not in str(stopped.value)


def test_a_function_that_a_hosts_view_needs_is_named_with_the_view(engine: sa.Engine) -> None:
    run(engine, "CREATE VIEW public.alike AS SELECT * FROM embrec.similar_movies('1'::text, 3)")
    with (
        pytest.raises(
            DatabaseError, match=r"view (public\.)?alike depends on function .*similar_movies.* Drop those first"
        ),
        db.begin(engine) as connection,
    ):
        connection.execute(
            sa.text(
                "DROP FUNCTION embrec.similar_movies(text, integer, text[], text[], integer, integer, integer, text[])"
            )
        )
