"""The files of migrations/, sql/ and pages/, in a checkout and in an installed wheel."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

import sqlalchemy as sa

_PACKAGE = Path(__file__).resolve().parents[1]


def _directory(name: str) -> Path:
    """A wheel carries ``name`` as embrec/_name; in a checkout it stands beside the package."""
    packaged = _PACKAGE / f"_{name}"
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def migrations_directory() -> Path:
    """Directory of the Alembic environment."""
    return _directory("migrations")


def sql_text(name: str) -> str:
    """Text of one file under sql/.

    Args:
        name: Path under sql/ without the ending, such as ``functions/similar_movies``.
    """
    return (_directory("sql") / f"{name}.sql").read_text(encoding="utf-8")


def statement(text: str) -> sa.TextClause:
    """Return SQL as a statement for SQLAlchemy, its colons kept from being read as parameters."""
    return sa.text(text.rstrip().removesuffix(";").replace(":", r"\:"))


def executable(name: str) -> sa.TextClause:
    """Return one file under sql/ as a statement for SQLAlchemy.

    Args:
        name: As for :func:`sql_text`.
    """
    return statement(sql_text(name))


# Functions of before, which a database has until it is upgraded.
_FORMER = ("folded_in_movie", "index_ranking", "mean_movie", "movies_like")


@functools.cache
def installed() -> tuple[str, ...]:
    """Return the names of the function and view files that every upgrade installs, in the order of install.sql."""
    return tuple(re.findall(r"^\\ir (\S+)\.sql$", sql_text("install"), re.MULTILINE))


def removable() -> tuple[str, ...]:
    """Return the names of :func:`installed`, and those of functions that earlier versions installed."""
    return (*installed(), *(f"functions/{name}" for name in _FORMER))


def uninstall() -> sa.TextClause:
    """Return the statement that drops the functions and views of :func:`removable`."""
    return statement(sql_text("schema/uninstall").replace("{files}", "{" + ",".join(removable()) + "}"))


@functools.cache
def sql_digest() -> str:
    """Return the SHA-256 of the SQL that every upgrade runs after the revisions: functions, views and rights."""
    digest = hashlib.sha256()
    for name in (*installed(), "schema/rights"):
        digest.update(f"{name}\n{sql_text(name)}\n".encode())
    return digest.hexdigest()
