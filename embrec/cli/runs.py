"""embrec runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType

import click
import sqlalchemy as sa

from embrec import config
from embrec.cli.common import database_option, engine, json_option, note, print_json
from embrec.cli.completion import run_argument
from embrec.cli.importing import importing_keras
from embrec.cli.progress import progress_bar
from embrec.cli.tables import figures, print_rows
from embrec.errors import TrainingError
from embrec.runs import experiments, publishing, records


@click.group()
def runs() -> None:
    """Manage model runs: list, show, publish, roll back, delete, export, import, index users.

    \b
    embrec runs list
    embrec runs publish 2
    """


@runs.command(name="list")
@click.option("--all", "include_deleted", is_flag=True, help="Include deleted runs.")
@database_option
@json_option
def list_command(include_deleted: bool, database_url: str | None, as_json: bool) -> None:
    """List the runs, newest first.

    \b
    embrec runs list
    embrec runs list --all --json
    """
    found = records.list_runs(engine(database_url), include_deleted)
    if as_json:
        columns = ["model_run_id", "published", "status", "architecture", "started_at", "rating_count", "metrics"]
        print_rows([dataclasses.asdict(run) for run in found], columns, as_json=True)
        return
    print_rows([_run(run) for run in found], ["run", "status", "model", "started", "ratings", "metrics"])


def _run(run: records.ModelRun) -> dict[str, object]:
    return {
        "run": run.model_run_id,
        "status": run.status + (", published" if run.published else ""),
        "model": run.architecture,
        "started": f"{run.started_at:%Y-%m-%d %H:%M}",
        "ratings": f"{run.rating_count:,}",
        "metrics": figures(run.metrics),
    }


@runs.command()
@run_argument
@database_option
def show(run: int, database_url: str | None) -> None:
    """Print the record of RUN, as JSON.

    \b
    embrec runs show 1
    """
    print_json(dataclasses.asdict(records.get_run(engine(database_url), run)))


@runs.command()
@run_argument
@click.option("--force", is_flag=True, help="Publish even if its metrics look bad.")
@database_option
def publish(run: int, force: bool, database_url: str | None) -> None:
    """Publish RUN: from now on it answers.

    \b
    embrec runs publish 2
    """
    bind = engine(database_url)
    publishing.publish(bind, run, force=force)
    _note_published(bind, run)


@runs.command()
@database_option
def rollback(database_url: str | None) -> None:
    """Publish the previously published run again.

    \b
    embrec runs rollback
    """
    bind = engine(database_url)
    _note_published(bind, publishing.rollback(bind))


def _note_published(bind: sa.Engine, run: int) -> None:
    note(f"Model run {run} is published.")
    if (experiment := experiments.running(bind)) is not None:
        note(
            f"Experiment {experiment.name!r} goes on with its model runs {experiment.control_run} and "
            f"{experiment.treatment_run}. To end it: embrec experiments end"
        )


@runs.command(name="export")
@run_argument
@click.argument("path", metavar="FILE.keras", type=click.Path(path_type=Path))
@database_option
def export_command(run: int, path: Path, database_url: str | None) -> None:
    """Write a run as a Keras model, with the ids of its users and movies.

    \b
    embrec runs export 1 model.keras
    """
    _keras_files().export_run(engine(database_url), run, path)
    note(f"Model run {run} is in {path}. Python loads it after: import embrec.models.recommender")


@runs.command(name="import")
@click.argument("path", metavar="FILE.keras", type=click.Path(path_type=Path))
@click.option("--publish/--no-publish", default=True, show_default=True, help="Publish the run when it is stored.")
@database_option
def import_command(path: Path, publish: bool, database_url: str | None) -> None:
    """Store a Keras model that was exported, fine-tuned since or not, as a new run, and publish it.

    Its answers through SQL are compared with the model's first. The file is loaded in Keras's safe mode.

    \b
    embrec runs import model.keras
    embrec runs import model.keras --no-publish
    """
    bind = engine(database_url, direct=True)
    run = _keras_files().import_run(bind, path)
    note(f"Model run {run} is stored.")
    if publish:
        publishing.publish(bind, run)
        _note_published(bind, run)


def _keras_files() -> ModuleType:
    """The module that needs Keras."""
    try:
        with importing_keras():
            from embrec.runs import keras_files
    except ImportError as error:
        raise TrainingError(f"Keras files need TensorFlow and Keras. Run: {config.install_command('train')}") from error
    return keras_files


@runs.command(name="index-users")
@run_argument
@database_option
def index_users_command(run: int, database_url: str | None) -> None:
    """Make the index by which similar users are found among many, in minutes for a million.

    Without it all users are compared, which is exact, and slow from 50,000 users on.

    \b
    embrec runs index-users 1
    """
    from embrec.runs.store import index_users

    with progress_bar("Indexing users", "blocks") as bar:
        made = index_users(engine(database_url, direct=True), run, bar.update)
    few = f"Model run {run} has fewer than 50,000 users: comparing all is quick, and no index was made."
    note(f"The users of model run {run} are indexed." if made else few)


@runs.command()
@run_argument
@database_option
def delete(run: int, database_url: str | None) -> None:
    """Delete the vectors of RUN; its record stays.

    \b
    embrec runs delete 1
    """
    publishing.delete(engine(database_url, direct=True), run)
    note(f"Model run {run} is deleted.")
