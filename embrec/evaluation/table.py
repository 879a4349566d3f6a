"""Evaluate models on the ratings of a database or a data set, as one table."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pandas as pd

from embrec.data.files.sources import Source
from embrec.db import Bind
from embrec.errors import DataError
from embrec.evaluation import contenders
from embrec.evaluation.data import database_data, read_data
from embrec.evaluation.outcome import Outcome
from embrec.evaluation.tasks import TASKS, Protocol, outcomes
from embrec.models import registry
from embrec.models.protocol import Model


def evaluate(
    data: Bind | Source,
    models: Sequence[str | Model] = (registry.DEFAULT,),
    tasks: Sequence[str] | None = None,
    split: str | None = None,
    seeds: int = 3,
    repeats: bool = False,
) -> pd.DataFrame:
    """Measure models on held-out ratings and events, beside simple baselines. Nothing is stored.

    Args:
        data: A database, as an engine or a connection, or a data set from
            :func:`embrec.data.files.sources.open_source`.
        models: Models, by name or themselves; the baselines are measured with them.
        tasks: ``ratings`` (errors of predictions), ``top-n`` (lists of unseen movies), ``similar`` (similar movies),
            ``next`` (the next step of a history); by default all that the data allow.
        split: ``random``, ``official`` or ``time`` for ratings, ``random`` or ``time`` for lists, ``leave-last-out`` or
            ``time`` for the next step; each first one is the default.
        seeds: Number of splits of lists and of similar movies.
        repeats: True if the next step may be a movie of the history.

    Returns:
        The columns ``task``, ``model``, ``metric``, and ``mean`` and ``deviation`` over the splits.

    Raises:
        ConfigError: There is no such task or model, or none of the tasks has the split.
        DataError: The data do not allow a task that was named, or allow none.
    """
    protocol = Protocol(split, seeds, repeats=repeats)
    protocol.check(TASKS if tasks is None else tasks)
    chosen = [contenders.of_model(registry.get(each)) for each in models]
    chosen += [contenders.named(each) for each in contenders.BASELINES]
    found = read_data(data) if isinstance(data, Source) else database_data(data)
    measured: list[Outcome] = []
    left_out = (DataError,) if tasks is None else ()
    for task in TASKS if tasks is None else tasks:
        with contextlib.suppress(*left_out):
            measured += outcomes(found, chosen, task, protocol)
    if not measured:
        raise DataError(f"{found.name} allows no task. Name one to see the reason: evaluate(data, tasks=['top-n'])")
    rows = [
        (outcome.task, outcome.contender, metric, pd.Series(values).mean(), pd.Series(values).std())
        for outcome in measured
        for metric, values in outcome.values.items()
    ]
    return pd.DataFrame(rows, columns=["task", "model", "metric", "mean", "deviation"])
