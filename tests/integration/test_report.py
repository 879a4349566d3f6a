"""The command embrec report: its findings about a run, and the page that it writes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe
from browsing import chromium
from data import load_frame, play_frame, rating_frame, stored_run, two_part_run
from playwright.sync_api import Browser, Page

from embrec import metrics, splits
from embrec.data import loading
from embrec.data.extraction import extract
from embrec.data.files import sources
from embrec.data.files.movies import Movie
from embrec.errors import ConfigError
from embrec.evaluation import baselines
from embrec.report import figures, write_report
from embrec.report.findings import Findings, gather
from embrec.runs import embeddings, records, stored
from embrec.serving import predict, recommend, search, similar
from embrec.training import train

Run = Callable[..., tuple[int, str, str]]
ATTACK = "</script><img src=x onerror=alert(1)>"
SECTIONS = ("metrics", "map", "training", "calibration", "ratings", "coverage", "neighbours", "drift", "record")
# Titles with letters that the figures' font lacks, with a formula, and with a very long word.
TITLES = ("\N{CJK UNIFIED IDEOGRAPH-4E03} {}", "$x_{}$, \n\t été", "W" * 300 + " {}")
GENRES = ("Drama", "Comedy", "Sci-Fi")
QUICK: dict[str, dict[str, Any]] = {
    "two-part": {"draws": 2, "dimensions": 4},
    "matrix-factorization": {"epochs": 3, "dimensions": 4},
    "outer-product": {"epochs": 4, "dimensions": 8, "hidden_units": 40, "batch_size": 8},
}


def titled_movies(count: int = 40) -> list[Movie]:
    """Return movies with ids from 100 on; the title of the first tries to break out of the page."""
    names = [ATTACK, "Star Wars (1977)", *(TITLES[number % 3].format(number) for number in range(2, count))]
    return [Movie(str(100 + number), name, [GENRES[number % 3]], 1950 + number) for number, name in enumerate(names)]


def found(engine: sa.Engine, run: int | None = None) -> Findings:
    with engine.connect() as connection:
        return gather(connection, run)


@pytest.fixture(scope="module")
def two_runs(shared_engine: sa.Engine) -> sa.Engine:
    """A database with two two-part runs, the second published, of forty movies with titles and genres."""
    load_frame(shared_engine, rating_frame(users=30, movies=40, count=600), titled_movies())
    two_part_run(shared_engine, seed=1)
    two_part_run(shared_engine, seed=2)
    return shared_engine


@pytest.fixture(scope="module")
def page_file(two_runs: sa.Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published run's report."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(two_runs, path)
    return path


@pytest.mark.parametrize("architecture", QUICK)
def test_a_stored_run_predicts_what_it_predicted_when_it_was_trained(engine: sa.Engine, architecture: str) -> None:
    load_frame(engine, rating_frame(users=30, movies=40, count=600))
    trained = train(engine, architecture, QUICK[architecture], seed=3, holdout=0.2)
    arrays = extract(engine)
    ratings = arrays.for_models()
    with engine.connect() as connection:
        model = stored.read(connection, records.get_run(connection, trained.model_run_id), arrays)
    held = ratings.part(splits.random_split(len(ratings.ratings), 0.2, 3)[1])
    expected = np.clip(trained.model.predict(held.users, held.movies), model.lowest, model.highest)
    assert model.predict(held.users, held.movies) == pytest.approx(expected, abs=1e-4)
    assert len(np.unique(expected)) > len(expected) / 2  # few at the ends of the scale

    report = found(engine)
    assert report.held_out
    assert report.predicted == len(held.ratings)
    ours, biases, popularity = report.metrics
    assert ours.held_out_rmse == trained.metrics["held_out_rmse"]
    kept = ratings.part(splits.random_split(len(ratings.ratings), 0.2, 3)[0])
    by_means = np.clip(baselines.biases().rate(kept, 0)(held.users, held.movies), 1, 5)  # type: ignore[misc]
    assert biases.held_out_rmse == pytest.approx(metrics.rmse(by_means, held.ratings))
    assert None not in (ours.ndcg, biases.ndcg, popularity.ndcg)
    assert "training" in figures.names(report)
    assert set(figures.names(report)) == {"training", "ratings", "calibration", "coverage", "map", "neighbours"}
    assert figures.svg("training", report).count("<path") > 5


@pytest.mark.parametrize(
    "architecture",
    ["two-part", "matrix-factorization", "outer-product"],
)
def test_a_stored_run_ranks_and_predicts_as_sql_does(engine: sa.Engine, architecture: str) -> None:
    load_frame(engine, rating_frame(users=30, movies=40, count=600))
    train(engine, architecture, QUICK[architecture])
    arrays = extract(engine)
    with engine.connect() as connection:
        model = stored.read(connection, records.get_run(connection, 1), arrays)
        ids = dict(connection.execute(sa.text("SELECT movie_index, movie_id FROM embrec.movies")).all())
        users = dict(connection.execute(sa.text("SELECT user_index, user_id FROM embrec.users")).all())
    movies = [ids[index] for index in arrays.movie_indexes.tolist()]
    user, every = users[int(arrays.user_indexes[4])], np.arange(len(movies), dtype=np.int32)
    asked = predict.predict_ratings(engine, [user] * len(movies), movies).set_index("movie_id")
    expected = asked.loc[movies, "predicted_rating"].to_numpy()
    assert model.predict(np.full(len(movies), 4, np.int32), every) == pytest.approx(expected, abs=1e-4)
    best = recommend.recommend_movies(engine, user, 10, include_rated=True)
    order = metrics.top(model.score(np.array([4], np.int32)), 10)[0]
    assert list(best["movie_id"]) == [movies[movie] for movie in order]


def test_the_first_run_says_so_and_how_to_measure_it(engine: sa.Engine, tmp_path: Path) -> None:
    load_frame(engine, rating_frame(users=30, movies=40, count=600))
    two_part_run(engine)
    assert (found(engine).previous, found(engine).drift) == (None, None)
    write_report(engine, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "This is the first run" in text
    assert "embrec train --holdout 0.1" in text
    assert "NDCG@10 of its lists" not in text
    assert "the ratings of today" in text  # the synthetic run has no digest of its training ratings


def test_a_run_is_compared_with_the_one_published_before_and_a_candidate_with_the_published(
    two_runs: sa.Engine,
) -> None:
    assert [found(two_runs, run).previous.model_run_id for run in (1, 2)] == [2, 1]  # type: ignore[union-attr]
    drift = found(two_runs).drift
    assert drift is not None
    assert sum(drift.counts) == 40
    assert 0 < drift.jaccard < 1
    assert 0 < len(drift.changed) <= 10
    assert drift.changed[0].kept == drift.kept.min()


@pytest.mark.parametrize(("run", "name", "other"), [(1, "later run", 2), (2, "run before", 1)])
def test_a_run_compared_with_a_later_one_says_so(
    two_runs: sa.Engine, tmp_path: Path, run: int, name: str, other: int
) -> None:
    report = found(two_runs, run)
    assert [line.name for line in report.metrics] == ["this run", name, "biases", "popularity"]
    assert list(report.lists)[:2] == ["this run", name]
    write_report(two_runs, tmp_path / "report.html", run)
    text = (tmp_path / "report.html").read_text()
    assert f"{name} <span" in text
    assert f'<th scope="col">nearest in run {other}</th><th scope="col">nearest in run {run}</th>' in text
    later = f"Run {other} was trained after this run" in text
    assert later == ("Compared with the later run" in text) == (name == "later run") == ("run before" not in text)


def test_a_report_on_ratings_that_are_all_equal_leaves_figures_of_ratings_out(
    engine: sa.Engine, tmp_path: Path
) -> None:
    load_frame(engine, rating_frame(users=30, movies=40, count=600).assign(rating=3.0))
    train(engine, "two-part", QUICK["two-part"])
    train(engine, "two-part", QUICK["two-part"], force=True)
    report = found(engine)
    assert set(figures.names(report)) == {"coverage", "drift", "map", "neighbours"}
    assert {(line.held_out_rmse, line.held_out_mae, line.train_rmse) for line in report.metrics} == {(None,) * 3}
    write_report(engine, tmp_path / "report.html", pictures=tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "All ratings are equal. A predicted rating and its error would say nothing" in text
    assert "RMSE" not in re.sub("<script.*?</script>|<svg.*?</svg>", "", text, flags=re.DOTALL)
    assert not (tmp_path / "calibration.png").exists()


def test_a_report_on_ratings_and_events_has_both(engine: sa.Engine, tmp_path: Path) -> None:
    ratings, plays = rating_frame(users=30, movies=40, count=600), play_frame()
    load_frame(engine, ratings)
    loading.load(engine, sources.from_frame(plays))
    train(engine, "two-part", QUICK["two-part"], holdout=0.1)
    report = found(engine)
    assert (report.unrated, report.held_out) == (None, True)
    assert (report.ratings_now, report.events_now) == (len(ratings), len(plays))
    assert list(report.lists) == ["this run", "what comes next", "popularity", "biases"]
    assert report.steps is not None
    assert report.steps.count == len(ratings) + len(plays)
    assert report.counts.sum() == len(ratings) + len(plays.drop_duplicates(["user_id", "movie_id"]))
    write_report(engine, tmp_path / "report.html", pictures=tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert f"on {len(ratings)} ratings and {len(plays)} events of 30 users and 52 movies." in text
    sections = [section["id"] for section in Parts(text).found["section"]]
    assert sections == ["metrics", "events", "next", *SECTIONS[1:]]
    assert {"events.png", "steps.png", "calibration.png"} <= {path.name for path in tmp_path.iterdir()}


def test_neighbours_are_those_that_sql_answers(two_runs: sa.Engine) -> None:
    report = found(two_runs)
    assert len(report.neighbours) == 8
    movie = search.resolve_movie(two_runs, report.neighbours[0].title)
    near = similar.similar_movies(two_runs, movie, 5)
    assert [title for title, _ in report.neighbours[0].near] == list(near["title"])
    assert [cosine for _, cosine in report.neighbours[0].near] == pytest.approx(list(near["similarity"]), abs=1e-6)


def test_ratings_that_came_after_the_training_are_told_apart(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(users=30, movies=40, count=600))
    train(engine, "matrix-factorization", QUICK["matrix-factorization"], holdout=0.2)
    assert found(engine).reproduced
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT embrec.add_rating('somebody', '100', 5)"))
        connection.execute(sa.text("SELECT embrec.add_rating('somebody', 'a new movie', 5)"))
    report = found(engine)
    assert (report.reproduced, report.held_out) == (False, False)
    assert report.ratings_now == report.run.rating_count + 2
    assert report.metrics[0].held_out_rmse is not None
    assert report.metrics[0].ndcg is None
    assert report.predicted == report.run.rating_count  # pairs without vectors are not predicted


def test_the_record_says_which_length_of_vectors_was_chosen_and_why(engine: sa.Engine, tmp_path: Path) -> None:
    load_frame(engine, rating_frame(users=60, movies=150, count=2_000))
    chosen = train(engine, options={"draws": 2}).model_run_id
    found = records.get_run(engine, chosen).metrics
    assert found["ranking_dimensions"] == embeddings.read(engine, chosen, "movie", "preference").vectors.shape[1]
    tried = {name for name in found if name.startswith("ranking_ndcg")}
    assert tried == {"ranking_ndcg_64", "ranking_ndcg_128"}
    write_report(engine, tmp_path / "report.html")
    why = f"by dimensions: 64: {found['ranking_ndcg_64']:.4f}, 128: {found['ranking_ndcg_128']:.4f})"
    assert why in (tmp_path / "report.html").read_text()
    fixed = train(engine, options={"draws": 2, "dimensions": 8}).model_run_id
    assert records.get_run(engine, fixed).metrics.get("ranking_dimensions") == 8
    assert not tried & set(records.get_run(engine, fixed).metrics)


@pytest.mark.parametrize("movies", [2, 12])
def test_few_movies_without_titles_genres_or_times_have_a_report(
    engine: sa.Engine, movies: int, tmp_path: Path
) -> None:
    load_frame(engine, rating_frame(users=3, movies=movies, count=movies).drop(columns="rated_at"))
    two_part_run(engine)
    two_part_run(engine)
    write_report(engine, tmp_path / "report.html")
    assert "too few movies in common" in (tmp_path / "report.html").read_text()


def test_one_rating_alone_has_a_report(engine: sa.Engine, tmp_path: Path) -> None:
    load_frame(engine, rating_frame(users=1, movies=1, count=1))
    two_part_run(engine)
    write_report(engine, tmp_path / "report.html", pictures=tmp_path)
    assert (tmp_path / "map.png").exists()


def test_a_run_that_knows_none_of_the_ratings_has_a_report(engine: sa.Engine, tmp_path: Path) -> None:
    load_frame(engine, rating_frame(users=3, movies=4, count=8))
    two_part_run(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM embrec.ratings"))
        connection.execute(
            sa.text("SELECT embrec.add_rating('new', 'newer', 3), embrec.add_rating('new', 'newest', 4)")
        )
    write_report(engine, tmp_path / "report.html", pictures=tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "The run knows none of the users and movies" in text
    assert "No movie that is rated or watched has a vector" in text


def test_the_database_is_only_read(two_runs: sa.Engine, tmp_path: Path) -> None:
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: object) -> None:
        statements.append(statement)
        if len(statements) == 1:
            cursor.execute("SELECT current_setting('transaction_read_only'), current_setting('transaction_isolation')")
            assert cursor.fetchone() == ("on", "repeatable read")

    sa.event.listen(two_runs, "before_cursor_execute", note)
    try:
        write_report(two_runs, tmp_path / "report.html")
    finally:
        sa.event.remove(two_runs, "before_cursor_execute", note)
    assert statements


class Parts(HTMLParser):
    """The elements of a page, by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[dict[str, str | None]]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.setdefault(tag, []).append(dict(attrs))


