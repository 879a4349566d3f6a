"""Very big files and compression bombs: memory grows with the ratings that are read, not with the file's bytes."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embrec.data.files import delimited
from embrec.data.files.sources import open_source
from embrec.data.files.validate import check_rows

MB = 1 << 20
HEADER = b"user_id,movie_id,rating\n"
# Reads files one after the other in a process of its own, and prints for each how many MB higher the peak is than at
# the beginning, and how many rows were read, or the refusal.
READ = """
import resource, sys
import pandas as pd
from embrec.errors import DataError
from embrec.data.reading import read_rows
from embrec.data.files.sources import from_frame, open_source

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1 << 10)

read_rows(from_frame(pd.DataFrame({"user_id": [1], "movie_id": [1], "rating": [1.0]})))
before = peak()
for path in sys.argv[1:]:
    try:
        said = len(read_rows(open_source(path))[0].users)
    except DataError as error:
        said = error
    print(peak() - before, said)
"""
# Memory of the blocks in flight, as bytes, text columns and bad rows, for any file. Blank lines take the most, because
# every byte of a block is a row.
BLOCKS_MB, BLANK_BLOCKS_MB = 400, 1200
# Memory of a row, twice for before and after joining: ids as text or integers, their indexes, rating and time. The type
# and the value of an event take no more than a rating.
BYTES_PER_ROW = 2 * (2 * 16 + 2 * 4 + 4 + 8)
ROWS = b"".join(b"%d,%d,3,not for us: %s\n" % (row % 1000, row % 777, b"x" * 200) for row in range(10_000))
# Sorted by bound, because the measured peak is the highest so far. Name, content, bound, error message.
FILES: list[tuple[str, Callable[[], Iterable[bytes]], int, str]] = [
    ("line.csv", lambda: [HEADER, *[b"x" * MB] * 40], BLOCKS_MB, "a line longer than 8 MiB"),
    ("header.csv", lambda: [b"x" * MB] * 40, BLOCKS_MB, "header .* longer than 64 KiB"),
    ("quotes.csv", lambda: [HEADER, *[b'"' * MB] * 40], BLOCKS_MB, "a line longer than 8 MiB"),
    ("bomb.csv.gz", lambda: [HEADER, *[bytes(MB)] * 100], BLOCKS_MB, "a line longer than 8 MiB"),
    ("short.csv", lambda: [HEADER, *[b"a\n" * (MB // 2)] * 20], BLOCKS_MB, "line 2, .*1 columns where 3"),
    ("bad.csv", lambda: [HEADER, *[b"a,b,x\n" * (MB // 6)] * 20], BLOCKS_MB, "line 2, column rating: not a number"),
    ("long.csv", lambda: [HEADER[:-1] + b",remark\n", *[ROWS] * 30], BLOCKS_MB, "^300000$"),
    ("events.csv", lambda: [b"user,item,value,remark\n", *[ROWS] * 30], BLOCKS_MB, "^300000$"),
    ("long.csv.gz", lambda: [HEADER[:-1] + b",remark\n", *[ROWS] * 30], BLOCKS_MB, "^300000$"),
    ("blank.csv.gz", lambda: [HEADER, *[b"\n" * MB] * 30], BLANK_BLOCKS_MB, "has no rows"),
]


def written(path: Path, pieces: Iterable[bytes]) -> Path:
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else open(path, "wb") as file:
        file.writelines(pieces)
    return path


@pytest.mark.slow
def test_memory_follows_the_ratings_that_are_read_and_not_the_files(tmp_path: Path) -> None:
    paths = [str(written(tmp_path / name, pieces())) for name, pieces, *_ in FILES]
    done = subprocess.run([sys.executable, "-c", READ, *paths], capture_output=True, text=True, check=True)
    for path in paths:
        Path(path).unlink()
    for (name, _, bound, message), line in zip(FILES, done.stdout.splitlines(), strict=True):
        grown, _, said = line.partition(" ")
        assert re.search(message, said), name
        assert int(grown) < bound + 300_000 * BYTES_PER_ROW // MB, name


def test_a_process_that_was_refused_a_big_file_ends_in_peace(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", [HEADER, *[b"x" * MB] * 40])
    for _ in range(4):  # a thread that read ahead used to abort one in four
        done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


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
    for raw in open_source(tmp_path / "r.csv").rows(lambda share: None):
        bad += [row.line for row in check_rows(raw).rejected]
        users = raw.columns["user_id"].to_pylist()
        good += [line for line, user in zip(raw.lines.tolist(), users, strict=True) if user == b"z"]
    assert sorted(bad) == [number for number, line in enumerate(lines, 1) if line in ("a,b", "a,b,x")]
    assert good == [len(lines)]
