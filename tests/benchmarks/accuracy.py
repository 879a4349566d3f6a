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
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import live
import numpy as np
import peers
import sparse
import uncertainty

from embrec import metrics, splits
from embrec.data.files.movielens import fetch_ml_100k
from embrec.data.files.sources import open_source
from embrec.evaluation import beyond, contenders, evaluate
from embrec.evaluation.contender import Contender, Score
from embrec.evaluation.data import EvaluationData, rating_splits, read_data
from embrec.evaluation.outcome import Outcome, summary
from embrec.models.base import Ratings
from embrec.models.ease import gram
from embrec.models.ease import model as ease

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "accuracy.json"
SEEDS = (0, 1, 2)
OF_OURS = live.TASKS | sparse.TASKS


def inner(data: EvaluationData, kept: np.ndarray, seed: int) -> EvaluationData:
    """Return a training part as data of its own, to choose options on."""
    return replace(data, ratings=data.ratings.part(kept), rated_at=data.rated_at[kept])


def best(
    make: Callable[..., Contender], options: Sequence[tuple[Any, ...]], quality: Callable[[Contender], float]
) -> tuple[Any, ...]:
    """Return the options of the highest quality."""
    if len(options) == 1:
        return options[0]
    found = {each: quality(make(*each)) for each in options}
    print(make.__name__, found, file=sys.stderr, flush=True)
    return max(found, key=lambda each: found[each])


def tuned(data: EvaluationData, only: str) -> tuple[list[Contender], list[Contender], dict[str, str]]:
    """Tune the peers on a split of the first training part; returns ranking peers, rating peers and their options."""
    kept, _ = splits.per_user(data.ratings.users, 0.2, SEEDS[0])
    ranking = inner(data, kept, 0)
    kept, _ = rating_splits(data, "official")[0]
    rating = inner(data, kept, 0)
    fold = splits.random_split(len(rating.ratings.ratings), 0.2, 0)

    def ndcg(contender: Contender) -> float:
        return evaluate.rank(ranking, [contender], (100,))[0].values["NDCG@10"][0]

    def accuracy(contender: Contender) -> float:
        assert contender.rate is not None
        test = rating.part(fold[1])
        predicted = contender.rate(rating.part(fold[0]), 0)(test.users, test.movies)
        return -metrics.rmse(np.asarray(predicted, np.float32), test.ratings)

    sets = [(0, ndcg, make, tries) for make, tries in peers.RANKING_OPTIONS.items()]
    sets += [(1, accuracy, make, tries) for make, tries in peers.RATING_OPTIONS.items()]
    if peers.python_of("lenskit").exists():
        sets += [(0, ndcg, peers.lenskit_rank, tries) for tries in peers.LENSKIT_RANKING]
        sets += [(1, accuracy, peers.lenskit_rate, tries) for tries in peers.LENSKIT_RATING]
    if peers.python_of("lightfm").exists():
        sets.append((0, ndcg, peers.light_fm, peers.LIGHTFM_RANKING))
    made: tuple[list[Contender], list[Contender]] = ([], [])
    chosen: dict[str, str] = {}
    for place, quality, make, tries in sets:
        if only in make(*tries[0]).name:
            found = best(make, tries, quality)
            made[place].append(make(*found))
            chosen[made[place][-1].name] = f"{found} of {len(tries)} tries"
    return (*made, chosen)


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


