"""The documentation's commands exist, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from embrec import resources
from embrec.cli import cli

ROOT = Path(resources.__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@by_name
def test_every_command_in_the_documentation_exists_with_its_options(page: Path) -> None:
    lines = [line for line in page.read_text().splitlines() if re.match(r"    embrec |`embrec ", line)]
    inline = re.findall(r"`(embrec [^`]+)`", page.read_text())
    for text in [line.strip() for line in lines] + inline:
        words = text.split("#")[0].split("|")[0].split(">")[0].replace("`", "").split()[1:]
        command: click.Command = cli
        while words and isinstance(command, click.Group) and words[0].isalpha() and words[0].islower():
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, f"{page.name}: {text}"
            command = found
            words = words[1:]
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        for word in words:
            if word.startswith("--") and word != "--help":
                assert word in options, f"{page.name}: {text}"


@by_name
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def test_every_test_that_the_documentation_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "reliability.md").read_text())
    assert len(named) > 80
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / file).read_text(), f"{file}::{test}"
