"""Measure accuracy on other data beside tuned peers, write docs/accuracy-elsewhere.md: ``python other_data.py SET``.

A set is a name of public_sets.py, or a file or folder of ratings or events that ``embrec load`` takes. Several may
follow each other; ``page`` writes the page anew. The results of each contender are kept in docs/accuracy-elsewhere.json
as they come, and ``--only=NAME`` measures those with NAME in their name alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import peers_apart
import public_sets
import tuning
from accuracy_page import table
from page_parts import DOCS, between

from embrec.data.arrays import NO_TIME
from embrec.errors import DataError
from embrec.evaluation import contenders, evaluate
from embrec.evaluation.contender import Contender
from embrec.evaluation.data import EvaluationData
from embrec.evaluation.outcome import Outcome

RESULTS, PAGE = DOCS / "accuracy-elsewhere.json", DOCS / "accuracy-elsewhere.md"
SEEDS = (0, 1, 2)
TITLES = {"ratings": "Ratings", "lists": "Lists", "lists by time": "Lists, split by time", "similar": "Similar movies"}


def facts(data: EvaluationData) -> dict[str, Any]:
    """Return the size and shape of a data set."""
    pairs = data.interactions
    counts = np.bincount(pairs.movies, minlength=data.ratings.movie_count)
    return {
        "users": data.ratings.user_count,
        "movies": data.ratings.movie_count,
        "pairs" if len(data.events.users) else "ratings": len(pairs.users),
        "median a movie": int(np.median(counts)),
        "movies with at most two": f"{np.mean(counts <= 2):.0%}",
    }


def everybody(data: EvaluationData, only: str, chosen: dict[str, str]) -> Iterator[Contender]:
    """Yield us, the baselines, and each peer as it is tuned."""
    ours = replace(contenders.named("two-part"), name="embrec")
    yield from (each for each in (ours, contenders.biases(), contenders.popularity()) if only in each.name)
    for contender, options in tuning.tuned(data, only, "random"):
        chosen[contender.name] = options
        yield contender


def measured(data: EvaluationData, contender: Contender) -> Iterator[tuple[str, list[Outcome]]]:
    """Yield what a contender is measured by, and each figure."""
    if contender.rate and data.ratings.differ:
        yield "ratings", evaluate.rate(data, [contender], "random")
    if contender.rank:
        begin = sum(os.times()[:4])
        outcomes = evaluate.rank(data, [contender], SEEDS)
        for outcome in outcomes:
            outcome.values["CPU s"] = [(sum(os.times()[:4]) - begin) / len(SEEDS)]
        yield "lists", outcomes
    if contender.rank and not (np.concatenate([data.rated_at, data.events.occurred_at]) == NO_TIME).any():
        yield "lists by time", evaluate.rank(data, [contender], SEEDS[:1], way="time")
    if contender.compare:
        try:
            yield "similar", evaluate.compare(data, [contender], SEEDS)
        except DataError as error:
            print(error, file=sys.stderr)


def measure(data: EvaluationData, results: dict[str, Any], only: str) -> None:
    """Measure everybody on a data set, and keep each result when it is there."""
    found = results.setdefault(data.name, {"chosen": {}})
    found["facts"] = facts(data)
    found["versions"] = peers_apart.versions()
    for contender in everybody(data, only, found["chosen"]):
        for task, outcomes in measured(data, contender):
            for outcome in outcomes:
                print(task, contender.name, outcome.values, file=sys.stderr, flush=True)
                found.setdefault(task, {})[contender.name] = outcome.values
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def in_short(results: dict[str, Any]) -> Iterator[str]:
    """Write a table of us and the best peer on each data set."""
    yield from ("", "| data | measure | embrec | best peer | difference, by split |", "|---|---|---|---|---|")
    for name, found in results.items():
        for task, metric, sign in (("ratings", "RMSE", -1), ("lists", "NDCG@10", 1)):
            values = {model: np.array(each[metric]) for model, each in found.get(task, {}).items()}
            if len(values) < 2:
                continue
            ours = values.pop("embrec")
            best = max(values, key=lambda model: sign * values[model].mean())
            apart = ", ".join(f"{each:+.4f}" for each in ours - values[best])
            yield f"| {name} | {metric} | {ours.mean():.4f} | {values[best].mean():.4f}, {best} | {apart} |"


def page(results: dict[str, Any]) -> Iterator[str]:
    """Write the lines of each data set."""
    yield from in_short(results)
    for name, found in results.items():
        size = ", ".join(f"{what}: {value}" for what, value in found["facts"].items())
        yield from ("", f"## {name}", "", f"{size[0].upper()}{size[1:]}.")
        for task, title in TITLES.items():
            if task in found:
                yield from ("", f"### {title}: {name}", "", *table(task, found[task]))
        chosen = "; ".join(f"{model}: {options}" for model, options in found["chosen"].items())
        versions = ", ".join(f"{library} {number}" for library, number in found["versions"].items())
        yield from ("", f"Chosen on a split of the training part: {chosen}. Versions: {versions}.")


def main() -> None:
    """Measure the data sets named, and write the page."""
    only = next((each.removeprefix("--only=") for each in sys.argv[1:] if each.startswith("--only=")), "")
    names = [each for each in sys.argv[1:] if not each.startswith("--") and each != "page"]
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names:
        measure(public_sets.read(name), results, only)
    between(PAGE, Path(__file__).name, list(page(results))[1:])


if __name__ == "__main__":
    main()
