"""The SQL functions and the data-access module, against numpy."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, stored_run, two_part_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from embrec import db
from embrec.data import ratings
from embrec.data.files.movies import Movie
from embrec.errors import DatabaseError, NoPublishedRunError, SchemaError, UnknownMovieError, UnknownUserError
from embrec.runs import half_precision, publishing
from embrec.serving import search, similar

TITLES = {
    "100": "Matrix, The (1999)",
    "101": "Misérables, Les (1995)",
    "102": "Star Wars (1977)",
    "103": "Star Trek: First Contact (1996)",
    "104": "Return of the Star Wars (1983)",
    "105": "100% Wolf_ \\ 'quoted' (2020)",
    "106": "Amélie (Le fabuleux destin d'Amélie Poulain) (2001)",
}


@pytest.fixture
def published(engine: sa.Engine, request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """A published run over 20 movies and 30 users; returns its vectors by side, in index order."""
    half = getattr(request, "param", False)
    movies = [Movie(movie_id, title, ["Drama"], 1999) for movie_id, title in TITLES.items()]
    load_frame(engine, rating_frame(), movies)
    random = np.random.default_rng(1)
    vectors = {"movie": random.normal(size=(20, 5)), "user": random.normal(size=(30, 5))}
    if half:
        vectors["user"] = half_precision.rounded(vectors["user"])
    publishing.publish(engine, stored_run(engine, vectors["movie"], vectors["user"], half))
    return {side: values.astype(np.float32) for side, values in vectors.items()}


def ids(engine: sa.Engine, side: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.text(f"SELECT {side}_id FROM embrec.{side}s ORDER BY {side}_index")))


def cosines(vectors: np.ndarray, index: int) -> np.ndarray:
    wide = vectors.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit @ unit[index]


@pytest.mark.parametrize("published", [False, True], indirect=True, ids=["single", "half"])
@pytest.mark.parametrize(("side", "function"), [("movie", similar.similar_movies), ("user", similar.similar_users)])
def test_similar_is_numpys_cosine_order_for_everyone(engine: sa.Engine, published, side: str, function) -> None:
    names = ids(engine, side)
    for index, name in enumerate(names):
        similarity = cosines(published[side], index)
        order = [other for other in np.argsort(-similarity, kind="stable") if other != index]
        frame = function(engine, name, 7)
        assert frame[f"{side}_id"].tolist() == [names[other] for other in order[:7]]
        assert np.allclose(frame["similarity"], similarity[order[:7]], atol=1e-6)
        assert frame["rank"].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_neighbours_are_those_listed_and_those_that_came_later(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(movies=130, count=900))
    vectors = two_part_run(engine)["movie similarity"]
    names = ids(engine, "movie")
    similarity = cosines(vectors, 7) * np.linalg.norm(vectors.astype(np.float64), axis=1)
    order = [names[other] for other in np.argsort(-similarity, kind="stable") if other != 7]
    for n in (1, 10, 50, 51, 129):  # a hundred neighbours are listed, and at most fifty of them answer
        assert similar.similar_movies(engine, names[7], n).movie_id.tolist() == order[:n]
    for number in range(20):
        ratings.add_rating(engine, f"u{number}", "later", 1 + number % 5)
    assert ratings.refresh(engine) == ratings.refresh(engine) == 1
    every = similar.similar_movies(engine, names[7], 129)
    assert every.movie_id.tolist() != order
    for n in (10, 50):
        nearest = similar.similar_movies(engine, names[7], n)
        pd.testing.assert_frame_equal(nearest, every[:n])
    place = every.movie_id.tolist().index("later")
    close = similar.similar_movies(engine, "later", 10)
    assert close.similarity[0] >= every.similarity[place] - 1e-9
    with engine.begin() as connection:  # so many newer movies that all are compared
        connection.execute(
            sa.text(
                "INSERT INTO embrec.movie_neighbours (model_run_id, movie_index)"
                " SELECT 1, number FROM generate_series(200, 1200) AS number"
            )
        )
    pd.testing.assert_frame_equal(similar.similar_movies(engine, names[7], 10), every[:10])
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM embrec.movie_neighbours WHERE movie_index >= 200"))
        connection.execute(
            sa.text("UPDATE embrec.movie_neighbours SET neighbours = neighbours[51:] WHERE movie_index = 7")
        )
    assert not set(similar.similar_movies(engine, names[7], 10).movie_id) <= set(every.movie_id[:11]), "it is read"


def test_the_columns_are_the_vocabulary(engine: sa.Engine, published) -> None:
    movies = similar.similar_movies(engine, 102, 3)
    assert list(movies.columns) == ["rank", "movie_id", "title", "similarity", "model_run_id"]
    assert list(similar.similar_users(engine, "u1").columns) == ["rank", "user_id", "similarity", "model_run_id"]
    found = search.find_movies(engine, "matrix")
    assert list(found.columns) == ["rank", "movie_id", "title", "genres", "release_year"]
    assert found.iloc[0].tolist() == [1, "100", "Matrix, The (1999)", ["Drama"], 1999]


@pytest.mark.parametrize("n", [0, 1, 19, 20, 1000])
def test_n_rows_or_all_that_there_are(engine: sa.Engine, published, n: int) -> None:
    assert len(similar.similar_movies(engine, 102, n)) == min(n, 19)


def test_sql_takes_text_bigint_names_and_defaults(engine: sa.Engine, published) -> None:
    def ask(call: str) -> list[tuple[object, ...]]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM embrec.{call}"))]

    expected = ask("similar_movies('102', 10)")
    assert len(expected) == 10
    assert ask("similar_movies(102)") == expected
    assert ask("similar_movies(102::bigint, n => 10)".replace(":", r"\:")) == expected
    assert ask("similar_movies(movie_id => 102, n => 4)") == expected[:4]
    assert ask("similar_movies('no such')") == []
    assert ask("similar_movies(NULL::text)".replace(":", r"\:")) == []
    assert len(ask("similar_users(user_id => 'u1', n => 3)")) == 3
    assert ask("similar_movies(102) WHERE similarity > 2") == []


def test_the_function_reads_one_partition(engine: sa.Engine, published) -> None:
    stored_run(engine, np.random.default_rng(0).normal(size=(20, 3)))
    engine.dispose()  # a session's counts may be of an earlier transaction
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT * FROM embrec.similar_movies(102)")).all()
        read = connection.scalars(
            sa.text(
                "SELECT relname FROM pg_stat_xact_user_tables"
                " WHERE relname LIKE 'movie_embeddings_run%' AND seq_scan + coalesce(idx_scan, 0) > 0"
            )
        )
        assert read.all() == ["movie_embeddings_run_1_rating"]


def test_answers_do_not_depend_on_the_search_path(engine: sa.Engine, published) -> None:
    expected = similar.similar_movies(engine, 102)
    with engine.connect() as connection:
        connection.execute(sa.text("SET search_path = pg_catalog"))
        connection.execute(sa.text("CREATE TEMP TABLE movies (movie_index int, movie_id text, title text)"))
        pd.testing.assert_frame_equal(similar.similar_movies(connection, 102), expected)


def test_a_reader_needs_only_its_group(admin: sa.Engine, engine: sa.Engine, url: str, published) -> None:
    """The grants are those of docs/deploy.md."""
    role = f"embrec_reader_{os.getpid()}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD 'p' IN ROLE embrec_reader"))
    later = stored_run(engine, published["movie"], published["user"])
    publishing.publish(engine, later)
    reader = db.create_engine(make_conninfo(url, user=role, password="p"))
    try:
        assert set(similar.similar_movies(reader, 102)["model_run_id"]) == {later}
        assert len(similar.similar_users(reader, "u1")) == 10
        assert len(search.find_movies(reader, "star wars")) == 2
        with pytest.raises(DatabaseError, match="permission denied"):
            publishing.rollback(reader)
    finally:
        reader.dispose()
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}"))
            connection.execute(sa.text(f"DROP ROLE {role}"))


def test_what_is_unknown_says_why(engine: sa.Engine, published) -> None:
    with pytest.raises(UnknownMovieError, match="no movie with the id 'x'"):
        similar.similar_movies(engine, "x")
    with pytest.raises(UnknownUserError, match="no user with the id 'x'"):
        similar.similar_users(engine, "x")
    load_frame(engine, pd.DataFrame({"user_id": ["new"], "movie_id": ["new"], "rating": [3.0]}))
    with pytest.raises(UnknownMovieError, match=r"has no vector in model run 1.*embrec train"):
        similar.similar_movies(engine, "new")


def test_without_a_published_run_the_error_says_so(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    with pytest.raises(NoPublishedRunError, match="embrec train"):
        similar.similar_movies(engine, 102)


def test_without_the_schema_the_error_names_the_command(empty_engine: sa.Engine) -> None:
    for ask in (similar.similar_movies, similar.similar_users, search.find_movies):
        with pytest.raises(SchemaError, match="embrec db upgrade"):
            ask(empty_engine, "1")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("star wars", ["102", "104"]),
        ("WARS star", ["102", "104"]),
        ("Star Wars (1977)", ["102"]),
        ("the matrix", ["100"]),
        ("les miserables", ["101"]),
        ("Amélie", ["106"]),
        ("amelie destin", ["106"]),
        ("star", ["102", "103", "104"]),
        ("100%", ["105"]),
        ("wolf_", ["105"]),
        ("'quoted'", ["105"]),
        ("nothing like it", []),
        ("", []),
        ("%", []),
    ],
)
def test_find_movies(engine: sa.Engine, published, query: str, expected: list[str]) -> None:
    found = search.find_movies(engine, query)["movie_id"].tolist()
    if query == "star":
        assert found[0] in ("102", "103")
        assert sorted(found) == expected
    else:
        assert found == expected


def test_resolving_what_a_person_types(engine: sa.Engine, published) -> None:
    for typed, movie in (("102", "102"), ("star wars (1977)", "102"), ("matrix", "100"), ("first contact", "103")):
        assert search.resolve_movie(engine, typed) == movie
    with pytest.raises(UnknownMovieError, match=r"Several movies fit 'star'.*Star Wars \(1977\) \[102\]"):
        search.resolve_movie(engine, "star")
    with pytest.raises(UnknownMovieError, match="embrec find"):
        search.resolve_movie(engine, "zzz")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_any_text_is_a_query_or_an_unknown_id(engine: sa.Engine, published, text: str) -> None:
    search.find_movies(engine, text)
    if text not in ids(engine, "movie"):
        with pytest.raises(UnknownMovieError):
            similar.similar_movies(engine, text)


def test_a_bad_n_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(ValueError, match="n is -1"):
        similar.similar_movies(engine, 1, -1)
