"""The reading of data sets from files."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embrec.data.arrays import NO_TIME
from embrec.data.files import delimited
from embrec.data.files.movies import ML_100K_GENRES, Movie, year_of
from embrec.data.files.sources import Source, from_frame, open_source
from embrec.data.files.validate import check_rows
from embrec.data.rejects import RejectedRow
from embrec.errors import BadRowError, DataError


def read(source: Source) -> tuple[list[tuple[object, ...]], list[RejectedRow]]:
    good: list[tuple[object, ...]] = []
    bad: list[RejectedRow] = []
    for raw in source.rows(lambda share: None):
        chunk = check_rows(raw)
        bad += chunk.rejected
        seconds = [None if value == NO_TIME else value // 10**6 for value in chunk.columns["rated_at"].tolist()]
        columns = (chunk.user_ids.to_pylist(), chunk.movie_ids.to_pylist(), chunk.columns["rating"].tolist(), seconds)
        good += zip(*columns, strict=True)
    return good, bad


def csv(tmp_path: Path, content: str | bytes, name: str = "r.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_movielens_100k_folder(tmp_path: Path) -> None:
    csv(tmp_path, "196\t242\t3\t881250949\n186\t302\t3\t891717742\n", "u.data")
    flags = "|".join("1" if genre in ("Comedy", "Drama") else "0" for genre in ML_100K_GENRES)
    item = f"242|Misérables, Les (1995)|24-Jan-1997||http://x|{flags}\n267|unknown||||1{'|0' * 18}\n"
    csv(tmp_path, item.encode("latin-1"), "u.item")
    source = open_source(tmp_path)
    assert read(source) == ([("196", "242", 3.0, 881250949), ("186", "302", 3.0, 891717742)], [])
    assert source.movies() == [
        Movie("242", "Misérables, Les (1995)", ["Comedy", "Drama"], 1995),
        Movie("267", "unknown", ["unknown"], None),
    ]


def test_a_movielens_1m_folder(tmp_path: Path) -> None:
    csv(tmp_path, "1::1193::5::978300760\n1::661::3.5::978302109\n", "ratings.dat")
    movies = "1193::Édith et Marcel: a tale (1983)::Drama|Musical\n".encode("latin-1")
    csv(tmp_path, movies, "movies.dat")
    source = open_source(tmp_path)
    assert read(source) == ([("1", "1193", 5.0, 978300760), ("1", "661", 3.5, 978302109)], [])
    assert source.movies() == [Movie("1193", "Édith et Marcel: a tale (1983)", ["Drama", "Musical"], 1983)]


def test_a_movielens_latest_folder(tmp_path: Path) -> None:
    csv(tmp_path, "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n", "ratings.csv")
    movies = (
        "movieId,title,genres\r\n"
        '1,"American President, The (1995)",Comedy|Drama\r\n'
        '2,"The ""Big"" One (1997-1998)",(no genres listed)\r\n'
        "3,Untitled,Drama\r\n"
    )
    csv(tmp_path, movies, "movies.csv")
    source = open_source(tmp_path)
    assert read(source) == ([("1", "1", 4.0, 964982703)], [])
    assert source.movies() == [
        Movie("1", "American President, The (1995)", ["Comedy", "Drama"], 1995),
        Movie("2", 'The "Big" One (1997-1998)', [], 1997),
        Movie("3", "Untitled", ["Drama"], None),
    ]


def test_separators_on_the_edge_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 61)
    rows = [(str(user), str(user * 7), 3.0, 978300000 + user) for user in range(1, 400)]
    csv(tmp_path, "".join(f"{u}::{m}::3::{t}\n" for u, m, _, t in rows), "ratings.dat")
    assert read(open_source(tmp_path)) == (rows, [])


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_csv_with_any_line_end_compression_and_bom(tmp_path: Path, compress, end: str, last: bool) -> None:
    ending = {bytes: ".csv", gzip.compress: ".csv.gz", bz2.compress: ".csv.bz2"}[compress]
    text = end.join(["\ufeffmovie_id,rating,user_id", '"a,""b",5,u1', "", "c,1,u2"]) + (end if last else "")
    path = csv(tmp_path, compress(text.encode()), f"r{ending}")
    assert read(open_source(path)) == ([("u1", 'a,"b', 5.0, None), ("u2", "c", 1.0, None)], [])


@pytest.mark.parametrize(("header", "row"), [
    ('"User-ID";"Item-ID";"Rating"', '"u1";"a;""b""";"4.5"'),
    ("user_id\titem_id\trating", '"u1"\t"a;""b"""\t"4.5"'),
    ("user_id|item_id|rating", 'u1|"a;""b"""|4.5'),
    ("user_id::item_id::rating", 'u1::"a;""b"""::4.5'),
    ("user_id item_id rating", 'u1 "a;""b""" 4.5'),
    ("user id, item id, rating", 'u1, "a;""b""", 4.5'),
    ('"user_id", "item_id", "rating"', ' "u1",\t"a;""b""" , "4.5"'),
])  # fmt: skip
def test_any_separator_with_quotes_and_blanks_around_them(tmp_path: Path, header: str, row: str) -> None:
    path = csv(tmp_path, f"{header}\n{row}\n{row.replace('u1', 'u2')}\n")
    assert read(open_source(path)) == ([("u1", 'a;"b"', 4.5, None), ("u2", 'a;"b"', 4.5, None)], [])


