"""What is known of movies beside their ratings, and the files that say it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from embrec.columns import match_columns, shown
from embrec.delimited import require_text
from embrec.errors import BadRowError, DataError
from embrec.rows import LONGEST_ID_BYTES

_YEAR_IN_TITLE = re.compile(r"\((\d{4})(?:-(?:\d{4})?)?\)\s*$")
_YEARS = range(1800, 2200)

# Columns of u.item after the URL, from the data set's u.genre.
ML_100K_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


class Movie(NamedTuple):
    """A movie; None is what is not known, and leaves what the database has."""

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
        ("movie_id", [movie.movie_id]),
        ("title", [] if movie.title is None else [movie.title]),
        ("genres", genres if isinstance(genres, list) else [None]),
    )
    for column, texts in checks:
        if reason := next(filter(None, map(_why_no_text, texts)), None):
            raise BadRowError(file, line, column, reason)
    if not movie.movie_id:
        raise BadRowError(file, line, "movie_id", "empty")
    if len(movie.movie_id.encode()) > LONGEST_ID_BYTES:
        raise BadRowError(file, line, "movie_id", f"longer than {LONGEST_ID_BYTES} bytes")
    if movie.release_year is not None and movie.release_year not in _YEARS:
        raise BadRowError(file, line, "release_year", "not a year between 1800 and 2199")
    return movie


def _why_no_text(value: object) -> str | None:
    if not isinstance(value, str):
        return f"{type(value).__name__} where text is expected"
    if "\0" in value:
        return "contains a NUL character"
    return "contains half a surrogate pair" if re.search("[\ud800-\udfff]", value) else None


def read_ml_100k_movies(path: Path) -> list[Movie]:
    """Movies of u.item."""
    movies = []
    for number, line in _lines(path):
        fields = line.split("|")
        if len(fields) != 5 + len(ML_100K_GENRES):
            raise BadRowError(str(path), number, "(row)", f"{len(fields)} columns where 24 are expected")
        genres = [genre for genre, flag in zip(ML_100K_GENRES, fields[5:], strict=True) if flag == "1"]
        movies.append(check_movie(titled(fields[0], fields[1], genres), str(path), number))
    return movies


def read_ml_1m_movies(path: Path) -> list[Movie]:
    """Movies of movies.dat."""
    movies = []
    for number, line in _lines(path):
        fields = line.split("::")
        if len(fields) != 3:
            raise BadRowError(str(path), number, "(row)", f"{len(fields)} columns where 3 are expected")
        movies.append(check_movie(titled(fields[0], fields[1], fields[2].split("|")), str(path), number))
    return movies


def read_csv_movies(path: Path) -> list[Movie]:
    """Movies of a CSV file with a header: movie_id, title and, where there are, genres (A|B) and release_year."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    movies = []
    try:
        header = next(reader, [])
        names = match_columns(header, {}, ("movie_id", "title", "genres", "release_year"), path)
        for column in ("movie_id", "title"):
            if column not in names:
                raise DataError(f"{path} has no column {column}; its header is: {shown(header)}. Rename one.")
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                reason = f"{len(fields)} columns where {len(header)} are expected"
                raise BadRowError(str(path), reader.line_num, "(row)", reason)
            row = dict(zip(header, fields, strict=True))
            year = row[names["release_year"]].strip() if "release_year" in names else ""
            if year and not re.fullmatch(r"\d{4}", year):
                raise BadRowError(str(path), reader.line_num, "release_year", "not a year between 1800 and 2199")
            genres = row[names["genres"]].split("|") if "genres" in names else None
            movie = titled(row[names["movie_id"]].strip(), row[names["title"]], genres, int(year) if year else None)
            movies.append(check_movie(movie, str(path), reader.line_num))
    except csv.Error as error:
        raise BadRowError(str(path), reader.line_num, "(row)", str(error)) from error
    return movies


def _text(path: Path) -> str:
    """Text of a movie file: UTF-8, or latin-1 as GroupLens wrote the older ones."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"The file of movies {path} cannot be read: {error.strerror}. Check the path.") from error
    require_text(path, data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            yield number, line.rstrip("\r")


def titled(movie_id: str, title: str, genres: Sequence[str] | None, year: int | None = None) -> Movie:
    """A movie as a file or a query has it; its year is the one its title ends with where none is given."""
    title = title.strip()
    found = _YEAR_IN_TITLE.search(title)
    if year is None and found:
        year = int(found[1])
    if genres is not None:
        genres = [genre.strip() for genre in genres if genre.strip() and genre != "(no genres listed)"]
    return Movie(movie_id, title or None, genres, year)
