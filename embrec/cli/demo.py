"""embrec demo: load, train and ask on MovieLens 100K, and commands to try next."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import sqlalchemy as sa

from embrec import config, db
from embrec.cli.common import database_option, engine, note
from embrec.cli.load import load_with_progress, open_named_source
from embrec.cli.tables import print_frame, print_rows
from embrec.cli.train import train_with_progress
from embrec.data.extraction import extract
from embrec.errors import DataError, WithheldError
from embrec.runs import publishing, records
from embrec.runs.records import ModelRun
from embrec.serving import search, similar

ARCHITECTURE = "outer-product"
ARTICLE_OPTIONS = {"dimensions": 32, "hidden_units": 500, "learning_rate": 0.01, "batch_size": 128, "holdout": 0.0}
USERS, MOVIES, RATINGS = 943, 1682, 100_000
TITLES = ("Star Wars (1977)", "Toy Story (1995)", "Fargo (1996)")

# The article's own check of nearest neighbours, as SQL on the published vectors.
NEAREST_TO_600 = """\
SELECT near.movie_index, near.title
FROM embrec.published_movie_embeddings AS near, embrec.published_movie_embeddings AS movie
WHERE movie.movie_index = 600 AND near.movie_index < 600
ORDER BY near.embedding <=> movie.embedding
LIMIT 1"""


@click.command()
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Passes over the ratings; fewer take less time.",
)
@database_option
def demo(epochs: int, database_url: str | None) -> None:
    """Load MovieLens 100K, train the article's model, and ask for similar movies.

    A second call reuses the ratings and the trained run.

    \b
    embrec demo
    embrec demo --epochs 5  # a quicker look
    """
    watch = _Stopwatch()
    with watch("database and schema"):
        bind = engine(database_url)
        from embrec.db import schema

        note(f"Schema at revision {schema.upgrade(bind)}.")
    with watch("ratings"):
        _load(bind)
    with watch("model"):
        run = _train(bind, epochs)
    with watch("answers"):
        _show_model(run)
        _show_answers(bind)
    click.echo("\nWhere the time went, in seconds")
    print_rows(
        [{"step": step, "seconds": f"{taken:.1f}"} for step, taken in watch.seconds.items()], ["step", "seconds"]
    )
    _show_next_steps(bind, database_url)


class _Stopwatch:
    """A record of the seconds that each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - begin


def _counts(bind: sa.Engine) -> tuple[int, int, int]:
    query = "SELECT " + ", ".join(f"(SELECT count(*) FROM embrec.{table})" for table in ("users", "movies", "ratings"))
    with db.begin(bind) as connection:
        users, movies, ratings = connection.execute(sa.text(query)).one()
    return users, movies, ratings


def _load(bind: sa.Engine) -> None:
    counts = _counts(bind)
    if counts == (USERS, MOVIES, RATINGS):
        note("MovieLens 100K is loaded already.")
    elif counts != (0, 0, 0):
        raise DataError(
            f"This database already holds ratings of your own ({counts[2]:,}), and the demo would mix MovieLens into "
            "them. Run it without DATABASE_URL to use the embedded database, or with --database-url and an empty one."
        )
    else:
        load_with_progress(bind, open_named_source("ml-100k"))
        counts = _counts(bind)
    users, movies, ratings = counts
    click.echo(f"{users:,} users, {movies:,} movies, {ratings:,} ratings")


def _train(bind: sa.Engine, epochs: int) -> ModelRun:
    """Publish a run, and return it: the newest with these options and ratings, or a new one."""
    wanted = {**ARTICLE_OPTIONS, "epochs": epochs}
    digest = extract(bind).sha256
    for run in records.list_runs(bind):
        same = (run.architecture, run.options, run.seed, run.ratings_sha256) == (ARCHITECTURE, wanted, 0, digest)
        if run.status == "trained" and same:
            note(f"Model run {run.model_run_id} is trained already.")
            if not run.published:
                publishing.publish(bind, run.model_run_id)
                note("It is published now; to go back to the run before: embrec runs rollback")
            return run
    note(f"Training the article's model, {epochs} epochs; this takes some minutes.")
    result = train_with_progress(bind, ARCHITECTURE, {"epochs": epochs}, seed=0, holdout=0.0, publish=True)
    if result.withheld:
        raise WithheldError(result.withheld)
    return records.get_run(bind, result.model_run_id)


def _show_model(run: ModelRun) -> None:
    click.echo(f"\nThe article's model, model run {run.model_run_id}")
    rows = [{"layer": layer, "parameters": f"{count:,}"} for layer, count in run.parameters.items()]
    rows.append({"layer": "total", "parameters": f"{sum(run.parameters.values()):,}"})
    print_rows(rows, ["layer", "parameters"])
    epochs = run.history
    click.echo(
        f"RMSE on its own training ratings: {epochs[0]['rmse']:.4f} in epoch 1, {epochs[-1]['rmse']:.4f} in epoch "
        f"{len(epochs)}, {run.metrics['train_rmse']:.4f} with the final weights"
    )


def _show_answers(bind: sa.Engine) -> None:
    with db.begin(bind) as connection:
        for title in TITLES:
            near = similar.similar_movies(connection, search.resolve_movie(connection, title), 5)
            click.echo(f"\nMovies like {title}")
            print_frame(near[["rank", "title", "similarity"]], as_json=False)
        # The query names pgvector's operators without their schema, which differs between databases.
        connection.execute(sa.text(f"SET LOCAL search_path = {db.extension_schema(connection)}"))
        index, nearest = connection.execute(sa.text(NEAREST_TO_600)).one()
    click.echo(f"\nThe article's check: of the first 600 movies, nearest to the one at index 600 is {index}, {nearest}")


def _show_next_steps(bind: sa.Engine, database_url: str | None) -> None:
    url = '"$(embrec db url)"' if database_url is None else "with the URL you gave"  # it may hold a password
    scripts = Path(sys.executable).parent
    activate = "" if shutil.which("embrec") else f"  . {shlex.quote(str(scripts / 'activate'))}\n"
    click.echo(
        f"\nTry it yourself:\n"
        f"{activate}"
        f"  embrec find star trek\n"
        f'  embrec similar "Alien (1979)"\n'
        f"  psql {url}\n"
        f"and in psql:\n"
        f"  SELECT * FROM embrec.similar_movies(50, n => 10);\n"
        + "".join(f"  {line}\n" for line in f"{NEAREST_TO_600};".splitlines()),
        nl=False,
    )
    if config.database_setting(database_url) is None:
        click.echo("The embedded database keeps running; stop it with: embrec db stop")
    click.echo("\nSee what the model has learned, and try it in a browser:\n  embrec report\n  embrec explore")
