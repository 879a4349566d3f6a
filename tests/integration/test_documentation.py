"""The SQL page's statements run, and print what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from conftest import MOVIELENS_DRAWS, _temporary_database
from pages import ROOT, alike, printed

from embrec import db
from embrec.runs import experiments
from embrec.training import train

pytestmark = pytest.mark.movielens
BLOCKS = re.compile(r"```sql\n(.*?)```\n(?:```\n(.*?)```\n)?", re.DOTALL)


@pytest.fixture(scope="module")
def page_url(admin: sa.Engine, server_url: str, movielens_template: str) -> Iterator[str]:
    """A database with MovieLens 100K, the default model, and another run to compare it with."""
    with _temporary_database(admin, server_url, movielens_template) as url:
        engine = db.create_engine(url)
        train(engine, "matrix-factorization", publish=False, what_next=False)
        engine.dispose()
        yield url


def test_the_sql_page_shows_what_psql_prints(page_url: str) -> None:
    text = (ROOT / "docs" / "sql.md").read_text()
    assert f"`embrec train --draws {MOVIELENS_DRAWS}`" in text
    blocks = BLOCKS.findall(text)
    assert len(blocks) > 20
    for statements, shown in blocks:
        if "assign_variant" in statements:
            assert 'embrec experiments start "new vectors" --control 1 --treatment 2' in text
            engine = db.create_engine(page_url)
            experiments.start(engine, "new vectors", 1, 2)
            engine.dispose()
        found = printed(page_url, statements)
        assert not shown or alike(shown, found), f"{statements}\nshows\n{shown}\nprints\n{found}"
