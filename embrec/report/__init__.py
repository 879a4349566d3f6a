"""A report on a model run: what it learned and how good it is, as one page to look at.

Data goes one way: database -> ``accuracy`` and ``likeness``, gathered in ``findings`` -> ``figures``, ``page`` -> file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from embrec import db
from embrec.errors import ConfigError
from embrec.report import figures, page
from embrec.report.findings import STEPS, gather

__all__ = ["STEPS", "write_report"]


def write_report(
    engine: sa.Engine,
    output: str | Path,
    model_run_id: int | None = None,
    pictures: str | Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> None:
    """Write a report on a run as one self-contained HTML file; the database is only read, in one snapshot.

    Args:
        engine: The database.
        output: The file; what was there is replaced when the report is whole.
        model_run_id: The run, or None for the published one.
        pictures: A folder for the figures as PNG files, made where there is none; None for no pictures.
        progress: Told each of ``STEPS`` when it begins.

    Raises:
        ConfigError: The file or the folder cannot be made there.
        NoPublishedRunError: No run is named, and none published.
        UnknownRunError: There is no such run.
        RunError: The run has no vectors: it failed, was deleted, or is training.
        DataError: There are no ratings.
        SchemaError: The schema is absent or behind.
    """
    path = Path(output)
    if not path.parent.is_dir() or path.is_dir():
        raise ConfigError(f"The file {path} cannot be made there. Name another with --output.")
    with (
        db.translated_errors(),
        engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection,
    ):
        findings = gather(connection, model_run_id, progress)
    _replace(path, page.render(findings))
    if pictures is not None:
        folder = Path(pictures)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The folder {folder} cannot be made: {error.strerror}. Name another with --png."
            ) from error
        for name in figures.names(findings):
            figures.save_png(name, findings, folder / f"{name}.png")


def _replace(path: Path, text: str) -> None:
    # Beside it, so that renaming is all it takes to replace it.
    try:
        with tempfile.TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent) as directory:
            unfinished = Path(directory) / path.name
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
    except OSError as error:
        raise ConfigError(
            f"The file {path} cannot be made: {error.strerror or error}. Name another with --output."
        ) from error
