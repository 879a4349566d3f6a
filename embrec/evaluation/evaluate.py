"""The evaluation of models: prediction of ratings (RMSE), ranking (NDCG@k, coverage), and similarity of movies.

Nothing is chosen on a test part: a contender learns from the training part alone, and is then only measured. Every
contender meets the same splits, so their differences are paired.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import metrics, similarity, splits
from embrec.errors import DataError
from embrec.evaluation import beyond
from embrec.evaluation.baselines import popularity_order
from embrec.evaluation.contender import Contender, Score
from embrec.evaluation.data import EvaluationData, rating_splits
from embrec.evaluation.list_splits import ListSplit, at_random, by_time, movies_of
from embrec.evaluation.outcome import Outcome, Progress, counting, quiet
from embrec.models.features import movie_features
from embrec.models.interactions import Interactions

# Rankings are computed for at most 10,000 users: more take longer and change the means little.
_USERS_ASKED = 10_000
_MOVIES_COMPARED = 5_000
_USERS_AT_ONCE = 1_000
_FEWEST_RATINGS = 20
_NEIGHBOURS = 10
# A lift is discounted by 3 users who like both movies, or one user by chance would look like much.
_LIFT_DISCOUNT = 3
# Movies that fewer than 5 users like are left out: chance decides what else those users like.
_FEWEST_LIKES = 5


def rate(
    data: EvaluationData, contenders: Sequence[Contender], way: str, seed: int = 0, progress: Progress = quiet
) -> list[Outcome]:
    """Errors of predicted ratings, limited to the scale of the ratings, on each split."""
    task = f"ratings, {way}"
    outcomes = []
    ways = rating_splits(data, way, seed)
    low, high = data.ratings.ratings.min(), data.ratings.ratings.max()
    raters = [(each.name, each.rate) for each in contenders if each.rate]
    begin = counting(progress, task, len(raters) * len(ways))
    for name, fit in raters:
        outcomes.append(Outcome(task, name))
        for kept, held in ways:
            begin(name)
            predict, test = fit(data.part(kept), seed), data.part(held)
            predicted = np.clip(np.asarray(predict(test.users, test.movies), np.float32), low, high)
            outcomes[-1].add(RMSE=metrics.rmse(predicted, test.ratings), MAE=metrics.mae(predicted, test.ratings))
    return outcomes


def rank(
    data: EvaluationData,
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    progress: Progress = quiet,
    way: str = "random",
) -> list[Outcome]:
    """Evaluate rankings of unseen movies (full ranking); the relevant movies are those with a held-out liking.

    By the split ``random`` a fifth of each user's movies, rated or watched, is held out, once for each seed. By the
    split ``time`` it is the newest fifth of all ratings and events, of users who have older ones, and the models get
    the first seed. Movies watched are relevant too. The measures beyond accuracy are those of
    ``embrec.evaluation.beyond``, of the lists of ten. Dislikes@10 is the share of the held-out dislikes that are in
    their users' lists of ten; it is left out if nothing that is held out is disliked. Models that learn from how
    ratings differ are left out if they do not. Equal scores are ranked by popularity.

    Raises:
        DataError: Nothing that is held out is liked, or times are missing to split by.
    """
    task = "top-N" if way == "random" else f"top-N, {way}"
    outcomes = []
    able = [each for each in contenders if each.learns_events or data.ratings.differ]
    rankers = [(each.name, each.rank) for each in able if each.rank]
    ways: list[Callable[[], ListSplit]] = [functools.partial(at_random, data, seed) for seed in seeds]
    if way == "time":
        ways = [functools.partial(by_time, data)]
    begin = counting(progress, task, len(rankers) * len(ways))
    for name, fit in rankers:
        outcomes.append(Outcome(task, name))
        for seed, split in zip(seeds, ways, strict=False):
            begin(name)
            found = split()
            outcomes[-1].add(**_rank_once(fit(found.training, seed), found, seed))
    return outcomes


def _rank_once(score: Score, split: ListSplit, seed: int) -> dict[str, float]:
    training, liked, disliked = split.training, split.liked, split.disliked
    if not liked.nnz:
        raise DataError("No held-out movie was liked or watched; there are too few of them to measure lists by.")
    users = np.flatnonzero(np.diff(liked.indptr) + np.diff(disliked.indptr)).astype(np.int32)
    users = np.sort(np.random.default_rng(seed).permutation(users)[:_USERS_ASKED])
    order = popularity_order(training)
    known = Interactions.of(training)
    shape = (training.user_count, training.movie_count)
    seen = scipy.sparse.csr_array((np.ones(len(known.users)), (known.users, known.movies)), shape=shape)
    values: dict[str, list[NDArray[Any]]] = {}
    lists: list[NDArray[np.int64]] = []
    listed: list[NDArray[np.int32]] = []
    shown = 0
    for begin in range(0, len(users), _USERS_AT_ONCE):
        block = users[begin : begin + _USERS_AT_ONCE]
        scores = np.array(score(block), np.float64)
        scores[seen[block].nonzero()] = -np.inf
        scores = scores[:, order]
        shown += metrics.hits(scores, disliked[block].toarray()[:, order], 10).sum()
        relevant = liked[block].toarray()[:, order]
        asked = relevant.any(axis=1)
        scores, relevant = scores[asked], relevant[asked]
        best = metrics.top(scores, 10)
        lists.append(np.where(np.isfinite(np.take_along_axis(scores, best, 1)), order[best], -1))
        listed.append(block[asked])
        for name, found in (
            ("NDCG@10", metrics.ndcg(scores, relevant, 10)),
            ("Recall@20", metrics.recall(scores, relevant, 20)),
            ("MAP@10", metrics.average_precision(scores, relevant, 10)),
            ("hit@10", metrics.hit_rate(scores, relevant, 10)),
        ):
            values.setdefault(name, []).append(found)
    quality = {name: np.concatenate(each) for name, each in values.items()}
    result = {name: float(each.mean()) for name, each in quality.items()}
    of_lists = np.concatenate(listed)
    result |= beyond.beyond_accuracy(np.concatenate(lists), of_lists, training)
    if of_all := disliked[users].nnz:
        result["dislikes@10"] = float(shown / of_all)
    return result | beyond.by_activity(quality["NDCG@10"], np.diff(seen.indptr)[of_lists])


def compare(
    data: EvaluationData,
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    groups: Mapping[str, str] | None = None,
    progress: Progress = quiet,
) -> list[Outcome]:
    """Evaluate the top-n neighbours of movies that 20 users rated or watched: do they share genre, group and audience?

    Genres: mean Jaccard index of a movie's genres and its ten nearest's. Groups, such as series: the share of their
    movies with another of the group among the ten nearest. Co-preference: learning from half of the users, how many of
    the ten movies that the other half likes most along with a movie are among its ten nearest; once by the cosine of
    who likes them, once by lift; for movies that five of the other half like.

    Args:
        data: The data.
        contenders: The models.
        seeds: Seeds of the halves.
        groups: For some movies, by id, the group they are of.
        progress: Told which contender is next, and how many of the splits of all are done.
    """
    task = "similar movies"
    pairs = data.interactions
    counts = np.bincount(pairs.movies, minlength=data.ratings.movie_count)
    chosen = np.argsort(-counts, kind="stable")[:_MOVIES_COMPARED]
    chosen = np.sort(chosen[counts[chosen] >= _FEWEST_RATINGS])
    if len(chosen) <= _NEIGHBOURS:
        raise DataError(
            f"{data.name} has {len(chosen)} movies that {_FEWEST_RATINGS} users rated or watched; too few to compare."
        )
    halves = [splits.half_of_users(pairs.users, data.ratings.user_count, seed) for seed in seeds]
    expected = [liked_along(data, others, chosen) for _, others in halves]
    if not groups and not any(data.genres) and not any(len(asked) for asked, *_ in expected):
        raise DataError(f"{data.name} has no genres, and no movie that enough users like; too little to compare by.")
    outcomes = []
    able = [each for each in contenders if each.learns_events or data.ratings.differ]
    comparers = [(each.name, each.compare) for each in able if each.compare]
    begin = counting(progress, task, len(comparers) * (1 + len(seeds)))
    for name, fit in comparers:
        outcomes.append(outcome := Outcome(task, name))
        begin(name)
        whole = fit(data.part(np.arange(len(pairs.users))), seeds[0])
        near = similarity.nearest(whole(chosen), _NEIGHBOURS)
        outcome.values.update(_alike(data, chosen, near, groups or {}))
        for seed, (half, _), (asked, by_cosine, by_lift) in zip(seeds, halves, expected, strict=True):
            begin(name)
            if not len(asked):
                continue
            near = similarity.nearest(fit(data.part(half), seed)(chosen), _NEIGHBOURS)[asked]
            outcome.add(
                **{"liked along (cosine)": metrics.overlap(near, by_cosine)},
                **{"liked along (lift)": metrics.overlap(near, by_lift)},
            )
    return outcomes


def _alike(
    data: EvaluationData, chosen: NDArray[np.int64], near: NDArray[np.int64], groups: Mapping[str, str]
) -> dict[str, list[float]]:
    found = {}
    features = movie_features(data.genres, [None] * len(data.genres))
    if features is not None:
        found["genre Jaccard@10"] = [metrics.jaccard(near, features[chosen] > 0)]
    of = np.array([groups.get(data.movie_ids[movie], "") for movie in chosen])
    names, sizes = np.unique(of[of != ""], return_counts=True)
    several = np.flatnonzero(np.isin(of, names[sizes > 1]))
    if len(several):
        found["same group, hit@10"] = [float((of[near[several]] == of[several, np.newaxis]).any(axis=1).mean())]
    return found


def liked_along(
    data: EvaluationData, positions: NDArray[np.int64], chosen: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of chosen movies that are liked enough, and the ten others most liked along with each.

    The ten are found twice: by the cosine of the users who like them, and by lift.
    """
    liked = movies_of(data, positions[data.liked[positions]])[:, chosen].astype(np.float64)
    together = (liked.T @ liked).toarray()
    asked = np.flatnonzero(np.diag(together) >= _FEWEST_LIKES)
    counts = np.maximum(np.diag(together), 1.0)
    np.fill_diagonal(together, -np.inf)
    cosine = together / np.sqrt(np.outer(counts, counts))
    with np.errstate(invalid="ignore"):
        lift = (
            together / np.outer(counts, counts) * np.maximum(together, 0) / (np.maximum(together, 0) + _LIFT_DISCOUNT)
        )
    np.fill_diagonal(lift, -np.inf)
    return asked, metrics.top(cosine[asked], _NEIGHBOURS), metrics.top(lift[asked], _NEIGHBOURS)
