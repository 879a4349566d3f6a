"""embrec train."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy as sa

from embrec.cli.common import database_option, engine, json_option, model_option, note, print_json
from embrec.cli.gc import keep_option
from embrec.cli.importing import before_keras
from embrec.cli.progress import progress_bar
from embrec.engines import choice
from embrec.errors import WithheldError
from embrec.models import registry
from embrec.runs.cleanup import KEPT_RUNS

if TYPE_CHECKING:
    from embrec.models.base import Epoch
    from embrec.training import TrainResult

# Each step of a training: its name on the progress bar, and the unit that it counts.
_STEPS = {
    "extract": ("Reading ratings",),
    "fit": ("Fitting the ratings", "epochs"),
    "order": ("Learning what comes next",),
    "evaluate": ("Measuring the error",),
    "store": ("Storing vectors", "vectors"),
    "index": ("Indexing vectors", "blocks"),
    "publish": ("Counting ratings, and publishing",),
}
# The ranking model is fitted in parallel with the rating model, and may take longer.
_FITTED = "Finishing the fit"


@click.command()
@model_option
@click.option(
    "-o",
    "--option",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the model by its name, such as -o epochs=5. Repeatable.",
)
@click.option(
    "--dimensions",
    type=click.IntRange(1, 2000),
    help="Length of a vector (defaults: two-part 64, to rank up to 256; matrix-factorization 31, outer-product 32).",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="Passes over the ratings (defaults: matrix-factorization 8, outer-product 50).",
)
@click.option(
    "--draws",
    type=click.IntRange(0),
    help="two-part: number of posterior draws to average (default: up to 200); 0 is quick.",
)
@click.option(
    "--penalty",
    type=click.FloatRange(0, min_open=True),
    help="L2 regularization (defaults: matrix-factorization 8; two-part: chosen on held-out ratings).",
)
@click.option(
    "--penalty-per-rating",
    type=click.FloatRange(0),
    help="matrix-factorization: regularization added for each rating of a user or movie (default: 0.05).",
)
@click.option(
    "--dropout",
    type=click.FloatRange(0, 1, max_open=True),
    help="two-part: regularization as by dropout of this share of the ranking model's input (default: 0.25).",
)
@click.option(
    "--rating-power",
    type=click.FloatRange(0),
    help="two-part: exponent that weighs high ratings more in the ranking model (default: 1.5).",
)
@click.option(
    "--dislike-weight",
    type=click.FloatRange(0),
    help="two-part: weight of the lowest rating against its movie in the ranking model (default: 0.15).",
)
@click.option("--hidden-units", type=click.IntRange(1), help="outer-product: width of the dense layer (default: 500).")
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    help="outer-product: learning rate of Adam (default: 0.01).",
)
@click.option("--batch-size", type=click.IntRange(1), help="outer-product: ratings per step (default: 128).")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Random seed; the same seed gives the same vectors.",
)
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of ratings held out to report the error; other models than two-part keep their best epoch by it.",
)
@click.option(
    "--warm-start",
    is_flag=True,
    help="matrix-factorization: start from the published run's movie vectors; --epochs 2 is then enough.",
)
@click.option("--index-users", is_flag=True, help="Index 50,000 users or more, to find similar users in milliseconds.")
@click.option("--half", is_flag=True, help="Store users' vectors in half precision: a third less storage.")
@click.option(
    "--next/--no-next",
    "what_next",
    default=None,
    help="Learn what comes next (default: if most ratings have times or there are events, up to 5 million of both).",
)
@click.option(
    "--next-learned",
    is_flag=True,
    help="Learn one more part of what comes next with Keras, used if validation improves. Takes minutes.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Workers that share the fit of ratings (default: as many threads as make it quickest, or on Ray one for each "
    "processor); their number changes no vector.",
)
@click.option(
    "--engine",
    "fit_engine",
    type=click.Choice(choice.NAMES),
    default=choice.DEFAULT,
    show_default=True,
    help="What the workers are: threads, or processes on a Ray cluster.",
)
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="The head of the Ray cluster, or auto to find it as Ray does (default: a Ray of this machine's own).",
)
@click.option("--publish/--no-publish", default=True, show_default=True, help="Publish the run when it is trained.")
@keep_option
@click.option("--force", is_flag=True, help="Publish even if metrics look bad or another run was published meanwhile.")
@database_option
@json_option
def train(
    model: str,
    pairs: tuple[str, ...],
    seed: int,
    holdout: float,
    warm_start: bool,
    index_users: bool,
    half: bool,
    what_next: bool | None,
    next_learned: bool,
    workers: int | None,
    fit_engine: str,
    address: str | None,
    publish: bool,
    keep: int,
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
    embrec train --engine ray --workers 2  # processes of a Ray cluster
    embrec train --model matrix-factorization --warm-start --epochs 2
    embrec train --model my_package.my_module:model -o epochs=5
    """
    chosen = {name: value for name, value in options.items() if value is not None} | dict(map(_named_value, pairs))
    begin_import(model)
    bind = engine(database_url, direct=True)
    result = train_with_progress(
        bind,
        model,
        chosen,
        seed,
        holdout,
        publish,
        warm_start,
        force,
        keep or None,
        index_users,
        half,
        what_next,
        next_learned,
        workers,
        fit_engine,
        address,
    )
    _print_result(result, as_json)
    if result.withheld:
        raise WithheldError(result.withheld)
    if not as_json:
        note("Published." if result.published else f"To publish it: embrec runs publish {result.model_run_id}")


