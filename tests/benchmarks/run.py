"""Run the benchmarks and write docs/benchmarks.md.

``python run.py small``, ``scale`` and ``serving`` are what make calls. ``python run.py row NAME...`` measures rows of
the table of targets alone, at a size of one's own with ``--size``. ``tables``, ``default`` and ``tune`` measure the
rest. Results are kept in a JSON file beside the document, each with its date and commit, so that each can be run alone.
Tuning takes half an hour, and its result is in options.json, so that measuring does not wait for it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import builds
import bulk_paths
import default_model
import fits
import from_tables
import growth
import page
import serving as answers
from rows import ROWS
from stages import Bench

from embrec import kernels

GROWTH = "growth"
# Twice this must fit into memory beside the largest training, because each build has a server.
SHARED_BUFFERS = "1GB"
SECONDS = 4  # that each question is asked for
Result = dict[str, Any]


def small() -> Iterator[Result]:
    """Measure MovieLens 100K's fold u1, a million synthetic ratings, and the bulk paths at a million: five minutes."""
    seeds = (0, 1, 2)
    yield {"u1": fits.measure("u1", ["embrec", "libmf", "cmfrec", "surprise"], seeds, curves=True)}
    yield {"u1, the article": fits.measure("u1", ["article"])}
    yield {"1m": fits.measure("1m", ["embrec", "libmf", "cmfrec", "implicit"], seeds, curves=True)}
    yield {"1m, two cores": fits.measure("1m", ["embrec", "libmf"], cores="0,1")}
    yield {"bulk 1m": bulk_paths.measure("1m")}
    yield {"serving 1m": answers.measure("1m", seconds=1)}
    yield default_model.measure([])


def scale() -> Iterator[Result]:
    """Measure a million users: fits of 20 and 100 million ratings, the bulk paths, and the article's whole script."""
    yield {"20m": fits.measure("20m", ["embrec", "libmf", "cmfrec"], curves=True)}
    yield {"20m, two cores": fits.measure("20m", ["embrec", "libmf"], cores="0,1")}
    yield {"100m, two cores": fits.measure("100m", ["embrec"], cores="0,1", options_of="20m")}
    yield {"bulk 20m": bulk_paths.measure("20m")}
    yield {"u1, the article in full": fits.measure("u1", ["article"], curves=True)}


def tables() -> Iterator[Result]:
    """Measure loads from a table of 20 million ratings in the same database; takes a quarter of an hour."""
    yield {"from table 20m": from_tables.measure("20m")}


def serving() -> Iterator[Result]:
    """Measure answers from one and twenty million ratings, and from 100,000 movies; takes half an hour."""
    yield {"serving 1m": answers.measure("1m", seconds=1)}
    yield {"serving 20m": answers.measure("20m", seconds=5, shared_buffers="2GB")}
    yield {"serving 100k movies": answers.measure_many_movies(seconds=5)}


def default() -> Iterator[Result]:
    """Measure the default training of MovieLens 100K and one and 20 million ratings; takes a quarter of an hour."""
    yield default_model.measure(["1m", "20m"])


GROUPS = {"small": small, "scale": scale, "serving": serving, "tables": tables, "default": default}


def tune() -> None:
    """Choose all options again."""
    chosen = {
        "u1": fits.tune("u1", ["embrec", "libmf", "cmfrec", "surprise"], fits.GRIDS),
        "1m": fits.tune("1m", ["embrec", "libmf", "cmfrec"], fits.GRIDS),
        "20m": fits.tune("20m", ["embrec", "libmf", "cmfrec"], fits.SCALE_GRIDS),
    }
    fits.CHOSEN.write_text(json.dumps(chosen, indent=1) + "\n")


def machine() -> Result:
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


def rows(
    names: Sequence[str], size: str | None = None, times: int | None = None, seconds: int = SECONDS
) -> Iterator[Result]:
    """Measure rows on the first two cores, in servers that they share; a row that fails is reported and left out."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:2])  # and so of all processes that are started
    try:
        with Bench((builds.baseline(), builds.OURS), SHARED_BUFFERS, seconds) as bench:
            for name in names:
                begin = time.perf_counter()
                try:
                    found = growth.measure(bench, size) if name == GROWTH else ROWS[name].run(bench, size, times)
                except Exception:
                    print(f"The row {name} failed:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
                    continue
                taken = round(time.perf_counter() - begin)
                print(f"The row {name} took {taken} s.", file=sys.stderr, flush=True)
                made = {"date": datetime.now(UTC).date().isoformat(), "commit": builds.commit()}
                yield {"rows": {name: {**made, "kernels": kernels.in_use(), "taken": taken, **found}}}
    finally:
        os.sched_setaffinity(0, cores)


def of_group(group: str) -> list[str]:
    """Return the rows of a group, in their order; growth comes after those of scale, whose databases it uses."""
    return [name for name, row in ROWS.items() if row.group == group] + [GROWTH] * (group == "scale")


def keep(result: Result, directory: Path) -> None:
    """Add a result to those on file, in place of an earlier one, and write the document."""
    file = directory / "benchmarks.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    found = results.get("rows", {}) | result.get("rows", {})
    results |= result | ({"rows": found} if found else {})
    file.write_text(json.dumps(results, indent=1) + "\n")
    page.write(results, directory)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in (*GROUPS, "tune"):
        commands.add_parser(name)
    row = commands.add_parser("row", help="measure rows of the table of targets")
    row.add_argument("names", nargs="+", choices=[*ROWS, GROWTH], metavar="NAME", help=", ".join([*ROWS, GROWTH]))
    row.add_argument("--size", help="USERSxMOVIESxRATINGS, or a name of data.py (default: the row's own)")
    row.add_argument("--times", type=int, help="measurements of each contender (default: the row's own)")
    row.add_argument("--seconds", type=int, default=SECONDS, help="time to ask each question for (default: 4)")
    row.add_argument("--into", type=Path, default=page.DOCS, help="directory of benchmarks.json and the page")
    return parser.parse_args()


def main() -> None:
    """Run one set, add its results to the file one by one, write the document."""
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    if given.command == "tune":
        tune()
        return
    if given.command == "row":
        names, into, others = given.names, given.into, iter(())
        measured = rows(names, given.size, given.times, given.seconds)
    else:
        names, into, others = of_group(given.command), page.DOCS, GROUPS[given.command]()
        keep({"machine": machine()}, into)
        measured = rows(names) if names else iter(())
    failed = set(names)
    for result in measured:
        keep(result, into)
        failed -= result["rows"].keys()
    for result in others:
        keep(result, into)
    if failed:
        raise SystemExit(f"Rows that failed, with their reasons above: {', '.join(sorted(failed))}.")


if __name__ == "__main__":
    main()
