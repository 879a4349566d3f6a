"""Titles, genres and release years of movies, and the files that have them."""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from embrec.data.files.columns import movie_columns
from embrec.data.files.content import Content, content_of, words_of
from embrec.data.files.text_files import read_rows, split_lines, why_no_id, why_no_text
from embrec.errors import BadRowError

# MovieLens ends a title with its year or years: (1999), (2006-2007), (TV Series 1999- ), (1995) (V).
_YEAR_IN_TITLE = re.compile(
    r"\((?:[^\W\d][^()\d]*\s)?(\d{4})(?:\s*[-\N{EN DASH}](?:\s*\d{4})?)?\s*\)(?:\s*\([^()\d]*\))*\s*$"
)
_FOUR_DIGITS = re.compile(r"(?<!\d)\d{4}(?!\d)")
# A number outside these years is a mistake, or a number of something else.
_YEARS = range(1800, 2200)
# Texts of an absent value in the files that pandas, databases and IMDb write.
_ABSENT = {"", "nan", "nat", "<na>", "none", "null", "\\n"}

# Columns of u.item after the URL, from the data set's u.genre.
ML_100K_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


class Movie(NamedTuple):
    """A movie; a field that is None is unknown, and leaves the database's value as it is.

    A release year may also be a whole float, a date, or text with one. A load leaves out unlikely ones and counts them.
    Content is a vector of what else is known, float32 of shape (dimensions,), or numbers in a list.
    """

    movie_id: str
    title: str | None = None
    genres: list[str] | None = None
    release_year: int | None = None
    content: Content | None = None


def check_movie(movie: Movie, file: str, line: int) -> Movie:
    """Check one movie as its ratings would be; returns it, its id trimmed and its year as a number.

    A year that is none stays as it is: loading counts those that it leaves out.

    Raises:
        BadRowError: Its id is empty or too long, or a text is no text or cannot be stored.
    """
    genres = [] if movie.genres is None else movie.genres
    checks = (
        ("title", [] if movie.title is None else [movie.title]),
        ("genres", genres if isinstance(genres, list) else [None]),
    )
    movie_id = str(movie.movie_id).strip() if isinstance(movie.movie_id, str | uuid.UUID) else movie.movie_id
    if reason := why_no_id(movie_id):
        raise BadRowError(file, line, "movie_id", reason)
    for column, texts in checks:
        if reason := next(filter(None, map(why_no_text, texts)), None):
            raise BadRowError(file, line, column, reason)
    year = None if _is_absent(movie.release_year) else year_of(movie.release_year) or movie.release_year
    try:
        content = None if movie.content is None else content_of(movie.content)
    except ValueError as error:
        raise BadRowError(file, line, "content", str(error)) from error
    return Movie(movie_id, movie.title, movie.genres, year, content)


def year_of(value: object) -> int | None:
    """Return the release year of a number, a date or a text that has one, or None if there is no likely one."""
    if isinstance(value, dt.date):
        return value.year if value.year in _YEARS else None
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        found = _FOUR_DIGITS.search(text)
        number = float(found[0]) if found else 0.0
    return int(number) if number in _YEARS else None


def movies_of(rows: Iterable[tuple[int, Mapping[str, Any]]], file: str, years_in_titles: bool = False) -> list[Movie]:
    """Make movies of rows, whatever they were read from.

    Args:
        rows: The number of each row, and its values by our names of the columns.
        file: A name for messages.
        years_in_titles: True if a title ends with the movie's year, unless there is a column of years.

    Raises:
        BadRowError: A row is no movie.
    """
    movies = []
    for number, row in rows:
        title = _title(row.get("title"))
        year = row.get("release_year")
        if years_in_titles and _is_absent(year) and (found := _YEAR_IN_TITLE.search(title)):
            year = year_of(found[1])
        movie_id = "" if row["movie_id"] is None else str(row["movie_id"])
        movie = Movie(movie_id, title or None, _genres(row.get("genres")), year, _content(row))
        movies.append(check_movie(movie, file, number))
    return movies


def read_ml_100k_movies(path: Path) -> list[Movie]:
    """Movies of u.item."""
    rows = []
    for number, fields in split_lines(path, "|", 5 + len(ML_100K_GENRES)):
        genres = [genre for genre, flag in zip(ML_100K_GENRES, fields[5:], strict=True) if flag == "1"]
        rows.append((number, {"movie_id": fields[0], "title": fields[1], "genres": genres}))
    return movies_of(rows, str(path), years_in_titles=True)


def read_ml_1m_movies(path: Path) -> list[Movie]:
    """Movies of movies.dat."""
    names = ("movie_id", "title", "genres")
    rows = ((number, dict(zip(names, fields, strict=True))) for number, fields in split_lines(path, "::", 3))
    return movies_of(rows, str(path), years_in_titles=True)


def read_csv_movies(path: Path, columns: Mapping[str, str] | None = None, years_in_titles: bool = False) -> list[Movie]:
    """Movies of a file with a header, or of JSON lines, with the columns of MOVIE_COLUMN_OPTIONS that it has."""
    rows = read_rows(path)
    _, header = next(rows)
    names = movie_columns(header, columns or {}, path)
    places = {column: header.index(name) for column, name in names.items()}
    described = ((number, {column: fields[at] for column, at in places.items()}) for number, fields in rows)
    return movies_of(described, str(path), years_in_titles)


def _content(row: Mapping[str, Any]) -> Any:
    """Return a row's content as it stands there, or the words of its text; None for neither."""
    if "text" in row:
        return None if _is_absent(row["text"]) else words_of(str(row["text"]))
    value = row.get("content")
    return None if isinstance(value, str | float | None) and _is_absent(value) else value


def _genres(value: Any) -> list[str] | None:
    """Return genres from a list of names or of objects with a name, or from text: A|B, or such a list as JSON."""
    if isinstance(value, str):
        value = _listed(value) or value.split("|")
    elif value is None or not isinstance(value, Iterable):
        return None
    names = (genre.get("name") if isinstance(genre, Mapping) else genre for genre in value)
    texts = (str(name).strip() for name in names if not _is_absent(name))
    return [text for text in texts if text != "(no genres listed)"]


def _listed(text: str) -> Sequence[Any] | None:
    """Return the list that a text writes out as JSON or, as pandas does, as Python; None if it writes no list."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return list(read(text)) or [None]
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return None


def _title(value: object) -> str:
    """Return a title; films are called None, Null and NaN, so only what is no text is judged by its text."""
    absent = value.strip() == r"\N" if isinstance(value, str) else _is_absent(value)
    return "" if absent else str(value).strip()


def _is_absent(value: object) -> bool:
    return str(value).strip().lower() in _ABSENT
