"""Experiments (A/B tests): two runs serve at once, each its share of the users, and their outcomes are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, answer, as_frame
from embrec.db.tables import experiments
from embrec.errors import ExperimentError
from embrec.runs import publishing, records
from embrec.validation import OutsideId


@dataclass(frozen=True)
class Experiment:
    """An experiment: the columns of ``embrec.experiments``; it runs while ``ended_at`` is None."""

    experiment_id: int
    name: str
    control_run: int
    treatment_run: int
    treatment_share: float
    started_at: Any
    ended_at: Any


def start(bind: Bind, name: str, control_run: int, treatment_run: int, treatment_share: float = 0.5) -> Experiment:
    """Let one run answer for a share of the users and another for the rest, until :func:`end`.

    Args:
        bind: An engine or a connection.
        name: The experiment's name, which must be unique.
        control_run: The run to compare with, as a rule the published one.
        treatment_run: The run that may be better; the control's again tests the experiment itself.
        treatment_share: The share of users who get the treatment, between 0 and 1.

    Raises:
        UnknownRunError: There is no such run.
        ExperimentError: Another experiment is running, the name is taken, a run has no vectors, or nobody would be on
            one of the sides.
    """
    validation.text(name, "name")
    if not 0 < validation.number(treatment_share, "treatment_share") < 1:
        raise ExperimentError(
            f"The treatment's share is {treatment_share}; give a number between 0 and 1, such as 0.5."
        )
    with db.begin(bind) as connection:
        publishing.one_at_a_time(connection)
        _require_room(connection, name)
        for run in (control_run, treatment_run):
            _require_vectors(connection, run)
        values = {"control_run": control_run, "treatment_run": treatment_run, "treatment_share": treatment_share}
        inserted = connection.execute(sa.insert(experiments).values(name=name, **values).returning(experiments))
        return Experiment(**inserted.mappings().one())


def _require_room(connection: sa.Connection, name: str) -> None:
    """Check that no experiment is running, and none has the name."""
    if (now := running(connection)) is not None:
        raise ExperimentError(
            f"Experiment {now.name!r} is running, and one runs at a time. End it first: embrec experiments end"
        )
    if connection.scalar(sa.select(experiments.c.experiment_id).where(experiments.c.name == name)) is not None:
        raise ExperimentError(
            f"There was an experiment {name!r} already. Choose another name; "
            "see those there were with: embrec experiments list"
        )


def _require_vectors(connection: sa.Connection, model_run_id: int) -> None:
    run = records.get_run(connection, model_run_id)
    if run.status != "trained":
        raise ExperimentError(
            f"Model run {model_run_id} is {run.status}, so it has no vectors to answer from. "
            "See the runs with: embrec runs list"
        )


def end(bind: Bind) -> Experiment:
    """End the running experiment; the published run answers for everybody again.

    Raises:
        ExperimentError: None is running.
    """
    with db.begin(bind) as connection:
        ended = connection.execute(
            sa.update(experiments)
            .where(experiments.c.ended_at.is_(None))
            .values(ended_at=sa.func.now())
            .returning(experiments)
        )
        row = ended.mappings().one_or_none()
    if row is None:
        raise ExperimentError("No experiment is running. See those there were with: embrec experiments list")
    return Experiment(**row)


def running(bind: Bind) -> Experiment | None:
    """The running experiment, or None."""
    with db.begin(bind) as connection:
        found = connection.execute(sa.select(experiments).where(experiments.c.ended_at.is_(None)))
        row = found.mappings().one_or_none()
    return None if row is None else Experiment(**row)


def list_experiments(bind: Bind) -> list[Experiment]:
    """All experiments, newest first."""
    query = sa.select(experiments).order_by(experiments.c.experiment_id.desc())
    with db.begin(bind) as connection:
        return [Experiment(**row) for row in connection.execute(query).mappings()]


def assign_variant(bind: Bind, user_id: OutsideId) -> str | None:
    """The side of the running experiment that a user is on, ``control`` or ``treatment``; None where none runs."""
    user = validation.outside_id(user_id, "user_id")
    with db.begin(bind) as connection:
        variant = connection.scalar(sa.text("SELECT embrec.assign_variant(:user)"), {"user": user})
    return None if variant is None else str(variant)


def record_exposure(bind: Bind, user_id: OutsideId) -> str | None:
    """Record that a user was shown what the running experiment has for them; the first time counts.

    Returns:
        The user's variant, or None where no experiment runs, and so nothing is recorded.
    """
    user = validation.outside_id(user_id, "user_id")
    with db.begin(bind) as connection:
        variant = connection.scalar(sa.text("SELECT embrec.record_exposure(:user)"), {"user": user})
    return None if variant is None else str(variant)


def record_outcome(bind: Bind, user_id: OutsideId, value: float) -> bool:
    """Record what came of showing: a click, minutes watched, a purchase; a user's outcomes are added up.

    Returns:
        True if it counts, which it does for a user who was exposed to the running experiment.

    Raises:
        ArgumentError: The value is no number.
        DatabaseError: The value is not finite.
    """
    values = {"user": validation.outside_id(user_id, "user_id"), "value": validation.number(value, "value")}
    with db.begin(bind) as connection:
        return bool(connection.scalar(sa.text("SELECT embrec.record_outcome(:user, :value)"), values))


@as_frame
def results(bind: Bind) -> Answer:
    """Return the results of each experiment's variants, newest experiment first.

    Returns:
        The columns of ``embrec.experiment_results``, the control's row before the treatment's.
    """
    with db.begin(bind) as connection:
        return answer(connection, "SELECT * FROM embrec.experiment_results ORDER BY experiment_id DESC, variant")
