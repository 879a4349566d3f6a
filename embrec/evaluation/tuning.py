"""Looks for better options of an architecture, by how well it does on ratings that are held out for that alone.

Every trial is kept in the database, so a search goes on where an earlier one ended, after an interruption too, as long
as the ratings are the same. The search is Optuna's (Akiba et al., KDD 2019), by tree-structured Parzen estimators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from embrec import db, metrics, splits
from embrec.db import Bind
from embrec.db.tables import tuning_trials
from embrec.errors import ConfigError
from embrec.evaluation import evaluate
from embrec.evaluation.contender import Contender, Score
from embrec.evaluation.data import EvaluationData, database_data
from embrec.models.als import model as als
from embrec.models.base import Ratings
from embrec.models.ease import model as ease

_HELD_OUT = 0.2
# The search begins to learn from its trials after so many at random.
_RANDOM_TRIALS = 8


@dataclass(frozen=True)
class Trial:
    """One set of options and what it reached.

    Attributes:
        options: The options, as :func:`embrec.training.train` takes them.
        value: The metric on the held-out ratings.
    """

    options: dict[str, Any]
    value: float


@dataclass(frozen=True)
class _Search:
    """What is searched for an architecture."""

    metric: str
    higher_is_better: bool
    space: dict[str, BaseDistribution]
    begin_with: Any
    value: Callable[[EvaluationData, dict[str, Any]], float]


def _ranking(data: EvaluationData, options: dict[str, Any]) -> float:
    def rank(training: Ratings, seed: int) -> Score:
        return ease.fit(training, ease.Options(**options), seed).score

    (outcome,) = evaluate.rank(data, [Contender("trial", rank=rank)], (0,))
    return outcome.values["NDCG@10"][0]


def _error(data: EvaluationData, options: dict[str, Any]) -> float:
    kept, held = splits.random_split(len(data.ratings.ratings), _HELD_OUT, 0)
    test = data.part(held)
    fitted = als.fit(data.part(kept), None, als.Options(**options), 0)
    return metrics.rmse(fitted.predict(test.users, test.movies), test.ratings)


# The rating part of the default model has nothing to tune: its hyperparameters are drawn with everything else.
SEARCHES: dict[str, _Search] = {
    "two-part": _Search(
        "NDCG@10",
        True,
        {
            "dimensions": IntDistribution(16, 128, step=16),
            "penalty": FloatDistribution(5, 2000, log=True),
            "dropout": FloatDistribution(0.0, 0.6),
            "rating_power": FloatDistribution(0.0, 3.0),
        },
        ease.Options(penalty=ease.FIRST_PENALTY),
        _ranking,
    ),
    "matrix-factorization": _Search(
        "RMSE",
        False,
        {
            "dimensions": IntDistribution(7, 63, step=8),
            "penalty": FloatDistribution(0.5, 50, log=True),
            "penalty_per_rating": FloatDistribution(0.005, 0.2, log=True),
        },
        als.Options(),
        _error,
    ),
}


def tune(
    bind: Bind,
    architecture: str,
    trials: int,
    seed: int = 0,
    on_trial: Callable[[Trial, Trial, int], None] = lambda trial, best, number: None,
) -> tuple[Trial, str, int]:
    """Try options until there are so many trials, those of earlier searches on the same ratings included.

    Args:
        bind: The database.
        architecture: ``two-part``, whose preference part is tuned, or ``matrix-factorization``.
        trials: How many there shall be in all; the first is of the defaults.
        seed: Of the search.
        on_trial: Called after each trial with it, the best so far, and how many there are.

    Returns:
        The best trial, the metric's name, and how many trials there are.

    Raises:
        ConfigError: The architecture has nothing to tune.
        DataError: There are no ratings.
    """
    if architecture not in SEARCHES:
        raise ConfigError(f"The architecture {architecture} cannot be tuned. Choose one of: {', '.join(SEARCHES)}")
    search = SEARCHES[architecture]
    data = database_data(bind)
    study = _study(search, seed)
    kept = _kept(bind, architecture, data.digest)
    for trial in kept:
        _tell(study, search, trial)
    if not kept:
        study.enqueue_trial({name: getattr(search.begin_with, name) for name in search.space})
    for number in range(len(kept) + 1, trials + 1):
        asked = study.ask(search.space)
        trial = Trial(dict(asked.params), search.value(data, dict(asked.params)))
        _keep(bind, architecture, data.digest, search.metric, trial)
        study.tell(asked, trial.value)
        on_trial(trial, _best(study), number)
    return _best(study), search.metric, max(len(kept), trials)


def _study(search: _Search, seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(n_startup_trials=_RANDOM_TRIALS, seed=seed)
    return optuna.create_study(direction="maximize" if search.higher_is_better else "minimize", sampler=sampler)


def _tell(study: optuna.Study, search: _Search, trial: Trial) -> None:
    study.add_trial(optuna.trial.create_trial(params=trial.options, distributions=search.space, value=trial.value))


def _best(study: optuna.Study) -> Trial:
    return Trial(dict(study.best_trial.params), float(study.best_value))


def _kept(bind: Bind, architecture: str, digest: str) -> list[Trial]:
    query = (
        sa.select(tuning_trials.c.options, tuning_trials.c.value)
        .where(tuning_trials.c.architecture == architecture, tuning_trials.c.ratings_sha256 == digest)
        .order_by(tuning_trials.c.trial_id)
    )
    with db.begin(bind) as connection:
        return [Trial(row.options, row.value) for row in connection.execute(query)]


def _keep(bind: Bind, architecture: str, digest: str, metric: str, trial: Trial) -> None:
    values = {"architecture": architecture, "ratings_sha256": digest, "metric": metric}
    with db.begin(bind) as connection:
        connection.execute(sa.insert(tuning_trials).values(**values, options=trial.options, value=trial.value))
