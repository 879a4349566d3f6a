"""embrec train and embrec runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy as sa

from embrec import experiments
from embrec import runs as model_runs
from embrec.cli.common import MODELS, database_option, engine, importing_keras, json_option, note, print_json
from embrec.cli.completion import run_argument
from embrec.cli.progress import progress_bar
from embrec.cli.tables import figures, print_rows
from embrec.errors import TrainingError, WithheldError
from embrec.garbage import collect_garbage

if TYPE_CHECKING:
    from embrec.models import Epoch
    from embrec.train import TrainResult

# What a step of the training is called, and what is counted in it.
_STEPS = {
    "extract": ("Reading ratings",),
    "fit": ("Fitting the ratings", "epochs"),
    "evaluate": ("Measuring the error",),
    "store": ("Storing vectors",),
    "publish": ("Publishing, and counting ratings",),
    "index": ("Indexing vectors",),
}
# The part that ranks is fitted beside the other, and may take longer.
_FITTED = "Finishing the fit"


@click.command()
@click.option(
    "--model",
    "architecture",
    metavar="NAME",
    default="two-part",
    shell_complete=lambda ctx, parameter, incomplete: [name for name in MODELS if name.startswith(incomplete)],
    show_default=True,
    help="two-part, matrix-factorization (quick, ratings only), or outer-product (the article's).",
)
@click.option(
    "--dimensions",
    type=click.IntRange(1, 2000),
    help="Length of a vector (two-part 64, matrix-factorization 31, article 32).",
)
@click.option("--epochs", type=click.IntRange(1), help="Passes over the ratings (matrix-factorization 8, article 50).")
@click.option("--draws", type=click.IntRange(0), help="two-part: draws to average (by itself up to 200); 0 is quick.")
@click.option(
    "--penalty",
    type=click.FloatRange(0, min_open=True),
    help="Of a user or movie (matrix-factorization 8, two-part: chosen on held-out ratings).",
)
@click.option(
    "--penalty-per-rating", type=click.FloatRange(0), help="matrix-factorization: added for each rating of it (0.05)."
)
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="two-part: see embrec tune (0.25).")
@click.option("--rating-power", type=click.FloatRange(0), help="two-part: how much more high ratings weigh (1.5).")
@click.option("--hidden-units", type=click.IntRange(1), help="outer-product: width of the dense layer (500).")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="outer-product: Adam's (0.01).")
@click.option("--batch-size", type=click.IntRange(1), help="outer-product: ratings per step (128).")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Same seed, same vectors."
)
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of ratings held out to report the error on; one-part models keep their best epoch by it.",
)
@click.option(
    "--warm-start",
    is_flag=True,
    help="matrix-factorization: begin with the published run's movies; --epochs 2 is then enough.",
)
@click.option("--publish/--no-publish", default=True, show_default=True, help="Publish the run when it is trained.")
@click.option("--force", is_flag=True, help="Publish it also where it looks bad, or another was published meanwhile.")
@database_option
@json_option
def train(
    architecture: str,
    seed: int,
    holdout: float,
    warm_start: bool,
    publish: bool,
    force: bool,
    database_url: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a model on the ratings in the database and publish its vectors.

    \b
    embrec train
    embrec train --draws 0  # quick
    embrec train --holdout 0.1 --no-publish
    embrec train --model matrix-factorization --warm-start --epochs 2
    """
    chosen = {name: value for name, value in options.items() if value is not None}
    bind = engine(database_url, direct=True)
    result = train_with_progress(bind, architecture, chosen, seed, holdout, publish, warm_start, force)
    _print_result(result, as_json)
    if result.withheld:
        raise WithheldError(result.withheld)
    if not as_json:
        note("Published." if result.published else f"To publish it: embrec runs publish {result.model_run_id}")


def _print_result(result: TrainResult, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "model_run_id": result.model_run_id,
                "published": result.published,
                "metrics": result.metrics,
                "seconds": result.seconds,
            }
        )
        return
    errors = ", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
    model = result.model
    kept = "" if model.kept_epoch == len(model.history) else f"; epoch {model.kept_epoch} kept"
    click.echo(f"Model run {result.model_run_id}: {errors}{kept}.")


