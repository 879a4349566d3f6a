"""The wheel has all files that an installed embrec needs, and works without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from embrec.db import SCHEMA_REVISION, resources

ROOT = Path(resources.__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(target.glob("embrec-*.whl"))


def test_the_wheel_holds_the_package_the_migrations_and_the_sql(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        names = {name for name in files.namelist() if ".dist-info/" not in name}
    expected = {f"embrec/{path.relative_to(ROOT / 'embrec')}" for path in (ROOT / "embrec").rglob("*.py")}
    pages = [path for path in (ROOT / "embrec" / "pages").rglob("*") if path.is_file()]
    expected |= {f"embrec/{path.relative_to(ROOT / 'embrec')}" for path in pages}
    for folder in ("migrations", "sql"):
        files_there = [
            path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        ]
        expected |= {f"embrec/_{path.relative_to(ROOT)}" for path in files_there}
    assert names == expected | {"embrec/py.typed"}


def test_an_installed_embrec_migrates_without_a_checkout(wheel: Path, tmp_path: Path, empty_url: str) -> None:
    with zipfile.ZipFile(wheel) as files:
        files.extractall(tmp_path / "site")
    code = (
        "import embrec, sys; assert embrec.__file__.startswith(sys.argv[1]), embrec.__file__;"
        "from embrec import db; from embrec.db import schema; engine = db.create_engine(sys.argv[2]);"
        "print(schema.upgrade(engine), schema.check(engine))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "site"), empty_url],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, f"{SCHEMA_REVISION} []\n"), done.stderr
