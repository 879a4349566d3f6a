"""Search for movies by title."""

from __future__ import annotations

import sqlalchemy as sa

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, answer, as_frame, plain
from embrec.errors import UnknownMovieError


@as_frame
def find_movies(bind: Bind, query: str, n: int = 10) -> Answer:
    """Find movies whose title has every word of the query, in any order, ignoring case and accents.

    Returns:
        Columns rank, movie_id, title, genres (list of str) and release_year (Int64); no rows if none matches.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    return _titled(bind, "find_movies", query, n)


@as_frame
def suggest_movies(bind: Bind, query: str, n: int = 3) -> Answer:
    """Suggest movies whose title is spelt like a mistyped query (fuzzy search).

    Returns:
        Columns as of :func:`find_movies`, the most similar title first; no rows if none is similar.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    return _titled(bind, "suggest_movies", query, n)


def _titled(bind: Bind, function: str, query: str, n: int) -> Answer:
    values = {"query": validation.words(query, "query"), "n": validation.count(n)}
    with db.begin(bind) as connection:
        found = answer(connection, f"SELECT * FROM embrec.{function}(:query, :n)", **values)
    return found.with_whole("release_year")


def resolve_movie(bind: Bind, movie: str) -> str:
    """Return the id of the movie that a text names: by its id, its title, or the only title with those words.

    Raises:
        UnknownMovieError: No movie matches, or several do; the message lists the nearest titles.
    """
    wanted = validation.words(movie, "movie")
    with db.begin(bind) as connection:
        found = connection.scalar(sa.text("SELECT embrec.movie_named(:movie)"), {"movie": wanted})
        if found is not None:
            return str(found)
        candidates = plain(find_movies)(connection, wanted, 6)
        if len(candidates) == 1:
            return str(candidates["movie_id"][0])
        if candidates:
            several = f"Several movies fit {movie!r}: {_titles(candidates)}."
            raise UnknownMovieError(f"{several} Name one by its whole title or its id.")
        alike = _titles(plain(suggest_movies)(connection, wanted))
    advice = f"Did you mean: {alike}?" if alike else "Look for it with: embrec find WORDS"
    raise UnknownMovieError(f"No movie has the id or title {movie!r}. {advice}")


def _titles(found: Answer) -> str:
    return "; ".join(f"{row['title']} [{row['movie_id']}]" for row in found.records())
