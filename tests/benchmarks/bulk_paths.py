"""Time load, extract, fit, publish and the first answer on a server of its own, beside raw COPY of the same rows."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import sqlalchemy as sa
from contenders import peak_megabytes
from data import SIZES, make_up
from servers import Database, Server, server, timed

from embrec.data import extraction, loading
from embrec.data.files import sources
from embrec.db import binary_copy, schema
from embrec.models.base import FittedModel
from embrec.serving import similar
from embrec.training import train


def write_csv(path: Path, size: str, seed: int) -> int:
    """Write ratings as a CSV file in random order, with timestamps; returns their number."""
    users, movies, values = make_up(SIZES[size], seed)
    order = np.random.default_rng(seed).permutation(len(users))
    times = np.random.default_rng(seed + 1).integers(1_000_000_000, 1_100_000_000, len(users))
    table = {"user_id": users[order], "movie_id": movies[order], "rating": values[order], "rated_at": times}
    pa.csv.write_csv(pa.table(table), path)
    return len(users)


class Peaks:
    """The peak memory of this process in each step, in MB."""

    def __init__(self) -> None:
        self.of: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the peak within the context."""
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        yield
        self.of[name] = peak_megabytes()


def measure(size: str, seed: int = 0) -> dict[str, Any]:
    """Time all steps from a CSV file to the first answer, then raw COPY of the same rows."""
    found: dict[str, Any] = {}
    peaks = Peaks()
    with server() as postgres, tempfile.TemporaryDirectory(prefix="embrec-bench-") as directory:
        path = Path(directory) / "ratings.csv"
        found["ratings"] = write_csv(path, size, seed)
        schema.upgrade(postgres.engine)
        with peaks.step("load"):
            found["load"] = timed(lambda: loading.load(postgres.engine, sources.open_source(path)))
        timed(lambda: extraction.extract(postgres.engine))
        mine, its = time.process_time(), postgres.cpu_seconds()
        with peaks.step("extract"):
            found["extract"] = timed(lambda: extraction.extract(postgres.engine))
        found["extract_cpu"] = time.process_time() - mine + postgres.cpu_seconds() - its
        with peaks.step("train"):
            trained = train(postgres.engine, "matrix-factorization", seed=0)
        found["train"] = trained.seconds
        found["vectors"] = len(trained.model.user_vectors) + len(trained.model.movie_vectors)
        found["first_answer"] = timed(lambda: similar.similar_movies(postgres.engine, 0))
        found["from_csv_to_answer"] = (
            found["load"] + sum(trained.seconds.values()) - trained.seconds["index"] + found["first_answer"]
        )
        found["copy_vectors"] = copy_vectors(postgres, trained.model)
        found |= raw_ratings(postgres, Path(directory), path)
        found |= raw_vectors(postgres, Path(directory), trained.model.user_vectors.shape[1])
        found["load_parquet"] = load_parquet(path)
    found["peak_mb"] = peaks.of
    print("bulk", size, json.dumps(found), file=sys.stderr, flush=True)
    return found


def copy_vectors(postgres: Server, model: FittedModel) -> float:
    """Seconds of the vectors' COPY alone, without key and statistics."""

    def copy() -> None:
        with postgres.engine.begin() as connection:
            for side, vectors in (("user", model.user_vectors), ("movie", model.movie_vectors)):
                connection.execute(sa.text(f"CREATE TABLE {side}_copy (LIKE embrec.{side}_embeddings)"))
                connection.execute(
                    sa.text(
                        f"ALTER TABLE {side}_copy ALTER model_run_id SET DEFAULT 1, ALTER part SET DEFAULT 'rating'"
                    )
                )
                numbers = np.arange(len(vectors), dtype=np.int32)
                columns = f"{side}_copy ({side}_index, embedding)"
                binary_copy.copy_arrays(connection, columns, [numbers, vectors], freeze=True)

    return timed(copy)


def load_parquet(csv_file: Path) -> float:
    """Return the seconds of a load of the same rows from Parquet, on a server of its own."""
    path = csv_file.with_suffix(".parquet")
    pa.parquet.write_table(pa.csv.read_csv(csv_file), path)
    with server() as postgres:
        schema.upgrade(postgres.engine)
        return timed(lambda: loading.load(postgres.engine, sources.open_source(path)))


def raw_ratings(postgres: Database, directory: Path, csv_file: Path) -> dict[str, float]:
    """Time raw COPY of a CSV file's ratings by psql, from a binary file, and adding the primary key."""
    found = {}
    table = pa.csv.read_csv(csv_file)
    columns = [table[name].to_numpy() for name in ("user_id", "movie_id", "rating", "rated_at")]
    with postgres.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE raw (u integer NOT NULL, m integer NOT NULL, r real, t timestamptz)"))
        connection.execute(sa.text("CREATE TABLE made (LIKE raw)"))
        arrays = [columns[0].astype(np.int32), columns[1].astype(np.int32), columns[2].astype(np.float32)]
        binary_copy.copy_arrays(
            connection, "made (u, m, r, t)", [*arrays, binary_copy.timestamps(columns[3] * 1_000_000)]
        )
    binary = directory / "ratings.bin"
    with open(binary, "wb") as file:
        postgres.psql("COPY made TO STDOUT (FORMAT binary)", stdout=file)
    with open(binary, "rb") as file:
        found["raw_copy_in"] = timed(lambda: postgres.psql("COPY raw FROM STDIN (FORMAT binary)", stdin=file))
    found["raw_primary_key"] = timed(lambda: postgres.psql("ALTER TABLE raw ADD PRIMARY KEY (u, m)"))
    return found


def raw_vectors(postgres: Database, directory: Path, length: int) -> dict[str, float]:
    """Time raw COPY of ratings out, and of the user vectors of a length in, by psql with binary files."""
    found = {}
    with postgres.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE raw_vectors (r integer, i integer, v vector({length}))"))
    select = "COPY (SELECT user_index, movie_index, rating FROM embrec.ratings) TO STDOUT (FORMAT binary)"
    found["raw_copy_out"] = timed(lambda: postgres.psql(select))
    binary = directory / "vectors.bin"
    with open(binary, "wb") as file:
        postgres.psql(
            "COPY embrec.user_embeddings_run_1_rating (model_run_id, user_index, embedding) TO STDOUT (FORMAT binary)",
            stdout=file,
        )
    with open(binary, "rb") as file:
        found["raw_vectors"] = timed(lambda: postgres.psql("COPY raw_vectors FROM STDIN (FORMAT binary)", stdin=file))
    return found