def _named_value(pair: str) -> tuple[str, Any]:
    """A pair as written: the value is a number, true, false or null where it reads as one, else text."""
    name, equals, value = pair.partition("=")
    if not equals or not name:
        raise click.UsageError(f"-o {pair} is no NAME=VALUE; write an option of the model as -o epochs=5.")
    try:
        return name.replace("-", "_"), json.loads(value)
    except ValueError:
        return name.replace("-", "_"), value


def _print_result(result: TrainResult, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "model_run_id": result.model_run_id,
                "published": result.published,
                "metrics": result.metrics,
                "seconds": result.seconds,
                "deleted": result.deleted,
            }
        )
        return
    errors = ", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
    model = result.model
    kept = "" if model.kept_epoch == len(model.history) else f"; epoch {model.kept_epoch} kept"
    click.echo(f"Model run {result.model_run_id}: {errors}{kept}.")
    if result.advice:
        note(result.advice)
    if result.deleted:
        old = ", ".join(map(str, result.deleted))
        note(f"Deleted old model runs, as embrec gc does: {old}. To keep all: embrec train --keep 0")


def begin_import(model: str) -> None:
    """Import all that training with a model needs, TensorFlow and Keras in a thread."""
    with before_keras("Training", [model]):
        from embrec import training  # noqa: F401

        registry.get(model)


def train_with_progress(
    bind: sa.Engine,
    model: str,
    options: dict[str, Any],
    seed: int,
    holdout: float,
    publish: bool,
    warm_start: bool = False,
    force: bool = False,
    keep: int | None = KEPT_RUNS,
    index_users: bool = False,
    half: bool = False,
    what_next: bool | None = None,
    next_learned: bool = False,
    workers: int | None = None,
    fit_engine: str = choice.DEFAULT,
    address: str | None = None,
) -> TrainResult:
    """Train under a progress bar."""
    begin_import(model)
    from embrec import training

    with progress_bar("Preparing") as bar:

        def on_epoch(epoch: Epoch) -> None:
            held_out = "" if epoch.held_out_rmse is None else f", held out {epoch.held_out_rmse:.4f}"
            bar.update(epoch.epoch, epoch.of, f"{epoch.epoch} of {epoch.of}, RMSE {epoch.rmse:.4f}{held_out}")
            if epoch.epoch == epoch.of:
                bar.step(_FITTED)

        def on_step(step: str) -> None:
            bar.step(*_STEPS[step])

        return training.train(
            bind,
            model,
            options,
            seed,
            holdout,
            publish,
            on_epoch,
            warm_start,
            force,
            on_step,
            keep,
            bar.update,
            index_users,
            half,
            what_next,
            next_learned,
            workers,
            fit_engine,
            address,
        )
