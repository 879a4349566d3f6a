"""Every SQL function, with its parameters and what its file under sql/ says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parents[2] / "sql" / "functions"
FUNCTION = re.compile(
    r"(?P<remark>(?:^--.*\n)*)"
    r"^CREATE OR REPLACE FUNCTION embrec\.(?P<name>\w+)\((?P<parameters>(?s:.*?))\)\n"
    r"(?:RETURNS (?P<returns>.*)\n)?LANGUAGE",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Function:
    """A function as its file has it.

    Attributes:
        name: Without its schema.
        parameters: Each as it is declared, such as ``n integer DEFAULT 10``.
        returns: What comes after RETURNS; None where parameters are OUT.
        remark: The comment above it, or where there is none above the one before it in the file.
    """

    name: str
    parameters: tuple[str, ...]
    returns: str | None
    remark: str

    @property
    def declaration(self) -> str:
        """As one would write it down, long ones a parameter a line."""
        returns = f" → {self.returns}" if self.returns else ""
        line = f"{self.name}({', '.join(self.parameters)}){returns}"
        if len(line) <= 90:
            return line
        return f"{self.name}(\n    " + ",\n    ".join(self.parameters) + f"\n){returns}"


def functions() -> list[Function]:
    """Return every function, by name."""
    return [
        each for path in sorted(DIRECTORY.glob("*.sql")) for each in _functions_of(path.read_text(encoding="utf-8"))
    ]


def _functions_of(text: str) -> Iterator[Function]:
    remark = ""
    for found in FUNCTION.finditer(text):
        parameters = tuple(" ".join(each.split()) for each in found["parameters"].split(",") if each.strip())
        remark = " ".join(line.removeprefix("--").strip() for line in found["remark"].splitlines()) or remark
        yield Function(found["name"], parameters, found["returns"], remark)
