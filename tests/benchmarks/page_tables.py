"""The page's tables of fits beside other libraries, and of loads from a table, each from one result."""

from __future__ import annotations

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
