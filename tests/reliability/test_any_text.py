"""Any text in ids, titles and questions is stored unchanged, found again, and never an error."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, two_part_run
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from embrec.data import loading, ratings
from embrec.data.files import sources
from embrec.data.files.movies import Movie
from embrec.errors import BadRowError
from embrec.serving import predict, recommend, search, similar

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
UGLY = [
    "Robert'); DROP TABLE embrec.users;--", 'say "hi"', "a,b;c", "back\\slash", "\\N", "NULL", "nan", "007", "7", "+7",
    "-1", "1e3", "1.5", "9007199254740993", "9007199254740992", "9223372036854775808", "-9223372036854775808", "1" * 40,
    "tab\there", "bell\x07", "\x7f", "\x01", "\u200b", "\u202eabc", "e\u0301", "\u00e9", "\U0001f600", "%", "_", "$1",
    ":id", "%(id)s", "{}", "x" * 500,
]  # fmt: skip
GENRES = ["Comedy", "Drama", "Sci-Fi", "'", "a,b", '"', "{}", "NULL", "é"]
ids = st.one_of(ANY_TEXT, st.sampled_from(UGLY), st.integers(-(2**70), 2**70).map(str))
trimmed = ids.map(lambda text: pc.utf8_trim_whitespace(text).as_py()).filter(bool)
movies = st.builds(
    Movie,
    st.just(""),
    st.one_of(st.none(), ANY_TEXT, st.sampled_from(UGLY)),
    st.one_of(st.none(), st.lists(st.one_of(st.sampled_from(GENRES), ANY_TEXT), max_size=3)),
    st.one_of(st.none(), st.integers(1800, 2199)),
    st.none(),
)
often = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def emptied(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE embrec.ratings, embrec.users, embrec.movies CASCADE"))
    return engine


def titled(engine: sa.Engine) -> dict[str, tuple[str | None, list[str], int | None]]:
    with engine.connect() as connection:
        query = sa.text("SELECT movie_id, title, genres, release_year FROM embrec.movies")
        return {row.movie_id: (row.title, row.genres, row.release_year) for row in connection.execute(query)}


def test_ugly_ids_are_stored_as_they_are_and_found_again(engine: sa.Engine) -> None:
    load_frame(engine, pd.DataFrame({"user_id": UGLY, "movie_id": UGLY[::-1], "rating": 3.0}))
    two_part_run(engine)
    for user in UGLY:
        ratings.add_rating(engine, user, user, 5.0)
        assert np.isfinite(predict.predict_rating(engine, user, user))
        assert user not in recommend.recommend_movies(engine, user, 100).movie_id.tolist()
        assert sorted([user, *similar.similar_movies(engine, user, 100).movie_id]) == sorted(UGLY)
        assert search.resolve_movie(engine, user) == user
        assert ratings.remove_rating(engine, user, user)


@often
@given(st.lists(st.tuples(trimmed, trimmed, movies), min_size=1, max_size=8))
def test_what_is_loaded_is_found_again_byte_for_byte(engine: sa.Engine, rows: list[tuple[str, str, Movie]]) -> None:
    emptied(engine)
    described = {movie_id: movie._replace(movie_id=movie_id) for _, movie_id, movie in rows}
    frame = pd.DataFrame([(user, movie, 3.0) for user, movie, _ in rows], columns=["user_id", "movie_id", "rating"])
    load_frame(engine, frame, list(described.values()))
    found = titled(engine)
    assert found == {key: (each.title, each.genres or [], each.release_year) for key, each in described.items()}
    with engine.connect() as connection:
        assert set(connection.scalars(sa.text("SELECT user_id FROM embrec.users"))) == {user for user, _, _ in rows}


@often
@given(st.lists(st.tuples(trimmed, trimmed), min_size=1, max_size=8, unique=True))
def test_what_a_csv_writer_quotes_is_read_as_it_was(
    engine: sa.Engine, tmp_path: Path, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path / "r.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("user_id", "movie_id", "rating"), *((user, movie, 3) for user, movie in pairs)])
    if any("\n" in text for pair in pairs for text in pair):  # a file has one row a line
        with pytest.raises(BadRowError, match="mend the row"):
            loading.load(emptied(engine), sources.open_source(path))
        return
    loading.load(emptied(engine), sources.open_source(path))
    with engine.connect() as connection:
        query = "SELECT user_id, movie_id FROM embrec.ratings JOIN embrec.users USING (user_index)"
        found = connection.execute(sa.text(f"{query} JOIN embrec.movies USING (movie_index)")).all()
    assert sorted(map(tuple, found)) == sorted(pairs)


@often
@given(st.lists(st.tuples(trimmed, ANY_TEXT), min_size=1, max_size=8, unique_by=lambda row: row[0]))
def test_titles_that_a_csv_writer_quotes_are_read_as_they_were(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "m.csv"
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("movie_id", "title"), *rows])
    path.write_bytes(text.getvalue().encode())
    (tmp_path / "r.csv").write_text("user_id,movie_id,rating\na,b,3\n")
    read = sources.open_source(tmp_path / "r.csv", movies=path).movies()
    assert [(movie.movie_id, movie.title) for movie in read] == [
        (movie_id.strip(), title.strip() or None) for movie_id, title in rows
    ]


@pytest.fixture(scope="module")
def catalogue(shared_engine: sa.Engine) -> list[Movie]:
    """A database with rated movies of all genres and years, and a published run."""
    random = np.random.default_rng(5)
    listed = [
        Movie(str(100 + number), UGLY[number], [*random.choice(GENRES, number % 4, replace=False)], year)
        for number, year in enumerate([None, *range(1980, 2000)])
    ]
    load_frame(shared_engine, rating_frame(users=15, movies=len(listed), count=120), listed)
    two_part_run(shared_engine)
    return listed


@often
@example("a\0b")
@example("a\udcffb")
@given(st.one_of(st.text(max_size=30), st.sampled_from([title[:3] for title in UGLY])))
def test_no_question_is_an_error_and_what_is_found_has_its_words(
    catalogue: list[Movie], shared_engine: sa.Engine, query: str
) -> None:
    found = search.find_movies(shared_engine, query, 100)
    assert set(found.movie_id) <= {movie.movie_id for movie in catalogue}
    for word in re.findall("[a-z0-9]+", query.lower()) if query.isascii() else ():
        assert all(word in title.lower() for title in found.title)


@often
@given(
    genres=st.one_of(st.none(), st.lists(st.sampled_from([*GENRES, "no such"]), max_size=3)),
    without_genres=st.one_of(st.none(), st.lists(st.sampled_from([*GENRES, "no such"]), max_size=3)),
    released_from=st.one_of(st.none(), st.integers(1978, 2002), st.just(2**40)),
    released_to=st.one_of(st.none(), st.integers(1978, 2002), st.just(-(2**40))),
    min_ratings=st.one_of(st.none(), st.integers(-1, 12)),
    chosen=st.one_of(st.none(), st.lists(st.integers(98, 122), max_size=12)),
)
def test_filters_let_through_what_a_plain_reading_of_them_does_and_all_of_it(
    catalogue: list[Movie], shared_engine: sa.Engine, chosen: list[int] | None, **filters
) -> None:
    counts = rating_frame(users=15, movies=len(catalogue), count=120)["movie_id"].value_counts()

    def qualifies(movie: Movie) -> bool:
        own, year = set(movie.genres or []), movie.release_year
        return (
            (filters["genres"] is None or bool(own & set(filters["genres"])))
            and (filters["without_genres"] is None or not own & set(filters["without_genres"]))
            and (filters["released_from"] is None or (year is not None and year >= filters["released_from"]))
            and (filters["released_to"] is None or (year is not None and year <= filters["released_to"]))
            and (filters["min_ratings"] is None or counts[int(movie.movie_id)] >= filters["min_ratings"])
        )

    wanted = {movie.movie_id for movie in catalogue if qualifies(movie)}
    assert set(recommend.popular_movies(shared_engine, 100, **filters).movie_id) == wanted
    if chosen is not None:
        wanted &= {str(each) for each in chosen}
    everything = recommend.recommend_movies(
        shared_engine, "u1", 100, movie_ids=chosen, include_rated=True, diversity=0.5, **filters
    )
    assert set(everything.movie_id) == wanted
    visitor = recommend.recommend_for(shared_engine, {100: 5}, 100, movie_ids=chosen, include_rated=True, **filters)
    assert set(visitor.movie_id) == wanted