def test_a_separator_and_blanks_inside_quotes_are_of_the_value(tmp_path: Path) -> None:
    path = csv(tmp_path, 'user_id,movie_id,rating\n"a, ""b""", "c,  d",3\n5" disc, 7" disc,4\n')
    assert read(open_source(path))[0] == [('a, "b"', "c,  d", 3.0, None), ('5" disc', '7" disc', 4.0, None)]


def test_ratings_dat_alone_has_no_header(tmp_path: Path) -> None:
    assert read(open_source(csv(tmp_path, "1::2::3.5\n1::3::4\n")))[0] == [("1", "2", 3.5, None), ("1", "3", 4.0, None)]
    assert read(open_source(csv(tmp_path, "1::2::3.5::978300760\n")))[0] == [("1", "2", 3.5, 978300760)]


@pytest.mark.parametrize("name", ["r.jsonl", "r.ndjson", "r.json", "R.JSONL.GZ"])
def test_json_lines(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 100)  # several blocks, so that line numbers go on across them
    lines = [
        '\ufeff{"user_id":9007199254740993,"item_id":"a","rating":3,"timestamp":null,"x":[1,{"y":2}]}',
        "",
        *('{"rating":"4.5","item_id":"a,\\"\\u00e9\\"","user_id":" b "}' for _ in range(5)),
        '{"user_id":1,"item_id":2}',
        '{"user_id":1,"item_id":2,"rating":1e-1,"timestamp":881250949}',
    ]
    content = "\n".join(lines).encode()
    good, bad = read(open_source(csv(tmp_path, gzip.compress(content) if name.endswith("GZ") else content, name)))
    assert good == [
        ("9007199254740993", "a", 3.0, None),
        *[("b", 'a,"é"', 4.5, None)] * 5,
        ("1", "2", pytest.approx(0.1), 881250949),
    ]
    assert [(each.line, each.column, each.reason) for each in bad] == [(8, "rating", "empty")]


def test_a_name_in_capitals_says_what_a_file_is(tmp_path: Path) -> None:
    path = csv(tmp_path, gzip.compress(b"user_id,movie_id,rating\na,b,3\n"), "R.CSV.GZ")
    assert read(open_source(path))[0] == [("a", "b", 3.0, None)]
    pd.DataFrame({"user_id": ["a"], "movie_id": ["b"], "rating": [3]}).to_parquet(tmp_path / "R.PARQUET")
    assert read(open_source(tmp_path / "R.PARQUET"))[0] == [("a", "b", 3.0, None)]


def test_uuids_are_ids(tmp_path: Path) -> None:
    ids = [uuid.UUID(int=1), uuid.UUID("0123456789ABCDEF0123456789ABCDEF"), None]
    texts = ["00000000-0000-0000-0000-000000000001", "01234567-89ab-cdef-0123-456789abcdef"]
    found = [(text, text, rating, None) for text, rating in zip(texts, (1.0, 2.0), strict=True)]
    for column in (ids, [*ids[:2], "x"]):  # of one type, and of several
        frame = pd.DataFrame({"user_id": ids, "movie_id": column, "rating": [1, 2, 3]})
        good, bad = read(from_frame(frame))
        assert (good, [(each.line, each.column) for each in bad]) == (found, [(3, "user_id")])
    stored = pa.array([None if each is None else each.bytes for each in ids], pa.uuid())
    pq.write_table(pa.table({"user_id": stored, "movie_id": stored, "rating": [1, 2, 3]}), tmp_path / "r.parquet")
    good, bad = read(open_source(tmp_path / "r.parquet"))
    assert (good, [(each.line, each.column) for each in bad]) == (found, [(3, "user_id")])
    assert from_frame(frame, [Movie(ids[0], "x")]).movies() == [Movie(texts[0], "x")]  # type: ignore[arg-type]


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = csv(tmp_path, "customer,film,stars,when,rating\na,b,4,2020-01-01,9\n")
    names = {"user_id": "customer", "movie_id": "film", "rating": "stars", "rated_at": "when"}
    assert read(open_source(path, columns=names))[0] == [("a", "b", 4.0, 1577836800)]
    with pytest.raises(DataError, match=r"no column user_id; its header is: customer, film.*--user-column NAME"):
        read(open_source(path))
    with pytest.raises(DataError, match="has no column guest"):
        read(open_source(path, columns={**names, "user_id": "guest"}))


