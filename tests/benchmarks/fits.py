"""Time the fit beside other libraries, each fit in its own process on the same cores; and tune all of them alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from data import SIZES, Columns, make_up, movielens_fold_u1, save_parts, split

CONTENDERS = Path(__file__).with_name("contenders.py")
# The result of tuning: options and the number of tries, by size and contender.
CHOSEN = Path(__file__).with_name("options.json")


def grid(**values: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return all combinations of the values."""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


# The same number of tries for each. cmfrec's regularization is per user or movie, or per rating if scaled.
GRIDS: dict[str, list[dict[str, Any]]] = {
    "embrec": grid(dimensions=(15, 31), penalty=(3.0, 8.0), penalty_per_rating=(0.02, 0.04, 0.06, 0.1), epochs=(8,)),
    "libmf": grid(k=(16, 32), penalty=(0.03, 0.06, 0.1, 0.15), iterations=(20, 40)),
    "cmfrec": grid(k=(8, 16), penalty=(4.0, 8.0, 16.0, 32.0), scaled=(False,), iterations=(10,))
    + grid(k=(8, 16), penalty=(0.02, 0.05, 0.1, 0.2), scaled=(True,), iterations=(10,)),
    "surprise": grid(k=(20, 100), penalty=(0.06, 0.09, 0.12, 0.15), rate=(0.005, 0.01), iterations=(50,)),
}
SCALE_GRIDS: dict[str, list[dict[str, Any]]] = {
    "embrec": grid(dimensions=(15, 31), penalty=(8.0,), penalty_per_rating=(0.02, 0.05), epochs=(1,))
    + grid(dimensions=(15,), penalty=(4.0, 16.0), penalty_per_rating=(0.02, 0.05), epochs=(1,)),
    "libmf": grid(k=(16, 32), penalty=(0.03, 0.05, 0.08, 0.12), iterations=(20,)),
    "cmfrec": grid(k=(16,), penalty=(8.0, 16.0, 32.0, 64.0), scaled=(False,), iterations=(6,))
    + grid(k=(16,), penalty=(0.05, 0.1, 0.2, 0.4), scaled=(True,), iterations=(6,)),
}
# Options that are not tuned: implicit does not predict ratings, and the article gives its own.
GIVEN = {"implicit": {"k": 32, "iterations": 10}, "article": {"iterations": 2}}
# The measurements, by their titles on the page: arguments of measure().
SETS: dict[str, dict[str, Any]] = {
    "u1": {"size": "u1", "names": ["embrec", "libmf", "cmfrec", "surprise"], "seeds": (0, 1, 2), "curves": True},
    "u1, the article": {"size": "u1", "names": ["article"]},
    "u1, the article in full": {"size": "u1", "names": ["article"], "curves": True},
    "1m": {"size": "1m", "names": ["embrec", "libmf", "cmfrec", "implicit"], "seeds": (0, 1, 2), "curves": True},
    "1m, two cores": {"size": "1m", "names": ["embrec", "libmf"], "cores": "0,1"},
    "20m": {"size": "20m", "names": ["embrec", "libmf", "cmfrec"], "curves": True},
    "20m, two cores": {"size": "20m", "names": ["embrec", "libmf"], "cores": "0,1"},
    "100m, two cores": {"size": "100m", "names": ["embrec"], "cores": "0,1", "options_of": "20m"},
}
LENGTHS = {
    "embrec": ("epochs", (1, 2, 3, 4, 6, 8)),
    "libmf": ("iterations", (2, 5, 10, 20, 40)),
    "cmfrec": ("iterations", (2, 4, 7, 10)),
    "article": ("iterations", (1, 2, 5, 9, 50)),
}


def run(name: str, parts: Path, options: dict[str, Any], cores: str) -> dict[str, Any]:
    """Run one fit, on the given cores."""
    threads = str(len(cores.split(",")))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}
    environment |= {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = ["taskset", "-c", cores, sys.executable, str(CONTENDERS), name, str(parts), json.dumps(options)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    return {**json.loads(done.stdout.splitlines()[-1]), "options": options}


def parts_of(size: str, seed: int) -> tuple[Columns, Columns]:
    """Return training and test part: MovieLens 100K's fold u1, or synthetic ratings with a tenth held out."""
    return movielens_fold_u1() if size == "u1" else split(make_up(SIZES[size], seed), 0.1, seed=seed + 1)


@contextmanager
def saved(training: Columns, test: Columns) -> Iterator[Path]:
    """Save the parts in a file for the contenders."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "parts.npz"
        save_parts(path, training, test)
        yield path


def tune(size: str, names: list[str], grids: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Choose each contender's options by the error on a tenth of the training part of the first seed."""
    chosen = {}
    training, _ = parts_of(size, 0)
    with saved(*split(training, 0.1, seed=99)) as parts:
        for name in names:
            tries = [run(name, parts, options, "0") for options in grids[name]]
            best = min(tries, key=lambda each: each["rmse"])
            chosen[name] = {"options": best["options"], "tries": len(tries), "validation_rmse": best["rmse"]}
            print("tune", size, name, json.dumps(tries), file=sys.stderr, flush=True)
    return chosen


def measure(
    size: str,
    names: list[str],
    seeds: tuple[int, ...] = (0,),
    cores: str = "0",
    curves: bool = False,
    options_of: str | None = None,
) -> dict[str, Any]:
    """Fit each contender on each seed's ratings; returns medians over the seeds.

    Args:
        size: A key of SIZES, or u1, for which the seeds only repeat the fit.
        names: Names of the contenders.
        seeds: Seeds of the ratings.
        cores: Processor cores, in taskset's syntax.
        curves: True to fit the first seed with several numbers of iterations as well.
        options_of: Size whose tuned options to take; its own by default.
    """
    chosen = json.loads(CHOSEN.read_text()).get(options_of or size, {})
    results: dict[str, Any] = {}
    for seed in seeds:
        training, test = parts_of(size, seed)
        with saved(training, test) as parts:
            for name in names:
                options = chosen[name]["options"] if name in chosen else GIVEN[name]
                result = results.setdefault(
                    name, {"options": options, "tries": chosen.get(name, {}).get("tries", 0), "fits": [], "curve": []}
                )
                result["fits"].append(run(name, parts, options, cores))
                if curves and seed == seeds[0] and name in LENGTHS:
                    option, lengths = LENGTHS[name]
                    fits = [run(name, parts, {**options, option: length}, cores) for length in lengths]
                    result["curve"] = [(fit["seconds"], fit["rmse"]) for fit in fits]
                print(size, seed, name, json.dumps(result), file=sys.stderr, flush=True)
    if "embrec" in results:
        with saved(*(tuple(column[:1000] for column in part) for part in (training, test))) as parts:
            few = [run("embrec", parts, results["embrec"]["options"], cores)["seconds"] for _ in seeds]
        results["embrec"]["tracing"] = median(few)
    for result in results.values():
        fits = result.pop("fits")
        result |= {key: median(fit[key] for fit in fits) for key in ("seconds", "rmse", "peak_mb")}
    return {"ratings": len(training[0]), "cores": cores, "seeds": len(seeds), "contenders": results}
