"""embrec tune."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embrec.cli.common import database_option, engine, json_option, model_option, note, print_json
from embrec.cli.importing import before_keras
from embrec.cli.progress import progress_bar
from embrec.cli.train import train
from embrec.models import registry

if TYPE_CHECKING:
    from embrec.evaluation.tuning import Trial


@click.command()
@model_option
@click.option(
    "--trials", type=click.IntRange(1), default=50, show_default=True, help="Total number of trials, including earlier."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed of the search."
)
@database_option
@json_option
def tune(model: str, trials: int, seed: int, database_url: str | None, as_json: bool) -> None:
    """Search for better options on held-out ratings, and print the command that trains with the best.

    Of two-part the ranking model is tuned; its rating model has no options to tune.

    Every trial is stored in the database. A later call continues from there, also after an interruption.

    \b
    embrec tune --trials 20
    embrec tune --model matrix-factorization --seed 1
    """
    with before_keras("Tuning", [model], "TensorFlow, Keras and Optuna", "tune"):
        from embrec.evaluation import tuning

        chosen = registry.get(model)

    bind = engine(database_url)
    with progress_bar("Tuning", "trials") as bar:

        def on_trial(trial: Trial, best: Trial, number: int) -> None:
            bar.update(number, trials, f"{number} of {trials}, {trial.value:.4f}, best {best.value:.4f}")

        best, metric, count = tuning.tune(bind, chosen, trials, seed, on_trial)
    command = f"embrec train --model {model} {' '.join(_flag(*each) for each in best.options.items())}"
    if as_json:
        print_json({"options": best.options, metric: best.value, "trials": count, "command": command})
        return
    click.echo(f"Best of {count} trials: {metric} {best.value:.4f}")
    click.echo(command)
    if count > trials:
        note("There were as many trials already; ask for more with --trials.")
    elif count < trials:
        note("All combinations of the options have been tried.")


def _flag(name: str, value: float) -> str:
    """An option of ``embrec train``: its flag, or for a model of one's own its pair."""
    flag = f"--{name.replace('_', '-')}"
    known = any(flag in parameter.opts for parameter in train.params)
    return f"{flag} {value:.4g}" if known else f"-o {name}={value:.4g}"
