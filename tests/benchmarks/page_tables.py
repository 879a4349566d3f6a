"""The page's tables of fits, bulk paths, trainings and answers, each from one result."""

from __future__ import annotations

import statistics
from typing import Any


def from_table(result: dict[str, Any]) -> list[str]:
    """Write the table of loads from the same database, beside INSERT ... SELECT."""
    count = result["ratings"]
    steps = {
        "`embrec load --from-table`: ids, newest of each pair, three keys, statistics": result["load"],
        "INSERT ... SELECT into a table with a primary key": result["copy_with_key"],
        "INSERT ... SELECT into a table without any key": result["copy"],
    }
    return [
        f"{count:,} ratings of a table in the order of their times, bigint ids; medians of three, in turn.",
        "",
        "| step | seconds | M ratings a second |",
        "|---|---|---|",
        *(f"| {step} | {seconds:.1f} | {count / seconds / 1e6:.2f} |" for step, seconds in steps.items()),
        f"| ten thousand new rows, by a watermark | {result['load_what_is_new']:.2f} | |",
    ]


def fit_table(result: dict[str, Any]) -> list[str]:
    """Write the table of a size's contenders, one a row."""
    first = next(iter(result["contenders"].values()))["seconds"]
    lines = [
        "| contender | seconds | relative to the first | test RMSE | peak MB | options (chosen from) |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in result["contenders"].items():
        error = "-" if each["rmse"] != each["rmse"] else f"{each['rmse']:.4f}"
        options = ", ".join(f"{key} {value}" for key, value in each["options"].items())
        tries = f"{each['tries']} tries" if each["tries"] else "given"
        lines.append(
            f"| {name} | {each['seconds']:.2f} | {each['seconds'] / first:.2f} | {error} | {each['peak_mb']:.0f} |"
            f" {options} ({tries}) |"
        )
    return lines


def curves(result: dict[str, Any]) -> list[str]:
    """Write the table of fits with several numbers of iterations."""
    lines = []
    for name, each in result["contenders"].items():
        if each["curve"]:
            points = ", ".join(f"{seconds:.2f} s {error:.4f}" for seconds, error in each["curve"])
            lines.append(f"- {name}, fits of several lengths: {points}")
    return lines


def bulk_table(result: dict[str, Any]) -> list[str]:
    """Write the table of the bulk paths beside raw COPY."""
    count, vectors, peaks = result["ratings"], result["vectors"], result["peak_mb"]
    raw_in = result["raw_copy_in"] + result["raw_primary_key"]

    def row(step: str, seconds: float, rows: int, unit: str, raw: float, note: str, peak: str = "") -> str:
        rate = f"{rows / seconds / 1e6:.2f} M {unit}"
        return f"| {step} | {seconds:.2f} | {rate} | {raw:.2f} ({note}) | {raw / seconds:.2f} | {peak} |"

    return [
        "| step | seconds | a second | raw COPY | rate, of raw | peak MB |",
        "|---|---|---|---|---|---|",
        row("load from CSV", result["load"], count, "ratings", raw_in, "with primary key", f"{peaks['load']:.0f}"),
        row("load from Parquet", result["load_parquet"], count, "ratings", raw_in, "with primary key"),
        row("extract", result["extract"], count, "ratings", result["raw_copy_out"], "out", f"{peaks['extract']:.0f}"),
        f"| extract, CPU-seconds of client and server | {result['extract_cpu']:.2f} |"
        f" {count / result['extract_cpu'] / 1e6:.2f} M ratings | | | |",
        row("copy the vectors", result["copy_vectors"], vectors, "vectors", result["raw_vectors"], "no key"),
        row(
            "store: copy, keys, statistics",
            result["train"]["store"],
            vectors,
            "vectors",
            result["raw_vectors"],
            "no key",
        ),
        f"| fit, matrix factorisation, as by default | {result['train']['fit']:.2f} | | | | {peaks['train']:.0f} |",
        f"| publish | {result['train']['publish']:.4f} | | | | |",
        f"| CSV file to first similar_movies answer | {result['from_csv_to_answer']:.1f} | | | | |",
    ]


def default_table(results: dict[str, Any]) -> list[str]:
    """Write the table of the command on MovieLens 100K, and of the steps of bigger trainings."""
    lines = []
    if command := results.get("default model, MovieLens 100K"):
        lines += ["| command on MovieLens 100K | seconds in all, median | least | most |", "|---|---|---|---|"]
        for name, seconds in command.items():
            lines.append(f"| {name} | {statistics.median(seconds):.1f} | {min(seconds):.1f} | {max(seconds):.1f} |")
    steps = ("extract", "fit", "evaluate", "store")
    for title, each in results.items():
        if "ratings" in each:
            size = title.removeprefix("default model, ")
            lines += ["", f"{each['ratings']:,} ratings ({size}), a tenth of them held out.", ""]
            lines += ["| model | " + " | ".join(f"{step}, s" for step in steps) + " | RMSE | peak MB |"]
            lines += ["|---" * (len(steps) + 3) + "|"]
            for name in ("default", "matrix factorisation"):
                found = each[name]
                seconds = " | ".join(f"{found['seconds'][step]:.1f}" for step in steps)
                lines.append(f"| {name} | {seconds} | {found['rmse']:.4f} | {found['peak_mb']:.0f} |")
    return lines


def serving_table(result: dict[str, Any]) -> list[str]:
    """Write the table of answers by number of clients, and of single measurements."""
    lines = [
        f"{result['ratings']:,} ratings; each for {result['seconds']} s; shared_buffers {result['shared_buffers']}.",
        "",
        "| who | what | clients | p50 ms | p95 | p99 | a second | CPU ms | not prepared, p50 | recall@10 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for asked in result["rows"]:
        for clients, each in asked["clients"].items():
            first = clients == "1"
            unprepared = f"{asked['not prepared']['p50']:.2f}" if first and "not prepared" in asked else ""
            recall = f"{asked['recall']:.3f}" if first and asked["recall"] is not None else ""
            lines.append(
                f"| {asked['who']} | {asked['what']} | {clients} | {each['p50']:.2f} | {each['p95']:.2f} |"
                f" {each['p99']:.2f} | {each['rate']:,.0f} | {each['cpu']:.2f} | {unprepared} | {recall} |"
            )
    if "a million predictions" in result:
        lines += ["", f"A million predicted ratings in one statement: {result['a million predictions']:.1f} s."]
        lines[-1] += f" The ten best movies of every user: {result['all lists']:.0f} s."
    return lines
