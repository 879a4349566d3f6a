"""Files of made-up ratings and movies, as a user would load them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from data import Columns

from embrec.data.files.movies import ML_100K_GENRES


def by_activity(columns: Columns) -> Columns:
    """Number users by their number of ratings, fewest first, so that a range has users with similar activity."""
    users, movies, ratings = columns
    order = np.argsort(np.bincount(users), kind="stable")
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return number[users], movies, ratings


def write_files(directory: Path, movie_count: int, columns: Columns, seed: int) -> None:
    """Write ratings in random order, and movies with a title, genres and a year, as a user would load them.

    Each movie has its season, and its ratings are from about then, so that there is an order to learn.
    """
    random = np.random.default_rng(seed)
    users, movies, ratings = columns
    genres = [random.choice(ML_100K_GENRES[1:], random.integers(1, 4), False) for _ in range(movie_count)]
    years = 2020 - random.geometric(0.05, len(genres)).clip(1, 100)
    order = random.permutation(len(users))
    table = {"user_id": users[order], "movie_id": movies[order], "rating": ratings[order]}
    season = random.random(movie_count)[movies[order]] + random.normal(0, 0.05, len(users))
    rows = pa.table({**table, "rated_at": 10**9 + (season.clip(0, 1) * 10**8).astype(np.int64)})
    pa.csv.write_csv(rows, directory / "ratings.csv")
    known = {
        "movie_id": range(len(genres)),
        "title": [f"Movie {number} ({year})" for number, year in enumerate(years)],
        "genres": ["|".join(each) for each in genres],
        "release_year": years,
    }
    pa.csv.write_csv(pa.table(known), directory / "movies.csv")
