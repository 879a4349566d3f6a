"""embrec report."""

from __future__ import annotations

from pathlib import Path

import click

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
    help="The file to write; an earlier one is replaced.",
)
@click.option(
    "--png", "pictures", metavar="DIR", type=click.Path(path_type=Path), help="The figures as PNG files, too."
)
@database_option
@json_option
def report(run: int | None, output: Path, pictures: Path | None, database_url: str | None, as_json: bool) -> None:
    """Write a page that shows what a RUN learned and how good it is; the published run unless another is named.

    \b
    embrec report
    embrec report 3 --output run-3.html --png figures

    The page has the training's course, metrics beside baselines and the run before, a map of the movies, calibration,
    coverage, neighbours and drift. It is one file that works offline. The database is only read.
    """
    try:
        from embrec.report import STEPS, write_report
    except ImportError as error:
        raise ConfigError(f"A report needs {error.name}. Run: pip install 'embrec[report]'") from error

    with progress_bar("Writing a report") as bar:
        write_report(
            engine(database_url), output, run, pictures, lambda step: bar.update(STEPS.index(step), len(STEPS), step)
        )
    if as_json:
        print_json({"file": str(output), "pictures": None if pictures is None else str(pictures)})
    else:
        click.echo(output)
