"""embrec gc."""

from __future__ import annotations

import dataclasses

import click

from embrec.cli.common import database_option, engine, json_option, note
from embrec.cli.progress import progress_bar
from embrec.cli.tables import print_rows
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
@click.option("--dry-run", is_flag=True, help="Only list the actions, without doing them.")
@database_option
@json_option
def gc(keep: int, dry_run: bool, database_url: str | None, as_json: bool) -> None:
    """Delete the leftovers of killed processes, and old runs.

    It never deletes the published run, the one that a rollback would publish, or the two of a running experiment.

    \b
    embrec gc
    embrec gc --keep 5 --dry-run
    """
    bind = engine(database_url, direct=True)
    with progress_bar("Clearing away", "runs") as bar:
        found = collect_garbage(bind, keep or None, dry_run, bar.update)
    rows = [dataclasses.asdict(garbage) for garbage in found]
    if rows or as_json:
        print_rows(rows, ["model_run_id", "garbage"], as_json)
    if not rows:
        note("Nothing is left over.")
    elif dry_run:
        note("Nothing was done. To clear it away, run the same without --dry-run.")
