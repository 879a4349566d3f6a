"""The files that pages are made of: styles, templates and the movie map's script."""

from __future__ import annotations

from pathlib import Path


def page_text(name: str) -> str:
    """Text of a file that pages are made of.

    Args:
        name: The file under embrec/pages/, such as ``page.css``.
    """
    return (pages_directory() / name).read_text(encoding="utf-8")


def pages_directory() -> Path:
    """Directory of the files that pages are made of."""
    return Path(__file__).resolve().parent
