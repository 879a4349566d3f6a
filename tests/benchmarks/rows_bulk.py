"""Loads, what a run stores, and what follows a change of the ratings, by both builds in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from servers import timed
from stages import Bench, Figures, Site, Stage, in_turn, size_of
from table import Found

from embrec.db import copy_format

NEW_ROWS = 10_000
NEW_MOVIES, RATINGS_EACH = 1_000, 20

# A row of psql's binary format: the number of columns, and before each value its number of bytes.
RAW_ROW = np.dtype(
    [
        *[("columns", ">i2"), ("user bytes", ">i4"), ("user", ">i4"), ("movie bytes", ">i4"), ("movie", ">i4")],
        *[("rating bytes", ">i4"), ("rating", ">f4"), ("time bytes", ">i4"), ("time", ">i8")],
    ]
)
EPOCH = 946_684_800  # the server's, 2000-01-01, in Unix time
BLOCK = 1 << 20


def load(bench: Bench, size: str, times: int) -> Found:
    """Measure first loads from CSV, the stage's own among them, and raw COPY of the same rows and their primary key."""
    stage = bench.loaded(size_of(size))
    count, binary = len(stage.training[0]), write_binary(stage)

    def by_build(build: str, number: int) -> Figures:
        if number == 0:
            costs = stage.sites[build].costs["load"][0]
        else:
            with bench.passing(build, f"load{number}") as site:
                site.load(*stage.files())
            costs = site.costs["load"][0]
        return costs | {"M ratings a second": count / costs["wall s"] / 1e6}

    def raw(number: int) -> Figures:
        with bench.passing("ours", f"raw{number}") as site, open(binary, "rb") as file:
            site.database.run("CREATE TABLE raw (u integer NOT NULL, m integer NOT NULL, r real, t timestamptz)")
            wall = timed(lambda: site.database.psql("COPY raw FROM STDIN (FORMAT binary)", stdin=file))
            wall += timed(lambda: site.database.psql("ALTER TABLE raw ADD PRIMARY KEY (u, m)"))
        return {"wall s": wall, "M ratings a second": count / wall / 1e6}

    builds = {name: lambda number, name=name: by_build(name, number) for name in stage.sites}
    return in_turn(times, {**builds, "raw COPY": raw})


def write_binary(stage: Stage) -> Path:
    """Write the stage's ratings for a binary COPY, in the order of the CSV file; returns the file."""
    table = pa.csv.read_csv(stage.directory / "ratings.csv")
    users, movies, ratings, times = (table[name].to_numpy() for name in ("user_id", "movie_id", "rating", "rated_at"))
    path = stage.directory / "ratings.bin"
    with open(path, "wb") as file:
        file.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for begin in range(0, len(users), BLOCK):
            block = slice(begin, begin + BLOCK)
            rows = np.zeros(len(users[block]), RAW_ROW)
            rows["columns"] = 4
            for name in ("user", "movie", "rating", "time"):
                rows[f"{name} bytes"] = rows.dtype[name].itemsize
            rows["user"], rows["movie"], rows["rating"] = users[block], movies[block], ratings[block]
            rows["time"] = (times[block].astype(np.int64) - EPOCH) * 1_000_000
            file.write(rows.tobytes())
        file.write(b"\xff\xff")
    return path


def events(bench: Bench, size: str, times: int) -> Found:
    """Measure first loads of events from CSV, and raw COPY of the same rows and their keys, with the bytes of each."""
    directory, count = write_events(bench, size)

    def ours(number: int) -> Figures:
        with bench.passing("ours", f"events{number}") as site:
            site.load(str(directory / "events.csv"))
            return rate(site, "embrec.events", site.costs["load"][0])

    def raw(number: int) -> Figures:
        with bench.passing("ours", f"raw_events{number}") as site, open(directory / "events.bin", "rb") as file:
            site.load(str(directory / "events.csv"))  # its users and movies are those that the keys refer to
            found: Figures = {}
            with site.database.costs(found):
                wall = timed(lambda: site.database.run(RAW_EVENTS))
                wall += timed(lambda: site.database.psql(f"COPY public.raw {RAW_COLUMNS}", stdin=file))
                wall += timed(lambda: site.database.run(*RAW_EVENT_KEYS))
            return rate(site, "public.raw", {"wall s": wall, "CPU s": found["server CPU s"]})

    def rate(site: Site, table: str, costs: Figures) -> Figures:
        size = site.database.scalar(f"SELECT pg_total_relation_size('{table}')")
        return costs | {"M events a second": count / costs["wall s"] / 1e6, "bytes an event": size / count}

    return in_turn(times, {"ours": ours, "raw COPY": raw})


RAW_EVENTS = "CREATE TABLE public.raw (LIKE embrec.events INCLUDING IDENTITY INCLUDING CONSTRAINTS)"
RAW_COLUMNS = "(user_index, movie_index, event_type, value, occurred_at) FROM STDIN (FORMAT binary)"
# The keys and indexes of embrec.events.
RAW_EVENT_KEYS = (
    "ALTER TABLE public.raw ADD PRIMARY KEY (event_id), ADD FOREIGN KEY (user_index) REFERENCES embrec.users,"
    " ADD FOREIGN KEY (movie_index) REFERENCES embrec.movies,"
    " ADD FOREIGN KEY (event_type) REFERENCES embrec.event_types",
    "CREATE INDEX ON public.raw (user_index, occurred_at DESC NULLS LAST, event_id DESC)"
    " INCLUDE (movie_index, event_type, value)",
    "CREATE INDEX ON public.raw USING brin (occurred_at)",
    "CREATE UNIQUE INDEX ON public.raw (external_id) WHERE external_id IS NOT NULL",
    "ANALYZE public.raw",
)


