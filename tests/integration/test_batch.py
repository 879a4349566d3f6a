"""Batch recommendations, against the SQL function that answers for one user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import FAKE_RUN, load_frame, rating_frame, stored_run

from embrec.data import ratings
from embrec.data.files.movies import Movie
from embrec.errors import ConfigError, DataError, NoPublishedRunError, RunError, SchemaError
from embrec.runs import publishing, records
from embrec.runs.embeddings import Vectors, store
from embrec.runs.records import TrainedRun
from embrec.serving import batch
from embrec.serving.batch import recommend_all
from embrec.training import train

TABLE = "public.recommendations"
COLUMNS = ["user_id", "rank", "movie_id", "score", "model_run_id"]
TITLES = [None, "", 'Says "yes", twice', "Back\\slash", "Les Misérables"]


@pytest.fixture
def published(engine: sa.Engine) -> int:
    """A published run with a ranking model of 18 of 20 movies, four of which have the same vector."""
    load_frame(engine, rating_frame(), [Movie(str(100 + number), TITLES[number % 5]) for number in range(20)])
    random = np.random.default_rng(1)
    vectors = {part: random.normal(size=(18, 5)).astype(np.float32) for part in ("preference", "profile", "rating")}
    vectors["preference"][[3, 8, 12, 17]] = vectors["preference"][5]
    indexes = np.arange(1, 19, dtype=np.int32)
    run = records.start(engine, FAKE_RUN)
    with engine.begin() as connection:
        store(connection, run, "movie", {part: Vectors(indexes, values) for part, values in vectors.items()})
        store(connection, run, "user", {"rating": Vectors(indexes, vectors["rating"])})
        scale = {"lowest_rating": 1, "highest_rating": 5, "rating_power": 1.5, "dislike_weight": 0.2}
        records.finish(connection, run, TrainedRun(5, "two_part", "fold_in", mean=3.5, **scale))
    publishing.publish(engine, run)
    return run


def in_sql(engine: sa.Engine, n: int, include_rated: bool = False) -> pd.DataFrame:
    """Return the answers of recommend_movies for each user."""
    query = """
        SELECT u.user_id, r.rank, r.movie_id, r.title, r.score, r.model_run_id
        FROM embrec.users AS u, embrec.recommend_movies(u.user_id, :n, include_rated => :include_rated) AS r
        WHERE r.basis = 'ratings'
        ORDER BY u.user_index, r.rank"""
    with engine.connect() as connection:
        return pd.read_sql(sa.text(query), connection, params={"n": n, "include_rated": include_rated})


def in_table(engine: sa.Engine, table: str = TABLE) -> pd.DataFrame:
    with engine.connect() as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
        query = f"SELECT t.* FROM {table} AS t JOIN embrec.users AS u USING (user_id) ORDER BY u.user_index, t.rank"
        return pd.read_sql(sa.text(query), connection)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert len(expected)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=False, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("n", "include_rated"), [(1, False), (3, False), (7, True), (1000, False), (1000, True)])
def test_everybody_gets_what_sql_answers(engine: sa.Engine, published: int, n: int, include_rated: bool) -> None:
    report = recommend_all(engine, TABLE, n, include_rated)
    found = in_table(engine)
    assert_same(found, in_sql(engine, n, include_rated))
    assert (report.model_run_id, report.rows, report.users) == (published, len(found), found["user_id"].nunique())
    assert report.without == 30 - report.users


@pytest.mark.parametrize("options", [{"draws": 3, "dimensions": 6}, None])
def test_a_trained_model_answers_as_in_sql_also_for_users_who_came_later(engine: sa.Engine, options) -> None:
    load_frame(engine, rating_frame())
    if options:
        train(engine, options=options)
    else:
        train(engine, "matrix-factorization")
    ratings.add_rating(engine, "later", 103, 5.0)
    ratings.add_rating(engine, "later", 107, 1.0)
    report = recommend_all(engine, TABLE, 5)
    found = in_table(engine)
    assert_same(found, in_sql(engine, 5))
    assert "later" in set(found["user_id"])
    assert (report.users, report.without) == (30, 1)  # u0 has rated all movies


def test_a_preference_follows_the_ratings_as_they_are_now(engine: sa.Engine, published: int) -> None:
    recommend_all(engine, TABLE)
    before = in_table(engine)
    for movie in (104, 105, 109):
        ratings.add_rating(engine, "u3", movie, 5.0)
    recommend_all(engine, TABLE)
    after = in_table(engine)
    assert_same(after, in_sql(engine, 10))
    assert not after[after["user_id"] == "u3"].reset_index().equals(before[before["user_id"] == "u3"].reset_index())


def test_users_with_nothing_to_go_by_or_nothing_left_are_not_in_it(engine: sa.Engine, published: int) -> None:
    ratings.add_rating(engine, "fickle", 103, 5.0)
    ratings.remove_rating(engine, "fickle", 103)
    ratings.add_rating(engine, "ahead", "brand new", 5.0)
    for movie in range(100, 120):
        ratings.add_rating(engine, "seen it all", movie, 3.0)
    report = recommend_all(engine, TABLE)
    users = set(in_table(engine)["user_id"])
    assert not users & {"fickle", "ahead", "seen it all"}
    assert (report.users, report.without) == (len(users), 3) == (29, 3)  # u0 too has rated all movies


@pytest.mark.parametrize("n", [1, 2, 4])
def test_blocks_pieces_and_groups_make_no_difference(
    engine: sa.Engine, published: int, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    ratings.add_rating(engine, "ahead", "brand new", 5.0)
    done: list[tuple[int, int]] = []
    monkeypatch.setattr(batch, "_BLOCK_SCORES", 18 * 3)
    monkeypatch.setattr(batch, "_PIECE_ROWS", n * 10)
    monkeypatch.setattr(batch, "_GROUP", 2)
    recommend_all(engine, TABLE, n, progress=lambda *users: done.append(users))
    assert_same(in_table(engine), in_sql(engine, n))
    assert done == [(10, 31), (20, 31), (30, 31), (31, 31)]


def test_files_and_tables_hold_the_same(engine: sa.Engine, published: int, tmp_path: Path) -> None:
    recommend_all(engine, TABLE, 5)
    expected = in_table(engine)
    for name, read in (("best.csv", pd.read_csv), ("best.parquet", pd.read_parquet), ("Best.CSV", pd.read_csv)):
        recommend_all(engine, tmp_path / name, 5)
        found = read(tmp_path / name)
        assert found.columns.tolist() == COLUMNS
        found["movie_id"] = found["movie_id"].astype(str)
        assert_same(found, expected[COLUMNS])
    assert (tmp_path / "best.csv").read_text().startswith('"user_id","rank","movie_id","score","model_run_id"\n"u')
    assert len(list(tmp_path.iterdir())) == 3


def test_a_table_says_titles_whatever_is_in_them(engine: sa.Engine, published: int) -> None:
    for title in ("%\t'", "Two\n\\.\nlines"):
        with engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE embrec.movies SET title = :title WHERE movie_index = 5"), {"title": title}
            )
        recommend_all(engine, TABLE, 1000)
        found = in_table(engine)
        assert title in set(found["title"])
        assert_same(found, in_sql(engine, 1000))


def test_a_second_batch_replaces_the_first_whole(engine: sa.Engine, published: int, tmp_path: Path) -> None:
    for n in (6, 2):
        recommend_all(engine, TABLE, n)
        recommend_all(engine, tmp_path / "best.parquet", n)
        assert_same(in_table(engine), in_sql(engine, n))
        assert len(pd.read_parquet(tmp_path / "best.parquet")) == len(in_sql(engine, n))


def stop(done: int, of: int) -> None:
    raise InterruptedError


@pytest.mark.parametrize("name", ["best.csv", "best.parquet"])
def test_a_file_stays_as_it_was_where_a_batch_fails(
    engine: sa.Engine, published: int, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    with pytest.raises(InterruptedError):
        recommend_all(engine, path, progress=stop)
    assert not list(tmp_path.iterdir())
    recommend_all(engine, path)
    before = path.read_bytes()
    with pytest.raises(InterruptedError):
        recommend_all(engine, path, 2, progress=stop)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == before


def test_a_table_stays_as_it_was_where_a_batch_fails(engine: sa.Engine, published: int) -> None:
    with pytest.raises(InterruptedError):
        recommend_all(engine, TABLE, progress=stop)
    assert not sa.inspect(engine).has_table("recommendations", "public")
    recommend_all(engine, TABLE)
    before = in_table(engine)
    with pytest.raises(InterruptedError):
        recommend_all(engine, TABLE, 2, progress=stop)
    assert in_table(engine).equals(before)


def test_readers_see_the_earlier_rows_until_the_end(engine: sa.Engine, published: int) -> None:
    recommend_all(engine, TABLE)
    before, seen = in_table(engine), []
    recommend_all(engine, TABLE, 2, progress=lambda done, of: seen.append(in_table(engine)))
    assert seen
    assert all(each.equals(before) for each in seen)


def test_a_callers_transaction_is_the_callers(engine: sa.Engine, published: int) -> None:
    with engine.connect() as connection:
        recommend_all(connection, TABLE)
        connection.rollback()
    assert not sa.inspect(engine).has_table("recommendations", "public")


def test_a_table_that_holds_something_else_is_refused(engine: sa.Engine, published: int) -> None:
    columns = "user_id text, rank integer, movie_id text, title text, score double precision, model_run_id integer"
    key = "PRIMARY KEY (user_id, rank)"
    for definition in (
        f"user_id text, rank integer, {key}",
        f"{columns}, PRIMARY KEY (user_id, movie_id)",
        f"{columns}, note text, {key}",
        f"{columns}, {key}".replace("title text", "title integer"),
    ):
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE IF EXISTS public.other"))
            connection.execute(sa.text(f"CREATE TABLE public.other ({definition})"))
            connection.execute(
                sa.text("INSERT INTO public.other SELECT 'kept', 1" + ", 'm'" * ("movie_id" in definition))
            )
        with pytest.raises(ConfigError, match=r"public.other has other columns.*score double precision.*KEY"):
            recommend_all(engine, "public.other")
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT user_id FROM public.other")) == "kept"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("best.txt", "no schema best.*parquet or .csv"),
        ("./best", "cannot be written to ./best.*schema.table"),
        ("recommendations", "schema.table"),
        ("a.b.c", "schema.table"),
        ('public."x"', "schema.table"),
        ("embrec.ratings", "embrec's own"),
        ("embrec.recommendations", "embrec's own"),
        ("/nowhere/best.csv", "cannot be made there"),
    ],
)
def test_an_output_that_cannot_be_is_refused(engine: sa.Engine, published: int, output: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recommend_all(engine, output)


def test_a_table_in_a_schema_with_capitals(engine: sa.Engine, published: int) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text('CREATE SCHEMA "Films"'))
    for _ in range(2):
        recommend_all(engine, "Films.Best", 2)
    assert_same(in_table(engine, '"Films"."Best"'), in_sql(engine, 2))


def test_what_cannot_be_ranked_says_why(engine: sa.Engine, empty_engine: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "best.csv"
    with pytest.raises(SchemaError, match="embrec db upgrade"):
        recommend_all(empty_engine, path)
    with pytest.raises(NoPublishedRunError, match="embrec train"):
        recommend_all(engine, path)
    publishing.publish(engine, stored_run(engine, np.eye(6, 4) + 0.1))
    with pytest.raises(DataError, match="no ratings"):
        recommend_all(engine, path)
    load_frame(engine, rating_frame())
    with pytest.raises(RunError, match="is of outer-product.*embrec train"):
        recommend_all(engine, path)
    with pytest.raises(ValueError, match="n is 0"):
        recommend_all(engine, path, 0)
    assert not list(tmp_path.iterdir())
