"""The download of MovieLens 100K: both sources are fakes on loopback, the digests are real."""

from __future__ import annotations

import http.server
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from embrec.data.files import movielens
from embrec.data.files.movies import Movie
from embrec.data.files.sources import open_source
from embrec.data.files.users import User
from embrec.errors import DownloadError

RATINGS = b"196\t242\t3\t881250949\n"
MOVIES = (
    "242\tKolya\t1996\tComedy\n267\tunkonwn\tunkonwn\tunknown\n543\tMis\u00e9rables, Les\t1995\tDrama Musical\n"
).encode()

USERS = b"196\t49\tM\twriter\t55105\n"


@pytest.fixture(autouse=True)
def small_dataset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A data set of one rating, with its digests in place of MovieLens's."""
    monkeypatch.setenv("EMBREC_HOME", str(tmp_path))
    monkeypatch.setattr(movielens, "RATINGS_SHA256", movielens.sha256(RATINGS))
    monkeypatch.setattr(movielens, "MIRROR_MOVIES_SHA256", movielens.sha256(MOVIES))
    monkeypatch.setattr(movielens, "MIRROR_USERS_SHA256", movielens.sha256(USERS))
    monkeypatch.setattr(movielens, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(movielens, "DOWNLOAD_SECONDS", 1.0)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A fake pip that leaves a wheel with the mirror's files; the value is the list of commands it was given."""
    commands: list[list[str]] = []

    def pip(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        wheel = Path(command[command.index("--dest") + 1]) / "recbole-1.2.1-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as files:
            files.writestr(f"{movielens.MIRROR_FOLDER}.inter", b"user_id:token\n" + RATINGS)
            files.writestr(f"{movielens.MIRROR_FOLDER}.item", b"item_id:token\n" + MOVIES)
            files.writestr(f"{movielens.MIRROR_FOLDER}.user", b"user_id:token\n" + USERS)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(movielens.subprocess, "run", pip)
    return commands


@pytest.fixture
def hanging_server() -> Iterator[str]:
    """A server that accepts a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x.zip"


def serve(handler: type[http.server.BaseHTTPRequestHandler]) -> tuple[http.server.HTTPServer, str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/x.zip"


def test_the_mirror_gives_an_ordinary_movielens_folder(
    monkeypatch: pytest.MonkeyPatch, mirror: list[list[str]], hanging_server: str
) -> None:
    monkeypatch.setattr(movielens, "URL", hanging_server)
    notes: list[str] = []
    begin = time.monotonic()
    folder = movielens.fetch_ml_100k(notes.append)
    assert time.monotonic() - begin < 5, "a server that hangs is given up on in seconds"
    assert (folder / "u.data").read_bytes() == RATINGS
    assert open_source(folder).movies() == [
        Movie("242", "Kolya (1996)", ["Comedy"], 1996),
        Movie("267", "unknown", ["unknown"], None),
        Movie("543", "Misérables, Les (1995)", ["Drama", "Musical"], 1995),
    ]
    assert open_source(folder).users() == [User("196", ["age 40-49", "sex M", "occupation writer", "zip 5"])]
    assert any("no redistribution" in note for note in notes), "the licence notice is shown"
    assert any("no answer in" in note and "mirror" in note for note in notes)
    assert mirror[0][-1] == "recbole==1.2.1"


def test_it_is_fetched_once_and_checked_each_time(
    monkeypatch: pytest.MonkeyPatch, mirror: list[list[str]], hanging_server: str
) -> None:
    monkeypatch.setattr(movielens, "URL", hanging_server)
    folder = movielens.fetch_ml_100k()
    assert movielens.fetch_ml_100k() == folder
    assert len(mirror) == 1
    (folder / "u.data").write_bytes(RATINGS + b"1\t1\t1\t1\n")
    movielens.fetch_ml_100k()
    assert len(mirror) == 2, "a damaged copy is fetched anew"
    assert (folder / "u.data").read_bytes() == RATINGS
    assert sorted(each.name for each in folder.iterdir()) == ["u.data", "u.item", "u.user"], "and nothing is left over"


def test_a_folder_without_users_is_completed_or_used_as_it_is(
    monkeypatch: pytest.MonkeyPatch, mirror: list[list[str]], hanging_server: str
) -> None:
    monkeypatch.setattr(movielens, "URL", hanging_server)
    folder = movielens.fetch_ml_100k()
    (folder / "u.user").unlink()
    monkeypatch.setattr(movielens, "MIRROR_USERS_SHA256", "0" * 64)
    notes: list[str] = []
    assert movielens.fetch_ml_100k(notes.append) == folder
    assert notes[-1].startswith("What is known of the users is not there, and is done without. The movies or users in")
    assert open_source(folder).users() == []
    monkeypatch.setattr(movielens, "MIRROR_USERS_SHA256", movielens.sha256(USERS))
    assert [user.user_id for user in open_source(movielens.fetch_ml_100k()).users()] == ["196"]


def test_a_server_that_drips_is_given_up_on(monkeypatch: pytest.MonkeyPatch, mirror: list[list[str]]) -> None:
    class Drip(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(30):
                try:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                except OSError:
                    return
                time.sleep(0.1)

        def log_message(self, *arguments: object) -> None:
            pass

    server, url = serve(Drip)
    monkeypatch.setattr(movielens, "URL", url)
    notes: list[str] = []
    movielens.fetch_ml_100k(notes.append)
    server.shutdown()
    server.server_close()
    assert any("not finished in" in note for note in notes)
    assert len(mirror) == 1


def test_an_archive_with_another_digest_is_not_used(monkeypatch: pytest.MonkeyPatch, mirror: list[list[str]]) -> None:
    class Wrong(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"not the archive")

        def log_message(self, *arguments: object) -> None:
            pass

    server, url = serve(Wrong)
    monkeypatch.setattr(movielens, "URL", url)
    notes: list[str] = []
    movielens.fetch_ml_100k(notes.append)
    server.shutdown()
    server.server_close()
    assert any("digest differs from the published one" in note for note in notes)


def test_ratings_with_another_digest_are_refused_and_not_kept(
    monkeypatch: pytest.MonkeyPatch, mirror: list[list[str]], hanging_server: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(movielens, "URL", hanging_server)
    monkeypatch.setattr(movielens, "RATINGS_SHA256", "0" * 64)
    with pytest.raises(DownloadError, match="not MovieLens 100K"):
        movielens.fetch_ml_100k()
    assert not (tmp_path / "cache" / "ml-100k").exists()


def test_where_neither_source_can_be_reached_the_manual_way_is_named(
    monkeypatch: pytest.MonkeyPatch, hanging_server: str
) -> None:
    monkeypatch.setattr(movielens, "URL", hanging_server)
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: first\nERROR: No matching distribution\n")
    monkeypatch.setattr(movielens.subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(DownloadError, match=r"No matching distribution\. Download ml-100k\.zip .*embrec load PATH"):
        movielens.fetch_ml_100k()
