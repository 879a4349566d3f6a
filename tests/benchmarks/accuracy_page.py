"""The page of accuracy on MovieLens 100K, from the results of accuracy.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uncertainty
from page_parts import DOCS

from embrec.evaluation import beyond
from embrec.evaluation.outcome import Outcome, summary

RESULTS = DOCS / "accuracy.json"
# The beginnings of the names of our models.
OURS = ("embrec", "matrix-factorization")


def table(task: str, rows: dict[str, Any]) -> list[str]:
    """Write a task's table: means and standard deviations over splits, and paired differences from the first row."""
    found = list(summary([Outcome(task, name, values) for name, values in rows.items()]))
    names = list(dict.fromkeys(key for row in found for key in row if key not in ("task", "model")))
    beside = beyond.apart(names)
    tables = [[name for name in names if name not in beside], beside]
    return [line for columns in tables if columns for line in ["", *_table_of(found, columns)]][1:]


def _table_of(found: Sequence[dict[str, Any]], columns: Sequence[str]) -> list[str]:
    lines = ["| model | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for number, row in enumerate(found):
        cells = []
        for column in columns:
            if column not in row:
                cells.append("")
                continue
            mean, _, difference, deviation = row[column]
            spread = f" ± {deviation:.4f}" if deviation else ""
            cells.append(f"{mean:.4f}" + (f" ({difference:+.4f}{spread})" if number else ""))
        lines.append(f"| {row['model']} | " + " | ".join(cells) + " |")
    return lines


def targets(results: dict[str, Any]) -> list[str]:
    """Write the table of targets: the figure measured, that of the best peer, and the one that was hoped for."""
    untold, default = "embrec", "embrec with movies and users"
    rows = [
        ("RMSE, from ratings alone", "ratings", untold, "RMSE", 0.874),
        ("RMSE, with movies and users", "ratings", default, "RMSE", 0.871),
        ("NDCG@10", "top-n", untold, "NDCG@10", 0.405),
        ("Recall@20", "top-n", untold, "Recall@20", 0.443),
        ("MAP@10", "top-n", untold, "MAP@10", 0.27),
        ("similar movies, genre Jaccard@10", "similar", default, "genre Jaccard@10", 0.41),
        ("similar movies, same group, hit@10", "similar", default, "same group, hit@10", 0.8),
        ("similar movies, liked along, cosine", "similar", default, "liked along (cosine)", 0.255),
        ("similar movies, liked along, lift", "similar", default, "liked along (lift)", 0.112),
    ]
    lines = ["| metric | by default | best peer | ahead | target | met |", "|---|---|---|---|---|---|"]
    for what, task, model, metric, hoped in rows:
        found = {name: float(np.mean(each[metric])) for name, each in results[task].items() if metric in each}
        sign = -1 if metric == "RMSE" else 1
        peers = [name for name in found if not name.startswith(OURS) and (model != untold or "with" not in name)]
        best = max(peers, key=lambda name: sign * found[name])
        marks = ["yes" if sign * (found[model] - each) >= 0 else "no" for each in (found[best], hoped)]
        lines.append(
            f"| {what} | {found[model]:.4f} | {found[best]:.4f}, {best} | {marks[0]} | {hoped:.4f} | {marks[1]} |"
        )
    return lines


def write(results: dict[str, Any]) -> None:
    """Write the document."""
    lines = [Path(__file__).with_name("accuracy.md").read_text().rstrip(), "", "## Targets", "", *targets(results)]
    titles = {
        "ratings": "Ratings",
        "top-n": "Lists",
        "top-n by time": "Lists, split by time",
        "similar": "Similar movies",
        "sparse": "Similar movies where ratings are few",
        "live": "Live vectors",
        "new-users": "New users",
        "new-movies": "New movies",
        "diversity": "Diversity",
    }
    for task, title in titles.items():
        if task in results:
            lines += ["", f"## {title}", "", *table(title, results[task])]
    if "uncertainty" in results:
        lines += ["", "## Uncertainty", "", *uncertainty.table(results["uncertainty"]["embrec"])]
    lines += ["", "## Options chosen for the peers", ""]
    lines += [f"- {name}: {options}" for name, options in results["chosen"].items()]
    lines += ["", "Versions: " + ", ".join(f"{name} {number}" for name, number in results["versions"].items()) + "."]
    (DOCS / "accuracy.md").write_text("\n".join(lines) + "\n")
