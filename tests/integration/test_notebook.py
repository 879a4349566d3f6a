"""The notebook runs from its first cell to its last, and draws its figures."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest
import sqlalchemy as sa
from conftest import _temporary_database
from pages import ROOT, environment

pytestmark = pytest.mark.movielens


def pictures(notebook: nbformat.NotebookNode) -> list[int]:
    """Return the number of pictures of each code cell."""
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return [sum("image/png" in output.get("data", {}) for output in each) for each in outputs]


def test_the_notebook_runs_and_draws_what_it_shows(
    admin: sa.Engine, server_url: str, movielens_template: str, tmp_path: Path
) -> None:
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    committed = pictures(notebook)
    assert sum(committed) >= 6
    with _temporary_database(admin, server_url, movielens_template) as url:
        client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3")
        client.execute(env={**environment(url), "IPYTHONDIR": str(tmp_path)})
    assert pictures(notebook) == committed
