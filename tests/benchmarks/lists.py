"""Measure lists from events beside peers, on play counts, and write them into docs/next.md: ``python lists.py``.

The file is user_artists.dat of HetRec 2011, in hetrec2011-lastfm-2k.zip of GroupLens. Its path is the environment
variable EMBREC_PLAY_COUNTS. Artists with fewer than five listeners are left out. A fifth of each user's artists is held
out, for three seeds, as by ``embrec evaluate --task top-n``. The peers' options are chosen on a split of the first
training part. Results are kept in docs/lists.json.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from page_parts import DOCS, between

from embrec import splits
from embrec.data.files.sources import from_frame
from embrec.evaluation import contenders, evaluate
from embrec.evaluation.contender import Contender, Score
from embrec.evaluation.data import EvaluationData, read_data
from embrec.evaluation.list_baselines import ease, item_knn
from embrec.models.base import Ratings
from embrec.models.interactions import Interactions

RESULTS, PAGE = DOCS / "lists.json", DOCS / "next.md"
SEEDS = (0, 1, 2)
FEWEST_LISTENERS = 5
METRICS = ("NDCG@10", "Recall@20", "MAP@10", "coverage")


def read(path: Path) -> EvaluationData:
    """Read play counts as events whose value is the count, of artists with five listeners."""
    columns = ["user_id", "movie_id", "value"]
    frame = pd.read_csv(path, sep="\t", header=0, names=columns).astype({"user_id": str, "movie_id": str})
    frame = frame[frame.groupby("movie_id")["user_id"].transform("size") >= FEWEST_LISTENERS]
    return replace(read_data(from_frame(frame, [])), name="lastfm2k")


def implicit_als(factors: int, regularization: float, alpha: float, of_counts: bool) -> Contender:
    """Return implicit's alternating least squares, of ones or of the weights by which embrec learns."""

    def rank(training: Ratings, seed: int) -> Score:
        from implicit.als import AlternatingLeastSquares

        pairs = Interactions.of(training)
        values = pairs.interests if of_counts else np.ones(len(pairs.users), np.float32)
        shape = (training.user_count, training.movie_count)
        model = AlternatingLeastSquares(
            factors=factors, regularization=regularization, alpha=alpha, iterations=15, random_state=seed, num_threads=1
        )
        model.fit(scipy.sparse.csr_matrix((values, (pairs.users, pairs.movies)), shape=shape), show_progress=False)
        return lambda users: model.user_factors[users] @ model.item_factors.T

    return Contender("implicit ALS", rank=rank)


# For each peer the options that are tried.
OPTIONS: dict[Callable[..., Contender], list[tuple[Any, ...]]] = {
    item_knn: list(product((50, 100, 300), (0.0, 10.0, 50.0))),
    ease: [(50.0,), (150.0,), (400.0,)],
    implicit_als: list(product((64, 128, 256), (10.0, 30.0), (2.0, 8.0), (False, True))),
}


def tuned(data: EvaluationData, chosen: dict[str, str]) -> list[Contender]:
    """Return the peers with the options of the highest NDCG@10 on a split of the first training part."""
    kept, _ = splits.per_user(data.interactions.users, 0.2, SEEDS[0])
    inner = replace(data, ratings=data.part(kept))
    found = []
    for make, tries in OPTIONS.items():
        values = [evaluate.rank(inner, [make(*each)], (100,))[0].values["NDCG@10"][0] for each in tries]
        best = tries[int(np.argmax(values))]
        found.append(make(*best))
        chosen[found[-1].name] = f"{best} of {len(tries)} tries"
        print(found[-1].name, best, max(values), file=sys.stderr, flush=True)
    return found


def measure(data: EvaluationData) -> dict[str, Any]:
    """Return each contender's metrics on all seeds, and the CPU seconds of a fit and of all users' scores."""
    chosen: dict[str, str] = {}
    everybody = [replace(contenders.named("two-part"), name="embrec"), contenders.named("popularity")]
    models = {}
    for contender in [*everybody, *tuned(data, chosen)]:
        begin = time.process_time()
        (outcome,) = evaluate.rank(data, [contender], SEEDS)
        models[contender.name] = {**outcome.values, "train and answer s": [(time.process_time() - begin) / len(SEEDS)]}
        print(contender.name, models[contender.name], file=sys.stderr, flush=True)
    facts = {
        "users": data.ratings.user_count,
        "artists": data.ratings.movie_count,
        "pairs": len(data.interactions.users),
    }
    return {"facts": facts, "models": models, "chosen": chosen}


def table(results: dict[str, Any]) -> Sequence[str]:
    """Write the table: means over the seeds, with standard deviations."""
    columns = [*METRICS, "train and answer s"]
    lines = [", ".join(f"{name}: {value}" for name, value in results["facts"].items()) + ".", ""]
    lines += ["| model | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for model, found in results["models"].items():
        cells = [f"{np.mean(found[each]):.4f} ± {np.std(found[each], ddof=1):.4f}" for each in METRICS]
        lines.append(f"| {model} | " + " | ".join([*cells, f"{found['train and answer s'][0]:.1f}"]) + " |")
    chosen = "; ".join(f"{model}: {options}" for model, options in results["chosen"].items())
    return [*lines, "", f"Chosen on a split of the training part: {chosen}.", ""]


def main() -> None:
    """Measure, save the results, and write the page."""
    path = os.environ.get("EMBREC_PLAY_COUNTS")
    if path:
        RESULTS.write_text(json.dumps(measure(read(Path(path))), indent=1) + "\n")
    if RESULTS.exists():
        between(PAGE, "lists.py", table(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
