"""What the commands share: the options, the database, notes and JSON."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import click
import sqlalchemy as sa

from embrec import config
from embrec.db import local_server, open_engine
from embrec.models import registry
from embrec.serving.plain import json_value

database_option = click.option(
    "--database-url", metavar="URL", help="PostgreSQL to use, before DATABASE_URL and the others."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
model_option = click.option(
    "--model",
    "model",
    metavar="NAME",
    default=registry.DEFAULT,
    show_default=True,
    shell_complete=lambda ctx, parameter, incomplete: [
        each for each in registry.names() if each.startswith(incomplete)
    ],
    help="two-part, matrix-factorization (quick, ratings only), outer-product (the article's), an installed package's, "
    "or your own as package.module:object.",
)
count_option = click.option(
    "-n", "count", type=click.IntRange(1, 2**31 - 1), default=10, show_default=True, help="How many."
)


def engine(database_url: str | None, direct: bool = False) -> sa.Engine:
    """The database to work on, given back when the command ends; says so where it is the embedded one.

    Args:
        database_url: What ``--database-url`` says.
        direct: Whether the command takes a session, so that EMBREC_DIRECT_URL goes before DATABASE_URL.
    """
    opened = open_engine(database_url, notify=note, direct=direct)
    click.get_current_context().call_on_close(opened.dispose)
    return opened


def where(database_url: str | None) -> str:
    """Which database is meant, in words and without a password."""
    setting = config.database_setting(database_url)
    if setting is None:
        return f"the embedded database in {local_server().home}"
    return config.describe(setting.parameters)


def note(message: str) -> None:
    """Tell the person something that is not data."""
    click.echo(message, err=True)


def print_json(value: Any) -> None:
    """Print a value as JSON; times become ISO 8601 text, and how long seconds."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=json_value))


@contextlib.contextmanager
def importing_keras() -> Iterator[None]:
    """Make importing TensorFlow and Keras quick and quiet: they greet at length on stderr.

    Their half a million objects stay to the end, and looking for garbage among them takes as long as all of importing
    them, some of it when the process ends.
    """
    config.quiet_tensorflow()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of every model that is built
    sys.stderr.flush()
    saved, collecting = os.dup(2), gc.isenabled()
    gc.disable()
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
        gc.freeze()
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        if collecting:
            gc.enable()
