"""The command line: its output on stdout and stderr, and its exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, stored_run, two_part_run
from homes import temporary_home

from embrec import kernels
from embrec.cli import main
from embrec.data.files import movielens
from embrec.data.files.movies import Movie
from embrec.db import SCHEMA_REVISION
from embrec.runs import publishing
from embrec.serving import similar

Run = Callable[..., tuple[int, str, str]]

CSV = "user_id,movie_id,rating,rated_at\n" + "".join(
    f"u{user},{movie},{1 + (user * movie) % 5},{900000000 + user}\n" for user in range(12) for movie in range(1, 9)
)
MOVIES = "movie_id,title,genres,release_year\n" + "".join(
    f'{movie},"Film {movie}, The (19{70 + movie})",Drama|War,\n' for movie in range(1, 9)
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    ratings, movies = tmp_path / "ratings.csv", tmp_path / "movies.csv"
    ratings.write_text(CSV)
    movies.write_text(MOVIES)
    return str(ratings), str(movies)


@pytest.fixture
def at(url: str) -> list[str]:
    """The arguments that name the test's database."""
    return ["--database-url", url]


@pytest.fixture
def published(engine: sa.Engine, at: list[str]) -> list[str]:
    """A published run over 20 movies; returns the arguments that name its database."""
    titles = [Movie("102", "Star Wars (1977)", ["Sci-Fi"], 1977), Movie("103", "Star Trek (1996)", [], 1996)]
    load_frame(engine, rating_frame(), titles)
    random = np.random.default_rng(0)
    publishing.publish(engine, stored_run(engine, random.normal(size=(20, 4)), random.normal(size=(30, 4))))
    return at


def test_the_whole_way(embrec: Run, empty_url: str, files: tuple[str, str]) -> None:
    at = ["--database-url", empty_url]
    ratings, movies = files
    assert embrec("db", "current", *at) == (0, "none\n", "")
    assert embrec("db", "upgrade", *at) == (0, "", f"The schema embrec is at revision {SCHEMA_REVISION}.\n")
    assert embrec("db", "current", *at) == (0, f"{SCHEMA_REVISION}\n", "")
    assert embrec("db", "check", *at)[0] == 0
    code, out, _ = embrec("load", ratings, "--movies", movies, *at)
    assert (code, out) == (
        0,
        "96 ratings read: 96 new, 0 updated, 0 unchanged, 0 rejected; 12 new users, 8 new movies.\n",
    )
    code, out, _ = embrec("load", ratings, "--json", *at)
    assert json.loads(out) == {
        "read": 96,
        "inserted": 0,
        "updated": 0,
        "unchanged": 96,
        "rejected": 0,
        "new_users": 0,
        "new_movies": 0,
        "years_left_out": 0,
        "kind": "ratings",
        "types": [],
        "new_types": [],
    }
    code, out, err = embrec(
        "train", "--model", "matrix-factorization", "--epochs", "2", "--seed", "4", "--holdout", "0.2", *at
    )
    assert code == 0
    assert re.fullmatch(
        r"Model run 1: train_rmse [\d.]+, held_out_rmse [\d.]+, held_out_mae [\d.]+, next_ndcg [\d.]+, "
        r"next_hit_rate [\d.]+(; epoch 1 kept)?\.\n",
        out,
    )
    assert err == "Published.\n"
    code, out, _ = embrec("similar", "the film 3", "-n", "4", "--json", *at)
    answer = json.loads(out)
    assert len(answer) == 4
    assert set(answer[0]) == {"rank", "movie_id", "title", "similarity", "model_run_id"}
    code, out, err = embrec("train", "--draws", "2", "--no-publish", "--json", *at)
    assert code == 0, err
    assert set(json.loads(out)) == {"model_run_id", "published", "metrics", "seconds", "deleted"}
    code, out, _ = embrec("runs", "list", "--json", *at)
    assert [(run["model_run_id"], run["published"]) for run in json.loads(out)] == [(2, False), (1, True)]
    assert embrec("runs", "publish", "2", *at) == (0, "", "Model run 2 is published.\n")
    assert embrec("runs", "rollback", *at) == (0, "", "Model run 1 is published.\n")
    assert embrec("runs", "delete", "2", *at) == (0, "", "Model run 2 is deleted.\n")
    shown = json.loads(embrec("runs", "show", "1", *at)[1])
    assert shown["options"]["epochs"] == 2
    assert len(shown["history"]) == 2
    code, out, _ = embrec("db", "downgrade", "base", "--yes", *at)
    assert embrec("db", "current", *at) == (0, "none\n", "")