def test_a_parquet_file_of_any_types(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    frame = pd.DataFrame(
        {
            "userId": [2**53 + 1, 2, 3],
            "film": ["a", "b", "c"],
            "rating": [1.5, 2.0, np.nan],
            "timestamp": pd.to_datetime(["2020-01-01T00:00:00Z", None, "2020-01-01T00:00:00Z"]),
        }
    )
    frame.to_parquet(path)
    good, bad = read(open_source(path, columns={"movie_id": "film"}))
    assert good == [("9007199254740993", "a", 1.5, 1577836800), ("2", "b", 2.0, None)]
    assert [(each.line, each.column) for each in bad] == [(3, "rating")]
    with pytest.raises(DataError, match="no column movie_id"):
        read(open_source(path))
    frame.astype({"userId": float}).to_parquet(path)
    with pytest.raises(DataError, match="floating-point ids"):
        read(open_source(path, columns={"movie_id": "film"}))
    with pytest.raises(DataError, match="whole Parquet file"):
        read(open_source(csv(tmp_path, "user_id,movie_id,rating\n", "x.parquet")))


def test_bad_rows_are_named_by_their_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 200)  # several blocks, so that line numbers go on across them
    lines = ["user_id,movie_id,rating"] + [f"u{line},m,3" for line in range(2, 101)]
    lines[9], lines[39], lines[59], lines[79] = "u10,m", "", "u60,m,bad", "u80,m,3,extra"
    good, bad = read(open_source(csv(tmp_path, "\n".join(lines))))
    assert [(each.line, each.column, each.row) for each in bad] == [
        (10, "(row)", "u10,m"),
        (60, "rating", "u60,m,bad"),
        (80, "(row)", "u80,m,3,extra"),
    ]
    assert [row[0] for row in good] == [f"u{line}" for line in range(2, 101) if line not in (10, 40, 60, 80)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"us\xe9r,movie_id,rating\n", "header .* is not UTF-8"),
        (b"a,b\n1,2\n", "no column user_id; its header is: a, b"),
        (b"user_id,movie_id,rating,rating\n1,2,3,4\n", "names rating twice"),
        (b"user_id,movie_id,rating\n" + b"x" * 20_000_000 + b",m,3\n", "a line longer than 8 MiB"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(open_source(csv(tmp_path, content)))


def test_files_that_are_not_what_their_name_says(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="compressed as its name says"):
        read(open_source(csv(tmp_path, "user_id,movie_id,rating\n", "r.csv.gz")))
    whole = gzip.compress(b"user_id,movie_id,rating\n" + b"".join(b"%d,1,1\n" % n for n in range(100_000)))
    with pytest.raises(DataError, match="compressed as its name says"):
        read(open_source(csv(tmp_path, whole[:-100], "r.csv.gz")))


def test_white_space_around_a_headers_names_is_no_matter(tmp_path: Path) -> None:
    assert len(read(open_source(csv(tmp_path, "user_id , movie_id,rating \r\na,b,1\r\n")))[0]) == 1


def test_options_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    csv(tmp_path, "1\t2\t3\t4\n", "u.data")
    with pytest.raises(DataError, match="is a folder"):
        open_source(tmp_path, columns={"user_id": "x"})
    path = csv(tmp_path, "user_id,movie_id,rating\na,b,1\n")
    with pytest.raises(DataError, match="no column bogus to name"):
        read(open_source(path, columns={"bogus": "x"}))


def test_an_open_quote_swallows_nothing_silently(tmp_path: Path) -> None:
    path = csv(tmp_path, 'user_id,movie_id,rating\na,b,3\n"c,d,4\ne,f,5\ng,h,1\n')
    with pytest.raises(BadRowError, match=r"line 3, column \(row\): a quoted value does not end on its line"):
        read(open_source(path))


def test_paths_that_are_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file or folder .*missing"):
        open_source(tmp_path / "missing")
    with pytest.raises(DataError, match=r"holds no u\.data, ratings\.dat or ratings\.csv"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("movie_id,name\n1,x\n", "no column title"),
        ("movie_id,title,genres\n1,x,A|B,\n", r"line 2, column \(row\): 4 columns where 3 are expected"),
        ("movie_id,title\n" + "x" * 501 + ",x\n", "line 2, column movie_id: longer than 500 bytes"),
        ("movie_id,title\n ,x\n", "line 2, column movie_id: empty"),
        ('movie_id,title\n1,"x\n', "unexpected end of data"),
    ],
)
def test_a_bad_file_of_movies(tmp_path: Path, content: str, message: str) -> None:
    ratings = csv(tmp_path, "user_id,movie_id,rating\na,b,3\n")
    with pytest.raises(DataError, match=message):
        open_source(ratings, movies=csv(tmp_path, content, "m.csv")).movies()


