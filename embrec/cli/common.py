"""The parts that commands share: options, the database engine, notes on stderr, and JSON output."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from embrec import config
from embrec.db import local_server, open_engine
from embrec.db.answer import json_value
from embrec.models import registry

database_option = click.option(
    "--database-url", metavar="URL", help="URL of the PostgreSQL database; takes precedence over all variables."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def importable(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Let ``package.module:object`` name a module of the working directory, as a script's own folder is not that."""
    sys.path.insert(0, str(Path.cwd()))
    return value


model_option = click.option(
    "--model",
    "model",
    callback=importable,
    metavar="NAME",
    default=registry.DEFAULT,
    show_default=True,
    shell_complete=lambda ctx, parameter, incomplete: [
        each for each in registry.names() if each.startswith(incomplete)
    ],
    help="The model: two-part, matrix-factorization (ALS: quick, ratings only), outer-product (the article's), the "
    "name of an installed package's, or your own as package.module:object.",
)
count_option = click.option(
    "-n", "count", type=click.IntRange(1, 2**31 - 1), default=10, show_default=True, help="Number of rows."
)


def engine(database_url: str | None, direct: bool = False, migrate: bool = True) -> sa.Engine:
    """Open the database, until the command ends; a note on stderr names the embedded one.

    Args:
        database_url: The value of ``--database-url``.
        direct: True if the command needs a session of its own. EMBREC_DIRECT_URL then takes precedence over
            DATABASE_URL.
        migrate: False if the command is about the schema, and so leaves that of the embedded database as it is.
    """
    opened = open_engine(database_url, notify=note, direct=direct, migrate=migrate)
    click.get_current_context().call_on_close(opened.dispose)
    return opened


def where(database_url: str | None) -> str:
    """Return a description of the database, without a password."""
    setting = config.database_setting(database_url)
    if setting is None:
        return f"the embedded database in {local_server().home}"
    return config.describe(setting.parameters)


def note(message: str) -> None:
    """Print a message that is not data, on stderr."""
    click.echo(message, err=True)


def confirmed(question: str, yes: bool) -> bool:
    """Ask before a step that cannot be undone, unless --yes was given; say what a refusal means."""
    try:
        agreed = yes or click.confirm(question, err=True)
    except click.Abort:  # Ctrl-C, or the end of the input: a command of cron has nobody to ask
        note("\nNothing was changed. To answer beforehand: --yes")
        raise
    if not agreed:
        note("Nothing was changed.")
    return agreed


def print_json(value: Any) -> None:
    """Print a value as JSON; timestamps become ISO 8601 text, durations become seconds."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=json_value))