def test_similar_prints_what_sql_answers(embrec: Run, engine: sa.Engine, published: list[str]) -> None:
    expected = similar.similar_movies(engine, 102, 5)
    code, out, err = embrec("similar", "Star Wars (1977)", "-n", "5", "--json", *published)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [row["movie_id"] for row in found] == expected["movie_id"].tolist()
    assert [row["similarity"] for row in found] == expected["similarity"].tolist()
    table = embrec("similar", "102", "-n", "5", *published)[1].splitlines()
    assert table[0].split() == ["rank", "movie_id", "title", "similarity", "model_run_id"]
    assert len(table) == 6
    users = json.loads(embrec("similar", "--user", "u3", "--json", *published)[1])
    assert [row["user_id"] for row in users] == similar.similar_users(engine, "u3")["user_id"].tolist()


def test_find(embrec: Run, published: list[str]) -> None:
    code, out, _ = embrec("find", "wars", "star", "--json", *published)
    assert (code, json.loads(out)) == (
        0,
        [{"rank": 1, "movie_id": "102", "title": "Star Wars (1977)", "genres": ["Sci-Fi"], "release_year": 1977}],
    )
    assert "Star Wars (1977)  Sci-Fi  " in embrec("find", "wars", *published)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["similar", "star"], "Several movies fit 'star'"),
        (["similar", "no such movie"], "Look for it with: embrec find WORDS"),
        (["similar", "--user", "nobody"], "no user with the id 'nobody'"),
        (["find", "zzz"], "No title has all the words 'zzz'"),
        (["runs", "show", "7"], "no model run 7"),
        (["runs", "rollback"], "No earlier published run"),
        (["load", "/no/such/file"], "no file or folder /no/such/file"),
        (["train", "--model", "two-prat"], "no architecture two-prat. Did you mean 'two-part'?"),
    ],
)
def test_an_error_is_one_line_on_stderr_and_status_1(
    embrec: Run, published: list[str], arguments: list[str], message: str
) -> None:
    code, out, err = embrec(*arguments, *published)
    assert (code, out) == (1, "")
    assert err.startswith("embrec: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["similar"],
        ["similar", "1", "--user", "2"],
        ["similar", "1", "-n", "0"],
        ["load", "x", "--from-table", "a"],
        ["load"],
        ["load", "x", "--watermark", "a"],
        ["load", "--from-table", "a", "--movies", "b"],
        ["load", "--from-table", "a", "--users", "b"],
    ],
)
def test_wrong_usage_is_status_2(embrec: Run, arguments: list[str]) -> None:
    code, out, err = embrec(*arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err


def test_without_the_schema_every_command_names_the_one_to_run(
    embrec: Run, empty_url: str, files: tuple[str, str]
) -> None:
    for arguments in (
        ["similar", "1"],
        ["find", "x"],
        ["runs", "list"],
        ["train"],
        ["load", files[0]],
        ["db", "check"],
    ):
        code, _, err = embrec(*arguments, "--database-url", empty_url)
        assert (code, "Run: embrec db upgrade" in err) == (1, True), arguments


def test_the_schema_is_looked_at_before_a_download(
    embrec: Run, empty_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fetched(*arguments: object) -> Path:
        raise AssertionError("downloaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(movielens, "fetch_ml_100k", fetched)
    code, _, err = embrec("load", "ml-100k", "--database-url", empty_url)
    assert (code, err) == (1, "embrec: This database has no embrec schema yet. Run: embrec db upgrade\n")


def test_a_server_that_is_not_there_is_one_line_without_the_password(embrec: Run) -> None:
    code, out, err = embrec("runs", "list", "--database-url", "postgresql://ann:hunter2@127.0.0.1:1/x")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "cannot be reached" in err
    assert "hunter2" not in err


def test_an_error_nobody_foresaw_is_one_line_too(embrec: Run, tmp_path: Path, at: list[str]) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user_id,movie_id,rating\na,1,x\n")
    rejects = tmp_path / "closed" / "bad.csv"
    rejects.parent.mkdir()
    rejects.symlink_to("/proc/nonexistent/x")
    code, out, err = embrec("load", str(path), "--reject-to", str(rejects), *at)
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_the_version_needs_no_heavy_imports() -> None:
    code = (
        "import sys; from embrec.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print(sorted({'pandas', 'pyarrow', 'sqlalchemy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_text_is_printed_as_it_is(embrec: Run, engine: sa.Engine, at: list[str]) -> None:
    load_frame(engine, rating_frame(), [Movie("102", "[red] :heart: 100", [], None)])
    out = embrec("find", "heart", *at)[1]
    assert "[red] :heart: 100" in out
    assert json.loads(embrec("find", "heart", "--json", *at)[1])[0]["release_year"] is None


def test_debug_shows_the_traceback(published: list[str]) -> None:
    from embrec.errors import UnknownRunError

    with pytest.raises(UnknownRunError):
        main(["--debug", "runs", "show", "7", *published])


def test_rejected_rows_are_reported(embrec: Run, at: list[str], tmp_path: Path) -> None:
    path, rejects = tmp_path / "r.csv", tmp_path / "bad.csv"
    path.write_text("user,item,rating\na,1,5\nb,2,x\n")
    code, out, err = embrec("load", str(path), *at)
    assert (code, out) == (1, "")
    assert "r.csv, line 3, column rating: not a number" in err
    code, out, err = embrec("load", str(path), "--reject-to", str(rejects), *at)
    assert (code, "1 rejected" in out, str(rejects) in err) == (0, True, True)
    assert len(rejects.read_text().splitlines()) == 2


def test_offline_sql_needs_no_database(embrec: Run) -> None:
    code, out, err = embrec("db", "upgrade", "--sql")
    assert (code, err) == (0, "")
    assert "CREATE TABLE embrec.ratings" in out
    code, out, _ = embrec("db", "downgrade", "0013:base", "--sql")
    assert "DROP TABLE embrec.ratings" in out
    assert embrec("db", "history")[1].splitlines()[1].startswith("0013")


def test_doctor(embrec: Run, published: list[str], empty_url: str) -> None:
    assert embrec("db", "upgrade", *published)[0] == 0  # a copy of a database has not its search_path for a role
    code, out, _ = embrec("doctor", *published)
    assert code == 0
    training = "warn" if kernels.in_use() == "NumPy" else "ok  "
    assert [line[:4] for line in out.splitlines()] == ["ok  ", training, *["ok  "] * 9]
    assert "ok    answers: similar movies, a visitor's recommendations, a user's" in out
    assert "distance of 0.04" in out
    code, out, _ = embrec("doctor", "--database-url", empty_url)
    assert code == 1
    assert "FAIL  schema: This database has no embrec schema yet. Run: embrec db upgrade" in out
    code, out, _ = embrec("doctor", "--database-url", "postgresql://127.0.0.1:1/x")
    assert code == 1
    assert "FAIL  database" in out


def test_the_demo_keeps_away_from_somebodys_own_ratings(embrec: Run, engine: sa.Engine, at: list[str]) -> None:
    load_frame(engine, rating_frame())
    code, _, err = embrec("demo", *at)
    assert code == 1
    assert "already holds ratings of your own" in err


@pytest.fixture
def shell() -> Iterator[dict[str, str]]:
    """The environment of a user with an empty home and no database configured."""
    scripts = Path(sys.executable).parent
    with temporary_home("embrec-shell-") as home:
        environment = {**os.environ, "EMBREC_HOME": str(home), "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        yield environment
        subprocess.run(["embrec", "db", "stop"], env=environment, capture_output=True)


@pytest.mark.server
def test_with_nothing_configured_the_embedded_database_is_used_and_said_so(shell: dict[str, str]) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["embrec", *arguments], env=shell, capture_output=True, text=True)

    url = run("db", "url")
    assert re.fullmatch(r"postgresql://embrec@/embrec\?host=\S+&port=5432\n", url.stdout)
    assert url.stderr == ""
    assert run("db", "start").stdout == url.stdout
    current = run("db", "current")
    assert (current.stdout, current.stderr.count("\n")) == ("none\n", 1)
    assert "using the embedded one in" in current.stderr
    assert run("db", "stop").stderr == "Stopped.\n"
    assert "stopped. Any command that needs it starts it.\nNext: embrec status\n" in run().stdout
    assert run("db", "stop").stderr == "It was not running.\n"
    assert run("db", "url").returncode == 0


def test_url_prints_the_configured_database(embrec: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://ann:p%40ss@db:5433/films")
    code, out, _ = embrec("db", "url")
    assert (code, out) == (0, "host=db port=5433 user=ann dbname=films password=p@ss\n") or "dbname=films" in out


def test_a_table_keeps_its_rows_whole_in_a_pipe(published: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from embrec.cli import main; main()", "similar", "102", *published],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "20"},
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 11


def test_recommendations_and_ratings_from_the_shell(
    embrec: Run, engine: sa.Engine, at: list[str], tmp_path: Path
) -> None:
    load_frame(engine, rating_frame(), [Movie("100", "The Hundredth", ["Comedy"], 1990)])
    two_part_run(engine)

    def rows(*arguments: str) -> list[dict[str, object]]:
        status, out, err = embrec(*arguments, *at, "--json")
        assert status == 0, err
        return list(json.loads(out))

    best = rows("recommend", "u1", "-n", "3")
    assert [row["rank"] for row in best] == [1, 2, 3]
    assert set(best[0]) == {"rank", "movie_id", "title", "score", "basis", "model_run_id"}
    only = rows("recommend", "u1", "--genre", "Comedy", "--from", "1980", "--to", "1995", "--include-rated")
    assert [row["movie_id"] for row in only] == ["100"]
    assert rows("recommend", "u1", "--without-genre", "Comedy", "--min-ratings", "999") == []
    assert (
        len(rows("recommend", "u1", "--movie", "100", "--movie", "101", "--include-rated", "--diversity", "0.5")) == 2
    )
    assert len(rows("recommend", "--for", '{"100": 5}', "-n", "4")) == 4
    assert rows("recommend", "--for", '["100", 101]', "-n", "4") == rows(
        "recommend", "--for", '["101", "100"]', "-n", "4"
    )
    assert rows("popular", "-n", "1")[0]["rating_count"] > 0
    assert len(rows("trending", "2000-01-01", "-n", "2")) == 2
    assert [row["movie_id"] for row in rows("predict", "u1", "the hundredth", "101")] == ["100", "101"]
    assert len(rows("explain", "u1", "100", "-n", "2")) == 2

    assert embrec("rate", "new user", "the hundredth", "4.5", *at)[0] == 0
    assert rows("recommend", "new user")[0]["basis"] == "ratings"
    status, _, err = embrec("rate", "new user", "no such movie", "3", *at)
    assert status == 1
    assert "No movie has the id or title" in err
    assert embrec("rate", "new user", "brand new", "3", "--new-movie", *at)[0] == 0
    assert "came after the training: 1." in embrec("refresh", *at)[2]
    assert embrec("unrate", "new user", "100", *at)[0] == 0
    assert embrec("unrate", "new user", "100", *at)[0] == 1

    path = tmp_path / "best.csv"
    assert rows_of_all(embrec, at, path) == len(path.read_text().splitlines()) - 1


def rows_of_all(embrec: Run, at: list[str], path: Path) -> int:
    status, out, err = embrec("recommend", "--all", "--output", str(path), "-n", "3", *at, "--json")
    assert status == 0, err
    return int(json.loads(out)["rows"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["recommend"],
        ["recommend", "1", "--for", "{}"],
        ["recommend", "--all"],
        ["recommend", "1", "--output", "x.csv"],
        ["recommend", "--all", "--output", "x.csv", "--genre", "Drama"],
        ["recommend", "--for", "[[1, 5]]"],
        ["recommend", "--for", '{"1": "5"}'],
        ["recommend", "--for", '{"1": "good"}'],
        ["recommend", "1", "--diversity", "2"],
        ["trending", "yesterday"],
        ["rate", "1", "2", "good"],
    ],
)
def test_wrong_usage_of_recommendations_is_status_2(embrec: Run, at: list[str], arguments: list[str]) -> None:
    assert embrec(*arguments, *at)[0] == 2
