"""The accuracy of a run on held-out ratings, beside baselines and the previous run: rating errors and top-n lists."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec import metrics, splits
from embrec.data.extraction import RatingArrays
from embrec.evaluation import baselines
from embrec.evaluation.contender import Predict, Score
from embrec.models.base import Ratings
from embrec.models.interactions import Interactions
from embrec.report import measures
from embrec.report.following import same_data
from embrec.report.measures import Lists
from embrec.runs.records import ModelRun
from embrec.runs.stored import StoredModel

# Samples that keep a report quick: users whose lists are made, users whose ratings are predicted, and pairs of those.
_USERS_ASKED = 1_000
_USERS_PREDICTED = 5_000
_PAIRS = 200_000
# The name of the lists by what comes next.
NEXT = "what comes next"


@dataclass(frozen=True)
class MetricLine:
    """A line of the table of metrics; None for a metric that is unknown, or not comparable."""

    name: str
    ratings: int | None = None
    holdout: float | None = None
    held_out_rmse: float | None = None
    held_out_mae: float | None = None
    train_rmse: float | None = None
    ndcg: float | None = None
    hit_rate: float | None = None


@dataclass(frozen=True)
class Split:
    """The training ratings and events of a run, and its held-out ratings if the split can be reproduced."""

    training: Ratings
    held_out: Ratings | None
    reproduced: bool

    @property
    def tested(self) -> Ratings:
        """The ratings that predictions are compared with: the held-out ones, or else the training ratings."""
        return self.training if self.held_out is None else self.held_out


def split_of(run: ModelRun, arrays: RatingArrays) -> Split:
    """Reproduce the split of a training, from the same ratings and the run's seed."""
    ratings, holdout = arrays.for_models(), float(run.options.get("holdout", 0.0))
    reproduced = same_data(run, arrays)
    if not (reproduced and holdout):
        return Split(ratings, None, reproduced)
    kept, held = splits.random_split(len(ratings.ratings), holdout, run.seed)
    return Split(ratings.part(kept), ratings.part(held), reproduced)


def same_split(run: ModelRun, other: ModelRun) -> bool:
    """Return whether two runs held out the same ratings."""
    return _split_key(run) == _split_key(other)


def _split_key(run: ModelRun) -> tuple[Any, ...]:
    return run.ratings_sha256, run.events_sha256, run.seed, run.options.get("holdout")


def predictions(model: StoredModel, tested: Ratings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return predicted and actual ratings of pairs whose movie has a vector in the run."""
    chosen = np.isin(tested.users, _sample(np.unique(tested.users), _USERS_PREDICTED))
    positions = np.flatnonzero(chosen)
    if len(positions) > _PAIRS:
        positions = np.sort(np.random.default_rng(0).choice(positions, _PAIRS, replace=False))
    predicted = model.predict(tested.users[positions], tested.movies[positions])
    known = np.isfinite(predicted)
    return predicted[known], tested.ratings[positions][known]


def name_of(other: ModelRun, run: ModelRun) -> str:
    """Return the name of a run that another is compared with, by the order in which they were trained."""
    return "run before" if other.model_run_id < run.model_run_id else "later run"


def lists_of(
    split: Split, model: StoredModel, others: dict[str, StoredModel], comparable: bool, following: Score | None
) -> tuple[dict[str, Lists], int]:
    """Return top-n lists for the same users, by name.

    They are by the run, by what comes next if it says so, by the run to compare with, and by the baselines. Metrics of
    the other run are included only if ``comparable``: both runs have the same split. What comes next has learned the
    held-out ratings too, so it has none.
    """
    training, held_out = split.training, split.held_out
    users = _sample(np.unique(Interactions.of(training).users if held_out is None else held_out.users), _USERS_ASKED)
    found = {"this run": measures.measure_lists(model.score, training, held_out, users)}
    if following is not None:
        found[NEXT] = measures.measure_lists(following, training, None, users)
    for name, other in others.items():
        expected = held_out if comparable else None
        found[name] = measures.measure_lists(other.score, training, expected, users)
    for baseline in (baselines.popularity(), *([baselines.biases()] if training.differ else [])):
        assert baseline.rank is not None  # noqa: S101  # both rank
        score = baseline.rank(training, 0)
        found[baseline.name] = measures.measure_lists(score, training, held_out, users)
    return found, len(users)


def metrics_of(run: ModelRun, other: ModelRun | None, split: Split, lists: dict[str, Lists]) -> list[MetricLine]:
    """Return the table of metrics: the run and the other one from their records, then the baselines on its split."""
    lines = [_recorded("this run", run, lists)]
    if other is not None:
        lines.append(_recorded(name_of(other, run), other, lists))
    if "biases" in lists:
        lines.append(_of_biases(split, lists["biases"]))
    popular = lists["popularity"]
    lines.append(MetricLine("popularity", ndcg=popular.ndcg, hit_rate=popular.hit_rate))
    if unrated(run, split):
        return [dataclasses.replace(line, held_out_rmse=None, held_out_mae=None, train_rmse=None) for line in lines]
    return lines


def unrated(run: ModelRun, split: Split) -> str | None:
    """Return why errors of ratings would say nothing, now or in the training; None if they say something."""
    if not len(split.tested.ratings):
        return "There are no ratings."
    scale = {run.lowest_rating, run.highest_rating} - {None}
    if len(scale) == 1 or (split.training.ratings == split.tested.ratings[0]).all():
        return "All ratings are equal."
    return None if run.predicts_ratings else "The run predicts no ratings."


def _recorded(name: str, run: ModelRun, lists: dict[str, Lists]) -> MetricLine:
    return MetricLine(
        name,
        run.rating_count or None,
        float(run.options.get("holdout", 0.0)) if run.rating_count else None,
        run.metrics.get("held_out_rmse"),
        run.metrics.get("held_out_mae"),
        run.metrics.get("train_rmse"),
        lists[name].ndcg,
        lists[name].hit_rate,
    )


def _of_biases(split: Split, lists: Lists) -> MetricLine:
    training = split.training
    rate = baselines.biases().rate
    assert rate is not None  # noqa: S101  # it does
    predict = rate(training, 0)
    low, high = float(training.ratings.min()), float(training.ratings.max())

    def limited(ratings: Ratings, by: Predict = predict) -> NDArray[np.float32]:
        return np.clip(np.asarray(by(ratings.users, ratings.movies), np.float32), low, high)

    held_out: dict[str, Any] = {}
    if split.held_out is not None:
        predicted, actual = limited(split.held_out), split.held_out.ratings
        held_out = {"held_out_rmse": metrics.rmse(predicted, actual), "held_out_mae": metrics.mae(predicted, actual)}
    return MetricLine(
        "biases",
        train_rmse=metrics.rmse(limited(training), training.ratings),
        ndcg=lists.ndcg,
        hit_rate=lists.hit_rate,
        **held_out,
    )


def _sample(users: NDArray[np.int32], most: int) -> NDArray[np.int32]:
    """Return a sample of the users, ascending; the same users give the same sample."""
    return np.sort(np.random.default_rng(0).permutation(users)[:most])
