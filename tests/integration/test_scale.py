"""The scale of ratings: found or given, kept by every way in, and what a training says of a rating beyond it."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, two_part_run

import embrec
from embrec.data import scale, table_loading
from embrec.data.extraction import extract
from embrec.data.table_source import TableSource
from embrec.errors import ArgumentError, DatabaseError, DataError
from embrec.training import train


def spoiled(rating: float, movie: str = "huge") -> pd.DataFrame:
    """Return 300 ratings from 1 to 5, and another."""
    frame = rating_frame().astype({"movie_id": str})
    return pd.concat([frame, pd.DataFrame([{"user_id": "mallory", "movie_id": movie, "rating": rating}])])


def do(engine: sa.Engine, statement: str) -> object:
    with engine.begin() as connection:
        result = connection.exec_driver_sql(statement)
        return result.scalar() if result.returns_rows else None


def count(engine: sa.Engine) -> object:
    return do(engine, "SELECT count(*) FROM embrec.ratings")


def test_the_first_load_puts_its_scale_on_record_and_all_ways_in_keep_to_it(engine: sa.Engine, tmp_path: Path) -> None:
    assert embrec.get_rating_scale(engine) is None
    load_frame(engine, rating_frame())
    assert embrec.get_rating_scale(engine) == (1, 5)
    before = count(engine)
    with pytest.raises(
        DatabaseError, match=r"rating is 500, and ratings are from 1 to 5; .*set_rating_scale\(1, 500\)"
    ):
        embrec.add_rating(engine, "u1", 100, 500)
    with pytest.raises(DataError, match="column rating: not on the scale, 1 to 5"):
        load_frame(engine, spoiled(500))
    rejected = tmp_path / "bad.csv"
    assert embrec.load(engine, spoiled(5.5), rejected).rejected == 1
    assert "not on the scale, 1 to 5" in rejected.read_text()
    do(engine, "CREATE TABLE t AS SELECT 'u1' AS user_id, 'm' AS movie_id, 0.999::numeric AS rating")
    with pytest.raises(DataError, match="rating is not on the scale, 1 to 5"):
        table_loading.load_from_table(engine, TableSource("t"))
    do(engine, "CREATE TABLE f (u text, m text, r numeric)")
    do(engine, "SELECT embrec.follow_table('f', 'u', 'm', 'r')")
    do(engine, "INSERT INTO f VALUES ('u1', 'x', 500), ('u1', 'y', 1e300), ('u1', 'z', 5)")
    assert count(engine) == before + 1, "a followed row on the scale"


def test_ends_of_a_scale_that_single_precision_rounds_are_on_it(engine: sa.Engine) -> None:
    frame = rating_frame()
    frame["rating"] = frame["rating"].replace({1.0: 0.1, 5.0: 4.1})
    load_frame(engine, frame)
    embrec.set_rating_scale(engine, 0.1, 4.1)
    assert embrec.get_rating_scale(engine) == (0.1, 4.1)
    for rating in (0.1, 4.1):
        embrec.add_rating(engine, "u1", "new", rating)
    do(engine, "CREATE TABLE t AS SELECT 'u1' AS user_id, 'm' AS movie_id, 0.1::numeric AS rating")
    assert table_loading.load_from_table(engine, TableSource("t")).inserted == 1


@pytest.mark.parametrize("rating", [500, -1e6, 1e9])
def test_a_first_load_with_a_rating_far_from_all_others_stores_nothing_and_names_it(
    engine: sa.Engine, rating: float
) -> None:
    with pytest.raises(
        DataError, match="User 'mallory' rates movie 'huge' with .* all others are from 1 to 5.*--scale 1:5"
    ):
        load_frame(engine, spoiled(rating))
    do(engine, "CREATE TABLE t (user_id text, movie_id text, rating real)")
    spoiled(rating)[["user_id", "movie_id", "rating"]].to_sql("t", engine, if_exists="append", index=False)
    with pytest.raises(DataError, match="User 'mallory' rates movie 'huge'"):
        table_loading.load_from_table(engine, TableSource("t"))
    assert (count(engine), embrec.get_rating_scale(engine)) == (0, None)


def test_a_long_tail_is_no_outlier(engine: sa.Engine) -> None:
    frame = rating_frame(200, 100, 5_000)
    frame["rating"] = np.round(np.random.default_rng(0).lognormal(2, 2, len(frame))) + 1
    load_frame(engine, frame)
    assert embrec.get_rating_scale(engine) == (0, 10 ** np.ceil(np.log10(frame.rating.max())))


@pytest.mark.parametrize(
    ("lowest", "highest", "scale"),
    [
        (2, 4, (1, 5)), (0.5, 4, (0.5, 5)), (0, 5, (0, 5)), (2, 9, (1, 10)), (3, 98, (1, 100)), (-9.9, 9.8, (-10, 10)),
        (1, 1, (0, 1)), (0.2, 0.7, (0, 1)), (1, 29_000, (0, 100_000)), (-30, 40, (-100, 100)), (-5, -3, (-10, 10)),
        (-500, -200, (-1000, 0)), (1e-6, 5e-6, (0, 1)), (1, 9e8, (0, 1e9)), (-1e9, 1e9, (-1e9, 1e9)),
    ],
)  # fmt: skip
def test_few_ratings_need_not_reach_the_ends_of_the_scale(
    engine: sa.Engine, lowest: float, highest: float, scale: tuple[float, float]
) -> None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT * FROM embrec.common_scale({lowest}::real, {highest}::real)").one()
    assert tuple(found) == scale


def test_a_scale_that_was_found_goes_with_the_last_rating_and_one_that_was_given_stays(engine: sa.Engine) -> None:
    frame = rating_frame()
    load_frame(engine, frame)
    do(engine, "TRUNCATE embrec.ratings")
    load_frame(engine, frame.assign(rating=frame["rating"] * 20))
    assert embrec.get_rating_scale(engine) == (1, 100)
    embrec.set_rating_scale(engine, 0, 100)
    do(engine, "TRUNCATE embrec.ratings")
    load_frame(engine, frame)
    assert embrec.get_rating_scale(engine) == (0, 100)


def test_a_scale_that_is_given_holds_from_the_first_row_on(engine: sa.Engine) -> None:
    with pytest.raises(DataError, match="not on the scale, 1 to 4"):
        embrec.load(engine, rating_frame(), scale=(1, 4))
    embrec.load(engine, rating_frame(), scale=(0.5, 5))
    embrec.load(engine, rating_frame(), scale=(0.5, 5))
    assert embrec.get_rating_scale(engine) == (0.5, 5)
    with pytest.raises(DataError, match=r"scale of ratings is 0\.5 to 5, not 1 to 5.*embrec scale 1:5"):
        embrec.load(engine, rating_frame(), scale=(1, 5))
    for bad in ((5, 1), (1, float("nan")), (0, 1e10), (1,), "1:5"):
        with pytest.raises(ArgumentError):
            embrec.load(engine, rating_frame(), scale=bad)


def test_few_ratings_settle_no_scale(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(5, 5, 25).query("rating > 2"))
    embrec.add_rating(engine, "u1", 100, 1)
    assert embrec.get_rating_scale(engine) is None
    with pytest.raises(DatabaseError, match=r"rating is 3\.4e\+38; give a finite number from -1e\+09 to 1e\+09"):
        embrec.add_rating(engine, "u1", 100, 3.4e38)


def test_the_scale_is_widened_and_never_leaves_a_stored_rating_out(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    embrec.set_rating_scale(engine, 1, 10)
    embrec.add_rating(engine, "u1", "new", 10)
    with pytest.raises(
        DatabaseError, match="1 of the stored ratings is outside the scale from 1 to 5.*'u1'.*'new' with 10"
    ):
        embrec.set_rating_scale(engine, 1, 5)
    embrec.remove_rating(engine, "u1", "new")
    embrec.set_rating_scale(engine, 1, 5)
    assert embrec.get_rating_scale(engine) == (1, 5)


def test_a_training_names_a_rating_beyond_the_scale(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    do(engine, "UPDATE embrec.ratings SET rating = 3.4e38 WHERE (user_index, movie_index) IN (SELECT user_index,"
       " movie_index FROM embrec.ratings LIMIT 1)")  # fmt: skip
    with pytest.raises(
        DataError, match=r"rates movie '\d+' with 3\.4e\+38, and the scale is from 1 to 5.*embrec unrate"
    ):
        train(engine, "matrix-factorization")
    do(engine, "DELETE FROM embrec.rating_scale")
    with pytest.raises(DataError, match=r"with 3\.4e\+38, and all others are from 1 to 5"):
        train(engine, "matrix-factorization")


def test_a_training_settles_the_scale_of_ratings_that_came_one_at_a_time(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    do(engine, "DELETE FROM embrec.rating_scale")
    scale.check_for_training(engine, np.array([1, 5], np.float32), settle=True)
    assert embrec.get_rating_scale(engine) == (1, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("'u1', '100', 5, '200000-01-01'", "give a time of the years 1900 to 2099"),
        ("'u1', '100', 5, '4713-01-01 BC'", "give a time of the years 1900 to 2099"),
        ("'u1', '100', 5, 'infinity'", "give a time of the years 1900 to 2099"),
        ("' u1', '100', 5", "user_id has blanks around it, which loads leave out; give 'u1'"),
        ("'u1', E'100\\u3000', 5", "movie_id has blanks around it"),
        ("E'\\t ', '100', 5", "user_id is empty"),
        ("repeat('é', 251), '100', 5", "user_id is longer than 500 bytes"),
        ("'u1', '100', NULL", "rating is NULL"),
        ("1.5, '100', 5", "an id is 1.5 of type numeric; give text, a whole number or a uuid"),
        ("true, '100', 5", "an id is t of type boolean"),
    ],
)
def test_add_rating_refuses_what_loads_refuse(engine: sa.Engine, call: str, message: str) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=message):
        do(engine, f"SELECT embrec.add_rating({call})")
    assert count(engine) == 0


KINDS = {
    "'{}'": "text", "'{}'::varchar": "varchar", "'{}'::char(9)": "char", "{}": "integer", "{}::smallint": "smallint",
    "{}::bigint": "bigint", "{}.0": "numeric", "'{}'::d_text": "domain of text", "{}::d_int": "domain of integer",
}  # fmt: skip


def test_ids_of_two_kinds_go_together_in_every_function(engine: sa.Engine) -> None:
    frame = rating_frame()
    frame["user_id"] = frame["user_id"].str[1:]
    load_frame(engine, frame)
    two_part_run(engine)
    do(engine, "CREATE DOMAIN d_text AS text")
    do(engine, "CREATE DOMAIN d_int AS integer")
    pairs = [(user.format(7), movie.format(100)) for user in KINDS for movie in KINDS]
    for call in ("predict_rating({}, {})", "rating_uncertainty({}, {})", "add_rating({}, {}, 4)"):
        assert len({str(do(engine, f"SELECT embrec.{call.format(*pair)}")) for pair in pairs}) == 1
    explained = "SELECT count(*) FROM embrec.explain_recommendation({}, {})"
    assert len({do(engine, explained.format(*pair)) for pair in pairs}) == 1
    for pair in pairs:
        do(engine, "SELECT embrec.add_rating('7', '100', 4)")
        assert do(engine, f"SELECT embrec.remove_rating({pair[0]}, {pair[1]})") is True
    assert do(engine, "SELECT count(*) FROM embrec.users") == 30
    singles = ("recommend_movies({}, 3)", "similar_users({}, 3)", "user_ratings({}, 3)", "user_history({}, 3)")
    singles = (*singles, "assign_variant({})")
    for function in singles:
        found = {
            str(do(engine, f"SELECT (x::text) FROM embrec.{function.format(each.format(7))} AS x")) for each in KINDS
        }
        assert len(found) == 1


def test_a_quoted_number_is_text(engine: sa.Engine) -> None:
    for call in ("'7', '5', 4", "'007', 5, 1", "7, '05', 2"):
        do(engine, f"SELECT embrec.add_rating({call})")
    with engine.connect() as connection:
        ratings = connection.execute(
            sa.text("SELECT user_id, movie_id, rating FROM embrec.ratings JOIN embrec.users USING (user_index)"
                    " JOIN embrec.movies USING (movie_index) ORDER BY user_id, movie_id")
        ).all()  # fmt: skip
    assert ratings == [("007", "5", 1), ("7", "05", 2), ("7", "5", 4)]


def test_values_of_a_driver_are_taken_as_they_come(engine: sa.Engine) -> None:
    user = uuid.uuid4()
    calls = [(user, 5, 4.1), ("a", decimal.Decimal(2**70), 3), (2**40, user, decimal.Decimal("2.5"))]
    with engine.begin() as connection:
        for call in calls:
            connection.exec_driver_sql("SELECT embrec.add_rating(%s, %s, %s)", call)
            found = connection.exec_driver_sql("SELECT rating FROM embrec.user_ratings(%s)", call[:1]).scalar()
            assert found == pytest.approx(float(call[2]), abs=1e-6)
    embrec.add_rating(engine, user, user, 4.5, dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
    assert embrec.remove_rating(engine, str(user), user)


def test_a_visitors_null_is_no_rating(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    for given in ('{"100": null}', '{"no such": null}', '{"100": "5"}', '{"100": 1e400}', "null", '"100"'):
        for call in (f"recommend_for('{given}')", f"explain_for('{given}', 100)"):
            with pytest.raises(
                sa.exc.DBAPIError, match="give a number, at most a billion|give an object of ratings by movie id"
            ):
                do(engine, f"SELECT count(*) FROM embrec.{call}")


def test_the_fingerprint_sees_every_change_of_a_rating(engine: sa.Engine) -> None:
    near = np.nextafter(np.float32(1), 2)
    values = np.array([-1e9, -1, 0, 2e-9, 3e-9, 1e-6, 0.1, 1, near, 16384, 16385, 5e8, 1e9], np.float32)
    for value in values:
        embrec.add_rating(engine, f"{value!r}", "m", value)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT embrec.ratings_fingerprint(user_index) FROM embrec.users ORDER BY user_index")
        ).scalars().all()  # fmt: skip
    assert len(set(rows)) == len(values)
    assert extract(engine).fingerprints().tolist() == rows


def test_a_ridge_regression_on_vectors_that_shrank_to_nothing_does_not_underflow(engine: sa.Engine) -> None:
    """In a catalogue of three movies and one user, ALS leaves vectors of 1e-13 beside biases of 1."""
    features = "ARRAY['[1e-20,1e-13,2]', '[1e-20,2e-13,2]']::vector[]"
    solution = do(engine, f"SELECT embrec.ridge({features}, '[1e-20,1e-13,0]', '[0.1,0.1,0.1]')::real[]")
    assert solution == pytest.approx([1e-19, 1e-12, 0], rel=1e-5, abs=1e-24)
    assert do(engine, "SELECT embrec.ridge(ARRAY['[1,2]']::vector[], '[0,0]', '[1,1]')::real[]") == [0, 0]