def train_with_progress(
    bind: sa.Engine,
    architecture: str,
    options: dict[str, Any],
    seed: int,
    holdout: float,
    publish: bool,
    warm_start: bool = False,
    force: bool = False,
) -> TrainResult:
    """Train under a progress bar."""
    try:
        with importing_keras():
            from embrec import train as training
    except ImportError as error:
        raise TrainingError("Training needs TensorFlow and Keras. Run: pip install 'embrec[train]'") from error

    with progress_bar("Preparing") as bar:

        def on_epoch(epoch: Epoch) -> None:
            held_out = "" if epoch.held_out_rmse is None else f", held out {epoch.held_out_rmse:.4f}"
            bar.update(epoch.epoch, epoch.of, f"{epoch.epoch} of {epoch.of}, RMSE {epoch.rmse:.4f}{held_out}")
            if epoch.epoch == epoch.of:
                bar.step(_FITTED)

        def on_step(step: str) -> None:
            bar.step(*_STEPS[step])

        return training.train(bind, architecture, options, seed, holdout, publish, on_epoch, warm_start, force, on_step)


@click.group()
def runs() -> None:
    """Model runs: list, show, publish, roll back, delete.

    \b
    embrec runs list
    embrec runs publish 2
    """


@runs.command(name="list")
@click.option("--all", "include_deleted", is_flag=True, help="Deleted runs too.")
@database_option
@json_option
def list_command(include_deleted: bool, database_url: str | None, as_json: bool) -> None:
    """List the runs, newest first.

    \b
    embrec runs list
    embrec runs list --all --json
    """
    found = model_runs.list_runs(engine(database_url), include_deleted)
    if as_json:
        columns = ["model_run_id", "published", "status", "architecture", "started_at", "rating_count", "metrics"]
        print_rows([dataclasses.asdict(run) for run in found], columns, as_json=True)
        return
    print_rows([_run(run) for run in found], ["run", "status", "model", "started", "ratings", "metrics"])


def _run(run: model_runs.ModelRun) -> dict[str, object]:
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
    """Print everything recorded of a run, as JSON.

    \b
    embrec runs show 1
    """
    print_json(dataclasses.asdict(model_runs.get_run(engine(database_url), run)))


@runs.command()
@run_argument
@click.option("--force", is_flag=True, help="Also where its metrics look bad.")
@database_option
def publish(run: int, force: bool, database_url: str | None) -> None:
    """Make RUN the published one.

    \b
    embrec runs publish 2
    """
    bind = engine(database_url)
    model_runs.publish(bind, run, force=force)
    _note_published(bind, run)


@runs.command()
@database_option
def rollback(database_url: str | None) -> None:
    """Go back to the run that was published before.

    \b
    embrec runs rollback
    """
    bind = engine(database_url)
    _note_published(bind, model_runs.rollback(bind))


def _note_published(bind: sa.Engine, run: int) -> None:
    note(f"Model run {run} is published.")
    if (experiment := experiments.running(bind)) is not None:
        note(
            f"Experiment {experiment.name!r} goes on with its model runs {experiment.control_run} and "
            f"{experiment.treatment_run}. To end it: embrec experiments end"
        )


@runs.command()
@run_argument
@database_option
def delete(run: int, database_url: str | None) -> None:
    """Delete a run's vectors; its record stays.

    \b
    embrec runs delete 1
    """
    model_runs.delete(engine(database_url, direct=True), run)
    note(f"Model run {run} is deleted.")


@click.command()
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Delete trained runs beyond the N newest, too.")
@click.option("--dry-run", is_flag=True, help="Only list what would be done.")
@database_option
@json_option
def gc(keep: int | None, dry_run: bool, database_url: str | None, as_json: bool) -> None:
    """Clear away what killed processes left, and with --keep old runs.

    Never deleted by --keep: the published run, the one that a rollback would go back to, and the two of a running
    experiment.

    \b
    embrec gc
    embrec gc --keep 5 --dry-run
    """
    bind = engine(database_url, direct=True)
    with progress_bar("Clearing away", "runs") as bar:
        found = collect_garbage(bind, keep, dry_run, bar.update)
    rows = [dataclasses.asdict(garbage) for garbage in found]
    if rows or as_json:
        print_rows(rows, ["model_run_id", "garbage"], as_json)
    if not rows:
        note("Nothing is left over.")
    elif dry_run:
        note("Nothing was done. To clear it away, run the same without --dry-run.")
