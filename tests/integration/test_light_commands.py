"""Commands load neither pandas nor another package that takes longer than their answer."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa
from data import load_frame, named_movies, rating_frame, two_part_run

from embrec import db

HEAVY = {"alembic", "keras", "pandas", "pyarrow", "scipy", "tensorflow"}
# Runs a command, and prints the packages that it loaded on the last line of stderr.
PROGRAM = """
import sys
from embrec.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""
ASKING = [
    ["similar", "102"],
    ["similar", "--user", "u1"],
    ["recommend", "u1"],
    ["recommend", "--for", '{"102": 5}', "--genre", "Sci-Fi"],
    ["predict", "u1", "102"],
    ["popular"],
    ["popular", "--best-rated"],
    ["trending", "1998-04-01"],
    ["find", "movie"],
    ["explain", "u1", "103"],
    ["rate", "u1", "103", "4"],
    ["status"],
    ["runs", "list"],
    ["runs", "show", "1"],
    ["experiments", "results"],
]


def packages(arguments: list[str]) -> set[str]:
    """Run a command that succeeds; returns the packages that it loaded."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture(scope="module")
def url(shared_engine: sa.Engine) -> str:
    """The connection string of a database with a published run."""
    load_frame(shared_engine, rating_frame(), named_movies())
    two_part_run(shared_engine)
    with shared_engine.connect() as connection:
        return db.driver_connection(connection).info.dsn


@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_a_question_loads_nothing_heavy(arguments: list[str], url: str) -> None:
    found = packages([*arguments, "--database-url", url])
    assert "sqlalchemy" in found
    assert not found & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_help_loads_no_database_driver(arguments: list[str]) -> None:
    found = packages(arguments)
    assert "click" in found
    assert not found & (HEAVY | {"numpy", "psycopg", "rich", "sqlalchemy"})
