"""Measure accuracy on MovieLens 100K beside other libraries and write docs/accuracy.md: ``python accuracy.py``.

``python accuracy.py ratings``, ``top-n``, ``similar`` or ``uncertainty`` measures one table again; results are kept in
docs/accuracy.json. A CSV file of movies that should be similar (group, movie_id) may follow, for the table of similar
movies. ``--only=NAME`` adds or renews only the rows of contenders with NAME in their name.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import live
import peers
import peers_apart
import sparse
import tuning
import uncertainty
from accuracy_page import RESULTS, write

from embrec.data.files.movielens import fetch_ml_100k
from embrec.data.files.sources import open_source
from embrec.evaluation import contenders, evaluate
from embrec.evaluation.contender import Contender, Score
from embrec.evaluation.data import read_data
from embrec.evaluation.outcome import Outcome
from embrec.models.base import Ratings
from embrec.models.ease import gram
from embrec.models.ease import model as ease

SEEDS = (0, 1, 2)
OF_OURS = live.TASKS | sparse.TASKS


def told(contender: Contender, name: str, **known: None) -> Contender:
    """Return a contender under another name, without side information of movies or users: ``movie_features=None``."""
    rate, compare = contender.rate, contender.compare
    assert rate is not None
    assert compare is not None

    def unaware(training: Ratings) -> Ratings:
        return replace(training, **known)

    return Contender(
        name,
        rate=lambda training, seed: rate(unaware(training), seed),
        compare=lambda training, seed: compare(unaware(training), seed),
    )


def closed_form_of(most: int) -> Contender:
    """Return the default model with EASE on the ``most`` most rated movies, and the others folded in."""

    def rank(training: Ratings, seed: int) -> Score:
        with mock.patch.object(ease, "LARGEST", most), mock.patch.object(gram, "LARGEST", most):
            return ease.fit(training, ease.Options(), seed).score

    return Contender(f"embrec, {most} movies in the closed form", rank=rank)


def measure(tasks: Sequence[str], groups: dict[str, str], only: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tables asked for as they come, of contenders whose name has ``only`` in it."""
    data = read_data(open_source(fetch_ml_100k()))
    peers_wanted = set(tasks) & {"ratings", "top-n", "similar"}
    tuned = dict(tuning.tuned(data, only, "official")) if peers_wanted else {}
    yield "chosen", {contender.name: options for contender, options in tuned.items()}
    yield "versions", peers_apart.versions()
    rankers, raters = ([each for each in tuned if getattr(each, can)] for can in ("rank", "rate"))
    mine = contenders.named
    begin = time.perf_counter()

    def note(step: str) -> None:
        print(f"{time.perf_counter() - begin:.0f} s: {step}", file=sys.stderr, flush=True)

    def progress(task: str, contender: str, done: int, of: int) -> None:
        note(f"{task}, {contender}, {done} of {of}")

    def wanted(*everybody: Contender) -> list[Contender]:
        return [contender for contender in everybody if only in contender.name]

    quick, ours = mine("matrix-factorization"), replace(mine("two-part"), name="embrec")
    plain = told(ours, "embrec", movie_features=None, user_features=None)
    with_movies = told(ours, "embrec with movies", user_features=None)
    with_users = replace(ours, name="embrec with movies and users")
    if "ratings" in tasks:
        others = (*raters, peers.my_fm(10, 300, with_movies=True), mine("biases"))
        everybody = wanted(plain, with_movies, with_users, quick, *others)
        yield "ratings", values(evaluate.rate(data, everybody, "official", progress=progress))
    if "top-n" in tasks:
        everybody = wanted(ours, *rankers, quick, mine("biases"), mine("popularity"))
        shorter = wanted(closed_form_of(700), closed_form_of(400))
        yield "top-n", values(evaluate.rank(data, [*everybody, *shorter], SEEDS, progress))
        yield "top-n by time", values(evaluate.rank(data, everybody, SEEDS[:1], progress, "time"))
    if "similar" in tasks:
        everybody = wanted(plain, with_movies, with_users, *rankers, *raters, quick)
        yield "similar", values(evaluate.compare(data, everybody, SEEDS, groups, progress))
    for task, make in OF_OURS.items():
        if task in tasks and not only:
            yield task, make(note)
    if "uncertainty" in tasks and only in plain.name:
        yield "uncertainty", {plain.name: uncertainty.measure(data, progress)}


def values(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the metrics of each contender."""
    return {each.contender: each.values for each in outcomes}


def main() -> None:
    """Measure, save the results, and write the document."""
    tasks = [each for each in sys.argv[1:] if not each.endswith(".csv") and not each.startswith("--")] or [
        "ratings",
        "top-n",
        "similar",
        *OF_OURS,
        "uncertainty",
    ]
    only = next((each.removeprefix("--only=") for each in sys.argv[1:] if each.startswith("--only=")), "")
    files = [each for each in sys.argv[1:] if each.endswith(".csv")]
    groups = {}
    if files:
        with open(files[0], newline="") as file:
            groups = {row["movie_id"]: row["group"] for row in csv.DictReader(file)}
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for key, found in measure(tasks, groups, only):
        results[key] = {**results.get(key, {}), **found}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write(results)


if __name__ == "__main__":
    main()
