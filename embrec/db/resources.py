"""Find migrations/ and sql/, in a checkout and in an installed wheel."""

from __future__ import annotations

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
        name: Path under sql/ without the ending, such as ``functions/similar_movies_v01``.
    """
    return (_directory("sql") / f"{name}.sql").read_text(encoding="utf-8")


def executable(name: str, replacing: bool = False) -> sa.TextClause:
    """One file under sql/ as a statement for SQLAlchemy, its colons kept from being read as parameters.

    Args:
        name: As for :func:`sql_text`.
        replacing: Whether its functions take the place of ones that are there: a downgrade goes back to the first
            version of a function that others are made of.
    """
    text = sql_text(name).rstrip().removesuffix(";").replace(":", r"\:")
    return sa.text(
        re.sub("^CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", text, flags=re.MULTILINE) if replacing else text
    )
