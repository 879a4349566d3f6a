"""Similar movies where ratings are few: MovieLens 100K thinned out, and made-up movies in groups, all movies compared.

The thinned data are a random 15 % of the ratings of half of the users. The other half says which movies are liked along
with a movie, as in the table of similar movies, but all movies are candidates. In the made-up data a movie belongs to a
group, and a user watches two groups and now and then a popular movie of any. Most movies have one to three ratings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from peers import rows as rows_of

from embrec import metrics, similarity, splits
from embrec.data.files.movielens import fetch_ml_100k
from embrec.data.files.sources import open_source
from embrec.evaluation import contenders
from embrec.evaluation.contender import Compare, Contender
from embrec.evaluation.data import EvaluationData, read_data
from embrec.evaluation.evaluate import liked_along
from embrec.models.base import Ratings

SEEDS = (0, 1, 2)
KEPT = 0.15
NEIGHBOURS, FEW = 10, 2
GROUPS, MOVIES, USERS = 60, 8_000, 4_000
# Of the ratings of a made-up user so many are of their two groups.
OWN_SHARE, RATINGS_EACH = 0.8, 12
SIZES = {"1 to 3": (1, 3), "4 to 9": (4, 9), "10 to 49": (10, 49), "50 and more": (50, 10**9)}
Table = dict[str, dict[str, list[float]]]


def everybody() -> list[Contender]:
    """Return our model, the same by cosine alone, and item cosines as they are and shrunk."""
    ours = replace(contenders.named("two-part"), name="embrec")
    assert ours.compare is not None
    fit = ours.compare

    def by_cosine_alone(training: Ratings, seed: int) -> Compare:
        likeness = fit(training, seed)

        def compare(movies: np.ndarray) -> np.ndarray:
            found = likeness(movies)
            return np.asarray(found / np.maximum(np.diag(found), 1e-12))  # the diagonal has the lengths

        return compare

    def item_cosine(shrinkage: float) -> Callable[[Ratings, int], Compare]:
        def compare(training: Ratings, seed: int) -> Compare:
            rows = rows_of(training, of_weights=True)
            gram = (rows.T @ rows).toarray()
            lengths = np.sqrt(np.maximum(np.diag(gram), 1e-12))
            found = gram / (np.outer(lengths, lengths) + shrinkage)
            return lambda movies: found[np.ix_(movies, movies)]

        return compare

    return [
        ours,
        Contender("embrec by cosine alone", compare=by_cosine_alone),
        Contender("item cosine", compare=item_cosine(0.0)),
        Contender("item cosine, shrunk", compare=item_cosine(5.0)),
    ]


def thinned(data: EvaluationData, compare: Callable[[Ratings, int], Compare], seed: int) -> dict[str, float]:
    """Measure neighbours learned from few ratings of half of the users by what the other half likes along."""
    half, others = splits.half_of_users(data.ratings.users, data.ratings.user_count, seed)
    few = half[np.random.default_rng(seed).random(len(half)) < KEPT]
    every = np.arange(data.ratings.movie_count)
    asked, by_cosine, by_lift = liked_along(data, others, every)
    near = similarity.nearest(compare(data.part(few), seed)(every), NEIGHBOURS)[asked]
    counts = np.bincount(data.ratings.movies[few], minlength=len(every))
    return {
        "liked along (cosine)": metrics.overlap(near, by_cosine),
        "liked along (lift)": metrics.overlap(near, by_lift),
        f"neighbours with at most {FEW} ratings": float((counts[near] <= FEW).mean()),
    }


def made_up(seed: int) -> tuple[Ratings, np.ndarray]:
    """Make ratings of movies in groups, and each movie's group."""
    random = np.random.default_rng(seed)
    group = random.permutation(np.arange(MOVIES) % GROUPS)
    popularity = 1 / (1 + random.permutation(MOVIES)) ** 1.0
    pairs, given = [], []
    for user in range(USERS):
        own = np.isin(group, random.choice(GROUPS, 2, replace=False))
        chances = popularity * np.where(own, OWN_SHARE / popularity[own].sum(), (1 - OWN_SHARE) / popularity.sum())
        size = 2 + random.poisson(RATINGS_EACH - 2)
        movies = random.choice(MOVIES, size, replace=False, p=chances / chances.sum())
        pairs.append(np.column_stack([np.full(size, user), movies]))
        given.append(np.clip(np.round(random.normal(np.where(own[movies], 4.0, 3.0), 1.0)), 1, 5))
    users, movies = np.concatenate(pairs).T.astype(np.int32)
    order = np.lexsort((movies, users))
    ratings = np.concatenate(given).astype(np.float32)
    return Ratings(users[order], movies[order], ratings[order], USERS, MOVIES), group


def grouped(compare: Callable[[Ratings, int], Compare], seed: int) -> dict[str, float]:
    """Measure the share of the ten neighbours that are of the movie's group, by the movie's number of ratings."""
    training, group = made_up(seed)
    counts = np.bincount(training.movies, minlength=MOVIES)
    near = similarity.nearest(compare(training, seed)(np.arange(MOVIES)), NEIGHBOURS)
    same = (group[near] == group[:, np.newaxis]).mean(axis=1)
    return {
        f"same group, {name} ratings": float(same[(counts >= least) & (counts <= most)].mean())
        for name, (least, most) in SIZES.items()
    }


def measure(progress: Callable[[str], None]) -> Table:
    """Measure everybody on both."""
    data = read_data(open_source(fetch_ml_100k()))
    found: Table = {}
    for contender in everybody():
        assert contender.compare is not None
        values: dict[str, Any] = found.setdefault(contender.name, {})
        for seed in SEEDS:
            progress(f"few ratings, {contender.name}, seed {seed}")
            each = {**thinned(data, contender.compare, seed), **grouped(contender.compare, seed)}
            for name, value in each.items():
                values.setdefault(name, []).append(value)
    return found


TASKS = {"sparse": measure}
