"""Measure what comes next beside peers on one protocol, and write docs/next.md: ``python next.py [DATA SET ...]``.

The protocol is that of ``embrec evaluate --task next``: full ranking, options chosen on each user's last known step.
sequence_data.py says where the files come from; data sets that are absent keep their earlier results. ``--only=NAME``
measures only contenders with NAME in their name. Results are kept in docs/next.json.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import followers
import numpy as np
import sequence_data
from page_parts import DOCS, between

from embrec.evaluation import next_baselines, next_steps, steps
from embrec.evaluation.contender import Contender, Follow
from embrec.evaluation.contenders import next_model
from embrec.evaluation.next_baselines import decayed
from embrec.evaluation.steps import Questions, StepSplit
from embrec.models.base import Ratings
from embrec.models.ease import model as ease
from embrec.models.sequences import Sequences

RESULTS, PAGE = DOCS / "next.json", DOCS / "next.md"
METRICS = ("HR@10", "NDCG@10", "MRR@20", "coverage")
ANSWERS = 30


def lists() -> Contender:
    """Return embrec's lists, which know no order: the ranking model, asked with all of a history."""

    def fit(training: Sequences, validation: Questions, seed: int) -> Follow:
        rows = followers.all_sets(training).tocoo()
        users, movies = rows.row.astype(np.int32), rows.col.astype(np.int32)
        ones = Ratings(users, movies, np.ones(len(users), np.float32), *rows.shape)
        fitted = ease.fit(ones, ease.Options(), seed)
        return lambda histories: decayed(histories, 1.0, rows.shape[1]) @ fitted.movie_profiles @ fitted.movie_vectors.T

    return Contender("embrec, lists", follow=fit)


def contenders(sequences: Sequences, chosen: dict[str, str]) -> list[Contender]:
    """Return everybody who is measured; peers note their options in ``chosen``."""
    from sasrec import sasrec

    peers = [*followers.everybody(chosen), sasrec(chosen)]
    return [next_model(), next_model(by_keras=True), lists(), *next_baselines.baselines(sequences), *peers]


def measure(split: StepSplit, contender: Contender) -> dict[str, float]:
    """Return a contender's metrics, CPU seconds of its training and choice, and CPU milliseconds of an answer."""
    assert contender.follow is not None
    begin = time.process_time()
    score = contender.follow(split.training, split.validation, 0)
    trained = time.process_time() - begin
    test = split.test.sample(next_steps.USERS_ASKED, 0)
    found = next_steps.measure(score, test, next_steps.popularity(split.training))
    answers = []
    for question in range(min(ANSWERS, len(test.users))):
        begin = time.process_time()
        score([test.history(question)])
        answers.append(time.process_time() - begin)
    return {**found, "train s": trained, "answer ms": float(np.median(answers)) * 1000}


def measure_all(names: Sequence[str], only: str, results: dict[str, Any]) -> None:
    """Measure data sets by leave-last-out, and those that have times by time too; each result is kept at once."""
    for name, path in sequence_data.available().items():
        if names and name not in names:
            continue
        sequences = sequence_data.read(path)
        timed = not np.isnan(sequences.days).any()
        for way in steps.SPLITS if timed else ("leave-last-out",):
            split = steps.SPLITS[way](sequences)
            table = results.setdefault(f"{name}, {way}", {"models": {}, "chosen": {}})
            table["facts"] = {**split.facts, "movies": sequences.movie_count, "steps": len(sequences.movies)}
            everybody = contenders(sequences, table["chosen"])
            for contender in everybody:
                if only in contender.name:
                    table["models"][contender.name] = found = measure(split, contender)
                    measured = [each.name for each in everybody if each.name in table["models"]]
                    table["models"] = {each: table["models"][each] for each in measured}
                    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
                    print(name, way, contender.name, found, file=sys.stderr, flush=True)


def table(title: str, results: dict[str, Any]) -> list[str]:
    """Write the table of a data set and split."""
    facts = ", ".join(f"{name}: {value}" for name, value in results["facts"].items())
    columns = [*METRICS, "train s", "answer ms"]
    lines = [f"### {title}", "", f"{facts}.", "", "| model | " + " | ".join(columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for model, found in results["models"].items():
        cells = [f"{found[each]:.4f}" for each in METRICS] + [f"{found['train s']:.1f}", f"{found['answer ms']:.2f}"]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    chosen = [f"{model}: {options}" for model, options in results["chosen"].items()]
    return [*lines, "", f"Chosen on validation: {'; '.join(chosen)}.", ""]


def write(results: dict[str, Any]) -> None:
    """Write the tables into the page."""
    between(PAGE, "next.py", [line for title, found in results.items() for line in table(title, found)])


def main() -> None:
    """Measure, save the results, and write the page."""
    only = next((each.removeprefix("--only=") for each in sys.argv[1:] if each.startswith("--only=")), "")
    names = [each for each in sys.argv[1:] if not each.startswith("--")]
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    measure_all(names, only, results)
    write(results)


if __name__ == "__main__":
    main()
