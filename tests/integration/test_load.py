"""The load into a real database, and the extraction."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embrec import db
from embrec.data import extraction, loading, merge
from embrec.data.files import delimited, sources
from embrec.data.files.movies import Movie
from embrec.data.ratings import add_rating
from embrec.data.table_loading import load_from_table
from embrec.data.table_source import TableSource
from embrec.db import binary_copy, copy_format
from embrec.errors import BadRowError, DatabaseError, DataError, SchemaError

STORED = """
SELECT user_id, movie_id, rating, rated_at
FROM embrec.ratings JOIN embrec.users USING (user_index) JOIN embrec.movies USING (movie_index)
"""


def stored(engine: sa.Engine) -> dict[tuple[str, str], tuple[float, dt.datetime | None]]:
    with engine.connect() as connection:
        return {(user, movie): (rating, at) for user, movie, rating, at in connection.execute(sa.text(STORED))}


def rows(engine: sa.Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def frame(*triples: tuple[str, str, float, int | None]) -> pd.DataFrame:
    made = pd.DataFrame(triples, columns=["user_id", "movie_id", "rating", "rated_at"])
    return made.astype({"rated_at": "Int64"})


def test_ids_are_mapped_by_first_appearance_and_stay(engine: sa.Engine) -> None:
    report = load_frame(engine, frame(("b", "20", 1, 5), ("a", "10", 2, 5), ("b", "10", 3, 5)))
    assert (report.new_users, report.new_movies, report.inserted) == (2, 2, 3)
    load_frame(engine, frame(("c", "30", 1, 5), ("a", "20", 2, 5)), [Movie("5", "Five", [], None)])
    assert rows(engine, "SELECT user_index, user_id FROM embrec.users ORDER BY 1") == [(0, "b"), (1, "a"), (2, "c")]
    movies = rows(engine, "SELECT movie_index, movie_id FROM embrec.movies ORDER BY 1")
    assert movies == [(0, "20"), (1, "10"), (2, "30"), (3, "5")], "a movie without ratings comes after the rated ones"


@pytest.mark.parametrize("from_table", [False, True], ids=["file", "table"])
def test_ratings_are_counted_outside_a_loads_locks_and_only_if_some_changed(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, from_table: bool
) -> None:
    counted, count = [], merge.count_changes

    def counting(bind: db.Bind) -> None:
        with engine.begin() as application:  # a new user's first rating, of a new movie
            application.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
            add_rating(application, f"new {len(counted)}", f"new {len(counted)}", 3)
        counted.append(rows(engine, "SELECT count(*) FROM embrec.ratings")[0][0])
        count(bind)

    monkeypatch.setattr(merge, "count_changes", counting)

    def load(data: pd.DataFrame) -> None:
        if from_table:
            query = " UNION ALL ".join(
                f"SELECT '{row.user_id}' AS user_id, '{row.movie_id}' AS movie_id, {row.rating} AS rating"
                for row in data.itertuples()
            )
            load_from_table(engine, TableSource(None, query))
        else:
            load_frame(engine, data)

    first = frame(("a", "1", 1, None), ("b", "2", 2, None))
    load(first)
    load(first)
    assert counted == [3]
    load(frame(("a", "1", 5, None)))
    assert counted == [3, 4]
    assert rows(engine, "SELECT sum(rating_count) FROM embrec.movie_statistics") == [(4,)]


def test_storing_tells_its_steps_and_how_many_rows_are_sent(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary_copy, "COPY_BLOCK_ROWS", 2)
    triples = [("a", str(number), 1.0, 5 if number < 3 else None) for number in range(6)]
    source = sources.from_frame(frame(*triples))
    told: list[tuple[str, int, int]] = []
    loading.load(engine, source, on_store=lambda *step: told.append(step))
    sent = [("copy", rows, 6) for rows in (2, 4, 6)]
    assert told == [("ids", 0, 0), *sent, ("merge", 0, 0), ("count", 0, 0)]
    assert tuple(dict.fromkeys(step for step, *_ in told)) == loading.STEPS


def test_counting_that_fails_says_that_the_ratings_are_stored(engine: sa.Engine, url: str) -> None:
    load_frame(engine, frame(("b", "1", 1, None)))
    with engine.connect() as counting:
        counting.execute(sa.text("SELECT embrec.refresh_statistics()"))
        impatient = db.create_engine(f"{url} options='-c lock_timeout=200ms'")
        with pytest.raises(DatabaseError, match="The rows are stored, and counting them"):
            load_frame(impatient, frame(("a", "1", 1, None)))
        impatient.dispose()
    assert len(stored(engine)) == 2


def test_titles_years_and_genres_come_along_and_are_updated(engine: sa.Engine) -> None:
    load_frame(engine, frame(("a", "1", 1, 5)), [Movie("1", "Old", ["X"], 1990)])
    load_frame(engine, frame(("a", "1", 1, 5)), [Movie("1", "wrong", [], None), Movie("1", "New", ["Y", "Z'"], 1991)])
    assert rows(engine, "SELECT title, genres, release_year FROM embrec.movies") == [("New", ["Y", "Z'"], 1991)]


def test_a_movie_is_never_lost_for_its_year(engine: sa.Engine) -> None:
    movies = pd.DataFrame({"movie_id": ["1", "2", "3", "4"], "title": ["Paint 500 ml (1500)", "B", "C", "D"]})
    movies["release_year"] = [1500.0, 1999.0, np.nan, 1980.0]
    load_frame(engine, frame(("a", "1", 1, 5)), [Movie("2", "B", None, 1990)])
    report = loading.load(engine, sources.from_frame(frame(("a", "1", 1, 5)), movies))
    assert report.years_left_out == 1
    query = "SELECT movie_id, title, release_year FROM embrec.movies ORDER BY 1"
    assert rows(engine, query) == [
        *(("1", "Paint 500 ml (1500)", None), ("2", "B", 1999)),
        *(("3", "C", None), ("4", "D", 1980)),
    ]
    load_frame(engine, frame(("a", "1", 1, 5)), [Movie("2", "B", None, "soon")])  # type: ignore[arg-type]
    assert rows(engine, query)[1] == ("2", "B", 1999), "an unlikely year is an unknown one, and leaves what is known"


def test_what_is_not_known_of_a_movie_leaves_what_is(engine: sa.Engine) -> None:
    load_frame(engine, frame(("a", "1", 1, 5)), [Movie("1", "Old", ["X"], 1990)])
    load_frame(engine, frame(("a", "1", 1, 5)), [Movie("1", "New")])
    assert rows(engine, "SELECT title, genres, release_year FROM embrec.movies") == [("New", ["X"], 1990)]


def test_the_input_is_never_written_over_by_its_rejected_rows(engine: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user_id,movie_id,rating\na,1,x\n")
    with pytest.raises(DataError, match="is the input itself"):
        loading.load(engine, sources.open_source(path), reject_to=path)
    with pytest.raises(DataError, match="cannot be made there"):
        loading.load(engine, sources.open_source(path), reject_to=tmp_path / "no" / "such.csv")
    assert path.read_text().endswith("a,1,x\n")


def test_loading_again_changes_nothing(engine: sa.Engine) -> None:
    made = rating_frame()
    load_frame(engine, made)
    before = stored(engine)
    versions = rows(engine, "SELECT ctid, xmin FROM embrec.ratings ORDER BY 1")
    report = load_frame(engine, made)
    assert (report.read, report.inserted, report.updated, report.unchanged) == (len(made), 0, 0, len(made))
    assert stored(engine) == before
    assert rows(engine, "SELECT ctid, xmin FROM embrec.ratings ORDER BY 1") == versions, "no row was rewritten"


def test_newer_ratings_replace_older_ones_and_older_do_not(engine: sa.Engine) -> None:
    load_frame(engine, frame(("a", "1", 1, 100), ("a", "2", 1, 100), ("a", "3", 1, None), ("a", "4", 1, 100)))
    report = load_frame(
        engine, frame(("a", "1", 2, 101), ("a", "2", 2, 99), ("a", "3", 2, 50), ("a", "4", 2, None), ("a", "5", 2, 1))
    )
    assert (report.inserted, report.updated, report.unchanged) == (1, 2, 2)
    assert {movie: rating for (_, movie), (rating, _) in stored(engine).items()} == {
        "1": 2.0,
        "2": 1.0,
        "3": 2.0,
        "4": 1.0,
        "5": 2.0,
    }


def test_of_several_ratings_in_one_input_the_newest_wins_then_the_last(engine: sa.Engine) -> None:
    report = load_frame(
        engine,
        frame(
            ("a", "1", 1, 9),
            ("a", "1", 2, 10),
            ("a", "1", 3, 8),
            ("a", "2", 1, 7),
            ("a", "2", 5, 7),
            ("b", "2", 1, None),
        ),
    )
    assert (report.read, report.inserted, report.unchanged) == (6, 3, 3)
    assert {key: rating for key, (rating, _) in stored(engine).items()} == {
        ("a", "1"): 2.0,
        ("a", "2"): 5.0,
        ("b", "2"): 1.0,
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from("abc"),
                st.sampled_from("123"),
                st.integers(1, 5),
                st.one_of(st.none(), st.integers(0, 4)),
            ),
            min_size=1,
            max_size=12,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_loads_end_as_one_row_at_a_time_would(
    engine: sa.Engine, loads: list[list[tuple[str, str, int, int | None]]]
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE embrec.ratings, embrec.events, embrec.users, embrec.movies CASCADE"))
    expected: dict[tuple[str, str], tuple[float, int | None]] = {}
    for load in loads:
        newest: dict[tuple[str, str], tuple[float, int | None]] = {}
        for user, movie, rating, time in load:
            held = newest.get((user, movie))
            if held is None or (time if time is not None else -1) >= (held[1] if held[1] is not None else -1):
                newest[user, movie] = (float(rating), time)
        for key, (rating, time) in newest.items():
            held = expected.get(key)
            if held is None or held[1] is None or (time is not None and time >= held[1]):
                expected[key] = (rating, time)
        load_frame(engine, frame(*load))
    found = {key: (rating, None if at is None else int(at.timestamp())) for key, (rating, at) in stored(engine).items()}
    assert found == expected


def test_a_bad_row_stops_the_load_and_nothing_is_stored(engine: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user_id,movie_id,rating\na,1,5\nb,2,great\n")
    with pytest.raises(
        BadRowError, match=r"r\.csv, line 3, column rating: not a number\. Nothing was stored"
    ) as caught:
        loading.load(engine, sources.open_source(path))
    assert (caught.value.line, caught.value.column) == (3, "rating")
    assert rows(engine, "SELECT count(*) FROM embrec.users") == [(0,)]


def test_bad_rows_can_be_set_aside(engine: sa.Engine, tmp_path: Path) -> None:
    path, rejects = tmp_path / "r.csv", tmp_path / "rejects.csv"
    path.write_text('user_id,movie_id,rating\na,1,5\nb,2,great\nc,3\n"d,x",4,nan\ne,5,1\n')
    report = loading.load(engine, sources.open_source(path), reject_to=rejects)
    assert (report.read, report.inserted, report.rejected) == (2, 2, 3)
    with open(rejects, newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["line"], row["column"], row["reason"]) for row in found] == [
        ("3", "rating", "not a number"),
        ("4", "(row)", "2 columns where 3 are expected"),
        ("5", "rating", "not a finite number"),
    ]
    assert found[0]["file"] == str(path)


def test_a_failure_late_in_the_load_leaves_nothing(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE embrec.ratings ADD CHECK (rating <= 5)"))
    with pytest.raises(DatabaseError, match=r"refused: new row .* violates check constraint"):
        load_frame(engine, frame(("a", "1", 6, 5)))
    assert rows(engine, "SELECT count(*) FROM embrec.users") == [(0,)]


def test_a_load_in_the_callers_transaction_is_the_callers_to_undo(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        loading.load(connection, sources.from_frame(frame(("a", "1", 5, 5))))
        loading.load(connection, sources.from_frame(frame(("a", "1", 4, 6))))
        connection.rollback()
    assert stored(engine) == {}


def test_an_input_without_ratings_is_refused(engine: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user_id,movie_id,rating\n")
    with pytest.raises(DataError, match="has no rows"):
        loading.load(engine, sources.open_source(path))


def test_loading_needs_the_schema(empty_engine: sa.Engine) -> None:
    with pytest.raises(SchemaError, match="embrec db upgrade"):
        load_frame(empty_engine, rating_frame())


def test_extraction_gives_back_what_was_loaded(engine: sa.Engine) -> None:
    made = rating_frame()
    load_frame(engine, made)
    arrays = extraction.extract(engine)
    with engine.connect() as connection:
        users = dict(connection.execute(sa.text("SELECT user_index, user_id FROM embrec.users")).all())
        movies = dict(connection.execute(sa.text("SELECT movie_index, movie_id FROM embrec.movies")).all())
    found = {
        (users[int(arrays.user_indexes[user])], movies[int(arrays.movie_indexes[movie])]): rating
        for user, movie, rating in zip(arrays.users, arrays.movies, arrays.ratings.tolist(), strict=True)
    }
    assert found == {(row.user_id, str(row.movie_id)): row.rating for row in made.itertuples()}
    assert (arrays.users.dtype, arrays.movies.dtype, arrays.ratings.dtype) == (np.int32, np.int32, np.float32)
    assert arrays.newest_rating_at == dt.datetime.fromtimestamp(int(made["rated_at"].max()), dt.UTC)
    order = np.lexsort((arrays.movies, arrays.users))
    assert np.array_equal(order, np.arange(len(order)))


def test_extraction_by_pieces_gives_what_a_plain_query_gives(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_frame(engine, rating_frame(users=120, movies=60, count=5000))
    monkeypatch.setattr(binary_copy, "BLOCKS_PER_ARRAY", 3)
    with engine.connect() as connection:
        pieces = binary_copy.read_by_blocks(connection, "embrec.ratings", "array_agg(user_index)")
        query = "SELECT user_index, movie_index, rating FROM embrec.ratings ORDER BY user_index, movie_index"
        users, movies, ratings = zip(*connection.execute(sa.text(query)), strict=True)
    arrays = extraction.extract(engine)
    assert len(pieces) > 5, "or nothing was read by pieces"
    assert np.array_equal(arrays.user_indexes[arrays.users], users)
    assert np.array_equal(arrays.movie_indexes[arrays.movies], movies)
    assert np.array_equal(arrays.ratings, np.array(ratings, np.float32))


def test_a_table_that_the_host_has_partitioned_is_loaded_and_extracted_whole(engine: sa.Engine) -> None:
    frame = rating_frame()
    load_frame(engine, frame)
    whole = extraction.extract(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE embrec.ratings RENAME TO first_ratings;"
            "CREATE TABLE embrec.ratings (LIKE embrec.first_ratings INCLUDING ALL) PARTITION BY RANGE (user_index);"
            "CREATE TABLE embrec.ratings_2 PARTITION OF embrec.ratings FOR VALUES FROM (10) TO (20)"
            " PARTITION BY LIST (movie_index);"
            'CREATE TABLE public."ratings_2 %b" PARTITION OF embrec.ratings_2 DEFAULT;'
            "CREATE TABLE embrec.ratings_3 PARTITION OF embrec.ratings FOR VALUES FROM (0) TO (10);"
            "CREATE TABLE embrec.ratings_4 PARTITION OF embrec.ratings DEFAULT;"
            "ALTER TABLE embrec.ratings OWNER TO embrec_owner"
        )
    load_frame(engine, frame)
    parts = extraction.extract(engine)
    assert parts.sha256 == whole.sha256
    assert len(parts.ratings) == len(frame)


def test_extraction_is_contiguous_without_unrated_movies_and_does_not_depend_on_the_order_of_rows(
    engine: sa.Engine,
) -> None:
    load_frame(
        engine, frame(("a", "1", 1, None), ("b", "2", 2, None), ("a", "3", 3, None)), [Movie("9", "Nine", [], None)]
    )
    load_frame(engine, frame(("a", "4", 3, None)))
    first = extraction.extract(engine)
    assert first.movie_indexes.tolist() == [0, 1, 2, 4], "index 3 is the movie that nobody rated"
    assert first.movies.tolist() == [0, 2, 3, 1]
    assert first.newest_rating_at is None
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.ratings SET rating = rating WHERE movie_index = 0"))  # moves the row
    assert extraction.extract(engine).sha256 == first.sha256
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.ratings SET rating = 4 WHERE movie_index = 0"))
    assert extraction.extract(engine).sha256 != first.sha256


def test_extraction_of_nothing_says_what_to_do(engine: sa.Engine) -> None:
    with pytest.raises(DataError, match="embrec load"):
        extraction.extract(engine)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), st.floats(width=32, allow_nan=False)), max_size=50))
def test_arrays_pass_through_copy_bit_for_bit(engine: sa.Engine, values: list[tuple[int, float]]) -> None:
    integers = np.array([value[0] for value in values], np.int32)
    floats = np.array([value[1] for value in values], np.float32)
    times = copy_format.timestamps(integers.astype(np.int64) * 1_000_000)
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TEMP TABLE t (i integer, f real, b bigint, t timestamptz, v vector(2))"))
        vectors = np.stack([np.nan_to_num(floats, posinf=1, neginf=1)] * 2, axis=1)
        binary_copy.copy_arrays(
            connection, "t (i, f, b, t, v)", [integers, floats, integers.astype(np.int64), times, vectors]
        )
        aggregates = "array_agg(i), array_agg(f), array_agg(b), array_agg(extract(epoch FROM t)::bigint), array_agg(v)"
        pieces = binary_copy.read_by_blocks(connection, "t", aggregates)
    found = {name: np.concatenate([piece[k] for piece in pieces] or [[]]) for k, name in enumerate("ifbtv")}
    assert np.array_equal(found["i"], integers)
    assert found["f"].astype(np.float32).tobytes() == floats.tobytes()
    assert np.array_equal(found["b"], integers)
    assert np.array_equal(found["t"], integers)
    assert found["v"].astype(np.float32).tobytes() == vectors.tobytes()


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1"])
def test_ids_are_stored_as_they_are_whatever_the_client_speaks(
    url: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    engine = db.create_engine(url)
    ids = [
        "plain",
        "a,b",
        'say "hi"',
        "two\nlines\n\\.\nand more",
        "back\\slash",
        "\\.",
        "NULL",
        "007",
        "7",
        "ünïcødé",
    ]
    for _ in range(2):  # into an empty table, then into one with rows
        load_frame(engine, pd.DataFrame({"user_id": ids, "movie_id": ids[::-1], "rating": 3.0}))
        with engine.connect() as connection:
            users = connection.scalars(sa.text("SELECT user_id FROM embrec.users ORDER BY user_index")).all()
            movies = connection.scalars(sa.text("SELECT movie_id FROM embrec.movies ORDER BY movie_index")).all()
        assert (users, movies) == (ids, ids[::-1])
    engine.dispose()


def test_progress_is_of_rows_that_are_checked(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 1024)
    path = tmp_path / "ratings.csv"
    frame = rating_frame()
    frame.to_csv(path, index=False)
    told: list[tuple[float, int]] = []
    loading.load(engine, sources.open_source(path), progress=lambda share, rows: told.append((share, rows)))
    assert told == sorted(told)
    assert len(told) > 4
    assert told[-1] == (1.0, len(frame))
    for share, rows in told[:-1]:
        assert 0 < share < 1
        assert 0 < rows < len(frame)
