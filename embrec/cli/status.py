"""embrec status, and the summary that embrec prints without a command."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
from collections.abc import Iterator

import click
from rich.filesize import decimal

from embrec import config, db
from embrec.cli.common import database_option, engine, json_option, note, print_json, where
from embrec.cli.tables import figures, print_rows
from embrec.errors import LocalServerError
from embrec.monitoring.prometheus import exposition
from embrec.monitoring.status import Row, Status, StatusWarning, read_status

# At most 5 runs, so that status fits a screen; runs that answer are shown as well.
_RUNS_SHOWN = 5
_NOT_MADE = StatusWarning(
    "no_database", "No database is configured, and the embedded one has not been made yet.", "embrec demo"
)


@click.command()
@click.option(
    "--prometheus", is_flag=True, help="Print Prometheus' text format, for node_exporter's textfile collector."
)
@database_option
@json_option
def status(prometheus: bool, database_url: str | None, as_json: bool) -> None:
    """Show health, and how to fix problems.

    \b
    embrec status
    embrec status --json
    embrec status --prometheus > embrec.prom

    Each problem is shown with the command that fixes it. To check the installation, permissions and settings, run
    embrec doctor.
    """
    if prometheus and as_json:
        raise click.UsageError("Take one of --prometheus and --json.")
    made = _is_made(database_url)
    found = read_status(engine(database_url)) if made else Status({}, [], [], [_NOT_MADE])
    if prometheus:
        click.echo(exposition(found), nl=False)
    elif as_json:
        print_json({"where": where(database_url) if made else None, **dataclasses.asdict(found)})
    else:
        _print(found, where(database_url))


def _is_made(database_url: str | None) -> bool:
    """Return whether there is a database; an embedded one is not created only to find it empty."""
    return config.database_setting(database_url) is not None or bool(db.local_server().data.exists())


def _print(found: Status, place: str) -> None:
    for name, text in _facts(found, place):
        click.echo(f"{name:<11}{text}")
    shown = [
        run for number, run in enumerate(found.runs) if number < _RUNS_SHOWN or run["published"] or run["experiment"]
    ]
    if shown:
        click.echo()
        indexes = ["indexes"] if any(run["indexes"] for run in shown) else []
        print_rows([_run(run) for run in shown], ["run", "state", "model", "ratings", "vectors", *indexes, "metrics"])
    if len(shown) < len(found.runs):
        note(f"{len(found.runs) - len(shown)} older runs: embrec runs list")
    for warning in found.warnings:
        click.echo(f"\n{warning.message}\n    {warning.command}")


def _facts(found: Status, place: str) -> Iterator[tuple[str, str]]:
    state = found.state
    if not state:
        return
    yield "database", f"PostgreSQL {state['server_version']}, {place}, {decimal(state['database_bytes'])}"
    yield "schema", f"revision {state['schema_revision'] or 'none'}"
    if "ratings" not in state:
        return
    about = "about " if state["ratings_estimated"] else ""
    newest = f", the newest {_ago(state['newest_rating_at'])}" if state["newest_rating_at"] else ""
    yield "ratings", f"{about}{_contents(state)}, {decimal(state['rating_bytes'])}{newest}"
    if state["events"]:
        yield "events", _events(state)
    yield "vectors", decimal(state["vector_bytes"])
    if state["published_run"] is None:
        yield "published", "no run"
        return
    yield "published", f"run {state['published_run']} ({state['architecture']}), trained {_ago(state['trained_at'])}"
    yield (
        "since then",
        f"{about}{state['ratings_since_training']:,} ratings ({state['share_since_training'] or 0:.1%}), "
        f"{_events_since(state)}"
        f"{state['users_since_training'] or 0:,} users, "
        f"{state['movies_without_vectors'] or 0:,} movies without vectors",
    )
    if state["lone_users"] or state["lone_movies"]:
        yield (
            "too alone",
            f"{state['lone_users']:,} users, who are answered by popularity, and {state['lone_movies']:,} movies: "
            "their ratings tell nothing about others",
        )
    if state["has_order"] and not state["knows_order"]:
        yield (
            "what next",
            "the published run knows no order, and answers by its lists; to learn it: embrec train --next",
        )
    if state["experiment"] is not None:
        yield "experiment", state["experiment"]


def _contents(state: Row) -> str:
    return f"{state['ratings']:,} ratings of {state['users']:,} users and {state['movies']:,} movies"


def _events_since(state: Row) -> str:
    return f"{state['events_since_training']:,} events, " if state["events"] else ""


def _events(state: Row) -> str:
    """Return the number of events, and the size of one: its row, as in a plain table, and its part of the indexes."""
    about = "about " if state["events_estimated"] else ""
    newest = f", the newest {_ago(state['newest_event_at'])}" if state["newest_event_at"] else ""
    each, row = (round(state[name] / state["events"]) for name in ("event_bytes", "event_row_bytes"))
    size = f"{decimal(state['event_bytes'])}, {each:,} bytes each ({row:,} in the table, {each - row:,} in indexes)"
    return f"{about}{state['events']:,} events, {size}{newest}"


def _run(run: Row) -> Row:
    state = run["state"]
    if state == "training":
        state = f"training, {run['progress'] or 0:.0%}, alive {_ago(run['heartbeat_at'])}"
    marks = [
        mark for mark, is_so in (("published", run["published"]), ("in the experiment", run["experiment"])) if is_so
    ]
    return {
        "run": run["model_run_id"],
        "model": run["architecture"],
        "state": ", ".join([state, *marks]),
        "ratings": f"{run['rating_count']:,}",
        "vectors": decimal(run["vector_bytes"]) if run["vector_bytes"] else "",
        "indexes": run["indexes"] or "",
        "metrics": figures(run["metrics"]),
    }


def _ago(moment: dt.datetime) -> str:
    seconds = (dt.datetime.now(dt.UTC) - moment).total_seconds()
    for unit, length in (("year", 31_556_952), ("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"


def where_you_are() -> None:
    """Print the database in use, its contents, and the next command to run; no server is started."""
    click.echo(f"embrec {importlib.metadata.version('embrec')}, a movie recommender that lives in PostgreSQL")
    try:
        next_command = _look()
    except LocalServerError as error:  # no database is configured, and the embedded server is not installed
        click.echo(str(error))
        return
    click.echo(f"Next: {next_command}\nAll commands: embrec --help")


def _look() -> str:
    """Print the contents of the database, and return the next command to run."""
    place = where(None)
    if not _is_made(None):
        click.echo(_NOT_MADE.message)
        return _NOT_MADE.command
    if config.database_setting() is None and db.local_server().url() is None:
        click.echo(f"{place[0].upper()}{place[1:]}: stopped. Any command that needs it starts it.")
        return "embrec status"
    found = read_status(engine(None))
    click.echo(f"{place[0].upper()}{place[1:]}")
    if "ratings" in found.state:
        run = found.state["published_run"]
        published = "no model run is published" if run is None else f"model run {run} is published"
        click.echo(f"{_contents(found.state)}; {published}.")
    for warning in found.warnings[:1]:
        click.echo(warning.message)
        return warning.command
    return "embrec explore"
