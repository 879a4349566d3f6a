"""Write docs/benchmarks.md and its plots from the results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import page_rows
from fits import SETS
from matplotlib.figure import Figure
from page_tables import curves, fit_table, from_table

DOCS = Path(__file__).resolve().parents[2] / "docs"
COLOURS = {"embrec": "#0b6e4f", "libmf": "#c8553d", "cmfrec": "#3d5a98", "surprise": "#8a6d3b", "article": "#777777"}
MARKS = {"embrec": "o", "libmf": "s", "cmfrec": "^", "surprise": "D", "article": "x"}


def write(results: dict[str, Any], directory: Path = DOCS) -> None:
    """Write the document from all results, and a plot for each size that has curves."""
    lines = [Path(__file__).with_name("preface.md").read_text().rstrip(), ""]
    lines += [*page_rows.sections(results.get("rows", {})), "", "## Beside other libraries", "", *targets(results)]
    for title in (title for title in SETS if title in results):
        result = results[title]
        cores, seeds = len(result["cores"].split(",")), result["seeds"]
        lines += ["", f"## {title}", ""]
        lines += [
            f"{result['ratings']:,} training ratings; cores: {cores}; median of {seeds} seed(s). {made(result)}",
            "",
        ]
        lines += fit_table(result)
        if any(each["curve"] for each in result["contenders"].values()):
            name = f"benchmarks-{title.split(',')[0]}{'-article' if 'article' in title else ''}.svg"
            plot(title, result, directory / name)
            lines += ["", f"![Test RMSE by seconds of fitting, {title}]({name})", "", *curves(result)]
    for title in (title for title in sorted(results) if title.startswith("from table")):
        lines += ["", f"## {title}", "", made(results[title]), "", *from_table(results[title])]
    if "machine" in results:
        lines += ["", "## Machine", "", f"{results['machine']['name']}.", *limits(results)]
    (directory / "benchmarks.md").write_text("\n".join(lines) + "\n")


def made(result: dict[str, Any]) -> str:
    """Return the sentence on when a result was measured, and on which commit."""
    return f"Measured on {result['date']}, commit {result['commit']}."


def targets(results: dict[str, Any]) -> list[str]:
    """Write the table of targets and measurements."""
    return ["| what | target | measured | met |", "|---|---|---|---|", *target_rows(results)]


def target_rows(results: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each target whose size has been measured."""

    def row(what: str, target: str, measured: str, met: bool) -> str:
        return f"| {what} | {target} | {measured} | {'yes' if met else 'no'} |"

    if "20m" in results:
        ours, libmf, cmfrec = (results["20m"]["contenders"][name] for name in ("embrec", "libmf", "cmfrec"))
        seconds, best = at_its_best(libmf)
        reached = reaching(ours, best)
        yield row(
            "fit, 20M ratings, 1M x 10k, one core",
            "libmf's best RMSE in at most half of its time",
            f"{reached:.1f} s ({ours['rmse']:.4f}) against {seconds:.1f} s ({best:.4f}): {reached / seconds:.2f}",
            reached <= seconds / 2,
        )
        yield row(
            "the same against cmfrec",
            "3x faster, RMSE no worse",
            f"{cmfrec['seconds'] / ours['seconds']:.1f}x, {ours['rmse']:.4f} against {cmfrec['rmse']:.4f}",
            cmfrec["seconds"] >= 3 * ours["seconds"] and ours["rmse"] <= cmfrec["rmse"],
        )
        yield row("the same, peak memory", "under 3 GB", f"{ours['peak_mb'] / 1024:.1f} GB", ours["peak_mb"] < 3072)
    if "1m" in results:
        ours, *peers = (results["1m"]["contenders"][name] for name in ("embrec", "libmf", "cmfrec"))
        seconds, best = at_its_best(peers[0])
        reached = reaching(ours, best)
        yield row(
            "fit, 1M ratings, one core",
            "libmf's best RMSE in libmf's time, tracing not counted",
            f"{reached:.2f} s, {ours['tracing']:.2f} of it tracing, against {seconds:.2f} s:"
            f" {(reached - ours['tracing']) / seconds:.2f}",
            reached - ours["tracing"] <= seconds,
        )
        lowest = min(peer["rmse"] for peer in peers)
        met = ours["rmse"] <= lowest
        yield row("the same, RMSE", "no worse than the best peer's", f"{ours['rmse']:.4f} against {lowest:.4f}", met)
    if "u1" in results:
        ours = results["u1"]["contenders"]["embrec"]
        met = ours["rmse"] <= 0.922 and ours["seconds"] < 1
        found = f"{ours['rmse']:.4f} in {ours['seconds']:.2f} s"
        yield row("fit, MovieLens 100K fold u1", ".922 in under 1 s after imports", found, met)
    if "100m, two cores" in results:
        ours, smaller = (results[f"{size}, two cores"] for size in ("100m", "20m"))
        each = [result["contenders"]["embrec"]["seconds"] / result["ratings"] * 1e9 for result in (ours, smaller)]
        memory = ours["contenders"]["embrec"]["peak_mb"] / 1024
        found = f"{each[0]:.0f} ns a rating against {each[1]:.0f} at 20M: {each[0] / each[1]:.2f}; {memory:.1f} GB"
        target = "a rating no slower than at 20M, within 24 GiB"
        yield row("fit, 100M ratings, two cores", target, found, each[0] <= each[1] and memory < 24)
    if "from table 20m" in results:
        result = results["from table 20m"]
        ratio = result["copy_with_key"] / result["load"]
        found = f"{ratio:.2f}x with a primary key as ours; {result['copy'] / result['load']:.2f}x of a copy without any"
        yield row("load, a table of 20M ratings of the same database", "0.6x INSERT ... SELECT", found, ratio >= 0.6)


