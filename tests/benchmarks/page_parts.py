"""The parts of a page that a benchmark writes, between markers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def between(page: Path, script: str, lines: Sequence[str]) -> None:
    """Replace the lines between the markers of a script."""
    begin, end = f"<!-- measured by tests/benchmarks/{script}: begin -->", "<!-- measured: end -->"
    before, rest = page.read_text().split(begin)
    _, after = rest.split(end, 1)
    page.write_text(before + begin + "\n\n" + "\n".join(lines) + "\n" + end + after)
