"""Commands load neither pandas nor another package that takes longer than their answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from data import load_frame, named_movies, rating_frame, two_part_run

from embrec import db

HEAVY = {"alembic", "keras", "pandas", "pyarrow", "scipy", "tensorflow"}
# Runs commands, and prints the packages that are loaded after each as a line of stderr.
PROGRAM = """
import json, sys
from embrec.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as ended:
        print("packages:", ended.code or 0, *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""
ASKING = [
    ["similar", "102"],
    ["similar", "--user", "u1"],
    ["recommend", "u1"],
    ["recommend", "--for", '{"102": 5}', "--genre", "Sci-Fi"],
    ["next", "u1"],
    ["next", "--session", "102", "103"],
    ["after", "102"],
    ["also", "102"],
    ["resume", "u1"],
    ["explain", "--next", "u1", "103"],
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


def packages(commands: list[list[str]]) -> list[set[str]]:
    """Run commands that succeed in one process; returns the packages that are loaded after each."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, json.dumps(commands)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ends = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("packages: ")]
    assert [status for status, *_ in ends] == ["0"] * len(commands), done.stderr
    return [set(names) for _, *names in ends]


@pytest.fixture(scope="module")
def url(shared_engine: sa.Engine) -> str:
    """The connection string of a database with a published run."""
    load_frame(shared_engine, rating_frame(), named_movies())
    two_part_run(shared_engine)
    with shared_engine.connect() as connection:
        return db.driver_connection(connection).info.dsn


def test_no_question_loads_anything_heavy(url: str) -> None:
    for arguments, found in zip(ASKING, packages([[*each, "--database-url", url] for each in ASKING]), strict=True):
        assert "sqlalchemy" in found
        assert not found & HEAVY, arguments


def test_help_loads_no_database_driver() -> None:
    for found in packages([["--help"], ["--version"]]):
        assert "click" in found
        assert not found & (HEAVY | {"numpy", "psycopg", "rich", "sqlalchemy"})


def test_a_load_of_a_text_file_needs_no_pandas(url: str, tmp_path: Path) -> None:
    events = "\n".join(f"u{number % 7},{number % 5},play,{number % 3},{10**9 + number}" for number in range(100))
    (tmp_path / "plays.csv").write_text(f"user_id,movie_id,event_type,value,occurred_at\n{events}\n")
    (tmp_path / "stars.csv").write_text("user_id,movie_id,rating\nu1,104,3\n")
    (tmp_path / "films.csv").write_text("movie_id,title\n104,Heat\n")
    for file, *more in (["plays.csv"], ["stars.csv", "--movies", str(tmp_path / "films.csv")]):
        (found,) = packages([["load", str(tmp_path / file), *more, "--database-url", url]])
        assert "pyarrow" in found
        assert not found & (HEAVY - {"pyarrow"}), file
