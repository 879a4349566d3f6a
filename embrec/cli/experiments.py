"""embrec experiments."""

from __future__ import annotations

import dataclasses

import click

from embrec.cli.common import database_option, engine, json_option, note
from embrec.cli.completion import run_option
from embrec.cli.tables import print_answer, print_rows
from embrec.db.answer import plain
from embrec.runs import experiments as model_experiments


@click.group()
def experiments() -> None:
    """Compare two runs in an A/B test, each on its share of the users.

    \b
    embrec experiments start "new vectors" --control 1 --treatment 2
    embrec experiments results
    """


@experiments.command()
@click.argument("name")
@run_option("--control", help="Run to compare with.")
@run_option("--treatment", help="Run that may be better.")
@click.option(
    "--share", type=float, default=0.5, show_default=True, help="Share of users, between 0 and 1, in the treatment."
)
@database_option
def start(name: str, control: int, treatment: int, share: float, database_url: str | None) -> None:
    """Start the experiment NAME; its two runs answer instead of the published one until it ends.

    \b
    embrec experiments start "new vectors" --control 1 --treatment 2 --share 0.2
    """
    model_experiments.start(engine(database_url), name, control, treatment, share)
    note(f"Experiment {name!r} is running: model run {treatment} for {share:.4g} of the users, {control} for the rest.")


@experiments.command()
@database_option
def end(database_url: str | None) -> None:
    """End the running experiment; the published run answers for everybody again.

    \b
    embrec experiments end
    """
    ended = model_experiments.end(engine(database_url))
    note(f"Experiment {ended.name!r} is ended. To keep its treatment: embrec runs publish {ended.treatment_run}")


@experiments.command(name="list")
@database_option
@json_option
def list_command(database_url: str | None, as_json: bool) -> None:
    """List the experiments, newest first; one without an end is running.

    \b
    embrec experiments list
    """
    rows = [dataclasses.asdict(experiment) for experiment in model_experiments.list_experiments(engine(database_url))]
    if not as_json:
        for row in rows:
            for moment in ("started_at", "ended_at"):
                row[moment] = row[moment] and f"{row[moment]:%Y-%m-%d %H:%M}"
    columns = [field.name for field in dataclasses.fields(model_experiments.Experiment)]
    print_rows(rows, columns, as_json)


@experiments.command()
@database_option
@json_option
def results(database_url: str | None, as_json: bool) -> None:
    """Compare the variants of each experiment, newest first.

    The outcome is the sum of the outcomes that the application recorded for a user, averaged over users. The
    difference is treatment minus control, with its 95 % confidence interval.

    \b
    embrec experiments results
    """
    print_answer(plain(model_experiments.results)(engine(database_url)), as_json)
