"""The pages' SQL runs, and prints what the pages show."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import _temporary_database

from embrec import config, database, experiments, loading, resources, sources
from embrec.local import find_binaries
from embrec.train import train

pytestmark = pytest.mark.movielens
ROOT = Path(resources.__file__).parent.parent
# What the page says that it shows.
DRAWS = 20
BLOCKS = re.compile(r"```sql\n(.*?)```\n(?:```\n(.*?)```\n)?", re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def printed(url: str, statements: str) -> str:
    """What psql prints for statements."""
    command = [str(find_binaries() / "psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-f", "-", url]
    text = f"SET extra_float_digits = -11;\n{statements}"
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=config.server_environment())
    assert done.returncode == 0, done.stderr
    return re.sub(r"\n\(\d+ rows?\)\n", "\n", done.stdout).strip("\n")


def alike(shown: str, found: str) -> bool:
    """Whether two outputs are the same but for the last digits of numbers, and the widths they take."""
    ours, theirs = ([float(number) for number in NUMBER.findall(text)] for text in (shown, found))
    if ours != pytest.approx(theirs, rel=0.03, abs=1e-3):
        return False
    plain = [re.sub(r"[\s-]+", " ", NUMBER.sub("#", text)).strip() for text in (shown, found)]
    return plain[0] == plain[1]


@pytest.fixture(scope="module")
def page_url(admin: sa.Engine, server_url: str, migrated_template: str, ml_100k: Path) -> Iterator[str]:
    """MovieLens 100K, the default model with the draws that the page names, and another run to compare it with."""
    with _temporary_database(admin, server_url, migrated_template) as url:
        engine = database.create_engine(url)
        loading.load(engine, sources.open_source(ml_100k))
        train(engine, options={"draws": DRAWS})
        train(engine, "matrix-factorization", publish=False)
        engine.dispose()
        yield url


def test_the_sql_page_shows_what_psql_prints(page_url: str) -> None:
    text = (ROOT / "docs" / "sql.md").read_text()
    assert f"`embrec train --draws {DRAWS}`" in text
    blocks = BLOCKS.findall(text)
    assert len(blocks) > 20
    for statements, shown in blocks:
        if "assign_variant" in statements:
            assert 'embrec experiments start "new vectors" --control 1 --treatment 2' in text
            engine = database.create_engine(page_url)
            experiments.start(engine, "new vectors", 1, 2)
            engine.dispose()
        found = printed(page_url, statements)
        assert not shown or alike(shown, found), f"{statements}\nshows\n{shown}\nprints\n{found}"
