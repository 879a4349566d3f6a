"""embrec gc."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import click

from embrec.cli.common import database_option, engine, json_option, note
from embrec.cli.progress import progress_bar
from embrec.cli.tables import print_rows
from embrec.data.events import delete_events
from embrec.runs.cleanup import KEPT_RUNS, collect_garbage

keep_option = click.option(
    "--keep",
    type=click.IntRange(0),
    default=KEPT_RUNS,
    show_default=True,
    metavar="N",
    help="Delete trained runs older than the N newest, if this role owns them; 0 keeps all.",
)


@click.command()
@keep_option
@click.option(
    "--events-older-than",
    type=click.FloatRange(0, 365_000, min_open=True),
    metavar="DAYS",
    help="Delete events that happened more than DAYS days ago.",
)
@click.option("--undated", is_flag=True, help="With --events-older-than: delete events without a time, too.")
@click.option("--dry-run", is_flag=True, help="Only list the actions, without doing them.")
@database_option
@json_option
def gc(
    keep: int,
    events_older_than: float | None,
    undated: bool,
    dry_run: bool,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Delete leftovers of killed processes, old runs, and old events.

    It never deletes the published run, the one that a rollback would publish, or the two of a running experiment.

    \b
    embrec gc
    embrec gc --keep 5 --dry-run
    embrec gc --events-older-than 365
    """
    if undated and events_older_than is None:
        raise click.UsageError("--undated needs --events-older-than.")
    bind = engine(database_url, direct=True)
    with progress_bar("Clearing away", "runs") as bar:
        found = collect_garbage(bind, keep or None, dry_run, bar.update)
        rows: list[dict[str, Any]] = [{**dataclasses.asdict(garbage), "events": None} for garbage in found]
        if events_older_than is not None:
            bar.step("Deleting events")
            age = dt.timedelta(days=events_older_than)
            if deleted := delete_events(bind, age, undated, dry_run, bar.update):
                rows.append({"model_run_id": None, "garbage": "old events", "events": deleted})
    if rows or as_json:
        columns = ["model_run_id", "garbage", *(["events"] if events_older_than is not None else [])]
        print_rows(rows, columns, as_json)
    if not rows:
        note("Nothing is left over.")
    elif dry_run:
        note("Nothing was done. To clear it away, run the same without --dry-run.")
