"""Run the benchmarks and write docs/benchmarks.md.

``python run.py small``, ``scale`` and ``serving`` measure the rows of the table of targets, and are what make calls.
``row NAME...`` measures some of them alone, at a size of one's own with ``--size``. ``fits`` and ``tables`` measure
the rest. Each result is kept at once in a JSON file beside the document, with its date and commit, in place of an
earlier one. ``page`` writes the document from that file. Tuning takes half an hour, and its result is in options.json,
so that measuring does not wait for it.
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
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import builds
import fits
import from_tables
import page
from growth import GROWTHS
from rows import ROWS
from stages import Bench

from embrec import kernels

GROUPS = ("small", "scale", "serving")
MEASURES = ROWS | GROWTHS
PACKAGES = ("tensorflow", "keras", "numpy", "libmf", "cmfrec", "implicit", "scikit-surprise", "myfm")
# Twice this must fit into memory beside the largest training, because each build has a server.
SHARED_BUFFERS = "1GB"
SECONDS = 4  # that each question is asked for
Result = dict[str, Any]


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
    command = ["taskset", "-c", "0", sys.executable, str(Path(__file__).with_name("limits.py"))]
    limits = subprocess.run(command, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, capture_output=True, check=True)
    name = f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"
    return {"name": ", ".join([name, *installed()]), **json.loads(limits.stdout)}


def installed() -> Iterator[str]:
    """Yield the libraries that are installed, with their versions."""
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def made() -> Result:
    """Return the date and the commit of a measurement."""
    return {"date": datetime.now(UTC).date().isoformat(), "commit": builds.commit()}


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
                    found = ROWS[name].run(bench, size, times) if name in ROWS else GROWTHS[name].run(bench, size)
                except Exception:
                    print(f"The row {name} failed:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
                    continue
                taken = round(time.perf_counter() - begin)
                print(f"The row {name} took {taken} s.", file=sys.stderr, flush=True)
                yield {"rows": {name: {**made(), "kernels": kernels.in_use(), "taken": taken, **found}}}
    finally:
        os.sched_setaffinity(0, cores)


def of_group(group: str) -> list[str]:
    """Return the rows of a group, in their order."""
    return [name for name, row in MEASURES.items() if row.group == group]


def keep(result: Result, directory: Path) -> None:
    """Add a result to those on file, in place of an earlier one, and write the document."""
    results = kept(directory)
    found = results.get("rows", {}) | result.get("rows", {})
    results |= result | {"rows": found}
    directory.mkdir(parents=True, exist_ok=True)
    part = directory / "benchmarks.json.part"
    part.write_text(json.dumps(results, indent=1) + "\n")
    part.replace(directory / "benchmarks.json")  # so that a run that is cut off leaves a whole file
    page.write(results, directory)


def kept(directory: Path) -> Result:
    """Return the results on file."""
    file = directory / "benchmarks.json"
    return json.loads(file.read_text()) if file.exists() else {}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--into", type=Path, default=page.DOCS, help="directory of benchmarks.json and the page")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in GROUPS:
        commands.add_parser(name, parents=[common], help=f"measure {', '.join(of_group(name))}")
    row = commands.add_parser("row", parents=[common], help="measure rows of the table of targets")
    row.add_argument("names", nargs="+", choices=[*MEASURES], metavar="NAME", help=", ".join(MEASURES))
    row.add_argument("--size", help="USERSxMOVIESxRATINGS, or a name of data.py (default: the row's own)")
    row.add_argument("--times", type=int, help="measurements of each contender (default: the row's own)")
    row.add_argument("--seconds", type=int, default=SECONDS, help="time to ask each question for (default: 4)")
    fit = commands.add_parser("fits", parents=[common], help="measure fits beside other libraries")
    fit.add_argument("names", nargs="+", choices=[*fits.SETS], metavar="NAME", help="; ".join(fits.SETS))
    commands.add_parser("tables", parents=[common], help="measure loads from a table of 20 million ratings")
    commands.add_parser("page", parents=[common], help="write the page from the results on file")
    commands.add_parser("tune", help="choose the options of all fits again")
    return parser.parse_args()


def main() -> None:
    """Measure what is asked for, and keep each result at once."""
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    if given.command == "tune":
        tune()
    elif given.command == "page":
        page.write(kept(given.into), given.into)
    elif given.command == "fits":
        for name in given.names:
            keep({name: made() | fits.measure(**fits.SETS[name])}, given.into)
    elif given.command == "tables":
        keep({"from table 20m": made() | from_tables.measure("20m")}, given.into)
    elif given.command == "row":
        measure(rows(given.names, given.size, given.times, given.seconds), given.names, given.into)
    else:
        keep({"machine": machine()}, given.into)
        measure(rows(of_group(given.command)), of_group(given.command), given.into)


def measure(measured: Iterator[Result], names: Sequence[str], into: Path) -> None:
    """Keep each row at once; those that failed are named at the end."""
    failed = set(names)
    for result in measured:
        keep(result, into)
        failed -= result["rows"].keys()
    if failed:
        raise SystemExit(f"Rows that failed, with their reasons above: {', '.join(sorted(failed))}.")


if __name__ == "__main__":
    main()
