"""Time the default training: as a command on MovieLens 100K, and step by step on synthetic ratings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from bulk_paths import Peaks
from data import SIZES, make_up
from servers import server, timed

from embrec.data import loading
from embrec.data.files import sources
from embrec.data.files.movielens import fetch_ml_100k
from embrec.db import schema
from embrec.training import train

REPEATS = 5


def command() -> dict[str, Any]:
    """Time ``embrec train`` on MovieLens 100K as a whole process, for the default and the quick model."""
    embrec = [str(Path(sys.executable).with_name("embrec")), "train"]
    with server() as postgres:
        schema.upgrade(postgres.engine)
        loading.load(postgres.engine, sources.open_source(fetch_ml_100k()))
        environment = {**os.environ, "DATABASE_URL": postgres.url}

        def seconds(*options: str) -> list[float]:
            def run() -> None:
                subprocess.run([*embrec, *options], env=environment, check=True, capture_output=True)

            run()  # warm up: files are in memory afterwards
            return [timed(run) for _ in range(REPEATS)]

        found = {
            "default": seconds(),
            "few draws": seconds("--draws", "20"),
            "matrix factorisation": seconds("--model", "matrix-factorization"),
        }
    print("default model, command", json.dumps(found), file=sys.stderr, flush=True)
    return found


def steps(size: str, seed: int = 0) -> dict[str, Any]:
    """Time each step of the default training on synthetic ratings, with peak memory and the error on a tenth."""
    ratings = make_up(SIZES[size], seed)
    peaks = Peaks()
    with server() as postgres, tempfile.TemporaryDirectory(prefix="embrec-bench-") as directory:
        path = Path(directory) / "ratings.parquet"
        pa.parquet.write_table(pa.table(dict(zip(("user_id", "movie_id", "rating"), ratings, strict=True))), path)
        schema.upgrade(postgres.engine)
        loading.load(postgres.engine, sources.open_source(path))
        found: dict[str, Any] = {"ratings": len(ratings[0])}
        for name, architecture in (("matrix factorisation", "matrix-factorization"), ("default", "two-part")):
            with peaks.step(name):
                trained = train(postgres.engine, architecture, holdout=0.1, publish=False)
            found[name] = {"seconds": trained.seconds, "peak_mb": peaks.of[name]}
            found[name]["rmse"] = trained.metrics["held_out_rmse"]
    print("default model", size, json.dumps(found), file=sys.stderr, flush=True)
    return found


def measure(sizes: list[str]) -> dict[str, Any]:
    """Measure the sections of the page."""
    return {
        "default model, MovieLens 100K": command(),
        **{f"default model, {size}": steps(size) for size in sizes},
    }
