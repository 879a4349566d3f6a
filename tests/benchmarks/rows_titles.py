"""Searches of titles by both builds in turn."""

from __future__ import annotations

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
from servers import timed
from stages import Bench, Figures, Site, in_turn, size_of
from table import Found


def titles(bench: Bench, size: str, times: int) -> Found:
    """Measure searches of titles by words, and of mistyped titles, in a catalogue of made-up titles.

    Each measurement is of another title. The first one of each build warms up, and is not counted.
    """
    stage = bench.stage(size_of(size))
    random = np.random.default_rng(0)
    known = made_titles(stage.size.movies, random)
    pa.csv.write_csv(pa.table({"movie_id": range(len(known)), "title": known}), stage.directory / "titles.csv")
    chosen = [known[number].split(" (")[0] for number in random.integers(0, len(known), times + 1)]
    sites = {name: bench.site(name, "titles") for name in bench.builds}
    for site in sites.values():
        site.load(str(stage.directory / "ratings.csv"), "--movies", str(stage.directory / "titles.csv"))
        site.database.run("VACUUM (ANALYZE)")
        search(site, chosen[-1])
    return in_turn(
        times, {name: lambda number, site=site: search(site, chosen[number]) for name, site in sites.items()}
    )


def search(site: Site, title: str) -> Figures:
    """Return the milliseconds of a search by two of a title's words, and by the title without its fourth letter."""
    queries = {"find_movies": " ".join(title.split()[:2]), "suggest_movies": title[:3] + title[4:]}
    found = {}
    with psycopg.connect(site.database.url) as connection:
        connection.execute("SELECT 1")
        for function, query in queries.items():
            statement = f"SELECT * FROM embrec.{function}(%s)"
            found[f"{function} ms"] = timed(lambda: connection.execute(statement, [query]).fetchall()) * 1e3  # noqa: B023
    return found


def made_titles(count: int, random: np.random.Generator) -> list[str]:
    """Return titles of two to five words and a year. Words have made-up syllables, and follow Zipf's law."""
    syllables = [first + second for first in "bdfgklmnprstvw" for second in ("a", "e", "i", "o", "u", "an", "er", "il")]
    words = sorted({"".join(random.choice(syllables, random.integers(1, 4))) for _ in range(30_000)})
    frequency = random.permutation(1 / np.arange(10, len(words) + 10))
    lengths = random.integers(2, 6, count)
    drawn = iter(random.choice(words, lengths.sum(), p=frequency / frequency.sum()))
    years = random.integers(1920, 2025, count)
    return [
        " ".join(next(drawn).capitalize() for _ in range(length)) + f" ({year})"
        for length, year in zip(lengths, years, strict=True)
    ]
