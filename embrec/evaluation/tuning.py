"""The hyperparameter search: finds better options of an architecture, by its metric on a validation split.

Every trial is kept in the database, so a search goes on where an earlier one ended, after an interruption too, as long
as the ratings are the same. The search is Optuna's (Akiba et al., KDD 2019), by tree-structured Parzen estimators.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from embrec import db, metrics, splits
from embrec.db import Bind
from embrec.db.tables import tuning_trials
from embrec.errors import ConfigError
from embrec.evaluation import evaluate
from embrec.evaluation.contenders import of_model
from embrec.evaluation.data import EvaluationData, database_data
from embrec.models import registry
from embrec.models.protocol import Model, Range, Search

_HELD_OUT = 0.2
# The first 8 trials are random: the Parzen estimator cannot learn from fewer.
_RANDOM_TRIALS = 8
# After 20 proposals that were all tried before, the untried options are looked up instead.
_PROPOSALS = 20


@dataclass(frozen=True)
class Trial:
    """One set of options and what it reached.

    Attributes:
        options: The options, as :func:`embrec.training.train` takes them.
        value: The metric on the held-out ratings.
    """

    options: dict[str, Any]
    value: float


def _ranking(data: EvaluationData, model: Model, options: dict[str, Any]) -> float:
    (outcome,) = evaluate.rank(data, [of_model(model, **options)], (0,))
    return outcome.values["NDCG@10"][0]


def _error(data: EvaluationData, model: Model, options: dict[str, Any]) -> float:
    kept, held = splits.random_split(len(data.ratings.ratings), _HELD_OUT, 0)
    test = data.part(held)
    rate = of_model(model, **options).rate
    assert rate is not None  # noqa: S101 - every model predicts
    return metrics.rmse(np.asarray(rate(data.part(kept), 0)(test.users, test.movies)), test.ratings)


_VALUES: dict[str, Callable[[EvaluationData, Model, dict[str, Any]], float]] = {"NDCG@10": _ranking, "RMSE": _error}


def tune(
    bind: Bind,
    model: str | Model,
    trials: int,
    seed: int = 0,
    on_trial: Callable[[Trial, Trial, int], None] = lambda trial, best, number: None,
) -> tuple[Trial, str, int]:
    """Try options until there are ``trials`` trials, those of earlier searches on the same ratings included.

    Args:
        bind: The database.
        model: A model with a search space, as :func:`embrec.models.registry.get` takes it.
        trials: Total number of trials; the first is of the defaults.
        seed: Seed of the search; an interrupted search makes the trials that an uninterrupted one would have made.
        on_trial: Called after each trial with it, the best so far, and the number of trials.

    Returns:
        The best trial, the metric's name, and how many trials there are. Those are fewer than ``trials`` if no other
        options are left to try.

    Raises:
        ConfigError: There is no such model, or it has nothing to tune.
        DataError: There are no ratings.
    """
    chosen = registry.get(model)
    search: Search | None = getattr(chosen, "search", None)
    if search is None:
        tunable = [name for name in registry.BUILT_IN if hasattr(registry.get(name), "search")]
        raise ConfigError(f"The architecture {chosen.name} cannot be tuned. Choose one of: {', '.join(tunable)}")
    space = {name: _distribution(each) for name, each in search.space.items()}
    data = database_data(bind)
    study = _study(search)
    kept = _kept(bind, chosen.name, data.digest)
    for trial in kept:
        _tell(study, space, trial)
    if not kept:
        study.enqueue_trial({name: getattr(search.begin_with, name) for name in space})
    count = len(kept)
    while count < trials and (asked := _ask(study, space, seed)) is not None:
        trial = Trial(dict(asked.params), _VALUES[search.metric](data, chosen, dict(asked.params)))
        _keep(bind, chosen.name, data.digest, search.metric, trial)
        study.tell(asked, trial.value)
        count += 1
        on_trial(trial, _best(study), count)
    return _best(study), search.metric, count


def _ask(study: optuna.Study, space: dict[str, BaseDistribution], seed: int) -> optuna.Trial | None:
    """Return the next trial, of options that no trial has had; None if the whole space is tried."""
    tried = [each.params for each in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])]
    for proposal in range(_PROPOSALS):
        # A seed of its own for each trial: a search that goes on would otherwise draw its first trials again.
        (own,) = np.random.SeedSequence([seed, len(tried), proposal]).generate_state(1)
        study.sampler = _sampler(int(own))
        asked = study.ask(space)
        if asked.params not in tried:
            return asked
        study.tell(asked, state=TrialState.FAIL)  # failed trials teach the sampler nothing
    untried = next((options for options in _grid(space) if options not in tried), None)
    if untried is None:
        return None
    study.enqueue_trial(untried)
    return study.ask(space)


def _grid(space: dict[str, BaseDistribution]) -> Iterator[dict[str, Any]]:
    """Yield all options of a space whose values can be listed, and of any other its lowest ones."""
    values = [
        range(each.low, each.high + 1, each.step) if isinstance(each, IntDistribution) else [each.low]  # type: ignore[attr-defined]
        for each in space.values()
    ]
    return (dict(zip(space, chosen, strict=True)) for chosen in itertools.product(*values))


def _distribution(values: Range) -> BaseDistribution:
    if values.step is not None:
        return IntDistribution(int(values.low), int(values.high), step=values.step)
    return FloatDistribution(values.low, values.high, log=values.log)


def _study(search: Search) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="minimize" if search.metric == "RMSE" else "maximize", sampler=_sampler(0))


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(n_startup_trials=_RANDOM_TRIALS, seed=seed)


def _tell(study: optuna.Study, space: dict[str, BaseDistribution], trial: Trial) -> None:
    study.add_trial(optuna.trial.create_trial(params=trial.options, distributions=space, value=trial.value))


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
