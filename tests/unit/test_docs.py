"""The documentation's commands exist, its links lead somewhere, and its reference is the code's."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import click
import pytest
from pages import snippets

import embrec
from embrec import config
from embrec.cli import cli
from embrec.db import resources

ROOT = Path(resources.__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# Languages that are run (tests/integration/test_snippets.py) or known not to be; a block of "sh" would never run.
FENCES = {"bash", "sql", "python", "text", "ini", "nginx", "yaml", "", "{toctree}", "{eval-rst}", "{sql-functions}"}

by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@by_name
def test_every_command_in_the_documentation_exists_with_its_options(page: Path) -> None:
    shell = [line for each in snippets(page) if each.language == "bash" for line in each.text.splitlines()]
    plain = [line.strip() for line in page.read_text().splitlines() if re.match(r"    embrec |`embrec ", line)]
    inline = re.findall(r"`(embrec [^`]+)`", page.read_text())
    for text in [line for line in shell if line.startswith("embrec ")] + plain + inline:
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


@by_name
def test_every_link_into_a_page_leads_to_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", page.read_text()):
        linked = page.parent / target if target else page
        if linked.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name}: {target}#{anchor}"


@by_name
def test_every_fence_is_of_a_language_that_is_run_or_is_known_not_to_be(page: Path) -> None:
    opening = re.findall(r"^ *```(.*)\n(?:.*\n)*? *```$", page.read_text(), re.MULTILINE)
    assert {language.strip() for language in opening} <= FENCES


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def cells(text: str) -> list[list[str]]:
    """Return the rows of the tables in a text, without their headings."""
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in rows if row[0].startswith("`")]


def test_every_option_of_every_model_is_documented_and_nothing_else() -> None:
    from embrec.cli.train import train as command
    from embrec.models import registry

    flags = {flag for parameter in command.params for flag in parameter.opts}
    sections = (DOCS / "reference" / "options.md").read_text().split("\n## ")[1:]
    assert [section.split("\n")[0] for section in sections] == list(registry.BUILT_IN)
    for section, name in zip(sections, registry.BUILT_IN, strict=True):
        rows = cells(section)
        listed = [(name.strip("`"), default.strip("`")) for name, default, *_ in rows]
        assert listed == [(field.name, repr(field.default)) for field in dataclasses.fields(registry.get(name).options)]
        assert {flag.strip("`") for _, _, flag, _ in rows} <= flags


def test_every_variable_that_is_read_is_documented_and_nothing_else() -> None:
    read = set(re.findall(r'"([A-Z][A-Z_]{3,})"', Path(config.__file__).read_text()))
    rows = cells((DOCS / "reference" / "settings.md").read_text())
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert listed == read - {"LANG", "LANGUAGE"}  # the embedded server is started without them


def test_every_public_name_is_documented_with_its_module_and_nothing_else() -> None:
    listed = set()
    for names, module, _, stability in cells((DOCS / "reference" / "python.md").read_text()):
        listed |= {(name, module.strip("`"), stability) for name in re.findall(r"`(\w+)`", names)}
    levels = {"stable": embrec.STABLE, "provisional": embrec.PROVISIONAL}
    assert listed == {
        (name, f"embrec.{module}", level)
        for level, modules in levels.items()
        for module, names in modules.items()
        for name in names
    }
    assert all(hasattr(embrec, name) for name in embrec.__all__)


def test_every_test_that_the_documentation_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (DOCS / "reliability.md").read_text())
    assert len(named) > 80
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / file).read_text(), f"{file}::{test}"
