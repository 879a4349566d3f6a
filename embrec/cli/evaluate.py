"""embrec evaluate."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embrec.cli.common import database_option, engine, importable, json_option, note, print_json
from embrec.cli.importing import before_keras
from embrec.cli.load import movies_option, open_named_source, users_option
from embrec.cli.progress import progress_bar
from embrec.cli.tables import print_rows
from embrec.errors import DataError
from embrec.models import registry

if TYPE_CHECKING:
    from embrec.evaluation.contender import Contender
    from embrec.evaluation.data import EvaluationData
    from embrec.evaluation.outcome import Outcome
    from embrec.evaluation.tasks import Protocol

TASKS = ("ratings", "top-n", "similar", "next")


@click.command()
@click.argument("data", metavar="[ml-100k|PATH]", required=False)
@movies_option
@users_option
@click.option(
    "--task", "tasks", multiple=True, type=click.Choice(TASKS), help="Task to evaluate. Repeatable; default: all four."
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    callback=importable,
    help="Model to evaluate. Repeatable; default: two-part.",
)
@click.option("--compare", "every_model", is_flag=True, help="Evaluate every model, including the article's (slow).")
@click.option(
    "--split",
    type=click.Choice(("official", "random", "time", "leave-last-out")),
    help="Split. For ratings: random folds (the default), blocks of the file (MovieLens 100K's official folds), or "
    "time (the newest fifth is held out). For top-n: random (a fifth of each user's movies; the default), or time (the "
    "newest fifth of all). For next: leave-last-out (each user's last step; the default), or time (each user's first "
    "step in the newest fifth). Time is the more honest test.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 20), default=3, show_default=True, help="Number of splits for top-n and similar."
)
@click.option("--repeats", is_flag=True, help="For next: allow movies of the history, and ask for repeated steps too.")
@click.option(
    "--groups", type=click.Path(path_type=Path), help="CSV of movies that should be similar (group, movie_id)."
)
@database_option
@json_option
def evaluate(
    data: str | None,
    movies: Path | None,
    users: Path | None,
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    every_model: bool,
    split: str | None,
    seeds: int,
    repeats: bool,
    groups: Path | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Measure models on held-out ratings and events, compared with popularity and other simple baselines.

    \b
    embrec evaluate                # the ratings and events in the database
    embrec evaluate ml-100k --split official
    embrec evaluate ml-latest-small/ --compare
    embrec evaluate ratings.csv --task top-n --seeds 5
    embrec evaluate --task next --split time

    Each metric is the mean over the splits, with its standard deviation. The difference from the first model on the
    same splits follows. Nothing is stored.
    """
    names = registry.names() if every_model else models or (registry.DEFAULT,)
    with before_keras("Evaluating", names):
        from embrec.evaluation import contenders
        from embrec.evaluation.tasks import Protocol

        protocol = Protocol(split, seeds, _read_groups(groups) if groups else {}, repeats)
        protocol.check(tasks or TASKS)
        chosen = [contenders.named(name) for name in (*names, *contenders.BASELINES)]

    found = _data(data, movies, users, database_url)
    outcomes: list[Outcome] = []
    for task in tasks or TASKS:
        try:
            done = _outcomes(found, chosen, task, protocol)
        except DataError as error:
            if tasks:
                raise
            note(f"{task}: left out. {error}")
            continue
        outcomes += done
        if not as_json:
            _print_table(done)
    if as_json:
        print_json([_as_json(each) for each in outcomes])


def _data(data: str | None, movies: Path | None, users: Path | None, database_url: str | None) -> EvaluationData:
    from embrec.evaluation.data import database_data, read_data

    if data is None:
        return database_data(engine(database_url))
    return read_data(open_named_source(data, movies, users=users))


def _outcomes(data: EvaluationData, contenders: Sequence[Contender], task: str, protocol: Protocol) -> list[Outcome]:
    from embrec.evaluation import tasks

    with progress_bar(f"Evaluating {task}", "splits") as bar:

        def progress(task: str, contender: str, done: int, of: int) -> None:
            bar.update(done, of, f"{contender}, {done + 1} of {of}")

        return tasks.outcomes(data, contenders, task, protocol, progress)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    found = {"task": outcome.task, "model": outcome.contender, "values": outcome.values}
    return {**found, "facts": outcome.facts} if outcome.facts else found


def _read_groups(path: Path) -> dict[str, str]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            groups = {row["movie_id"]: row["group"] for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no CSV file with the columns group and movie_id.") from error
    if not groups or not all(groups.values()) or not all(groups):
        raise DataError(f"{path} has no movies, or one without its group or its id.")
    return groups


def _print_table(outcomes: Sequence[Outcome]) -> None:
    from embrec.evaluation.beyond import apart
    from embrec.evaluation.outcome import summary

    rows = list(summary(outcomes))
    names = [key for key in rows[0] if key not in ("task", "model")]
    beside = apart(names)
    metrics = [name for name in names if name not in beside]
    click.echo(f"\n{rows[0]['task']}")
    if facts := outcomes[0].facts:
        click.echo(", ".join(f"{name}: {value}" for name, value in facts.items()))
    printed = [
        {"model": row["model"], **{name: _figure(row.get(name), number > 0) for name in metrics}}
        for number, row in enumerate(rows)
    ]
    print_rows(printed, ["model", *metrics])
    if beside:
        click.echo(f"\n{rows[0]['task']}, beyond accuracy")
        means = [{"model": row["model"], **{name: _mean(row.get(name)) for name in beside}} for row in rows]
        print_rows(means, ["model", *beside])


def _mean(value: tuple[float, float, float, float] | None) -> str:
    return "" if value is None else f"{value[0]:.4f}"


def _figure(value: tuple[float, float, float, float] | None, with_difference: bool) -> str:
    if value is None:
        return ""
    mean, deviation, difference, deviation_of_it = value
    text = f"{mean:.4f}" + (f" ±{deviation:.4f}" if deviation else "")
    if with_difference:
        text += f" ({difference:+.4f}" + (f" ±{deviation_of_it:.4f})" if deviation_of_it else ")")
    return text
