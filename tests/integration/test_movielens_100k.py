"""The real MovieLens 100K through the whole way."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import _temporary_database

from embrec import config, database, embeddings, loading, metrics, recommend, resources, sources
from embrec.cli.demo import NEAREST_TO_600
from embrec.local import find_binaries
from embrec.models import Ratings, matrix_factorization
from embrec.train import TrainResult, train

pytestmark = pytest.mark.movielens
ROOT = Path(resources.__file__).parent.parent


@pytest.fixture(scope="module")
def ml_url(admin: sa.Engine, server_url: str, migrated_template: str) -> Iterator[str]:
    with _temporary_database(admin, server_url, migrated_template) as url:
        yield url


@pytest.fixture(scope="module")
def ml_engine(ml_url: str, ml_100k: Path) -> Iterator[sa.Engine]:
    """A database with MovieLens 100K loaded."""
    engine = database.create_engine(ml_url)
    report = loading.load(engine, sources.open_source(ml_100k))
    assert (report.inserted, report.new_users, report.new_movies) == (100_000, 943, 1682)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def trained(ml_engine: sa.Engine) -> TrainResult:
    """The article's model after one epoch (fifty take minutes and change nothing that is tested here)."""
    return train(ml_engine, "outer-product", {"epochs": 1}, seed=0)


def test_the_first_appearances_are_the_articles(ml_engine: sa.Engine) -> None:
    with ml_engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT user_index FROM embrec.users WHERE user_id = '196'")) == 0
        assert connection.scalar(sa.text("SELECT movie_index FROM embrec.movies WHERE movie_id = '242'")) == 0
        assert connection.execute(
            sa.text("SELECT title, genres, release_year FROM embrec.movies WHERE movie_id = '50'")
        ).one() == ("Star Wars (1977)", ["Action", "Adventure", "Romance", "Sci-Fi", "War"], 1977)


def test_every_rating_is_there_as_in_the_file(ml_engine: sa.Engine, ml_100k: Path) -> None:
    lines = (ml_100k / "u.data").read_text().splitlines()
    expected = {tuple(map(int, line.split("\t"))) for line in lines}
    with ml_engine.connect() as connection:
        found = connection.execute(
            sa.text(
                "SELECT user_id, movie_id, rating, extract(epoch FROM rated_at) FROM embrec.ratings"
                " JOIN embrec.users USING (user_index) JOIN embrec.movies USING (movie_index)"
            )
        )
        assert {(int(user), int(movie), int(rating), int(at)) for user, movie, rating, at in found} == expected


def test_loading_it_again_changes_nothing(ml_engine: sa.Engine, ml_100k: Path) -> None:
    report = loading.load(ml_engine, sources.open_source(ml_100k))
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 100_000)


def test_the_model_has_the_articles_parameters(trained: TrainResult) -> None:
    assert sum(trained.model.parameters.values()) == 597_001
    assert trained.model.parameters["user_embedding"] == 30_176
    assert trained.model.parameters["article_embedding"] == 53_824
    assert 0.9 < trained.metrics["train_rmse"] < 1.2


def test_matrix_factorisation_reaches_its_error_on_fold_u1(ml_100k: Path) -> None:
    """The official fold: the first 20,000 lines of u.data are its test part."""
    table = np.loadtxt(ml_100k / "u.data", dtype=np.int32)
    users, movies = table[:, 0] - 1, table[:, 1] - 1
    parts = [
        Ratings(users[part], movies[part], table[part, 2].astype(np.float32), 943, 1682)
        for part in (slice(20_000, None), slice(0, 20_000))
    ]
    fitted = matrix_factorization.fit(parts[0], None, matrix_factorization.Options(), seed=0)
    assert metrics.rmse(fitted.predict(parts[1].users, parts[1].movies), parts[1].ratings) <= 0.922


def test_vectors_arrive_bit_for_bit(ml_engine: sa.Engine, trained: TrainResult) -> None:
    indexes, vectors, *_ = embeddings.read(ml_engine, trained.model_run_id, "movie")
    assert np.array_equal(indexes, np.arange(1682))
    assert vectors.tobytes() == trained.model.movie_vectors.tobytes()


def test_the_articles_check_is_numpys_argmax(ml_engine: sa.Engine, trained: TrainResult) -> None:
    vectors = trained.model.movie_vectors.astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = int(np.argmax(unit[:600] @ unit[600]))
    with ml_engine.connect() as connection:
        assert connection.execute(sa.text(NEAREST_TO_600)).one().movie_index == expected


def test_sql_python_and_the_command_line_give_the_same(ml_engine: sa.Engine, ml_url: str, trained: TrainResult) -> None:
    frame = recommend.similar_movies(ml_engine, 50)
    command = [sys.executable, "-c", "from embrec.cli import main; main()", "similar", "Star Wars (1977)", "--json"]
    done = subprocess.run([*command, "--database-url", ml_url], capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    psql = [
        str(find_binaries() / "psql"),
        "--no-psqlrc",
        "--csv",
        "-c",
        "select * from embrec.similar_movies(50)",
        ml_url,
    ]
    shown = subprocess.run(psql, capture_output=True, text=True, check=True, env=config.server_environment())
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    assert len(frame) == len(printed) == len(rows) == 10
    for framed, dictionary, row in zip(frame.to_dict("records"), printed, rows, strict=True):
        assert framed == dictionary
        assert {key: str(value) for key, value in dictionary.items()} == row


@pytest.mark.parametrize("page", ["README.md", "docs/sql.md"])
def test_the_documentations_sql_runs(ml_engine: sa.Engine, trained: TrainResult, page: str) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    statements = [
        statement for block in blocks for statement in re.sub("--.*", "", block).split(";") if statement.strip()
    ]
    assert statements
    for statement in statements:
        with ml_engine.connect() as connection:
            assert connection.execute(sa.text(statement)).returns_rows, statement


def test_the_readmes_python_runs(
    ml_url: str, trained: TrainResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", ml_url)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(block, names)  # noqa: S102 - our own README
    assert len(capsys.readouterr().out.splitlines()) == 6
    names["engine"].dispose()  # type: ignore[attr-defined]
