"""What the commands share: options, output, progress."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy as sa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from embrec import config
from embrec.database import local_server, open_engine

if TYPE_CHECKING:
    import pandas as pd

database_option = click.option(
    "--database-url", metavar="URL", help="PostgreSQL to use, before DATABASE_URL and the others."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, dt.datetime) else value.item()  # else a numpy number


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool = False) -> None:
    """Print rows as a table, or as a JSON array of objects."""
    if as_json:
        print_json([{column: row[column] for column in columns} for row in rows])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    numeric = {column for column in columns if all(isinstance(row[column], int | float) for row in rows)}
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    stdout().print(table)


def print_frame(frame: pd.DataFrame, as_json: bool) -> None:
    """Print a DataFrame as :func:`print_rows` does; what is missing is nothing, or null."""
    plain = frame.astype(object).where(frame.notna(), None)
    rows = [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]
    print_rows(rows, list(frame.columns), as_json)


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return ", ".join(value) if isinstance(value, list) else str(value)


def stdout() -> Console:
    """Console for data; a pipe gets whole lines, whatever the terminal's width."""
    return Console(width=None if sys.stdout.isatty() else 240, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def progress_bar(description: str, count: bool = False) -> Iterator[Callable[[float, str, float], None]]:
    """A progress bar on stderr, none where that is no terminal; yields a function of (done so far, remark, total)."""
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn() if count else TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
    ]
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=None, remark="")

        def update(done: float, remark: str, total: float) -> None:
            progress.update(task, completed=done, remark=remark, total=total)

        yield update


@contextlib.contextmanager
def quiet_native_output() -> Iterator[None]:
    """Keep out what native libraries write to stderr while they are imported (TensorFlow greets at length)."""
    config.quiet_tensorflow()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of every model that is built
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
