"""Trainings of both builds in turn, by their commands."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import fits
import numpy as np
import sqlalchemy as sa
from stages import Bench, Figures, Site, Stage, in_turn, size_of

# Numbers of kept draws, and of myFM's iterations. The difference of two fits is sweeps alone.
FEW, MANY = 10, 60
RANK = 15  # length of the sampler's vectors; biases are apart in both
LISTED = 2_000
LIKED = 4
MOVIELENS = "ml-100k"

Found = dict[str, dict[str, Any]]


def movielens(bench: Bench, size: str, times: int) -> Found:
    """Measure ``embrec train`` on MovieLens 100K after one training that warms up, or on made-up ratings of a size."""
    if size == MOVIELENS:
        sites = {name: bench.site(name, "movielens") for name in bench.builds}
        for site in sites.values():
            site.load(size)
    else:
        sites = bench.loaded(size_of(size)).sites
    for site in sites.values():
        site.train()
    return in_turn(times, {name: lambda _, site=site: site.train() for name, site in sites.items()})


def default(bench: Bench, size: str, times: int) -> Found:
    """Measure the default training, and the error and the lists of its last run."""
    stage = bench.trained(size_of(size), times=times)
    found: Found = {}
    for name, site in stage.sites.items():
        each = site.costs["train"][:times]
        found[name] = {figure: [costs[figure] for costs in each] for figure in each[0]}
        found[name] |= {figure: [value] for figure, value in quality(stage, site).items()}
    return found


def quick(bench: Bench, size: str, times: int) -> Found:
    """Measure ``embrec train --draws 0``."""
    stage = bench.loaded(size_of(size))
    quick = ("--draws", "0", "--no-publish")
    return in_turn(times, {name: lambda _, site=site: site.train(*quick) for name, site in stage.sites.items()})


def quality(stage: Stage, site: Site) -> Figures:
    """Return the RMSE of the held-out ratings and NDCG@10 of users who liked one of them, by SQL's answers."""
    users, movies, ratings = stage.held
    liked: dict[int, set[str]] = {}
    for user, movie in zip(users[ratings >= LIKED], movies[ratings >= LIKED], strict=True):
        liked.setdefault(int(user), set()).add(str(movie))
    asked = np.random.default_rng(0).permutation(list(liked))[:LISTED]
    gains = 1 / np.log2(np.arange(2, 12))
    scores = []
    with site.database.engine.connect() as connection:
        pairs = {"users": list(map(str, users)), "movies": list(map(str, movies))}
        statement = "SELECT user_id, movie_id, predicted_rating FROM embrec.predict_ratings(:users, :movies)"
        predicted = {(row[0], row[1]): row[2] for row in connection.execute(sa.text(statement), pairs)}
        for user in asked:
            statement = "SELECT movie_id FROM embrec.recommend_movies(CAST(:user AS text)) ORDER BY rank"
            found = list(connection.scalars(sa.text(statement), {"user": str(user)}))
            hits = np.array([movie in liked[int(user)] for movie in found])
            scores.append(gains[: len(hits)][hits].sum() / gains[: min(len(liked[int(user)]), 10)].sum())
    errors = [
        predicted[pair] - rating
        for *pair_of, rating in zip(pairs["users"], pairs["movies"], ratings, strict=True)
        if (pair := tuple(pair_of)) in predicted
    ]
    return {"RMSE": float(np.sqrt(np.mean(np.square(errors)))), "NDCG@10": float(np.mean(scores))}


def sweep(bench: Bench, size: str, times: int) -> Found:
    """Measure a sweep of the default model's sampler and an iteration of myFM, as the difference of two fits."""
    stage = bench.loaded(size_of(size))

    def difference(few: Figures, many: Figures) -> Figures:
        return {figure: (many[figure] - few[figure]) / (MANY - FEW) for figure in ("wall s", "CPU s")}

    def of_site(site: Site) -> Figures:
        few, many = (site.train("--draws", str(draws), "--no-publish") for draws in (FEW, MANY))
        for costs in (few, many):
            costs |= {"wall s": costs["fit s"], "CPU s": costs["client CPU s"]}
        return difference(few, many)

    def of_my_fm(_: int) -> Figures:
        with fits.saved(stage.training, stage.held) as parts:
            few, many = (
                fits.run("myfm", parts, {"rank": RANK, "iterations": iterations}, "0") for iterations in (FEW, MANY)
            )
        return difference(*({"wall s": each["seconds"], "CPU s": each["cpu"]} for each in (few, many)))

    measures = {name: lambda _, site=site: of_site(site) for name, site in stage.sites.items()}
    if importlib.util.find_spec("myfm"):
        measures["myFM"] = of_my_fm
    return in_turn(times, measures)


def serial(bench: Bench, size: str, times: int) -> Found:
    """Measure the conductor's share of a sweep of our build, which has one."""
    chosen = size_of(size)
    script = f"import json, sweep; print(json.dumps(sweep.measure(sweep.{chosen!r}, 2)))"

    def of_ours(_: int) -> Figures:
        build = bench.builds["ours"]
        environment = {**os.environ, "PYTHONPATH": build.path}
        command = [build.python, "-c", script]
        here = Path(__file__).parent
        done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        return {"CPU s": found["whole"], "serial share": found["conductor"] / found["whole"]}

    return in_turn(times, {"ours": of_ours})