def test_the_page_is_whole_and_needs_nothing_else(page_file: Path) -> None:
    text = page_file.read_text()
    parts = Parts(text).found
    assert [section["id"] for section in parts["section"]] == list(SECTIONS)
    assert text.count("What good looks like") == len(SECTIONS) - 1  # all sections but the record
    policy = parts["meta"][1]["content"] or ""
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    assert not {"img", "link", "iframe", "object", "base"} & set(parts)
    assert not any(attributes.get("src") for tag in parts.values() for attributes in tag)
    assert not any(name.startswith("on") for tag in parts.values() for attributes in tag for name in attributes)
    assert not re.search(r"@import|url\((?!#)", text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_pictures_are_written_too(two_runs: sa.Engine, tmp_path: Path) -> None:
    write_report(two_runs, tmp_path / "report.html", pictures=tmp_path / "a" / "b")
    names = {path.stem for path in (tmp_path / "a" / "b").glob("*.png")}
    assert names == {"ratings", "calibration", "coverage", "drift", "map", "neighbours"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (tmp_path / "a" / "b").iterdir())


def test_a_report_that_fails_leaves_the_earlier_one(
    two_runs: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report.html"
    file.write_text("earlier")

    def fail(self: Path, *arguments: object, **more: object) -> int:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", fail)
        with pytest.raises(ConfigError, match="cannot be made: no space left on device. Name another with --output"):
            write_report(two_runs, file)
    assert file.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [file]


def test_the_command_prints_the_file(embrec: Run, engine: sa.Engine, url: str, tmp_path: Path) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    two_part_run(engine)
    file = tmp_path / "run-1.html"
    code, out, err = embrec("report", "1", "--output", str(file), "--database-url", url)
    assert (code, out, err) == (0, f"{file}\n", "")
    assert "Model run 1: " in file.read_text()
    code, out, _ = embrec("report", "--output", str(file), "--png", str(tmp_path), "--json", "--database-url", url)
    assert (code, json.loads(out)) == (0, {"file": str(file), "pictures": str(tmp_path)})
    assert "Model run 2: " in file.read_text()


@pytest.mark.parametrize(
    ("statement", "arguments", "message"),
    [
        ("", [], "No model run is published yet, so there is nothing to report on. Run: embrec train"),
        ("", ["7"], "There is no model run 7. There are none yet. Run: embrec train"),
        ("deleted", ["1"], "Model run 1 is deleted, so it has no vectors to report on."),
        ("failed", ["1"], "Model run 1 is failed, so it has no vectors to report on."),
        ("", ["--output", "no/such/folder/report.html"], "cannot be made there. Name another with --output."),
    ],
)
def test_what_cannot_be_reported_is_said_in_one_line(
    embrec: Run, engine: sa.Engine, url: str, statement: str, arguments: list[str], message: str
) -> None:
    load_frame(engine, rating_frame())
    if statement:
        run = stored_run(engine, np.eye(3))
        with engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE embrec.model_runs SET status = :status WHERE model_run_id = :run"),
                {"status": statement, "run": run},
            )
    code, out, err = embrec("report", *arguments, "--database-url", url)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_without_the_extra_the_command_names_it(embrec: Run, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for name in [name for name in sys.modules if name.startswith("embrec.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    code, out, err = embrec("report")
    assert (code, out) == (1, "")
    assert "[report]'" in err


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    """The report in a browser, which must log no error and send no request."""
    complaints: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: complaints.append(request.url) if request.url != page_file.as_uri() else None)
    page.goto(page_file.as_uri())
    yield page
    page.close()
    assert complaints == []


def test_a_movie_is_found_on_the_map_by_keyboard(page: Page) -> None:
    search, status = page.get_by_role("combobox", name="Find a movie on the map"), page.get_by_role("status")
    assert "40 movies" in status.inner_text()
    search.fill("star WARS")
    search.press("ArrowDown")
    search.press("Enter")
    assert "Star Wars (1977)" in status.inner_text()
    assert page.get_by_role("listbox").count() == 0
    canvas = page.locator("canvas")
    canvas.focus()
    for key in ("+", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "0"):
        canvas.press(key)
    assert "Star Wars (1977)" not in status.inner_text() or "ratings" in status.inner_text()
    search.fill("nothing has this name")
    assert "0 movies found" in status.inner_text()


def test_the_map_is_filtered_by_genre_and_zoomed(page: Page) -> None:
    drama = page.get_by_role("button", name="Drama")
    drama.click()
    assert drama.get_attribute("aria-pressed") == "true"
    assert "14 movies shown" in page.get_by_role("status").inner_text()
    farther = page.get_by_role("button", name="Zoom out")
    assert farther.is_disabled()
    page.get_by_role("button", name="Zoom in").click()
    farther.click()
    assert farther.is_disabled()


def test_a_title_cannot_break_out_of_the_page(page: Page) -> None:
    assert page.locator("img").count() == 0
    search = page.get_by_role("combobox")
    search.fill("onerror")
    search.press("Enter")
    assert ATTACK in page.get_by_role("status").inner_text()
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_fits_a_phone(page: Page, scheme: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # axe cannot read colours during a transition
    violations = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
