"""Runs the benchmarks and writes docs/benchmarks.md: ``python run.py small`` or ``python run.py scale``.

Results of a size are kept in a JSON file beside the document, so that small and scale can be run apart.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bulk_paths
import fits

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "benchmarks.json"


def small() -> dict[str, Any]:
    """Under five minutes: MovieLens 100K's fold u1, a million made-up ratings, and the bulk paths at a million."""
    one_core = fits.measure("1m", ["embrec", "libmf", "cmfrec", "implicit"], runs=3)
    chosen = {"embrec": one_core["contenders"]["embrec"]["options"]}
    return {
        "machine": machine(),
        "u1": fits.measure("u1", ["embrec", "libmf", "cmfrec", "surprise", "article"], runs=3),
        "1m": one_core,
        "1m, two cores": fits.measure("1m", ["embrec"], cores="0,1", runs=3, settled=chosen),
        "bulk 1m": bulk_paths.measure("1m"),
    }


# Options for sizes at which tuning takes hours: near those that win at a million ratings of the same making. libmf,
# which is quick, is tuned there too.
SETTLED: dict[str, dict[str, Any]] = {
    "embrec": {"dimensions": 15, "penalty": 8.0, "penalty_per_rating": 0.05, "epochs": 1},
    "cmfrec": {"k": 16, "penalty": 8.0, "iterations": 4},
}


def scale() -> dict[str, Any]:
    """Twenty million ratings of a million users: fits on one core, embrec's on two as well, and the bulk paths."""
    return {
        "machine": machine(),
        "20m": fits.measure("20m", ["embrec", "libmf", "cmfrec"], settled=SETTLED),
        "20m, two cores": fits.measure("20m", ["embrec"], cores="0,1", settled=SETTLED),
        "bulk 20m": bulk_paths.measure("20m"),
    }


def machine() -> str:
    """The machine and the versions, in a line."""
    model = next(
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    )
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy", "libmf", "cmfrec", "implicit")
    )
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, {packages}"


def fit_table(result: dict[str, Any]) -> list[str]:
    """A size's contenders, one a row."""
    ours = result["contenders"]["embrec"]["seconds"]
    lines = [
        "| contender | seconds | x embrec's | test RMSE | peak MB | options (chosen from) |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in result["contenders"].items():
        error = "-" if each["rmse"] != each["rmse"] else f"{each['rmse']:.4f}"
        options = ", ".join(f"{key} {value}" for key, value in each["options"].items())
        tries = f"{each['tries']} tries" if each["tries"] else "given"
        lines.append(
            f"| {name} | {each['seconds']:.2f} | {each['seconds'] / ours:.2f} | {error} | {each['peak_mb']:.0f} |"
            f" {options} ({tries}) |"
        )
    for name, each in result["contenders"].items():
        if each["curve"]:
            points = ", ".join(f"{seconds:.2f} s {error:.4f}" for seconds, error in each["curve"])
            lines.append(f"\n{name}, fits of several lengths: {points}" if points else "")
    return lines


def bulk_table(result: dict[str, Any]) -> list[str]:
    """The bulk paths beside raw COPY."""
    count, vectors = result["ratings"], result["vectors"]
    raw_in = result["raw_copy_in"] + result["raw_primary_key"]
    return [
        "| step | seconds | a second | raw COPY | rate, of raw |",
        "|---|---|---|---|---|",
        f"| load from CSV | {result['load']:.2f} | {count / result['load'] / 1e6:.2f} M ratings | {raw_in:.2f}"
        f" (with the primary key) | {raw_in / result['load']:.2f} |",
        f"| extract | {result['extract']:.2f} | {count / result['extract'] / 1e6:.2f} M ratings |"
        f" {result['raw_copy_out']:.2f} | {result['raw_copy_out'] / result['extract']:.2f} |",
        f"| extract, per CPU-second of client and server | {result['extract_cpu']:.2f} |"
        f" {count / result['extract_cpu'] / 1e6:.2f} M ratings | | |",
        f"| store the vectors, keys and statistics included | {result['train']['store']:.2f} |"
        f" {vectors / result['train']['store'] / 1e6:.2f} M vectors | {result['raw_vectors']:.2f} (no keys) |"
        f" {result['raw_vectors'] / result['train']['store']:.2f} |",
        f"| publish | {result['train']['publish']:.4f} | | | |",
        f"| CSV file to first similar_movies answer | {result['from_csv_to_answer']:.1f} | | | |",
    ]


def write(results: dict[str, Any]) -> None:
    """Write the document from all results there are."""
    lines = [(Path(__file__).with_name("preface.md")).read_text().rstrip()]
    for title, result in results.items():
        if title in ("machine",):
            continue
        lines += ["", f"## {title}", ""]
        if title.startswith("bulk"):
            lines += [f"{result['ratings']:,} ratings.", "", *bulk_table(result)]
        else:
            cores = len(result["cores"].split(","))
            lines += [
                f"{result['ratings']:,} training ratings, {cores} core(s), median of {result['runs']} run(s).",
                "",
                *fit_table(result),
            ]
    lines += ["", f"Machine: {results['machine']}."]
    (DOCS / "benchmarks.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Run one set, add it to the results, write the document."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results |= {"small": small, "scale": scale}[sys.argv[1]]()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write(results)


if __name__ == "__main__":
    main()
