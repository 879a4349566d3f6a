"""embrec refresh."""

from __future__ import annotations

import click

from embrec.cli.common import database_option, engine, note
from embrec.cli.progress import progress_bar
from embrec.data import ratings


@click.command()
@database_option
def refresh(database_url: str | None) -> None:
    """Add vectors of movies newer than the published run, and recompute the statistics of ratings.

    \b
    embrec refresh
    """
    bind = engine(database_url)
    warnings: list[str] = []
    with progress_bar("Refreshing"):
        movies = ratings.refresh(bind, warnings.append)
    for warning in warnings:
        note(f"Warning: {warning}")
    note(f"The ratings are counted. Movies with vectors that came after the training: {movies:,}.")
