"""A host's table of ratings, shop.stars, for tests of loading and following it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import sqlalchemy as sa

from embrec.data.table_source import TableSource

Row = tuple[Any, ...]
NAMES = {"user_id": "customer", "movie_id": "film", "rating": "stars", "rated_at": "bought_at"}
STARS = TableSource("shop.stars", columns=NAMES)


def do(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def make_table(engine: sa.Engine, frame: pd.DataFrame | None = None, types: str = "text, bigint, numeric") -> None:
    """Create the table shop.stars, with the ratings of a frame."""
    user, movie, rating = types.split(", ")
    do(
        engine,
        "CREATE SCHEMA IF NOT EXISTS shop",
        "DROP TABLE IF EXISTS shop.stars",
        f"CREATE TABLE shop.stars (customer {user}, film {movie}, stars {rating}, bought_at timestamptz,"
        " updated_at timestamptz DEFAULT now())",
    )
    if frame is not None:
        with engine.begin() as connection:
            rows = frame.assign(rated_at=pd.to_datetime(frame.rated_at, unit="s", utc=True)).to_dict("records")
            connection.execute(
                sa.text(
                    "INSERT INTO shop.stars (customer, film, stars, bought_at)"
                    " VALUES (:user_id, :movie_id, :rating, :rated_at)"
                ),
                rows,
            )


def stored(engine: sa.Engine) -> list[Row]:
    """Return all ratings, by external ids; times as seconds since 1970."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT user_id, movie_id, rating, CAST(extract(epoch FROM rated_at) AS bigint) FROM embrec.ratings"
                " JOIN embrec.users USING (user_index) JOIN embrec.movies USING (movie_index) ORDER BY 1, 2"
            )
        )
        return [tuple(row) for row in rows]


# Rows that are no rating, with the column and the reason.
BAD = [
    ("('', 1, 1, NULL)", "user_id", "empty"),
    ("(NULL, 1, 1, NULL)", "user_id", "empty"),
    ("(repeat('é', 251), 1, 1, NULL)", "user_id", "longer than 500 bytes"),
    ("('a', NULL, 1, NULL)", "movie_id", "empty"),
    ("('a', 1, NULL, NULL)", "rating", "empty"),
    ("('a', 1, 'NaN', NULL)", "rating", "not a finite number"),
    ("('a', 1, '-Infinity', NULL)", "rating", "not a finite number"),
    ("('a', 1, 1e300, NULL)", "rating", "not a finite number"),
    ("('a', 1, 1, 'infinity')", "rated_at", "not a time between 1900 and 2099"),
    ("('a', 1, 1, '2100-01-01 00:00+00')", "rated_at", "not a time between 1900 and 2099"),
]

FOLLOW = "SELECT embrec.follow_table('shop.stars', 'customer', 'film', 'stars', 'bought_at')"


def pairs(engine: sa.Engine) -> list[Row]:
    """Return all ratings, by external ids, without times."""
    return [row[:3] for row in stored(engine)]
