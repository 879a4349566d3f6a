"""Databases at a revision before the baseline, from a dump that the code of that time made."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from catalogue import catalogue, psql
from data import load_frame, rating_frame, two_part_run
from unchanged import contents

from embrec import db
from embrec.data.scale import get_rating_scale
from embrec.db import former, schema
from embrec.errors import SchemaError
from embrec.runs import experiments, publishing
from embrec.serving import predict, recommend, similar

DUMP = Path(__file__).with_name("dumps") / f"{former.LAST}.sql"


@pytest.fixture
def before(empty_url: str, empty_engine: sa.Engine) -> sa.Engine:
    """A database at the last revision before the baseline, with ratings, runs and an experiment."""
    done = psql(empty_url, DUMP.read_text())
    assert done.returncode == 0, done.stderr
    assert schema.current(empty_engine) == former.LAST
    return empty_engine


def execute(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement))


def without_partitions(engine: sa.Engine) -> list[str]:
    return [line for line in catalogue(engine) if "_run_" not in line]


def rows(engine: sa.Engine) -> dict[str, tuple[int, str]]:
    with engine.connect() as connection:
        found = {table: held for table, held in contents(connection).items() if table != "alembic_version"}
        kept = sa.text(
            "SELECT count(*), md5(string_agg(concat_ws('|', model_run_id, options, metrics, vectors_sha256), '|'"
            " ORDER BY model_run_id)) FROM embrec.model_runs"
        )
        found["model_runs"] = tuple(connection.execute(kept).one())  # the upgrade adds columns to it
        for table in [name for name in found if "_embeddings" in name]:
            index, own = ("movie_index", "folded_in") if table.startswith("movie") else ("user_index", "fingerprint")
            kept = sa.text(
                f"SELECT count(*), md5(string_agg(concat_ws('|', model_run_id, part, {index}, bias, embedding,"
                f" spread, {own}), '|' ORDER BY model_run_id, part, {index})) FROM embrec.{table}"
            )
            found[table] = tuple(connection.execute(kept).one())  # and a column to these
        return found


def test_a_database_with_data_is_taken_over_and_serves(before: sa.Engine, engine: sa.Engine) -> None:
    held = rows(before)
    assert held["ratings"][0] > 100
    assert held.pop("movie_statistics")[0] == held["movies"][0]  # becomes a view
    assert schema.upgrade(before) == db.SCHEMA_REVISION
    found = rows(before)
    assert {name: found[name] for name in held} == held
    assert found["movie_counts"][0] == held["movies"][0]
    with before.connect() as connection:
        served = dict(
            connection.execute(
                sa.text("SELECT model_run_id, serving || ', ' || user_vectors FROM embrec.model_runs")
            ).all()
        )
    assert served == {1: "two_part, fold_in", 2: "two_part, fold_in"}
    assert schema.check(before) == []
    assert without_partitions(before) == without_partitions(engine)
    assert len(recommend.recommend_movies(before, "u1", 5)) == 5
    assert len(similar.similar_movies(before, 100, 5)) == 5
    assert 1 <= predict.predict_rating(before, "u1", 101) <= 5
    load_frame(before, rating_frame(seed=8))
    assert get_rating_scale(before) == (1, 5)
    two_part_run(before, seed=3)
    assert set(similar.similar_users(before, "u1").model_run_id) == {3}
    assert publishing.rollback(before) == 2
    experiments.end(before)
    publishing.delete(before, 3)
    schema.downgrade(before, "base")


def test_it_is_taken_over_once(before: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    schema.upgrade(before)
    monkeypatch.setattr(former, "differences", lambda connection: pytest.fail("it is compared again"))
    assert schema.upgrade(before) == db.SCHEMA_REVISION


def test_it_can_be_removed_at_once(before: sa.Engine) -> None:
    assert schema.downgrade(before, "base") is None
    with before.connect() as connection:
        assert connection.scalar(sa.text("SELECT to_regnamespace('embrec')")) is None


@pytest.mark.parametrize("revision", ["0001", "0011"])
def test_an_older_one_is_refused_with_the_way_on(before: sa.Engine, revision: str) -> None:
    execute(before, f"UPDATE embrec.alembic_version SET version_num = '{revision}'")
    was = catalogue(before), rows(before)
    with pytest.raises(SchemaError, match=f"at revision {revision}.*goes on from 0012.*commit.*embrec db upgrade"):
        schema.upgrade(before)
    assert (catalogue(before), rows(before), schema.current(before)) == (*was, revision)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("ALTER TABLE embrec.movies ADD COLUMN extra text", "not known: column movies.extra text"),
        (
            "ALTER TABLE embrec.movies ALTER COLUMN genres DROP NOT NULL",
            "missing: column movies.genres text[] not null",
        ),
        (
            "ALTER TABLE embrec.ratings DROP CONSTRAINT ratings_user_index_fkey",
            "missing: constraint ratings.ratings_us",
        ),
        ("ALTER TABLE embrec.users ADD CHECK (user_index < 999)", "not known: constraint users.users_user_index_check"),
        ("DROP INDEX embrec.ratings_rated_at_idx", "missing: index CREATE INDEX ratings_rated_at_idx"),
        ("ALTER TYPE embrec.part ADD VALUE 'other'", "missing: type part"),
        ("ALTER TYPE embrec.similar_movie ADD ATTRIBUTE more text", "not known: column similar_movie.more"),
        ("DROP FUNCTION embrec.trending_movies", "missing: function trending_movies"),
        ("DROP VIEW embrec.warnings", "missing: warnings v"),
        ("DROP TABLE embrec.load_watermarks", "missing: load_watermarks r"),
    ],
)
def test_one_whose_schema_is_another_is_refused_with_what_differs(
    before: sa.Engine, damage: str, complaint: str
) -> None:
    execute(before, damage)
    was = catalogue(before)
    with pytest.raises(SchemaError) as refused:
        schema.upgrade(before)
    lines = str(refused.value).splitlines()
    assert "Nothing was changed" in lines[0]
    assert any(line.startswith(complaint) for line in lines[1:]), lines
    assert len(lines) < 30
    assert catalogue(before) == was
    assert schema.current(before) == former.LAST


def test_what_the_host_has_put_beside_it_is_no_difference(before: sa.Engine) -> None:
    execute(before, "CREATE TABLE embrec.mine (id integer CHECK (id > 0))")
    execute(before, "CREATE INDEX mine_too ON embrec.movies (title)")
    execute(before, "CREATE FUNCTION embrec.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    assert schema.upgrade(before) == db.SCHEMA_REVISION
