"""Time loading a table of the same database beside the server's own INSERT ... SELECT of the same rows."""

from __future__ import annotations

import json
import statistics
import sys
from typing import Any

import numpy as np
import sqlalchemy as sa
from data import SIZES, make_up
from servers import Server, server, timed

from embrec.data.table_loading import load_from_table
from embrec.data.table_source import TableSource
from embrec.db import binary_copy, copy_format, schema

REPEATS = 3
COLUMNS = {"user_id": "customer", "movie_id": "film", "rating": "stars", "rated_at": "bought_at"}
SOURCE = TableSource("public.stars", columns=COLUMNS)
NEW_ROWS = 10_000


def run(postgres: Server, *statements: str) -> float:
    """Return the seconds of statements in one transaction."""

    def act() -> None:
        with postgres.engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    return timed(act)


def make_table(postgres: Server, size: str, seed: int) -> int:
    """Create an application's table, with rows in the order of purchase; returns their number."""
    users, movies, values = make_up(SIZES[size], seed)
    order = np.random.default_rng(seed).permutation(len(users))
    times = np.sort(np.random.default_rng(seed + 1).integers(10**9, 11 * 10**8, len(users))) * 1_000_000
    run(postgres, "CREATE TABLE public.stars (customer bigint, film bigint, stars real, bought_at timestamptz)")
    with postgres.engine.begin() as connection:
        columns = [users[order].astype(np.int64), movies[order].astype(np.int64), values[order]]
        binary_copy.copy_arrays(connection, "public.stars", [*columns, copy_format.timestamps(times)])
    run(postgres, "ANALYZE public.stars")
    return len(users)


def copy(postgres: Server, key: str = "") -> float:
    """Return the seconds of INSERT ... SELECT into a table like embrec.ratings, with a key or without."""
    run(postgres, f"CREATE TABLE public.copy (u integer, m integer, r real, t timestamptz {key})")
    seconds = run(postgres, "INSERT INTO public.copy SELECT customer, film, stars, bought_at FROM public.stars")
    run(postgres, "DROP TABLE public.copy")
    return seconds


def load(postgres: Server) -> float:
    """Return the seconds of the first load, into empty tables."""
    schema.downgrade(postgres.engine, "base")
    schema.upgrade(postgres.engine)
    return timed(lambda: load_from_table(postgres.engine, SOURCE))


def load_what_is_new(postgres: Server) -> float:
    """Return the seconds to load a few new rows, by a watermark with an index."""
    source = TableSource("public.stars", columns=COLUMNS, watermark="bought_at")
    run(postgres, "CREATE INDEX ON public.stars (bought_at)")
    run(
        postgres,
        "INSERT INTO embrec.load_watermarks SELECT 'public.stars', 'bought_at', max(bought_at) FROM public.stars",
    )
    run(
        postgres,
        "INSERT INTO public.stars SELECT n, n % 1000, 3, now() - interval '1 minute'"
        f" FROM generate_series(1, {NEW_ROWS}) AS n",
    )
    return timed(lambda: load_from_table(postgres.engine, source))


def measure(size: str, seed: int = 0) -> dict[str, Any]:
    """Measure each in turn; returns the medians."""
    with server() as postgres:
        found: dict[str, Any] = {"ratings": make_table(postgres, size, seed)}
        steps = {
            "load": lambda: load(postgres),
            "copy": lambda: copy(postgres),
            "copy_with_key": lambda: copy(postgres, ", PRIMARY KEY (u, m)"),
        }
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(REPEATS):
            for name, step in steps.items():
                seconds[name].append(step())
                print("from table", size, name, seconds[name], file=sys.stderr, flush=True)
        found |= {name: statistics.median(each) for name, each in seconds.items()}
        load(postgres)
        found["load_what_is_new"] = load_what_is_new(postgres)
    print("from table", size, json.dumps(found), file=sys.stderr, flush=True)
    return found
