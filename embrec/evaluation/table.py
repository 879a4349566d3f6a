"""Evaluate models on the ratings of a database or a data set, as one table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from embrec.data.files.sources import Source
from embrec.db import Bind
from embrec.errors import ConfigError
from embrec.evaluation import contenders
from embrec.evaluation import evaluate as tasks_of
from embrec.evaluation.data import database_data, read_data
from embrec.models import registry
from embrec.models.protocol import Model

TASKS = ("ratings", "top-n", "similar")


def evaluate(
    data: Bind | Source,
    models: Sequence[str | Model] = (registry.DEFAULT,),
    tasks: Sequence[str] = TASKS,
    split: str = "random",
    seeds: int = 3,
) -> pd.DataFrame:
    """Measure models on held-out ratings, beside popularity and biases. Nothing is stored.

    Args:
        data: A database, as an engine or a connection, or a data set from
            :func:`embrec.data.files.sources.open_source`.
        models: Models, by name or themselves; the baselines are measured with them.
        tasks: ``ratings`` (errors of predictions), ``top-n`` (lists of unseen movies), ``similar`` (similar movies).
        split: ``random``, ``time`` or ``official``, for the ratings.
        seeds: Number of splits of the other tasks.

    Returns:
        The columns ``task``, ``model``, ``metric``, and ``mean`` and ``deviation`` over the splits.

    Raises:
        ConfigError: There is no such task or model.
        DataError: There are too few ratings.
    """
    if unknown := set(tasks) - set(TASKS):
        raise ConfigError(f"There is no task {', '.join(sorted(unknown))}. Choose of: {', '.join(TASKS)}")
    chosen = [contenders.of_model(registry.get(each)) for each in models]
    chosen += [contenders.named(each) for each in contenders.BASELINES]
    found = read_data(data) if isinstance(data, Source) else database_data(data)
    outcomes = []
    for task in tasks:
        if task == "ratings":
            outcomes += tasks_of.rate(found, chosen, split)
        elif task == "top-n":
            outcomes += tasks_of.rank(found, chosen, range(seeds))
        else:
            outcomes += tasks_of.compare(found, chosen, range(seeds))
    rows = [
        (outcome.task, outcome.contender, metric, pd.Series(values).mean(), pd.Series(values).std())
        for outcome in outcomes
        for metric, values in outcome.values.items()
    ]
    return pd.DataFrame(rows, columns=["task", "model", "metric", "mean", "deviation"])
