"""Invalid files: each is refused with a message that says why and what to do, and nothing is stored."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame
from unchanged import unchanged

from embrec.data import loading
from embrec.data.files import sources
from embrec.data.files.movies import Movie
from embrec.errors import DataError

H = b"user_id,movie_id,rating\n"
NOISE = np.random.default_rng(0).bytes(5000)
TIMED = b"user_id,movie_id,rating,rated_at\n"
GOOD = H + b"a,b,3\n"
MEND = r"Nothing was stored; mend the row"
NO_NUMBER = rf"line 2, column rating: not a number\. {MEND}"
SEPARATED = (
    rf"line 2, column (rating|value): not a number; write it with a point and no separators, as 1234\.5\. {MEND}"
)
NO_TIME = rf"line 2, column rated_at: neither seconds since 1970 nor an ISO 8601 time\. {MEND}"
NO_ROWS = r"has no rows\. Nothing was stored; name a file of ratings or events"
NO_COLUMN = r"has no column {}; its header is: .*--{}-column NAME"

# The case, the file's name, its bytes, and the error message.
FILES: list[tuple[str, str, bytes, str]] = [
    # Headers.
    ("no header line", "r.csv", b"1,2,3\n4,5,6\n", NO_COLUMN.format("user_id", "user")),
    ("a column is missing", "r.csv", b"user_id,rating\na,3\n", NO_COLUMN.format("movie_id", "movie")),
    ("a column is misspelt", "r.csv", b"user_id,movieid.,rating\na,b,3\n", NO_COLUMN.format("movie_id", "movie")),
    ("a negative value", "r.csv", b"user_id,movie_id,value\na,b,-1\n", rf"column value: not from 0 to .*{MEND}"),
    ("a value of text", "r.csv", b"user_id,movie_id,value\na,b,x\n", rf"column value: not a number\. {MEND}"),
    ("a huge value", "r.csv", b"user,item,value\na,b,1e300\n", rf"column value: not a finite number\. {MEND}"),
    ("an empty type", "r.csv", b"user_id,movie_id,type\na,b, \n", rf"event_type: empty\. {MEND}"),
    ("a type like ratings'", "r.csv", b"user,item,type\na,b,rating\n", "event_type: 'rating', which is no type"),
    ("a long type", "r.csv", b"user_id,movie_id,type\na,b," + b"x" * 101 + b"\n", "event_type: longer than 100 bytes"),
    ("many types", "r.csv", b"user,item,type\n" + b"".join(b"1,2,t%d\n" % n for n in range(101)), "has 101 types of"),
    ("an event in 2090", "r.csv", b"user,item,time\na,b,2090-01-01\n", "occurred_at: more than a day in the future"),
    ("a long external id", "r.csv", b"user,item,external_id\na,b," + b"x" * 501 + b"\n", "_id: longer than 500 bytes"),
    ("no events", "r.csv", b"user_id,movie_id,value\n", NO_ROWS),
    ("a column twice", "r.csv", b"user_id,movie_id,rating,rating\n1,2,3,4\n", "names rating twice. Rename one"),
    ("another column twice", "r.csv", b"user_id,movie_id,rating,x,x\n1,2,3,4,5\n", "names x twice. Rename one"),
    ("a column by two names", "r.csv", b"user_id,userId,movie_id,rating\n1,9,2,3\n", "several columns user_id.*Rename"),
    ("two columns without a name", "r.csv", b"user_id,movie_id,rating,,\n1,2,3,,\n", "names '' twice. Rename one"),
    ("semicolons, then commas", "r.csv", b"user_id;movie_id;rating\n1,2,3\n", r"line 2.* 1 columns where 3 .*mend"),
    ("a decimal comma", "r.csv", b"user_id;movie_id;rating\n1;2;3,5\n", SEPARATED),
    ("no name known", "r.csv", b'"User-ID";"ISBN";"Book-Rating"\n"1";"2";"3"\n', NO_COLUMN.format("movie_id", "movie")),
    ("a matrix", "r.csv", b"user_id," + b"".join(b"m%d," % n for n in range(40)) + b"\n1\n", "row for each user and"),
    ("a quote opens in the header", "r.csv", b'"user_id,movie_id,rating\na,b,3\n', "Write its names on one line"),
    ("a header of 100 KB", "r.csv", b"x" * 100_000 + b"\n1\n", "longer than 64 KiB. Is it a CSV file"),
    ("a header of control characters", "r.csv", b"\x1b[2J,\x07\n1,2\n", r"header is: \\x1b\[2J, \\x07\. Put its name"),
    ("lines end as on an old Macintosh", "r.csv", GOOD.replace(b"\n", b"\r"), "carriage return alone. Rewrite it"),
    # Bytes that are no text.
    ("an empty file", "r.csv", b"", "is empty. A CSV file needs a header such as"),
    ("only line ends", "r.csv", b"\n\n\n", "is empty. A CSV file needs a header such as"),
    ("header alone", "r.csv", H, NO_ROWS),
    ("header without a line end", "r.csv", H[:-1], "has but one line. A CSV file has a header and then"),
    ("blank rows alone", "r.csv", H + b"\n,,\n\n", NO_ROWS),
    ("latin-1 id", "r.csv", H + b"a,Mis\xe9rables,3\n", rf"line 2, column movie_id: not UTF-8 text\. {MEND}"),
    ("latin-1 header", "r.csv", b"us\xe9r,movie_id,rating\n", "has but one line|header .* is not UTF-8"),
    ("invalid UTF-8 header", "r.csv", b"\xc3(,movie_id,rating\na,b,3\n", "not UTF-8 text. Convert the file to UTF-8"),
    ("UTF-16", "r.csv", GOOD.decode().encode("utf-16"), "is UTF-16 or UTF-32 text. Convert it to UTF-8"),
    ("UTF-16, big end first", "r.csv", b"\xfe\xff" + GOOD.decode().encode("utf-16-be"), "is UTF-16 text. Convert it"),
    ("UTF-16 without a mark", "r.csv", GOOD.decode().encode("utf-16-le"), "it has NUL bytes. Name a CSV file in UTF-8"),
    ("random bytes", "r.csv", b"\x9d" + NOISE, "Name a CSV file|Convert the file to UTF-8"),
    ("zeros", "r.csv", bytes(3000), "it has NUL bytes. Name a CSV file in UTF-8"),
    ("a spreadsheet", "r.xlsx", b"PK\x03\x04" + bytes(200), "a spreadsheet. Unpack it, or save it as CSV"),
    ("zip", "r.zip", b"PK\x03\x04" + bytes(200), "a zip archive or a spreadsheet. Unpack it"),
    ("an old spreadsheet", "r.xls", b"\xd0\xcf\x11\xe0" + bytes(200), "is a spreadsheet. Save it as CSV"),
    ("XML", "r.xml", b"<?xml version='1.0'?>\n<ratings/>\n", "is XML or HTML. Save it as CSV"),
    ("Feather", "r.feather", b"ARROW1\0\0" + bytes(200), "is an Arrow or Feather file. Write it as Parquet"),
    ("a pickle", "r.pkl", b"\x80\x04\x95" + bytes(200), "is a Python pickle. Write it as Parquet"),
    ("a JSON array", "r.json", b'[{"user_id":1,"movie_id":2,"rating":3}]\n', "JSON array. Write one object a line"),
    ("JSON on several lines", "r.json", b'{\n"user_id":1}\n', rf"line 1.*no JSON object on its line.*{MEND}"),
    ("JSON lines without a key", "r.json", b'{"user_id":1}\n', NO_COLUMN.format("movie_id", "movie")),
    ("JSON, one cut off", "r.json", b'{"user":1,"item":2,"rating":3}\n{"user":1,"it', r"line 2, column \(row\): no"),
    ("JSON, one a number", "r.json", b'{"user":1,"item":2,"rating":3}\n5\n', r"line 2, column \(row\): no JSON object"),
    ("JSON, an object as id", "r.json", b'{"user":{"$oid":"1"},"item":2,"rating":3}\n', "user_id: dict where text"),
    ("JSON, truth as rating", "r.json", b'{"user":1,"item":2,"rating":true}\n', "rating: bool where text or a number"),
    ("JSON, no rating", "r.json", b'{"user_id":1,"movie_id":2,"rating":null}\n', "line 1, column rating: empty"),
    ("JSON, half a pair", "r.json", b'{"user":"\\ud800","item":2,"rating":3}\n', "column user_id: not UTF-8 text"),
    # Compression.
    ("gzip without its name", "r.csv", gzip.compress(GOOD), "compressed by gzip. Give it a name that ends in .gz"),
    ("bzip2 without its name", "r.csv", b"BZh91AY&SY" + bytes(9), "bzip2. Give it a name that ends in .bz2"),
    ("zstd", "r.csv.zst", b"\x28\xb5\x2f\xfd" + bytes(9), "compressed by zstd. Decompress it first"),
    ("plain text named gzip", "r.csv.gz", GOOD, "whole text file, compressed as its name says"),
    ("gzip cut off", "r.csv.gz", gzip.compress(H + b"a,b,3\n" * 9999)[:-9], "compressed as its name says"),
    ("gzip of nothing", "r.csv.gz", gzip.compress(b""), "is empty. A CSV file needs a header"),
    ("gzip bomb of zeros", "r.csv.gz", gzip.compress(H + bytes(20_000_000)), "line longer than 8 MiB. Is it a text"),
    # Rows.
    ("a row too short", "r.csv", GOOD + b"a,b\n", rf"line 3, column \(row\): 2 columns where 3 are expected\. {MEND}"),
    ("a row too long", "r.csv", GOOD + b"a,b,3,4\n", rf"line 3, column \(row\): 4 columns where 3 are .*{MEND}"),
    ("a quote that does not end", "r.csv", H + b'a,b,3\n"c,d,4\ne,f,5\n', r"line 3, column \(row\).*mend the row"),
    ("a quote open on the last line", "r.csv", GOOD + b'"c,d,4\n', rf"line 3, column \(row\).*{MEND}"),
    ("a line break in a value", "r.csv", H + b'"a\nb",c,3\n', r"line 2, column \(row\): a quoted value does not end"),
    ("a line of 20 MB", "r.csv", GOOD + b"x" * 20_000_000 + b",b,3\n", "a line longer than 8 MiB. Is it a text file"),
    ("200,000 bad rows", "r.csv", H + b"a,b,x\n" * 200_000, NO_NUMBER),
    ("200,000 rows too short", "r.csv", H + b"a\n" * 200_000, rf"line 2, column \(row\): 1 columns .*{MEND}"),
    # Ratings.
    *((f"rating {text!r}", "r.csv", H + b"a,b," + text.encode() + b"\n", NO_NUMBER)
      for text in ("good", "4/5", "0x10", "--1", "\u0665", "5 stars", "True", "3\0", '"x1,000"')),
    *((f"{name} {text!r}", "r.csv", f'user_id,movie_id,{name}\na,b,"{text}"\n'.encode(), SEPARATED)
      for name in ("rating", "value")
      for text in ("4,5", "1_000", "1,000", "1.234,5", "12 345", "1\u202f000", "1\xa0000", "1'000'000", "-1,5")),
    *((f"rating {text!r}", "r.csv", H + f"a,b,{text}\n".encode(), rf"column rating: not a finite number\. {MEND}")
      for text in ("nan", "inf", "-Infinity", "1e39", "1e400")),
    ("rating 4,5 unquoted", "r.csv", H + b"a,b,4,5\n", r"4 columns where 3 are expected"),
    ("no rating", "r.csv", H + b"a,b,\n", rf"column rating: empty\. {MEND}"),
    # Ids.
    ("an empty user", "r.csv", H + b",b,3\n", rf"column user_id: empty\. {MEND}"),
    ("a movie of blanks", "r.csv", H + b"a,\xc2\xa0 ,3\n", rf"column movie_id: empty\. {MEND}"),
    ("a NUL in an id", "r.csv", H + b"a\0,b,3\n", rf"column user_id: contains a NUL character\. {MEND}"),
    ("an id of 501 bytes", "r.csv", H + "é".encode() * 250 + b"x,b,3\n", r"user_id: longer than 500 bytes\. " + MEND),
    ("an id past a B-tree's limit", "r.csv", H + b"a," + NOISE.hex().encode()[:4000] + b",3\n",
     rf"column movie_id: longer than 500 bytes\. {MEND}"),
    # Times.
    *((f"time {text}", "r.csv", TIMED + f"a,b,3,{text}\n".encode(), NO_TIME)
      for text in ("yesterday", "1997-13-40", "1997-02-30", "04/12/1997", "1997-12-04T25:00:00", "1e9", "nan",
                   "1997-12-04T15:55:49+99:00")),
    *((f"time {text}", "r.csv", TIMED + f"a,b,3,{text}\n".encode(), rf"is it in milliseconds\?\. {MEND}")
      for text in ("881250949000", "9" * 40, "-881250949000")),
    *((f"time {text}", "r.csv", TIMED + f"a,b,3,{text}\n".encode(), rf"not between the years 1900 and 2100\. {MEND}")
      for text in ("2200-01-01", "0001-01-01", "-9000000000")),
    ("time 20240131", "r.csv", TIMED + b"a,b,3,20240131\n", rf"eight digits; write a date as 2024-01-31\. {MEND}"),
]  # fmt: skip
# Folders: the case, the files, and the error message.
FOLDERS: list[tuple[str, dict[str, bytes], str]] = [
    ("nothing", {}, "no MovieLens data set. Name a file of ratings or events instead, CSV or Parquet"),
    ("100K without its movies", {"u.data": b"1\t2\t3\t4\n"}, "The file .*u.item cannot be read.*Check the path"),
    (
        "100K with commas",
        {"u.data": b"1,2,3,4\n", "u.item": b""},
        r"u\.data, line 1, column \(row\): 1 columns where 4",
    ),
    (
        "100K with short movies",
        {"u.data": b"1\t2\t3\t4\n", "u.item": b"2|x\n"},
        r"u\.item, line 1.* 2 columns where 24",
    ),
    (
        "100K with short users",
        {"u.data": b"1\t2\t3\t4\n", "u.item": b"", "u.user": b"1|24|M\n"},
        r"u\.user, line 1.* 3 columns where 5",
    ),
    (
        "1M with users of no age",
        {"ratings.dat": b"1::2::3::4\n", "movies.dat": b"", "users.dat": b"1::F::x::1::2\n"},
        r"users\.dat, line 1, column age",
    ),
    ("1M with tabs", {"ratings.dat": b"1\t2\t3\t4\n", "movies.dat": b""}, r"ratings\.dat, line 1, column \(row\)"),
    ("1M in milliseconds", {"ratings.dat": b"1::2::3::978300760000\n", "movies.dat": b""}, "is it in milliseconds"),
    ("latest, empty", {"ratings.csv": b"", "movies.csv": b""}, "ratings.csv is empty. A CSV file needs a header"),
    ("latest, movies gzipped", {"ratings.csv": GOOD, "movies.csv": gzip.compress(b"movie_id")}, "compressed by gzip"),
    ("latest, movies UTF-16", {"ratings.csv": GOOD, "movies.csv": "movie_id".encode("utf-16")}, "is UTF-16"),
    ("latest, no titles", {"ratings.csv": GOOD, "movies.csv": b"movie_id\n1\n"}, "no column title.*Put its name there"),
    ("latest, movies ragged", {"ratings.csv": GOOD, "movies.csv": b"movie_id,title\n1\n"}, "1 columns where 2"),
    ("latest, movies by two names", {"ratings.csv": GOOD, "movies.csv": b"movieId,movie_id,title\n1,2,x\n"}, "several"),
]
# Cases that are loaded by the command line too: one line on stderr, and no traceback.
BY_COMMAND = ("no header line", "a JSON array", "an empty file", "UTF-16", "gzip without its name", "a row too short",
              "a header of control characters", "a header of 100 KB", "rating 'nan'", "an id of 501 bytes",
              "a quote that does not end", "time yesterday")  # fmt: skip


@pytest.fixture(scope="module")
def kept(shared_engine: sa.Engine) -> sa.Engine:
    """A database with data that a refused load must not change."""
    load_frame(shared_engine, rating_frame(users=5, movies=4, count=12), [Movie("100", "One hundred", ["X"], 1990)])
    return shared_engine


def refused(engine: sa.Engine, source: Callable[[], sources.Source], message: str) -> None:
    """Check that a load is refused in one readable line, and leaves nothing."""
    with unchanged(engine), pytest.raises(DataError, match=message) as caught:
        loading.load(engine, source())
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 700


def test_the_corpus_is_big_enough_and_every_case_has_a_name_of_its_own() -> None:
    assert len(FILES) + len(FOLDERS) >= 60
    assert len({name for name, *_ in FILES}) == len(FILES)
    assert set(BY_COMMAND) <= {name for name, *_ in FILES}


@pytest.mark.parametrize(("name", "file", "data", "message"), FILES, ids=[case[0] for case in FILES])
def test_a_bad_file_is_refused_and_nothing_is_stored(
    kept: sa.Engine, tmp_path: Path, name: str, file: str, data: bytes, message: str
) -> None:
    (tmp_path / file).write_bytes(data)
    refused(kept, lambda: sources.open_source(tmp_path / file), message)


@pytest.mark.parametrize(("name", "files", "message"), FOLDERS, ids=[case[0] for case in FOLDERS])
def test_a_bad_folder_is_refused_and_nothing_is_stored(
    kept: sa.Engine, tmp_path: Path, name: str, files: dict[str, bytes], message: str
) -> None:
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    refused(kept, lambda: sources.open_source(tmp_path), message)


@pytest.mark.parametrize("name", BY_COMMAND)
def test_the_command_says_it_in_one_line_on_stderr(kept: sa.Engine, tmp_path: Path, embrec, name: str) -> None:
    _, file, data, message = next(case for case in FILES if case[0] == name)
    (tmp_path / file).write_bytes(data)
    url = kept.connect().connection.driver_connection.info.dsn
    with unchanged(kept):
        code, out, err = embrec("load", str(tmp_path / file), "--database-url", url)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith("embrec: ")
    assert "Traceback" not in err
    assert re.search(message, err)


def test_paths_that_cannot_be_read(kept: sa.Engine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "good.csv").write_bytes(GOOD)
    for path, message in (
        ("missing.csv", "no file or folder .*Check the path"),
        ("pipe.csv", "no file or folder .*Check the path"),
        ("a\0b", "no file or folder"),
        ("x" * 5000, r"The path .*\.\.\. cannot be used: File name too long\. Check it"),
        ("folder.parquet", "no MovieLens data set. Name a file of ratings or events"),
    ):
        if "\0" not in path:
            refused(kept, lambda path=path: sources.open_source(tmp_path / path), message)
    refused(kept, lambda: sources.open_source(tmp_path / "good.csv", movies=tmp_path / "no.csv"), "no file of movies")
    refused(
        kept, lambda: sources.open_source(tmp_path / "good.csv", columns={"user_id": "x"}), "no column x; .*Name one"
    )


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
@pytest.mark.parametrize("name", ["r.csv", "r.parquet"])
def test_a_file_that_one_may_not_read(tmp_path: Path, name: str) -> None:
    from embrec.data.reading import read_rows

    path = Path(os.path.realpath(tmp_path)) / name
    path.write_bytes(GOOD)
    path.chmod(0o600)
    for folder in path.parents[:-1]:
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 1:
            folder.chmod(0o711)
    with as_nobody(), pytest.raises(DataError, match="permission denied. Change its mode, or run as its owner"):
        read_rows(sources.open_source(path))


def test_bad_rows_among_good_ones_are_set_aside_up_to_a_bound(kept: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(GOOD + b"a,b,x\n" * 60_000 + b"a\n" * 60_000)
    with (
        unchanged(kept),
        pytest.raises(DataError, match=r"more than 100,000 bad rows, the first of them line 3.*check"),
    ):
        loading.load(kept, sources.open_source(path), reject_to=tmp_path / "bad.csv")
    assert not (tmp_path / "bad.csv").exists()
