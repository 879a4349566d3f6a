"""Each revision under squawk, a linter that finds migrations that block users of the tables."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from embrec.db import schema

NOT_OURS = {
    "prefer-bigint-over-int": "indexes and numbers of runs are integers: two billion users are enough",
    "prefer-bigint-over-smallint": "years and dimensions",
    "prefer-text-field": "Alembic's own table",
    "require-lock-timeout": "prepare.sql sets it, by a function that squawk does not look into",
    "require-statement-timeout": "the same",
}
# No release had these tables without the index: the same upgrade creates them, and they are empty.
EXCEPTIONS = {"0002": ["require-concurrent-index-creation"], "0003": ["require-concurrent-index-creation"]}

REVISIONS = [each.revision for each in schema.history()]


@pytest.mark.parametrize(("before", "revision"), list(zip([None, *REVISIONS], REVISIONS, strict=False)))
def test_squawk_finds_nothing(before: str | None, revision: str, tmp_path: Path) -> None:
    squawk = shutil.which("squawk", path=str(Path(sys.executable).parent)) or shutil.which("squawk")
    if squawk is None:
        pytest.skip("squawk-cli is not installed")
    script = tmp_path / f"{revision}.sql"
    script.write_text(schema.upgrade_sql(f"{before}:{revision}" if before else revision))
    excluded = ",".join([*NOT_OURS, *EXCEPTIONS.get(revision, [])])
    done = subprocess.run([squawk, "--exclude", excluded, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
