"""Every snippet of the tutorial, the how-to guides, the explanations and the README runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import _temporary_database
from pages import ROOT, alike, run, snippets

pytestmark = pytest.mark.movielens
DOCS = ROOT / "docs"
TUTORIALS = [DOCS / "tutorial.md", DOCS / "tutorial-events.md"]
GUIDES = [
    ROOT / "README.md",
    DOCS / "index.md",
    DOCS / "deploy.md",
    *sorted(DOCS.glob("how-to/*.md")),
    *sorted(DOCS.glob("explanation/*.md")),
]


def follow(page: Path, directory: Path, url: str) -> None:
    """Run a page's snippets in order, and compare their output with the page."""
    for snippet in snippets(page):
        if snippet.reason is None:
            found = run(snippet, directory, url)
            assert snippet.shown is None or alike(snippet.shown, found), f"{snippet.text}\nprints\n{found}"


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_a_guide_works_on_movielens(
    admin: sa.Engine, server_url: str, movielens_template: str, tmp_path: Path, page: Path
) -> None:
    if not any(snippet.reason is None for snippet in snippets(page)):
        return
    with _temporary_database(admin, server_url, movielens_template) as url:
        follow(page, tmp_path, url)


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_leads_from_nothing_to_a_recommendation(empty_url: str, tmp_path: Path, page: Path) -> None:
    follow(page, tmp_path, empty_url)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_takes_the_units_of_the_schedule(tmp_path: Path) -> None:
    text = (DOCS / "how-to" / "schedule-retraining.md").read_text()
    units = re.findall(r"`/etc/systemd/system/([\w@.-]+)`.*?```ini\n(.*?)```", text, re.DOTALL)
    assert len(units) == 3
    for name, unit in units:
        # Create the script and its user, which this machine does not have.
        (tmp_path / name).write_text(
            unit.replace("/usr/local/bin/embrec-nightly", "/bin/true").replace("User=embrec\n", "")
        )
    names = [str(tmp_path / name).replace("@", "@x") for name, _ in units]
    done = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
