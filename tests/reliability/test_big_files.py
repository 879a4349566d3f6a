"""Files that are far too big, or bombs: memory follows the ratings that are read, not the bytes of the file."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embrec import delimited
from embrec.rows import check_ratings
from embrec.sources import open_source

MB = 1 << 20
HEADER = b"user_id,movie_id,rating\n"
# Reads a file in a process of its own; prints ratings read, or the refusal, and the growth of the peak in MB.
READ = """
import resource, sys
from embrec.errors import DataError
from embrec.reading import read_ratings
from embrec.sources import from_frame, open_source
import pandas as pd
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1 << 10)
read_ratings(from_frame(pd.DataFrame({"user_id": [1], "movie_id": [1], "rating": [1.0]})))
before = peak()
try:
    said = len(read_ratings(open_source(sys.argv[1]))[0].ratings)
except DataError as error:
    said = error
print(peak() - before, said)
"""
# The blocks in flight, as bytes and as columns of text: whatever the file is. Blank lines take the most, for every byte
# of a block is a row.
BLOCKS = 500
BLANK_BLOCKS = 1500
# Of each rating twice (before and after joining): user, movie, number waiting as text or integers, rating and time.
BYTES_PER_RATING = 2 * (2 * 8 + 2 * 4 + 4 + 8)


def written(path: Path, pieces: Iterable[bytes]) -> Path:
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else open(path, "wb") as file:
        file.writelines(pieces)
    return path


def reading(path: Path) -> tuple[int, str]:
    """How many MB more reading the file took at its peak, and what came of it."""
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    grown, _, said = done.stdout.strip().partition(" ")
    return int(grown), said


@pytest.mark.parametrize(
    ("name", "pieces", "bound", "message"),
    [
        ("line.csv", lambda: [HEADER, *[b"x" * MB] * 60], BLOCKS, "a line longer than 8 MiB"),
        ("header.csv", lambda: [b"x" * MB] * 60, BLOCKS, "header .* longer than 64 KiB"),
        ("quotes.csv", lambda: [HEADER, *[b'"' * MB] * 60], BLOCKS, "a line longer than 8 MiB"),
        ("short.csv", lambda: [HEADER, *[b"a\n" * (MB // 2)] * 20], BLOCKS, "line 2, .*1 columns where 3"),
        ("bad.csv", lambda: [HEADER, *[b"a,b,x\n" * (MB // 6)] * 20], BLOCKS, "line 2, column rating: not a number"),
        ("bomb.csv.gz", lambda: [HEADER, *[bytes(MB)] * 500], BLOCKS, "a line longer than 8 MiB"),
        ("blank.csv.gz", lambda: [HEADER, *[b"\n" * MB] * 100], BLANK_BLOCKS, "has no ratings"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_a_file_that_holds_no_ratings_takes_no_more_than_its_blocks(
    tmp_path: Path, name: str, pieces: Callable[[], Iterable[bytes]], bound: int, message: str
) -> None:
    import re

    path = written(tmp_path / name, pieces())
    grown, said = reading(path)
    path.unlink()
    assert re.search(message, said)
    assert grown < bound


@pytest.mark.parametrize("name", ["long.csv", "long.csv.gz"])
def test_a_long_file_takes_what_its_ratings_take(tmp_path: Path, name: str) -> None:
    rows = b"".join(b"%d,%d,3,not for us: %s\n" % (row % 1000, row % 777, b"x" * 200) for row in range(10_000))
    path = written(tmp_path / name, [HEADER[:-1] + b",remark\n", *[rows] * 60])
    grown, said = reading(path)
    assert said == "600000"
    assert grown < BLOCKS // 2 + 600_000 * BYTES_PER_RATING // MB, "its 135 MB of text go by"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["a,b,3", "", "a,b", "a,b,x", ",,"]), st.integers(1, 30)), max_size=20),
    st.integers(40, 300),
)
def test_lines_are_counted_whatever_is_left_out_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: list[tuple[str, int]], block: int
) -> None:
    lines = ["user_id,movie_id,rating", *(line for line, count in runs for _ in range(count)), "z,z,3"]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(delimited, "BLOCK_BYTES", block)
    bad, good = [], []
    for raw in open_source(tmp_path / "r.csv").ratings(lambda share: None):
        bad += [row.line for row in check_ratings(raw).rejected]
        users = raw.columns["user_id"].to_pylist()
        good += [line for line, user in zip(raw.lines.tolist(), users, strict=True) if user == b"z"]
    assert sorted(bad) == [number for number, line in enumerate(lines, 1) if line in ("a,b", "a,b,x")]
    assert good == [len(lines)]
