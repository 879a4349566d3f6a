"""Histories for the benchmarks of the next step: files of the S3-Rec paper, and MovieLens 100K in order of time.

The files are not in this repository. ``Toys_and_Games.txt`` and ``LastFM.txt`` are in the folder ``data`` of
RUCAIBox/CIKM2020-S3Rec on GitHub; each line is a user's id and the ids of items in order of time. Their folder is the
environment variable EMBREC_SEQUENCES, where they may also have the names ``toys.txt`` and ``lastfm.txt``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from embrec.data.files.movielens import fetch_ml_100k
from embrec.data.files.sources import open_source
from embrec.evaluation.data import read_data
from embrec.models.sequences import Sequences

FILES = {
    "LastFM": ("lastfm.txt", "LastFM.txt"),
    "Amazon Toys": ("toys.txt", "Toys_and_Games.txt", "Toys.txt"),
}
MOVIELENS = "MovieLens 100K"


def available() -> dict[str, Path | None]:
    """Return the data sets that are here, with their files; MovieLens 100K is downloaded, and has None."""
    folder = os.environ.get("EMBREC_SEQUENCES")
    found: dict[str, Path | None] = {MOVIELENS: None}
    for name, files in FILES.items():
        paths = [Path(folder) / file for file in files] if folder else []
        if path := next((each for each in paths if each.exists()), None):
            found[name] = path
    return found


def read(path: Path | None) -> Sequences:
    """Read a file of histories, whose items are numbered by their ids; without a file MovieLens 100K."""
    if path is None:
        return read_data(open_source(fetch_ml_100k())).sequences()
    lines = [np.array(line.split()[1:], np.int64) for line in path.read_text().splitlines()]
    ids, movies = np.unique(np.concatenate(lines), return_inverse=True)
    starts = np.concatenate([[0], np.cumsum([len(line) for line in lines])])
    return Sequences(starts, movies.astype(np.int32), np.full(len(movies), np.nan), len(ids))
