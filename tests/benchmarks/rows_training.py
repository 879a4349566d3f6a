"""Trainings of both builds in turn, by their commands."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import fits
import numpy as np
import rows_bulk
import sqlalchemy as sa
from builds import Build
from stages import Bench, Figures, Site, Stage, in_turn, size_of
from table import STOPPED, Found

HERE = Path(__file__).parent
SWEEPS = 20  # that are measured in one fit
RANK = 15  # length of the sampler's vectors; biases are apart in both
LISTED = 2_000
LIKED = 4
MOVIELENS = "ml-100k"
# Multiple of our seconds after which the quick training of the baseline is stopped: what the target asks for.
PATIENCE = 5


def movielens(bench: Bench, size: str, times: int) -> Found:
    """Measure ``embrec train`` on MovieLens 100K, or on made-up ratings of a size."""
    if size != MOVIELENS:
        return trainings(bench.trained(size_of(size), times=times), times)
    sites = {name: bench.site(name, "movielens") for name in bench.builds}
    for site in sites.values():
        site.load(size)
    return in_turn(times, {name: lambda _, site=site: site.train() for name, site in sites.items()})


def default(bench: Bench, size: str, times: int) -> Found:
    """Measure the default training, and the error and the lists of its last run."""
    stage = bench.trained(size_of(size), times=times)
    found = trainings(stage, times)
    for name, site in stage.sites.items():
        found[name] |= {figure: [value] for figure, value in quality(stage, site).items()}
    return found


def of_events(bench: Bench, size: str, times: int) -> Found:
    """Measure the load and the default training of events, the order of steps with it."""
    directory, _ = rows_bulk.write_events(bench, size)

    def ours(number: int) -> Figures:
        with bench.passing("ours", f"train_events{number}") as site:
            site.load(str(directory / "events.csv"))
            trained, loaded = site.train(), site.costs["load"][0]
        return trained | {f"load and train, {name}": trained[name] + loaded[name] for name in ("CPU s", "wall s")}

    return in_turn(times, {"ours": ours})


def trainings(stage: Stage, times: int) -> Found:
    """Return the costs of the first trainings of a stage, by the build."""
    found: Found = {}
    for name, site in stage.sites.items():
        each = site.costs["train"][:times]
        found[name] = {figure: [costs[figure] for costs in each] for figure in each[0]}
    return found


def quick(bench: Bench, size: str, times: int) -> Found:
    """Measure ``embrec train --draws 0``; the baseline is stopped after several times our seconds."""
    stage = bench.loaded(size_of(size))
    arguments, limit = ("--draws", "0", "--no-publish"), [0]

    def ours(_: int) -> Figures:
        costs = stage.sites["ours"].train(*arguments)
        limit[0] = math.ceil(PATIENCE * costs["wall s"])
        return costs

    def baseline(_: int) -> Figures:
        try:
            return stage.sites["baseline"].train(*arguments, limit=limit[0])
        except subprocess.TimeoutExpired:
            return {"wall s": float(limit[0]), STOPPED: 1.0}

    return in_turn(times, {"ours": ours, "baseline": baseline})


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
    """Measure a sweep of the default model's sampler, and an iteration of myFM as the difference of two fits."""
    stage = bench.stage(size_of(size))

    def of_build(build: Build, parts: Path) -> Figures:
        return python(build, str(HERE / "sampler.py"), str(parts), str(SWEEPS))

    def of_my_fm(parts: Path) -> Figures:
        few, many = (
            fits.run("myfm", parts, {"rank": RANK, "iterations": iterations}, "0") for iterations in (1, 1 + SWEEPS)
        )
        return {
            "wall s": (many["seconds"] - few["seconds"]) / SWEEPS,
            "CPU s": (many["cpu"] - few["cpu"]) / SWEEPS,
        }

    with fits.saved(stage.training, stage.held) as parts:
        measures = {name: lambda _, build=build: of_build(build, parts) for name, build in bench.builds.items()}
        if importlib.util.find_spec("myfm"):
            measures["myFM"] = lambda _: of_my_fm(parts)
        return in_turn(times, measures)


def serial(bench: Bench, size: str, times: int) -> Found:
    """Measure the conductor's share of a sweep of our build, which has one."""
    script = f"import json, sweep; print(json.dumps(sweep.measure(sweep.{size_of(size)!r}, 2)))"

    def of_ours(_: int) -> Figures:
        found = python(bench.builds["ours"], "-c", script)
        return {"CPU s": found["whole"], "serial share": found["conductor"] / found["whole"]}

    return in_turn(times, {"ours": of_ours})


def python(build: Build, *arguments: str) -> dict[str, Any]:
    """Run a build's interpreter in this directory, and return what it prints as JSON."""
    environment = {**os.environ, "PYTHONPATH": build.path}
    done = subprocess.run([build.python, *arguments], cwd=HERE, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{build.name}: {' '.join(arguments)} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