def write_events(bench: Bench, size: str) -> tuple[Path, int]:
    """Write events with a type, a value and a time, in order of time, as CSV and for a binary COPY.

    Returns:
        The directory of events.csv and events.bin, and the number of events.
    """
    stage, random = bench.stage(size_of(size)), np.random.default_rng(0)
    count = stage.size.ratings
    drawn = (random.beta(1, 3, count) * number for number in (stage.size.users, stage.size.movies))
    users, movies = (pd.factorize(column.astype(np.int32))[0].astype(np.int32) for column in drawn)
    columns = {
        "user_index": users,
        "movie_index": movies,
        "event_type": random.choice(np.array([2, 3, 4], np.int16), count),
        "value": random.integers(1, 100, count).astype(np.float32),
        "occurred_at": np.sort(random.integers(10**9, 11 * 10**8, count)),
    }
    names = np.array(["view", "click", "play"])[columns["event_type"] - 2]
    seconds = columns["occurred_at"]
    table = {
        "user_id": users,
        "movie_id": movies,
        "event_type": names,
        "value": columns["value"],
        "occurred_at": seconds,
    }
    pa.csv.write_csv(pa.table(table), stage.directory / "events.csv")
    with open(stage.directory / "events.bin", "wb") as file:
        times = copy_format.timestamps(seconds * 1_000_000)
        rows = copy_format.encoded([*list(columns.values())[:4], times])
        file.write(copy_format.SIGNATURE + rows + copy_format.TRAILER)
    return stage.directory, count


def stored(bench: Bench, size: str, times: int) -> Found:
    """Measure the bytes of the published run's vectors of users, with keys, for each user; HNSW indexes are apart."""
    stage = bench.trained(size_of(size))
    return in_turn(times, {name: lambda _, site=site: bytes_stored(site) for name, site in stage.sites.items()})


def bytes_stored(site: Site) -> Figures:
    """Return the bytes of the answering run's vectors of users, by user."""
    run = site.database.scalar("SELECT model_run_id FROM embrec.answering_run")
    leaves = f"""
        SELECT t.relid FROM pg_partition_tree('embrec.user_embeddings') AS t
        WHERE t.isleaf AND t.relid::text LIKE '%\\_run\\_{run}\\_%'
    """
    indexes = f"""
        SELECT coalesce(sum(pg_relation_size(i.indexrelid)), 0)::bigint
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS a ON a.oid = c.relam
        WHERE i.indrelid IN ({leaves}) AND a.amname"""
    tables = site.database.scalar(f"SELECT sum(pg_table_size(t.relid))::bigint FROM ({leaves}) AS t")
    users = site.database.scalar("SELECT count(*) FROM embrec.users")
    keys, hnsw = (site.database.scalar(f"{indexes} {which} 'hnsw'") for which in ("<>", "="))
    return {"bytes a user": (tables + keys) / users, "bytes of HNSW a user": hnsw / users}


def watermark(bench: Bench, size: str, times: int) -> Found:
    """Measure loads of a few new rows of a table of the same database, by a watermark."""
    stage = bench.loaded(size_of(size))
    arguments = ("load", "--from-table", "public.bought", "--watermark", "rated_at")
    for site in stage.sites.values():
        # The first load by the watermark finds one row.
        site.database.run(
            "CREATE TABLE public.bought (user_id bigint, movie_id bigint, rating real, rated_at timestamptz)",
            "CREATE INDEX ON public.bought (rated_at)",
            "INSERT INTO public.bought VALUES (1, 1, 3, now() - interval '1 day')",
        )
        site.embrec(*arguments)

    def add(site: Site, number: int) -> Figures:
        site.database.run(
            f"INSERT INTO public.bought SELECT mod(n, {stage.size.users}), mod(n + {number}, {stage.size.movies}), 3,"
            f" now() - interval '1 day' + interval '{number + 1} minutes' FROM generate_series(1, {NEW_ROWS}) AS n"
        )
        return site.embrec(*arguments)[0]

    return in_turn(times, {name: lambda number, site=site: add(site, number) for name, site in stage.sites.items()})


def refresh(bench: Bench, size: str, times: int) -> Found:
    """Measure ``embrec refresh`` after a load of new movies with a few ratings each."""
    stage = bench.trained(size_of(size))

    def after_new_movies(site: Site, number: int) -> Figures:
        site.embrec("load", *new_movies(stage, number))
        return site.embrec("refresh")[0]

    return in_turn(
        times, {name: lambda number, site=site: after_new_movies(site, number) for name, site in stage.sites.items()}
    )


def new_movies(stage: Stage, number: int) -> tuple[str, ...]:
    """Write files of new movies and their ratings, the same for both builds; returns arguments of a load."""
    random = np.random.default_rng(number)
    count = min(NEW_MOVIES, stage.size.movies // 10)
    users = np.concatenate([random.choice(stage.size.users, RATINGS_EACH, False) for _ in range(count)])
    names = np.array([f"new {number} {movie}" for movie in range(count)])
    folder: Path = stage.directory
    rows = {"user_id": users, "movie_id": np.repeat(names, RATINGS_EACH), "rating": random.integers(1, 6, len(users))}
    pa.csv.write_csv(pa.table(rows), folder / "new_ratings.csv")
    known = {"movie_id": names, "title": names, "genres": ["Drama"] * count, "release_year": [2020] * count}
    pa.csv.write_csv(pa.table(known), folder / "new_movies.csv")
    return str(folder / "new_ratings.csv"), "--movies", str(folder / "new_movies.csv")
