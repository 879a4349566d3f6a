"""Run the benchmarks and write docs/benchmarks.md: ``python run.py small``, ``scale``, ``tables``, ``serving``,
``default`` or ``tune``.

Results are kept in a JSON file beside the document, so that each can be run alone. Tuning takes half an hour, and its
result is in options.json, so that measuring does not wait for it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bulk_paths
import default_model
import fits
import from_tables
import page
import serving as answers

RESULTS = page.DOCS / "benchmarks.json"


def small() -> dict[str, Any]:
    """Measure MovieLens 100K's fold u1, a million synthetic ratings, and the bulk paths at a million: five minutes."""
    seeds = (0, 1, 2)
    return {
        "u1": fits.measure("u1", ["embrec", "libmf", "cmfrec", "surprise"], seeds, curves=True),
        "u1, the article": fits.measure("u1", ["article"]),
        "1m": fits.measure("1m", ["embrec", "libmf", "cmfrec", "implicit"], seeds, curves=True),
        "1m, two cores": fits.measure("1m", ["embrec", "libmf"], cores="0,1"),
        "bulk 1m": bulk_paths.measure("1m"),
        "serving 1m": answers.measure("1m", seconds=1),
        **default_model.measure([]),
    }


def scale() -> dict[str, Any]:
    """Measure a million users: fits of 20 and 100 million ratings, the bulk paths, and the article's whole script."""
    return {
        "20m": fits.measure("20m", ["embrec", "libmf", "cmfrec"], curves=True),
        "20m, two cores": fits.measure("20m", ["embrec", "libmf"], cores="0,1"),
        "100m, two cores": fits.measure("100m", ["embrec"], cores="0,1", options_of="20m"),
        "bulk 20m": bulk_paths.measure("20m"),
        "u1, the article in full": fits.measure("u1", ["article"], curves=True),
    }


def tables() -> dict[str, Any]:
    """Measure loads from a table of 20 million ratings in the same database; takes a quarter of an hour."""
    return {"from table 20m": from_tables.measure("20m")}


def serving() -> dict[str, Any]:
    """Measure answers from one and twenty million ratings, and from 100,000 movies; takes half an hour."""
    return {
        "serving 1m": answers.measure("1m", seconds=1),
        "serving 20m": answers.measure("20m", seconds=5, shared_buffers="2GB"),
        "serving 100k movies": answers.measure_many_movies(seconds=5),
    }


def default() -> dict[str, Any]:
    """Measure the default training of MovieLens 100K and one and 20 million ratings; takes a quarter of an hour."""
    return default_model.measure(["1m", "20m"])


def tune() -> None:
    """Choose all options again."""
    chosen = {
        "u1": fits.tune("u1", ["embrec", "libmf", "cmfrec", "surprise"], fits.GRIDS),
        "1m": fits.tune("1m", ["embrec", "libmf", "cmfrec"], fits.GRIDS),
        "20m": fits.tune("20m", ["embrec", "libmf", "cmfrec"], fits.SCALE_GRIDS),
    }
    fits.CHOSEN.write_text(json.dumps(chosen, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """Return the machine, the versions, and the peak performance of one core."""
    model = next(
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    )
    packages = ("tensorflow", "keras", "numpy", "libmf", "cmfrec", "implicit", "scikit-surprise")
    command = ["taskset", "-c", "0", sys.executable, str(Path(__file__).with_name("limits.py"))]
    limits = subprocess.run(command, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, capture_output=True, check=True)
    return {
        "name": f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages),
        **json.loads(limits.stdout),
    }


def main() -> None:
    """Run one set, add it to the results, write the document."""
    if sys.argv[1] == "tune":
        tune()
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results |= {
        "machine": machine(),
        **{"small": small, "scale": scale, "tables": tables, "serving": serving, "default": default}[sys.argv[1]](),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    page.write(json.loads(RESULTS.read_text()))


if __name__ == "__main__":
    main()
