"""embrec load."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import sqlalchemy as sa

from embrec import db
from embrec.cli.common import database_option, engine, json_option, note, print_json
from embrec.cli.importing import keep_arrow_from_pandas
from embrec.cli.progress import progress_bar
from embrec.cli.scale import ScaleType
from embrec.data.describing import load_movies
from embrec.data.files.columns import COLUMN_OPTIONS, DEFAULT_TYPE, EVENTS, MOVIE_COLUMN_OPTIONS
from embrec.data.files.sources import Source, open_source, read_movie_file
from embrec.data.loading import load as load_source
from embrec.data.merge import LoadReport
from embrec.data.table_loading import load_from_table
from embrec.data.table_source import TableSource, read_content

movies_option = click.option(
    "--movies", type=click.Path(path_type=Path), help="File of movies (movie_id, title, genres, release_year)."
)
users_option = click.option(
    "--users", type=click.Path(path_type=Path), help="File of user features (user_id, and any other columns)."
)

_STEPS = {
    "ids": "Storing: ids",
    "copy": "Storing: rows",
    "merge": "Storing: merging",
    "count": "Counting",
}


@click.command()
@click.argument("source", metavar="[ml-100k|PATH]", required=False)
@click.option("--from-table", metavar="NAME", help="Table or view of this database to load, such as shop.stars.")
@click.option("--from-query", metavar="SQL", help="SELECT in this database to load.")
@click.option("--user-column", metavar="NAME", help="Name of the column user_id in the file, table or query.")
@click.option("--movie-column", metavar="NAME", help="Name of the column movie_id.")
@click.option("--rating-column", metavar="NAME", help="Name of the column rating.")
@click.option("--time-column", metavar="NAME", help="Name of the column rated_at or, of events, occurred_at.")
@click.option("--event-type", metavar="NAME", help="Type of all rows, such as play or purchase; they are events then.")
@click.option("--type-column", metavar="NAME", help="Name of the column event_type of events.")
@click.option("--value-column", metavar="NAME", help="Name of the column value of events, such as a number of plays.")
@click.option("--id-column", metavar="NAME", help="Name of the column external_id of events.")
@click.option("--movie-id-column", metavar="NAME", help="Name of the column movie_id in the file of movies.")
@click.option("--title-column", metavar="NAME", help="Name of the column title there.")
@click.option("--genres-column", metavar="NAME", help="Name of the column genres there.")
@click.option("--year-column", metavar="NAME", help="Name of the column release_year there; it may have dates.")
@click.option("--content-column", metavar="NAME", help="Name of a column of vectors there, such as embeddings.")
@click.option("--text-column", metavar="NAME", help="Name of a column of texts there, such as plots, to be vectors.")
@click.option(
    "--watermark",
    metavar="COLUMN",
    help="Load only rows newer than the last load, by this timestamp column, such as updated_at.",
)
@movies_option
@users_option
@click.option("--movies-query", metavar="SQL", help="SELECT of movie_id, title and, if known, genres and release_year.")
@click.option("--content-query", metavar="SQL", help="SELECT of movie_id and content (vectors) or text, loaded alone.")
@click.option(
    "--reject-to", type=click.Path(path_type=Path), help="CSV file for bad rows; without it a bad row stops the load."
)
@click.option("--scale", type=ScaleType(), help="Lowest and highest rating, for a first load: --scale 1:5.")
@database_option
@json_option
def load(
    source: str | None,
    from_table: str | None,
    from_query: str | None,
    watermark: str | None,
    movies: Path | None,
    users: Path | None,
    movies_query: str | None,
    content_query: str | None,
    reject_to: Path | None,
    scale: tuple[float, float] | None,
    event_type: str | None,
    database_url: str | None,
    as_json: bool,
    **column_options: str | None,
) -> None:
    """Load ratings or events from files, or from a table; or movies alone.

    \b
    embrec load ml-100k            # downloaded, checked and cached
    embrec load ml-latest-small/   # also ml-1m, ml-10m ... ml-32m
    embrec load ratings.csv --movies movies.csv --users users.csv
    embrec load sales.csv --user-column customer --movie-column film
    embrec load stars.jsonl.gz --movies films.tsv --movie-id-column id --title-column name
    embrec load --from-table shop.stars --user-column customer --movie-column film --rating-column stars
    embrec load plays.csv --event-type play      # without a column of ratings, rows are events
    embrec load log.parquet --type-column action --value-column seconds --id-column event_id
    embrec load ratings.csv --scale 1:5          # else the first load's lowest and highest rating
    embrec load --from-table shop.stars --watermark updated_at   # only new rows
    embrec load --from-query "SELECT ..." --movies-query "SELECT id AS movie_id, name AS title FROM film"
    embrec load --movies films.parquet --content-column plot_embedding   # movies alone; or --text-column plot
    embrec load --content-query "SELECT id AS movie_id, plot_embedding AS content FROM film"

    A file is CSV (separated by commas, semicolons, tabs, bars or ::), JSON lines, or Parquet; .gz and .bz2 are
    decompressed. It has a row for each rating, and a header with user_id, movie_id, rating and, if known, rated_at
    (seconds since 1970 or ISO 8601). The options give other names of columns. A table is read inside the database.
    Loading the same ratings again changes nothing; a newer rating replaces an older one. User features (side
    information) help to predict ratings. They are personal data, and no answer shows them.

    A file without a rating, or with one of --event-type, --type-column, --value-column and --id-column, has events:
    what people watched, played or bought, in which order. Repeats stay. Its columns may be event_type, value,
    occurred_at and external_id. Loading the same events again changes nothing.

    Content, a vector of any length or a text, lets movies that nobody rated be recommended, after the next training.
    """
    columns, movie_columns = (
        {ours: name for ours, option in options.items() if (name := column_options[_parameter(option)])}
        for options in (COLUMN_OPTIONS, MOVIE_COLUMN_OPTIONS)
    )
    sources = sum(each is not None for each in (source, from_table, from_query, content_query))
    if sources + (not sources and movies is not None) != 1:
        raise click.UsageError(
            "Name one thing to load: ml-100k, a path, --from-table NAME, --from-query SQL, --content-query SQL or, for "
            "movies alone, --movies FILE."
        )
    if movie_columns and not movies:
        raise click.UsageError(f"{', '.join(MOVIE_COLUMN_OPTIONS.values())} go with --movies FILE.")
    if content_query is not None or not sources:
        given = [users, watermark, movies_query, reject_to, scale, event_type, *columns.values()]
        if any(each is not None for each in (*given, movies and content_query)):
            raise click.UsageError("Movies alone are loaded with the options that name their columns, and no others.")
        _load_movies(engine(database_url), content_query, movies, movie_columns, as_json)
        return
    if (source is None and (movies or users)) or (source is not None and (movies_query or watermark)):
        raise click.UsageError(
            "--movies and --users go with a file; --movies-query and --watermark with a table or a query."
        )
    keep_arrow_from_pandas()
    bind = engine(database_url)
    with db.begin(bind) as connection:
        db.require_schema(connection)  # before a download
    if source is not None:
        named = open_named_source(source, movies, columns, users, movie_columns, event_type)
        report = load_with_progress(bind, named, reject_to, scale)
    else:
        with progress_bar("Loading inside the database") as bar:
            rows = TableSource(from_table, from_query, columns, movies_query, watermark, event_type)
            report = load_from_table(bind, rows, reject_to, progress=lambda share: bar.update(share, 1.0), scale=scale)
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    updated = "" if report.kind == EVENTS.name else f"{report.updated:,} updated, "
    click.echo(
        f"{report.read:,} {report.kind} read: {report.inserted:,} new, {updated}{report.unchanged:,} unchanged, "
        f"{report.rejected:,} rejected; {report.new_users:,} new users, {report.new_movies:,} new movies."
    )
    if report.types == (DEFAULT_TYPE,) and event_type is None:
        note(
            f"There is no column rating, so the rows were read as events of the type {DEFAULT_TYPE!r}. Other types: "
            "--event-type NAME or --type-column NAME. If they are ratings: --rating-column NAME."
        )
    if report.new_types:
        note(
            f"Events of the new types {', '.join(report.new_types)} count with weight 1. The table embrec.event_types "
            "has the weights, to be edited."
        )
    if report.rejected:
        note(f"The rejected rows and their reasons are in {reject_to}.")
    if report.years_left_out:
        note(f"{report.years_left_out:,} release years outside 1800 to 2199 are left out; their movies are stored.")


def _load_movies(bind: sa.Engine, query: str | None, file: Path | None, columns: dict[str, str], as_json: bool) -> None:
    """Load movies by a query of content, or of a file."""
    keep_arrow_from_pandas()
    with db.begin(bind) as connection:
        db.require_schema(connection)
        movies = [] if query is None else read_content(connection, query)
    report = load_movies(bind, movies if file is None else read_movie_file(file, columns))
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    click.echo(f"{report.read:,} movies read: {report.new_movies:,} new; {report.with_content:,} movies have content.")
    if report.years_left_out:
        note(f"{report.years_left_out:,} release years outside 1800 to 2199 are left out; their movies are stored.")


def _parameter(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def open_named_source(
    name: str,
    movies: Path | None = None,
    columns: dict[str, str] | None = None,
    users: Path | None = None,
    movie_columns: dict[str, str] | None = None,
    event_type: str | None = None,
) -> Source:
    """Open a data set by its name: ``ml-100k``, downloaded unless it is in the cache, or a path."""
    if name == "ml-100k" and not Path(name).exists():
        from embrec.data.files.movielens import fetch_ml_100k

        return open_source(fetch_ml_100k(note), movies, columns, users, movie_columns, event_type)
    return open_source(name, movies, columns, users, movie_columns, event_type)


def load_with_progress(
    bind: sa.Engine, source: Source, reject_to: Path | None = None, scale: tuple[float, float] | None = None
) -> LoadReport:
    """Load a source under a progress bar."""
    with progress_bar("Reading", "rows") as bar:
        shown = ""

        def read(share: float, rows: int) -> None:
            if share < 1:
                bar.update(rows, rows / share if share else rows)

        def store(step: str, done: int, of: int) -> None:
            nonlocal shown
            if step != shown:
                bar.step(_STEPS[step], "rows" if of else "")
                shown = step
            if of:
                bar.update(done, of)

        return load_source(bind, source, reject_to, read, store, scale)