MOVIE_FILES = {
    "m.csv": (
        "id,name,kinds,released\r\n"
        ' 7 ,"Anno (1602)","[{""id"": 28, ""name"": ""Action""}, {""id"": 1, ""name"": ""Sci-Fi""}]",1999.0\r\n'
        "8,Of nobody (2001),Drama|War,\r\n"
    ),
    "m.tsv": (
        "id\tname\tkinds\treleased\n"
        """7\t"Anno (1602)"\t"[{'id': 28, 'name': 'Action'}, {'name': 'Sci-Fi'}]"\t"May 1, 1999"\n"""
        "8\tOf nobody (2001)\tDrama|War\t\\N\n"
    ),
    "m.json": (
        '{"id":7,"name":"Anno (1602)","kinds":["Action",{"name":"Sci-Fi"}],"released":1999.0}\n'
        '{"name":"Of nobody (2001)","kinds":"Drama|War","released":null,"id":"8"}\n'
    ),
}


@pytest.mark.parametrize("name", [*MOVIE_FILES, "m.parquet"])
def test_movies_of_any_file_with_columns_of_any_names(tmp_path: Path, name: str) -> None:
    if name == "m.parquet":
        kinds, years = [["Action", "Sci-Fi"], ["Drama", "War"]], [1999.0, None]
        columns = {"id": [7, 8], "name": ["Anno (1602)", "Of nobody (2001)"], "kinds": kinds, "released": years}
        pq.write_table(pa.table(columns), tmp_path / name)
    else:
        csv(tmp_path, MOVIE_FILES[name], name)
    ratings = csv(tmp_path, "user_id,movie_id,rating\na,b,3\n")
    names = {"movie_id": "id", "title": "name", "genres": "kinds", "release_year": "released"}
    assert open_source(ratings, movies=tmp_path / name, movie_columns=names).movies() == [
        Movie("7", "Anno (1602)", ["Action", "Sci-Fi"], 1999),
        Movie("8", "Of nobody (2001)", ["Drama", "War"], None),
    ]
    with pytest.raises(DataError, match=r"no column movie_id; its header is: .*--movie-id-column NAME"):
        open_source(ratings, movies=tmp_path / name).movies()


def test_movies_of_a_frame_with_gaps() -> None:
    ratings = pd.DataFrame({"user_id": [1], "movie_id": [1], "rating": [1]})
    movies = pd.DataFrame(
        {"movie_id": [1, 2], "title": ["x", np.nan], "genres": [["A"], None], "release_year": [1999, np.nan]}
    )
    assert from_frame(ratings, movies).movies() == [Movie("1", "x", ["A"], 1999), Movie("2", None, None, None)]
    with pytest.raises(DataError, match="no column title"):
        from_frame(ratings, movies[["movie_id"]])


@pytest.mark.parametrize(
    ("value", "year"),
    [
        *((value, 1999) for value in (1999, 1999.0, np.float64(1999), Decimal("1999.0"), "1999.0", " 1999 ")),
        *((value, 1999) for value in ("1999-05-01", "May 1, 1999", "01/05/1999", "1999\N{EN DASH}2003", "c. 1999")),
        *((value, 1999) for value in (dt.date(1999, 5, 1), pd.Timestamp("1999-05-01"), np.datetime64("1999-05-01"))),
        *(
            (value, None)
            for value in (1500, 1602.0, "1066", 753, -4, 0, True, 1999.5, float("inf"), "soon", "19990501")
        ),
        *((value, None) for value in (dt.date(1602, 1, 1), 10**400, "500 ml (1500)", None, "", float("nan"), pd.NaT)),
    ],
)
def test_a_year_is_a_likely_number_or_part_of_a_date(value: object, year: int | None) -> None:
    assert year_of(value) == year


