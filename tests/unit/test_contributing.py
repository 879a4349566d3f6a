"""The commands for contributors exist: make's targets, the tests, the scripts."""

from __future__ import annotations

import re
import tomllib

import pytest
from pages import ROOT, snippets

LINES = [
    line.partition("#")[0].strip()
    for snippet in snippets(ROOT / "docs" / "CONTRIBUTING.md")
    for line in snippet.text.splitlines()
]


@pytest.mark.parametrize("target", [word for line in LINES for word in line.split()[1:] if line.startswith("make ")])
def test_make_has_the_target(target: str) -> None:
    rules = (ROOT / "Makefile").read_text().replace("$(VENV)", ".venv")
    targets = re.findall(r"^([^\s:][^:=\n]*):(?!=)", rules, re.MULTILINE)
    assert target in " ".join(targets).split()


@pytest.mark.parametrize("path", [word for line in LINES for word in line.split() if re.match(r"tests/|\.ci/", word)])
def test_the_tests_and_scripts_are_there(path: str) -> None:
    file, _, name = path.partition("::")
    assert (ROOT / file).exists()
    assert not name or f"def {name}(" in (ROOT / file).read_text()


def test_every_marker_is_explained_and_no_other() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert table == [marker.partition(":")[0] for marker in declared]


def test_the_changelog_begins_with_the_version_that_the_project_has() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    heading = re.search(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading is not None
    assert re.fullmatch(rf"{re.escape(version)} - (unreleased|\d{{4}}-\d\d-\d\d)", heading[1])
