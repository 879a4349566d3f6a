"""Titles, genres and years of movies, and the files that have them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from embrec.data.files.columns import match_columns, shown
from embrec.data.files.text_files import csv_rows, split_lines, why_no_id, why_no_text
from embrec.errors import BadRowError, DataError

_YEAR_IN_TITLE = re.compile(r"\((\d{4})(?:-(?:\d{4})?)?\)\s*$")
_YEARS = range(1800, 2200)

# Columns of u.item after the URL, from the data set's u.genre.
ML_100K_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


class Movie(NamedTuple):
    """A movie; a field that is None is unknown, and leaves the database's value as it is."""

    movie_id: str
    title: str | None = None
    genres: list[str] | None = None
    release_year: int | None = None


def check_movie(movie: Movie, file: str, line: int) -> Movie:
    """Check one movie as its ratings would be; returns it.

    Raises:
        BadRowError: Its id is empty or too long, a text is no text or has what no stored text has, or its year is none.
    """
    genres = [] if movie.genres is None else movie.genres
    checks = (
        ("title", [] if movie.title is None else [movie.title]),
        ("genres", genres if isinstance(genres, list) else [None]),
    )
    if reason := why_no_id(movie.movie_id):
        raise BadRowError(file, line, "movie_id", reason)
    for column, texts in checks:
        if reason := next(filter(None, map(why_no_text, texts)), None):
            raise BadRowError(file, line, column, reason)
    if movie.release_year is not None and movie.release_year not in _YEARS:
        raise BadRowError(file, line, "release_year", "not a year between 1800 and 2199")
    return movie


def read_ml_100k_movies(path: Path) -> list[Movie]:
    """Movies of u.item."""
    movies = []
    for number, fields in split_lines(path, "|", 5 + len(ML_100K_GENRES)):
        genres = [genre for genre, flag in zip(ML_100K_GENRES, fields[5:], strict=True) if flag == "1"]
        movies.append(check_movie(titled(fields[0], fields[1], genres), str(path), number))
    return movies


def read_ml_1m_movies(path: Path) -> list[Movie]:
    """Movies of movies.dat."""
    return [
        check_movie(titled(movie_id, title, genres.split("|")), str(path), number)
        for number, (movie_id, title, genres) in split_lines(path, "::", 3)
    ]


def read_csv_movies(path: Path) -> list[Movie]:
    """Movies of a CSV file with a header: movie_id, title and, if there are any, genres (A|B) and release_year."""
    rows = csv_rows(path)
    _, header = next(rows)
    names = match_columns(header, {}, ("movie_id", "title", "genres", "release_year"), path)
    for column in ("movie_id", "title"):
        if column not in names:
            raise DataError(f"{path} has no column {column}; its header is: {shown(header)}. Rename one.")
    movies = []
    for number, fields in rows:
        row = dict(zip(header, fields, strict=True))
        year = row[names["release_year"]].strip() if "release_year" in names else ""
        if year and not re.fullmatch(r"\d{4}", year):
            raise BadRowError(str(path), number, "release_year", "not a year between 1800 and 2199")
        genres = row[names["genres"]].split("|") if "genres" in names else None
        movie = titled(row[names["movie_id"]].strip(), row[names["title"]], genres, int(year) if year else None)
        movies.append(check_movie(movie, str(path), number))
    return movies


def titled(movie_id: str, title: str, genres: Sequence[str] | None, year: int | None = None) -> Movie:
    """A movie as a file or a query has it; its year is the one its title ends with where none is given."""
    title = title.strip()
    found = _YEAR_IN_TITLE.search(title)
    if year is None and found:
        year = int(found[1])
    if genres is not None:
        genres = [genre.strip() for genre in genres if genre.strip() and genre != "(no genres listed)"]
    return Movie(movie_id, title or None, genres, year)