def measure(tasks: Sequence[str], groups: dict[str, str], only: str) -> dict[str, Any]:
    """The tables asked for, of contenders whose name has ``only`` in it."""
    data = read_data(open_source(fetch_ml_100k()))
    peers_wanted = set(tasks) & {"ratings", "top-n", "similar"}
    rankers, raters, chosen = tuned(data, only) if peers_wanted else ([], [], {})
    mine = contenders.named
    begin = time.perf_counter()

    def progress(task: str, contender: str, done: int, of: int) -> None:
        print(f"{time.perf_counter() - begin:.0f} s: {task}, {contender}, {done} of {of}", file=sys.stderr, flush=True)

    def wanted(*everybody: Contender) -> list[Contender]:
        return [contender for contender in everybody if only in contender.name]

    quick, ours = mine("matrix-factorization"), replace(mine("two-part"), name="embrec")
    plain = told(ours, "embrec", movie_features=None, user_features=None)
    with_movies = told(ours, "embrec with movies", user_features=None)
    with_users = replace(ours, name="embrec with movies and users")
    found: dict[str, list[Outcome]] = {}
    if "ratings" in tasks:
        others = (*raters, peers.my_fm(10, 300, with_movies=True), mine("biases"))
        everybody = wanted(plain, with_movies, with_users, quick, *others)
        found["ratings"] = evaluate.rate(data, everybody, "official", progress=progress)
    if "top-n" in tasks:
        baselines = mine("biases"), mine("popularity")
        everybody = wanted(ours, *rankers, quick, *baselines, closed_form_of(700), closed_form_of(400))
        found["top-n"] = evaluate.rank(data, everybody, SEEDS, progress)
    if "similar" in tasks:
        everybody = wanted(plain, with_movies, with_users, *rankers, *raters, quick)
        found["similar"] = evaluate.compare(data, everybody, SEEDS, groups, progress)
    of_ours = {
        task: make(lambda step: print(f"{time.perf_counter() - begin:.0f} s: {step}", file=sys.stderr, flush=True))
        for task, make in OF_OURS.items()
        if task in tasks and not only
    }
    if "uncertainty" in tasks and only in plain.name:
        of_ours["uncertainty"] = {plain.name: uncertainty.measure(data, progress)}
    return {
        "chosen": chosen,
        "versions": peers.versions(),
        **{task: {each.contender: each.values for each in outcomes} for task, outcomes in found.items()},
        **of_ours,
    }


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
    """Write the table of targets: the figure that is enough, the one that was hoped for, and the one measured."""
    ratings, lists, similar = (results[task] for task in ("ratings", "top-n", "similar"))
    untold, default = "embrec", "embrec with movies and users"
    rows = [
        ("RMSE, from ratings alone", ratings[untold]["RMSE"], 0.88, 0.876),
        ("RMSE, with movies and users", ratings[default]["RMSE"], 0.8765, 0.872),
        ("NDCG@10", lists[untold]["NDCG@10"], 0.391, 0.402),
        ("Recall@20", lists[untold]["Recall@20"], 0.431, 0.44),
        ("MAP@10", lists[untold]["MAP@10"], 0.258, 0.268),
        ("genre Jaccard@10, from ratings alone", similar[untold]["genre Jaccard@10"], 0.385, 0.41),
        ("same group, hit@10", similar[default]["same group, hit@10"], 0.7, 0.8),
        ("liked along, cosine", similar[default]["liked along (cosine)"], 0.24, 0.255),
        ("liked along, lift", similar[default]["liked along (lift)"], 0.09, 0.112),
    ]
    lines = ["| metric | by default | required | met | goal | met |", "|---|---|---|---|---|---|"]
    for what, values, enough, hoped in rows:
        found, sign = float(np.mean(values)), -1 if what.startswith("RMSE") else 1
        met = ["yes" if sign * found >= sign * target else "no" for target in (enough, hoped)]
        lines.append(f"| {what} | {found:.4f} | {enough:.4f} | {met[0]} | {hoped:.4f} | {met[1]} |")
    return lines


def write(results: dict[str, Any]) -> None:
    """Write the document."""
    lines = [Path(__file__).with_name("accuracy.md").read_text().rstrip(), "", "## Targets", "", *targets(results)]
    titles = {
        "ratings": "Ratings",
        "top-n": "Lists",
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
    for key, found in measure(tasks, groups, only).items():
        results[key] = {**results.get(key, {}), **found}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write(results)


if __name__ == "__main__":
    main()
