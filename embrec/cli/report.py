"""embrec report."""

from __future__ import annotations

from pathlib import Path

import click

from embrec import config
from embrec.cli.common import database_option, engine, json_option, print_json
from embrec.cli.progress import progress_bar
from embrec.errors import ConfigError


@click.command()
@click.argument("run", type=click.IntRange(1), required=False)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="File to write; an existing one is replaced.",
)
@click.option(
    "--png",
    "pictures",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Also write the figures as PNG files, into DIR.",
)
@database_option
@json_option
def report(run: int | None, output: Path, pictures: Path | None, database_url: str | None, as_json: bool) -> None:
    """Write a report on the training and accuracy of RUN (default: the published run).

    \b
    embrec report
    embrec report 3 --output run-3.html --png figures

    The report has the training history, metrics compared with baselines and the previous run, a map of the movies,
    calibration, coverage, neighbours and drift. It is one HTML file that works offline. The database is only read.
    """
    try:
        from embrec.report import STEPS, write_report
    except ImportError as error:
        raise ConfigError(f"A report needs {error.name}. Run: {config.install_command('report')}") from error

    with progress_bar("Writing a report") as bar:

        def on_step(step: str) -> None:
            # No share of the whole: some steps take a hundred times as long as others.
            bar.step(f"Writing a report: {step}, step {STEPS.index(step) + 1} of {len(STEPS)}")

        write_report(engine(database_url), output, run, pictures, on_step)
    if as_json:
        print_json({"file": str(output), "pictures": None if pictures is None else str(pictures)})
    else:
        click.echo(output)