def at_its_best(contender: dict[str, Any]) -> tuple[float, float]:
    """Return the seconds and error of the fit with the lowest error."""
    return min([(contender["seconds"], contender["rmse"]), *map(tuple, contender["curve"])], key=lambda fit: fit[1])


def reaching(contender: dict[str, Any], rmse: float) -> float:
    """Return the seconds of the quickest fit with at most this error; infinite if there is none."""
    fits = [(contender["seconds"], contender["rmse"]), *contender["curve"]]
    return min((seconds for seconds, error in fits if error <= rmse), default=float("inf"))


def plot(title: str, result: dict[str, Any], path: Path) -> None:
    """Plot time to accuracy: test error against seconds."""
    mpl.rcParams["svg.hashsalt"] = "embrec"  # so that the same results give the same file
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, each in result["contenders"].items():
        if each["curve"]:
            seconds, errors = zip(*sorted(map(tuple, each["curve"])), strict=True)
            axes.plot(seconds, errors, marker=MARKS[name], color=COLOURS[name], label=name)
    axes.set(xscale="log", xlabel="seconds of fitting (log scale)", ylabel="test RMSE", title=title)
    for formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        formatter(lambda value, _: f"{value:g}")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def limits(results: dict[str, Any]) -> list[str]:
    """Write the peak performance of a core, and the least that a fit needs."""
    machine = results["machine"]
    lines = [
        "",
        f"One core multiplies matrices at {machine['sgemm_gflops']:.0f} GFLOP/s (sgemm) and copies memory at"
        f" {machine['copy_gb_per_second']:.0f} GB/s (read and written).",
    ]
    if "20m" in results:
        ours = results["20m"]["contenders"]["embrec"]
        width, ratings = ours["options"]["dimensions"] + 1, results["20m"]["ratings"]
        # The warm-up is 9 half sweeps over a fifth of the ratings, then one over all.
        visits = ratings * (9 * 0.2 + 1)
        flops, gigabytes = visits * 2 * width**2 / 1e9, visits * 4 * (width + 2) / 1e9
        lines[-1] += (
            f" The fit of 20M visits {visits / 1e6:.0f} M ratings. That is {flops:.0f} GFLOP of Gram matrices and"
            f" {gigabytes:.1f} GB of vectors read at random. At those rates it takes"
            f" {flops / machine['sgemm_gflops']:.2f} s and {gigabytes / machine['copy_gb_per_second']:.2f} s of the"
            f" fit's {ours['seconds']:.1f} s."
            " The rest is grouping, padded copies for batched products, small factorizations, and tracing."
        )
    return lines