@pytest.mark.parametrize(
    ("title", "year"),
    [
        *(("Film (1999)", 1999), ("Film (1999) ", 1999), ("Film (1999) (V)", 1999), ("2001: a Film (1968)", 1968)),
        *(
            ("Film (2006-2007)", 2006),
            ("Film (2006\N{EN DASH}2007)", 2006),
            ("Film (TV Series 1999\N{EN DASH} )", 1999),
        ),
        *(("Anno (1602)", None), ("Film 2049", None), ("Film (500 ml 1999)", None), ("Film (19999)", None)),
    ],
)
def test_a_title_has_a_year_in_movielens_folders_only(tmp_path: Path, title: str, year: int | None) -> None:
    csv(tmp_path, "1::2::3::4\n", "ratings.dat")
    csv(tmp_path, f"7::{title}::Drama\n", "movies.dat")
    assert open_source(tmp_path).movies() == [Movie("7", title.strip(), ["Drama"], year)]
    movies = csv(tmp_path, f"movie_id,title\n7,{title}\n")
    assert open_source(tmp_path / "ratings.dat", movies=movies).movies() == [Movie("7", title.strip(), None, None)]


def test_a_folder_whose_users_are_only_named(tmp_path: Path) -> None:
    csv(tmp_path, "1::0111161::10::1373234211\n", "ratings.dat")
    csv(tmp_path, "0111161::The Shawshank Redemption (1994)::Drama\n", "movies.dat")
    csv(tmp_path, "1::139564917\n2::522540374\n", "users.dat")
    assert open_source(tmp_path).users() == []
    csv(tmp_path, "1::139564917\n2::F::1::10::48067\n", "users.dat")
    with pytest.raises(BadRowError, match=r"users\.dat, line 2, column \(row\): 5 columns where 2 are expected"):
        open_source(tmp_path).users()


def test_a_frame_of_any_types() -> None:
    frame = pd.DataFrame(
        {
            "user_id": pd.Series([1, 2, None], dtype="float64"),
            "movie_id": ["a", "b", "c"],
            "rating": [1, 2.5, 3],
            "rated_at": pd.to_datetime(["2020-01-01T00:00:00Z", None, "2020-01-01T00:00:00Z"]),
        }
    )
    good, bad = read(from_frame(frame))
    assert good == [("1", "a", 1.0, 1577836800), ("2", "b", 2.5, None)]
    assert [(each.line, each.column, each.reason) for each in bad] == [(3, "user_id", "empty")]


def test_a_frame_keeps_ids_beyond_two_to_the_53() -> None:
    frame = pd.DataFrame({"user_id": [2**53 + 1, 2**63 - 1], "movie_id": [1, 2], "rating": [1, 2]})
    assert [row[0] for row in read(from_frame(frame))[0]] == ["9007199254740993", "9223372036854775807"]


@pytest.mark.parametrize("ids", [[1.5, 2.0], [2.0**60, 1.0]])
def test_a_frame_with_ids_that_a_float_cannot_hold_is_refused(ids: list[float]) -> None:
    with pytest.raises(DataError, match="floating-point ids"):
        from_frame(pd.DataFrame({"user_id": ids, "movie_id": [1, 2], "rating": [1, 2]}))


def test_a_frame_that_cannot_be_understood_is_refused() -> None:
    plain = {"user_id": [1], "movie_id": [1], "rating": [1]}
    with pytest.raises(DataError, match="two columns of one name"):
        from_frame(pd.DataFrame([[1, 2, 3, 4]], columns=["user_id", "movie_id", "rating", "rating"]))
    with pytest.raises(DataError, match="to_timestamp"):
        from_frame(pd.DataFrame({**plain, "rated_at": pd.period_range("2020", periods=1)}))
    assert read(from_frame(pd.DataFrame({**plain, "user_id": [2**70]})))[0][0][0] == str(2**70)


def test_a_frame_without_a_column_is_refused() -> None:
    with pytest.raises(DataError, match="no column movie_id"):
        from_frame(pd.DataFrame({"user_id": [1], "rating": [1]}))


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    path = csv(tmp_path, "user_id,movie_id,rating\n" + "a,b,3\n" * 50_000)
    shares: list[float] = []
    for _ in open_source(path).rows(shares.append):
        pass
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert np.isfinite(shares).all()
