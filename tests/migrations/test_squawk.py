"""Revisions, functions and views under squawk, a linter for migrations that hold up who uses the tables."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from embrec.db import resources, schema

NOT_OURS = {
    "prefer-bigint-over-int": "indexes and numbers of runs are integers: two billion users are enough",
    "prefer-bigint-over-smallint": "years and dimensions",
    "prefer-text-field": "Alembic's own table",
    "require-lock-timeout": "prepare.sql sets it, by a function that squawk does not look into",
    "require-statement-timeout": "the same",
}
# The tables of the baseline are made by the same upgrade and are empty. The indexes of 0014 to 0016 are on what these
# make themselves. Functions that are dropped are put back with other parameters by the same upgrade, or are its own.
# What 0015 renames gets a view of its old name in the same transaction. A user's vector may be NULL only in runs that
# are stored so.
# The key of movie_ranking, which trainings write, gets a column in 0016: a second for a million rows.
EXCEPTIONS = {
    "0013": ["require-concurrent-index-creation"],
    "0014": ["require-concurrent-index-creation", "ban-drop-function"],
    "0015": ["renaming-object", "require-concurrent-index-creation", "ban-drop-not-null"],
    "0016": [
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "ban-drop-function",
        "ban-drop-constraint",
        "constraint-missing-not-valid",
        "adding-serial-primary-key-field",
    ],
    "0017": ["ban-drop-function"],
    "0018": ["ban-drop-function"],
}

REVISIONS = [each.revision for each in schema.history()]
SQL = Path(resources.__file__).parents[2] / "sql"


def complaints(files: list[Path], *exceptions: str) -> str:
    squawk = shutil.which("squawk", path=str(Path(sys.executable).parent)) or shutil.which("squawk")
    if squawk is None:
        pytest.skip("squawk-cli is not installed")
    command = [squawk, "--exclude", ",".join([*NOT_OURS, *exceptions]), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize(("before", "revision"), list(zip([None, *REVISIONS], REVISIONS, strict=False)))
def test_squawk_finds_nothing(before: str | None, revision: str, tmp_path: Path) -> None:
    script = tmp_path / f"{revision}.sql"
    script.write_text(schema.upgrade_sql(f"{before}:{revision}" if before else revision))
    assert complaints([script], *EXCEPTIONS.get(revision, [])) == ""


def test_squawk_finds_nothing_in_functions_and_views() -> None:
    assert complaints([SQL / f"{name}.sql" for name in resources.installed()]) == ""
