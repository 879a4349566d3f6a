"""embrec load."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import sqlalchemy as sa

from embrec.cli.common import database_option, engine, json_option, note, print_json
from embrec.cli.progress import progress_bar
from embrec.loading import LoadReport
from embrec.loading import load as load_source
from embrec.sources import Source, open_source


@click.command()
@click.argument("source", metavar="ml-100k|PATH")
@click.option(
    "--movies", type=click.Path(path_type=Path), help="CSV of movies (movie_id, title, genres, release_year)."
)
@click.option("--column", "columns", multiple=True, metavar="OURS=THEIRS", help="What the CSV calls a column.")
@click.option(
    "--reject-to", type=click.Path(path_type=Path), help="CSV file for bad rows; without it one stops the load."
)
@database_option
@json_option
def load(
    source: str,
    movies: Path | None,
    columns: tuple[str, ...],
    reject_to: Path | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Load ratings: MovieLens 100K, a MovieLens folder, a CSV or a Parquet file.

    \b
    embrec load ml-100k            # fetched, checked and kept
    embrec load ml-latest-small/   # also ml-1m, ml-10m ... ml-32m
    embrec load ratings.csv --movies movies.csv
    embrec load sales.csv --column user_id=customer --column movie_id=film

    A CSV has commas, one row a line, and a header with user_id, movie_id, rating and, if known, rated_at (seconds
    since 1970 or ISO 8601). Loading again changes nothing; a newer rating replaces an older one.
    """
    named = dict(_pair(each) for each in columns)
    bind = engine(database_url)
    report = load_with_progress(bind, open_named_source(source, movies, named), reject_to)
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    click.echo(
        f"{report.read:,} ratings read: {report.inserted:,} new, {report.updated:,} updated, "
        f"{report.unchanged:,} unchanged, {report.rejected:,} rejected; "
        f"{report.new_users:,} new users, {report.new_movies:,} new movies."
    )
    if report.rejected:
        note(f"The rejected rows and their reasons are in {reject_to}.")


def _pair(text: str) -> tuple[str, str]:
    ours, separator, theirs = text.partition("=")
    if not separator:
        raise click.UsageError(f"--column {text}: write OURS=THEIRS, such as user_id=customer")
    return ours, theirs


def open_named_source(name: str, movies: Path | None = None, columns: dict[str, str] | None = None) -> Source:
    """The data set called ``name``: ``ml-100k``, fetched where it is not in the cache, or a path."""
    if name == "ml-100k" and not Path(name).exists():
        from embrec.movielens import fetch_ml_100k

        return open_source(fetch_ml_100k(note))
    return open_source(name, movies, columns)


def load_with_progress(bind: sa.Engine, source: Source, reject_to: Path | None = None) -> LoadReport:
    """Load a source under a progress bar."""
    with progress_bar("Reading ratings", "rows") as bar:

        def show(share: float, rows: int) -> None:
            if share < 1:
                bar.update(rows, rows / share if share else rows)
            else:
                bar.step(f"Storing {rows:,} ratings")

        return load_source(bind, source, reject_to, progress=show)
