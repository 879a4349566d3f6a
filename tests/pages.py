"""The snippets of the documentation's pages, run as a reader would, and their output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from embrec import config
from embrec.db import resources
from embrec.db.server_binaries import find_binaries

ROOT = Path(resources.__file__).parents[2]
# A block in a list is indented. One that must not be run has the reason above it; a text block below has its output.
SNIPPET = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\s*)?"
    r"^(?P<indent> *)```(?P<language>bash|sql|python)\n(?P<text>.*?)\n(?P=indent)```$"
    r"(?:\n(?P=indent)```text\n(?P<shown>.*?)\n(?P=indent)```$)?",
    re.MULTILINE | re.DOTALL,
)
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


@dataclass(frozen=True)
class Snippet:
    """A block of code in a page.

    Attributes:
        language: ``bash``, ``sql`` or ``python``.
        text: The code.
        shown: Output that the page shows, or None.
        reason: Reason not to run it, or None.
    """

    language: str
    text: str
    shown: str | None
    reason: str | None


def snippets(page: Path) -> list[Snippet]:
    """Return the blocks of a page, in order."""
    found = []
    for block in SNIPPET.finditer(page.read_text(encoding="utf-8")):
        lines = (line.removeprefix(block["indent"]) for line in block["text"].splitlines())
        found.append(Snippet(block["language"], "\n".join(lines), block["shown"], block["reason"]))
    return found


def run(snippet: Snippet, directory: Path, url: str) -> str:
    """Run a block in a directory, with DATABASE_URL set, and embrec and psql in PATH; returns its stdout."""
    psql = ["psql", "--no-psqlrc", "--quiet", "--pset=footer=off", "-v", "ON_ERROR_STOP=1", "-f", "-", url]
    command, text = {
        "bash": (["bash", "-e", "-u", "-o", "pipefail", "-c", snippet.text], ""),
        "sql": (psql, f"SET extra_float_digits = -11;\n{snippet.text}"),
        "python": ([sys.executable, "-"], snippet.text),
    }[snippet.language]
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=directory, env=environment(url))
    assert done.returncode == 0, f"{snippet.text}\n{done.stdout}{done.stderr}"
    return done.stdout


def environment(url: str) -> Mapping[str, str]:
    """Return the environment of a process, with DATABASE_URL set."""
    paths = [str(Path(sys.executable).parent), str(find_binaries()), os.environ["PATH"]]
    return {**config.server_environment(), "DATABASE_URL": url, "PATH": os.pathsep.join(paths)}


def printed(url: str, statements: str) -> str:
    """Return the output of psql for statements, without the number of rows."""
    return run(Snippet("sql", statements, None, None), ROOT, url)


def alike(shown: str, found: str) -> bool:
    """Return whether two outputs are equal, except for the last digits of numbers and column widths."""
    ours, theirs = ([float(number) for number in NUMBER.findall(text)] for text in (shown, found))
    if ours != pytest.approx(theirs, rel=0.03, abs=1e-3):
        return False
    plain = [re.sub(r"[\s-]+", " ", NUMBER.sub("#", text)).strip() for text in (shown, found)]
    return plain[0] == plain[1]
