"""Times the fit beside other libraries: tune on a validation part, then fit and test, each in its own process."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from data import SIZES, Columns, make_up, movielens_fold_u1, save_parts, split

CONTENDERS = Path(__file__).with_name("contenders.py")
# The same number of tries for each.
GRIDS: dict[str, list[dict[str, Any]]] = {
    "embrec": [
        {"dimensions": dimensions, "penalty": penalty, "penalty_per_rating": per_rating, "epochs": 8}
        for dimensions, (penalty, per_rating) in itertools.product((15, 31), ((4.0, 0.02), (8.0, 0.02), (8.0, 0.05)))
    ],
    "libmf": [
        {"k": k, "penalty": penalty, "iterations": 20} for k, penalty in itertools.product((16, 32), (0.06, 0.12, 0.2))
    ],
    "cmfrec": [
        {"k": k, "penalty": penalty, "iterations": 10} for k, penalty in itertools.product((16, 32), (4.0, 8.0, 16.0))
    ],
    "surprise": [
        {"k": k, "penalty": penalty, "iterations": 20} for k, penalty in itertools.product((20, 50), (0.03, 0.06, 0.12))
    ],
}
UNTUNED = {"implicit": {"k": 32, "iterations": 10}, "article": {"iterations": 2}}
LENGTHS = {
    "embrec": ("epochs", (1, 2, 3, 4, 6, 8)),
    "libmf": ("iterations", (2, 5, 10, 20)),
    "cmfrec": ("iterations", (2, 4, 7, 10)),
}


def run(name: str, parts: Path, options: dict[str, Any], cores: str) -> dict[str, Any]:
    """One fit, on the given cores."""
    threads = str(len(cores.split(",")))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}
    environment |= {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = ["taskset", "-c", cores, sys.executable, str(CONTENDERS), name, str(parts), json.dumps(options)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    return {**json.loads(done.stdout.splitlines()[-1]), "options": options}


def compare(
    label: str, training: Columns, test: Columns, names: list[str], cores: str, runs: int, settled: dict[str, Any]
) -> dict[str, Any]:
    """Tune each contender on a tenth of the training part, then time it on all of it; medians of several runs.

    Args:
        label: What is measured, for the log.
        training: Ratings to learn from.
        test: Ratings to report the error on; nothing is chosen by them.
        names: The contenders.
        cores: The processor cores for all of them, as taskset takes them.
        runs: Final fits of each.
        settled: Options of contenders that are not to be tuned here.
    """
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as directory:
        whole, inner = Path(directory) / "whole.npz", Path(directory) / "inner.npz"
        save_parts(whole, training, test)
        save_parts(inner, *split(training, 0.1, seed=99))
        for name in names:
            tries = [] if name in settled else [run(name, inner, options, cores) for options in GRIDS.get(name, [])]
            best = settled.get(name) or (
                min(tries, key=lambda each: each["rmse"])["options"] if tries else UNTUNED[name]
            )
            finals = [run(name, whole, best, cores) for _ in range(runs)]
            results[name] = {
                "options": best,
                "tries": len(tries),
                "seconds": median(each["seconds"] for each in finals),
                "rmse": median(each["rmse"] for each in finals),
                "peak_mb": median(each["peak_mb"] for each in finals),
                "curve": [] if name in settled else curve(name, whole, best, cores),
            }
            print(label, name, json.dumps(results[name]), file=sys.stderr, flush=True)
    return {"ratings": len(training[0]), "cores": cores, "runs": runs, "contenders": results}


def curve(name: str, parts: Path, options: dict[str, Any], cores: str) -> list[tuple[float, float]]:
    """Seconds and test error of fits of several lengths."""
    if name not in LENGTHS:
        return []
    option, lengths = LENGTHS[name]
    fits = [run(name, parts, {**options, option: length}, cores) for length in lengths]
    return [(each["seconds"], each["rmse"]) for each in fits]


def measure(
    size: str, names: list[str], seed: int = 0, cores: str = "0", runs: int = 1, settled: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Compare on made-up ratings, a tenth of which is the test part; or on MovieLens 100K's fold u1."""
    if size == "u1":
        training, test = movielens_fold_u1()
    else:
        training, test = split(make_up(SIZES[size], seed), 0.1, seed=seed + 1)
    return compare(f"{size}/{seed}", training, test, names, cores, runs, settled or {})
