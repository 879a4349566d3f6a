"""The command line. Data goes to stdout, everything else to stderr; heavy imports stay inside their commands."""

from __future__ import annotations

import importlib.metadata
import sys

import click

from embrec.cli import answers, database, demo, doctor, loading, training
from embrec.errors import EmbrecError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(importlib.metadata.version("embrec"), prog_name="embrec")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """A movie recommender that lives in PostgreSQL.

    Start with: embrec demo

    The database is --database-url, EMBREC_DATABASE_URL, DATABASE_URL or libpq's PG* variables; with none of them
    an embedded PostgreSQL, started when needed.
    """


for command in (
    demo.demo,
    database.db,
    loading.load,
    training.train,
    training.runs,
    answers.similar,
    answers.find,
    doctor.doctor,
):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 with one line that says what to do, 2 for usage, 130 when interrupted."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        # A command that has failed without an error of ours (doctor) says so by its return value.
        sys.exit(cli.main(given, prog_name="embrec", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("embrec: interrupted", err=True)
        sys.exit(130)
    except EmbrecError as error:
        if "--debug" in given:
            raise
        click.echo(f"embrec: {error}", err=True)
        sys.exit(1)
