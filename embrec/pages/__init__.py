"""The files of the web pages: styles, templates, scripts and the movie map."""

from __future__ import annotations

from pathlib import Path


def page_text(name: str) -> str:
    """Return the text of a file of the web pages.

    Args:
        name: Path of the file under embrec/pages/, such as ``page.css``.
    """
    return (pages_directory() / name).read_text(encoding="utf-8")


def pages_directory() -> Path:
    """Return the directory of the files of the web pages."""
    return Path(__file__).resolve().parent
