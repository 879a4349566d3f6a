"""The page's tables of the two builds: targets, details, and growth."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np
from growth import GROWTHS
from rows import ROWS
from table import STOPPED, Line

NOT_MEASURED = "not measured"
YES, NO = "yes", "no"
# Figures of the details, in the order of their columns.
DETAILS = ("wall s", "client CPU s", "server CPU s", "peak MB", "server MB", "p50 ms", "CPU ms", "a second")


def targets(results: dict[str, Any]) -> list[str]:
    """Write the table of targets: each line of each row, with the medians of both builds."""
    lines = ["| what | baseline | ours | ratio | target | met |", "|---|---|---|---|---|---|"]
    for name, row in ROWS.items():
        for line in row.lines:
            lines.append("| " + " | ".join(target(line, results.get(name))) + " |")
    return lines


def missed(results: dict[str, Any]) -> Iterator[str]:
    """Yield what was tried for each line whose target is missed."""
    texts = []
    for name, row in ROWS.items():
        for line in row.lines:
            if target(line, results.get(name))[-1] == NO:
                what = line.what if line is row.lines[0] else f"{row.lines[0].what}; {line.what}"
                texts.append(f"- {what}: {line.tried or 'nothing yet'}.")
    if texts:
        yield from ("", "Missed, and what was tried:", "", *texts)


def target(line: Line, result: dict[str, Any] | None) -> tuple[str, ...]:
    """Return the cells of a line: description, baseline, ours, ratio, target, and its verdict."""
    figures = result["figures"] if result else {}
    ours = middle(figures, line.ours, line.figure)
    over = middle(figures, line.over, line.figure) if line.over else 1.0
    beside = line.over if line.over.startswith("baseline") else "baseline"
    before = number(middle(figures, beside, line.figure))
    what, least = line.what, STOPPED in figures.get(beside, {})
    if over is not None and line.over and beside != line.over:
        what += f" ({line.over}: {number(over)})"
    if ours is None or not over:  # the processor's clock is too coarse for a tiny size, and shows 0
        return what, before, number(ours), NOT_MEASURED, bound(line), ""
    value = ours / over
    met = (line.at_most is None or value <= line.at_most) and (line.at_least is None or value >= line.at_least)
    bounded = line.at_most is not None or line.at_least is not None
    ratio = f"{value:.3g}" if line.over else ""
    if least:
        before, ratio = f"over {before}", f"under {ratio}"
    return what, before, number(ours), ratio, bound(line), (YES if met else NO) if bounded else ""


def bound(line: Line) -> str:
    """Return a line's target in words."""
    if line.target:
        return line.target
    if line.at_most is not None:
        return f"at most {line.at_most:.3g}"
    return "" if line.at_least is None else f"at least {line.at_least:.3g}"


def middle(figures: dict[str, Any], contender: str, figure: str) -> float | None:
    """Return the median of a contender's figure, or None if there is none."""
    values = figures.get(contender, {}).get(figure)
    return median(values) if values else None


def number(value: float | None) -> str:
    """Write a number with three digits, or four beyond a thousand."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 100 else f"{value:.3g}"


def details(results: dict[str, Any]) -> list[str]:
    """Write each contender's medians of each row, with the row's size, date and commit."""
    lines = [
        "| row | size | contender | times | " + " | ".join(DETAILS) + " | more | date | commit | kernels |",
        "|---" * (len(DETAILS) + 8) + "|",
    ]
    for name in (name for name in ROWS if name in results):
        result = results[name]
        for contender, figures in result["figures"].items():
            values = [number(middle(result["figures"], contender, figure)) for figure in DETAILS]
            more = ", ".join(
                f"{name} {number(median(found))}" for name, found in figures.items() if name not in DETAILS
            )
            times = str(max(map(len, figures.values())))
            cells = [name, result["size"], contender, times, *values, more]
            cells += [result[key] for key in ("date", "commit", "kernels")]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def growth(axis: str, points: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of an axis: what each step costs at each size, and the exponent of its growth."""
    sizes = [point[axis] for point in points]
    yield f"| step | cost | {' | '.join(f'{size:,} {axis}' for size in sizes)} | exponent |"
    yield "|---" * (len(sizes) + 3) + "|"
    for step, costs in points[0]["steps"].items():
        for cost in costs:
            values = [point["steps"][step][cost] for point in points]
            fitted = f"{exponent(sizes, values):.2f}" if len(points) > 1 else ""
            yield f"| {step} | {cost} | {' | '.join(map(number, values))} | {fitted} |"


def exponent(sizes: list[int], values: list[float]) -> float:
    """Return the slope of the logarithms' regression line: 1 is linear growth."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0])


def sections(results: dict[str, Any]) -> Iterator[str]:
    """Yield the page's lines of both builds."""
    yield from ("## The two builds", "", *targets(results), *missed(results), "", "### In detail", "")
    yield from details(results)
    yield from ("", "### Growth")
    for name, each in GROWTHS.items():
        if name in results:
            made = results[name]
            yield from ("", f"Our build, {made['date']}, commit {made['commit']}; measured once.", "")
            yield from growth(each.axis, made[each.axis])
        else:
            yield from ("", f"By {each.axis}: {NOT_MEASURED}.")
