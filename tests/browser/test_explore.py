"""The explore page in a real browser: its tasks by mouse, by keyboard, on a phone, and its accessibility."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe
from browsing import chromium
from conftest import _temporary_database
from data import played
from playwright.sync_api import Browser, Locator, Page, Route, expect
from starlette.applications import Starlette
from starlette.routing import Mount
from web import MANY, running, two_runs

from embrec import db
from embrec.serving import next as following
from embrec.serving import preview, recommend, similar
from embrec.web import create_app
from embrec.web.endpoints import ENDPOINTS

HOSTILE = "<img src=x onerror=alert(1)>"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
VIEWS = {
    "movies": "",
    "a movie": "#/movie/100",
    "no movie": "#/movie/nowhere",
    "liked": "#/liked?like.100=5&like.101=2&genres=Comedy",
    "session": "#/session?seen=100&seen=101&genres=Comedy",
    "a user": "#/user/u1",
    "comparison": "#/compare?first=1&second=2&movie=100",
    "map": "#/map?movie=100",
    "endpoints": "docs",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def engine(shared_engine: sa.Engine) -> sa.Engine:
    two_runs(shared_engine)
    return shared_engine


@pytest.fixture(scope="module")
def url(engine: sa.Engine) -> Iterator[str]:
    with running(create_app(engine, limits=MANY)) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test if its script fails or violates the content security policy."""
    page = browser.new_page(viewport=DESK)
    page.set_default_timeout(5000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Policy" in message.text else None)
    yield page
    page.close()
    assert errors == []


def settled(page: Page) -> None:
    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator(".loading, [aria-busy=true]")).to_have_count(0, timeout=20_000)


def titles(page: Page, panel: str) -> list[str]:
    """Return the movies of a panel's ranking, once the page is complete."""
    settled(page)
    return ranked(page, panel).all_inner_texts()


def ranked(page: Page, panel: str) -> Locator:
    return page.get_by_role("region", name=panel, exact=True).locator(".ranking .title")


def test_a_movie_is_found_and_similar_ones_have_bars(page: Page, url: str, engine: sa.Engine) -> None:
    page.goto(url)
    page.get_by_label("Find a movie").press_sequentially("1983")
    page.get_by_role("option", name="Movie 03 of 1983").click()
    expect(page.get_by_role("heading", name="Movie 03 of 1983")).to_be_visible()
    expected = similar.similar_movies(engine, 103, 15)
    assert titles(page, "Similar movies") == expected["title"].tolist()
    panel = page.get_by_role("region", name="Similar movies")
    widths = panel.locator(".ranking meter").evaluate_all("meters => meters.map(each => each.value)")
    assert widths == pytest.approx([max(each, 0) for each in expected["similarity"]])
    assert titles(page, "What comes next") == following.next_after(engine, 103, 10)["title"].tolist()
    assert titles(page, "Also watched") == following.also_watched(engine, 103, 10)["title"].tolist()
    page.go_back()
    expect(page.get_by_role("heading", name="Popular movies")).to_be_visible()


def test_what_is_liked_is_answered_at_once_with_reasons_and_filters(page: Page, url: str, engine: sa.Engine) -> None:
    page.goto(f"{url}#/liked")
    expect(page.get_by_text("Popular movies, until you name some")).to_be_visible()
    for number in ("00", "01"):
        page.get_by_label("Add a movie").fill(f"Movie {number}")
        page.get_by_role("option", name=f"Movie {number}").click()
    expect(page.locator(".liked li")).to_have_count(2)
    page.get_by_role("group", name="Your stars for Movie 01").get_by_role("radio", name="2 of 5").click()
    expect(page.locator(".reasons").first).to_contain_text("Movie 0")
    given = {"100": 5, "101": 2}
    expect(page.locator(".ranking .title").first).to_have_text(recommend.recommend_for(engine, given, 1)["title"][0])
    page.get_by_role("button", name="Sci-Fi", exact=True).click()
    page.get_by_label("First release year").fill("1986")
    page.get_by_label("Diversity").fill("0.5")
    expected = recommend.recommend_for(engine, given, 15, genres=["Sci-Fi"], released_from=1986, diversity=0.5)
    expect(page.locator(".ranking .title")).to_have_text(expected["title"].tolist())
    # The address has the whole state.
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator(".ranking .title")).to_have_text(expected["title"].tolist())
    expect(page.locator(".liked .title")).to_have_text(["Movie 00 of 1980", "Movie 01 of 1981"])
    page.get_by_role("button", name="Remove Movie 00").click()
    expect(page.locator(".liked li")).to_have_count(1)


def test_what_is_liked_stays_as_it_is_whatever_becomes_of_the_titles(page: Page, url: str) -> None:
    address = f"{url}#/liked?like.100=5&like.101=2&like.nowhere=4"
    page.route("**/api/details", lambda route: route.fulfill(status=503, json={"error": "not now"}))
    page.goto(address)
    settled(page)
    expect(page.locator(".liked .title")).to_have_text(["100", "101", "nowhere"])
    page.unroute("**/api/details")
    # The user leaves the view while titles are loading.
    held: list[Route] = []
    page.route("**/api/details", lambda route: held.append(route))
    page.goto("about:blank")
    page.goto(address)
    settled(page)
    page.get_by_role("group", name="Your stars for 101").get_by_role("radio", name="3 of 5").click()
    page.get_by_role("button", name="Remove 100").click()
    (route,) = held
    assert route.request.post_data_json == {"movie_ids": ["100", "101", "nowhere"]}
    route.continue_()
    expect(page.locator(".liked .title")).to_have_text(["Movie 01 of 1981"])
    expect(page.get_by_role("radio", name="3 of 5")).to_be_checked()


def test_reasons_have_the_stars_that_were_given_whatever_the_scale(page: Page, url: str, engine: sa.Engine) -> None:
    scale = sa.text("UPDATE embrec.model_runs SET lowest_rating = :low, highest_rating = :high WHERE model_run_id = 1")
    with engine.begin() as connection:
        connection.execute(scale, {"low": 0.5, "high": 10})
    try:
        page.goto(f"{url}#/liked?like.100=4&like.101=4")
        expect(page.locator(".reasons").first).to_contain_text("\u00a04\u00a0★")
        assert set("".join(page.locator(".reasons").all_inner_texts()).split("\u00a0")[1::2]) == {"4"}
    finally:
        with engine.begin() as connection:
            connection.execute(scale, {"low": 1, "high": 5})


def test_a_link_with_a_run_that_is_gone_leads_to_the_published_one(page: Page, url: str) -> None:
    for run in ("7", "abc"):
        page.goto("about:blank")
        page.goto(f"{url}#/movie/100?run={run}")
        expect(page.get_by_role("alert")).to_contain_text(run)
        expect(page.get_by_role("link", name="Map")).to_be_visible()
        page.get_by_role("link", name="Ask the published run").click()
        expect(page.get_by_role("heading", name="Movie 00 of 1980")).to_be_visible()
        expect(page.get_by_label("Answers from")).to_have_value("1")


def test_enter_takes_what_was_typed_last(page: Page, url: str) -> None:
    page.goto(url)
    box = page.get_by_label("Find a movie")
    box.fill("Movie 01")
    expect(page.get_by_role("option", name="Movie 01")).to_be_visible()
    box.fill("Movie 02")
    box.press("Enter")
    expect(page.get_by_role("heading", name="Movie 02 of 1982")).to_be_visible()


def test_a_user_has_a_history_and_a_list(page: Page, url: str, engine: sa.Engine) -> None:
    page.goto(f"{url}#/user")
    page.get_by_label("User id").fill("u1")
    page.get_by_role("button", name="Show").click()
    assert titles(page, "Recommended") == recommend.recommend_movies(engine, "u1", 15)["title"].tolist()
    history = following.user_history(engine, "u1", 10)
    expect(page.locator(".plain-list .title")).to_have_text(history["title"].tolist())
    expect(page.locator(".plain-list .number").first).to_have_text(f"{history['value'][0]:g} ★")
    expect(page.get_by_role("region", name="Recommended").locator("li").first).to_contain_text("predicted rating")
    expect(page.get_by_role("main")).to_contain_text("From run 1.")
    page.get_by_role("button", name="Sci-Fi", exact=True).click()
    expected = recommend.recommend_movies(engine, "u1", 15, genres=["Sci-Fi"])
    expect(ranked(page, "Recommended")).to_have_text(expected["title"].tolist())
    expected = following.recommend_next(engine, "u1", 15, genres=["Sci-Fi"])
    expect(ranked(page, "What next")).to_have_text(expected["title"].tolist())
    page.get_by_label("User id").fill("nobody")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no user with the id 'nobody'.")


def test_what_a_user_wants_next_has_steps_that_add_up(page: Page, url: str, engine: sa.Engine) -> None:
    page.goto(f"{url}#/user/u1")
    best = following.recommend_next(engine, "u1", 1).iloc[0]
    steps = following.explain_next(engine, "u1", best["movie_id"], None)
    first = page.get_by_role("region", name="What next", exact=True).locator("li").first
    reasons = steps[steps["contribution"] > 0].head(3)  # of which the newest step comes first
    named = reasons.loc[(reasons["age"] > 0).idxmin()]
    expect(first.locator("b").first).to_have_text(named["title"])
    expect(first).to_contain_text("Because the user " + ("just rated" if named["age"] == 0 else "rated"))
    first.get_by_text("All steps").click()
    rows = first.locator("tbody tr")
    expect(rows).to_have_count(len(steps))
    added = [float(text) for text in rows.locator("td:last-child").all_inner_texts()]
    assert added == pytest.approx(steps["contribution"].tolist(), abs=6e-4)
    expect(first.locator("caption")).to_contain_text(f"add up to the score of {best['score']:.3f}")


def test_each_step_of_a_session_moves_the_list(page: Page, url: str, engine: sa.Engine) -> None:
    page.goto(f"{url}#/session")
    expect(page.get_by_text("Popular movies, until you name some")).to_be_visible()
    page.get_by_label("Just watched", exact=True).fill("Movie 04")
    page.get_by_role("option", name="Movie 04").click()
    session = ["104"]
    for _ in range(3):
        expected = following.recommend_next_for(engine, session, 15)
        expect(ranked(page, "Next")).to_have_text(expected["title"].tolist())
        page.get_by_role("button", name=f"Watched {expected['title'][0]}").click()
        session.append(expected["movie_id"][0])
        expect(page.get_by_text(f"You just watched {expected['title'][0]}.")).to_be_visible()
    page.get_by_label("Seen movies").select_option("only")
    expected = following.recommend_next_for(engine, session, 15, repeats="only")
    expect(ranked(page, "Next")).to_have_text(expected["title"].tolist())
    page.get_by_role("button", name="Remove Movie 04 of 1984, number 1").click()
    expected = following.recommend_next_for(engine, session[1:], 15, repeats="only")
    expect(ranked(page, "Next")).to_have_text(expected["title"].tolist())
    # The address has the whole state.
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(ranked(page, "Next")).to_have_text(expected["title"].tolist())
    expect(page.locator(".session li")).to_have_count(3)
    page.get_by_role("link", name="Movies", exact=True).click()
    page.goto(f"{url}#/movie/107")
    page.get_by_role("button", name="Just watched it").click()
    expect(page.get_by_text("You just watched Movie 07 of 1987.")).to_be_visible()
    expect(page.locator(".session li")).to_have_count(4)


def test_a_run_that_knows_no_order_says_so(page: Page, url: str, engine: sa.Engine) -> None:
    forget = sa.text("UPDATE embrec.model_runs SET history_length = :length WHERE model_run_id = 2")
    with engine.begin() as connection:
        connection.execute(forget, {"length": None})
    try:
        said = "This run knows no order"
        page.goto(f"{url}#/user/u1?run=2")
        expect(page.get_by_role("region", name="What next")).to_contain_text(said)
        with engine.connect() as connection, preview.answering_from(connection, 2):
            expected = recommend.recommend_for(connection, {"100": 5}, 15)
            page.goto(f"{url}#/session?seen=100&run=2")
            expect(page.get_by_role("region", name="Next", exact=True)).to_contain_text(said)
            expect(ranked(page, "Next")).to_have_text(expected["title"].tolist())
        page.goto(f"{url}#/movie/100?run=2")
        expect(page.get_by_role("region", name="What comes next")).to_contain_text(said)
    finally:
        with engine.begin() as connection:
            connection.execute(forget, {"length": 12})


def test_two_runs_stand_side_by_side(page: Page, url: str, engine: sa.Engine) -> None:
    page.goto(f"{url}#/movie/100")
    page.get_by_role("link", name="Compare runs").click()
    expect(page.get_by_role("heading", name="Similar to Movie 00 of 1980")).to_be_visible()
    columns = page.locator(".columns section")
    with engine.connect() as connection:
        for column, run in ((0, 1), (1, 2)):
            with preview.answering_from(connection, run):
                expected = similar.similar_movies(connection, 100, 15)["title"].tolist()
            expect(columns.nth(column).locator(".title")).to_have_text(expected)
    page.get_by_label("Another run").select_option("1")
    expect(page.get_by_role("main")).to_contain_text("15 of 15 movies are in both lists.")
    page.get_by_label("For a user").fill("u2")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("heading", name="For user u2")).to_be_visible()
    page.goto(f"{url}#/compare?first=2&second=1&like.100=5")
    page.get_by_role("button", name="For the 1 movie you like").click()
    expect(page.get_by_role("heading", name="For what you like")).to_be_visible()
    expected = recommend.recommend_for(engine, {"100": 5}, 15)["title"].tolist()
    expect(columns.nth(1).locator(".title")).to_have_text(expected)
    assert "like.100=5" in page.url


def test_another_run_answers_everywhere_once_it_is_chosen(page: Page, url: str, engine: sa.Engine) -> None:
    page.goto(f"{url}#/movie/100")
    settled(page)
    page.get_by_label("Answers from").select_option("2")
    with engine.connect() as connection, preview.answering_from(connection, 2):
        expect(ranked(page, "Similar movies")).to_have_text(
            similar.similar_movies(connection, 100, 15)["title"].tolist()
        )
        page.get_by_role("link", name="Users").click()
        page.get_by_label("User id").fill("u1")
        page.get_by_role("button", name="Show").click()
        expect(ranked(page, "Recommended")).to_have_text(
            recommend.recommend_movies(connection, "u1", 15)["title"].tolist()
        )
        expect(ranked(page, "What next")).to_have_text(following.recommend_next(connection, "u1", 15)["title"].tolist())
    page.get_by_label("Answers from").select_option("1")
    expect(ranked(page, "Recommended")).to_have_text(recommend.recommend_movies(engine, "u1", 15)["title"].tolist())
    assert "run=" not in page.url


def test_the_map_leads_to_a_movie(page: Page, url: str) -> None:
    page.goto(f"{url}#/map")
    settled(page)
    page.get_by_label("Find a movie on the map").fill("1990")
    page.get_by_role("option", name="Movie 10 of 1990").click()
    expect(page.get_by_role("heading", name="Movie 10 of 1990")).to_be_visible()
    page.get_by_role("link", name="On the map").click()
    expect(page.get_by_role("status").first).to_be_attached()
    expect(page.locator(".map-status")).to_contain_text("Movie 10 of 1990")


def test_the_keyboard_is_enough(page: Page, url: str) -> None:
    page.goto(url)
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Find a movie")).to_be_focused()
    page.keyboard.type("movie 01")
    expect(page.get_by_role("option", name="Movie 01")).to_be_visible()
    for key in ("ArrowDown", "Enter"):
        page.keyboard.press(key)
    heading = page.get_by_role("heading", name="Movie 01 of 1981")
    expect(heading).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="I like it")).to_be_focused()
    page.keyboard.press("Enter")
    group = page.get_by_role("group", name="Your stars for Movie 01")
    expect(group.get_by_role("radio", name="5 of 5")).to_be_checked()
    group.get_by_role("radio", name="5 of 5").focus()
    page.keyboard.press("ArrowLeft")
    expect(group.get_by_role("radio", name="4 of 5")).to_be_checked()
    expect(page.locator(".reasons").first).to_contain_text("Movie 01 of 1981\u00a04\u00a0★")
    ideas = page.get_by_role("group", name="Popular movies to add").get_by_role("button")
    taken, following = ideas.nth(0).inner_text(), ideas.nth(1).inner_text()
    ideas.nth(0).press("Enter")
    expect(page.get_by_role("group", name=f"Your stars for {taken.removeprefix('+ ')}")).to_be_visible()
    expect(page.get_by_role("button", name=following)).to_be_focused()


def test_an_empty_database_says_what_to_run(
    page: Page, admin: sa.Engine, server_url: str, migrated_template: str
) -> None:
    with _temporary_database(admin, server_url, migrated_template) as empty:
        engine = db.create_engine(empty)
        with running(create_app(engine, limits=MANY)) as url:
            page.goto(url)
            expect(page.get_by_role("heading", name="No movies yet")).to_be_visible()
            expect(page.locator("pre")).to_have_text("embrec load ml-100k\nembrec train")
            assert violations(page) == []
            two_runs(engine)
            with engine.begin() as connection:
                connection.execute(sa.text("DELETE FROM embrec.publications"))
            page.get_by_role("button", name="Look again").click()
            expect(page.get_by_role("heading", name="No run is published yet")).to_be_visible()
            page.get_by_role("link", name="run 2").click()
            expect(page.get_by_role("heading", name="Popular movies")).to_be_visible()
        engine.dispose()


def test_a_title_is_text_whatever_is_in_it(page: Page, url: str, engine: sa.Engine) -> None:
    title = "<img src=x onerror=alert(1)>"
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.movies SET title = :title WHERE movie_id = '119'"), {"title": title})
    try:
        page.goto(f"{url}#/movie/119")
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        page.get_by_label("Find a movie").fill("onerror")
        expect(page.get_by_role("option", name=title)).to_be_visible()
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE embrec.movies SET title = 'Movie 19 of 1999' WHERE movie_id = '119'"))


def test_the_endpoints_can_be_tried_below_another_path(page: Page, engine: sa.Engine) -> None:
    app = Starlette(routes=[Mount("/films", create_app(engine, limits=MANY))])
    with running(app) as url:
        page.goto(f"{url}films/#/movie/100")
        assert len(titles(page, "Similar movies")) == 15
        page.get_by_role("link", name="endpoints").click()
        expect(page.locator(".endpoint")).to_have_count(len(ENDPOINTS))
        page.get_by_role("button", name="Try POST /api/recommendations").click()
        expect(page.get_by_role("region", name="Answer of /api/recommendations")).to_contain_text(
            '"basis": "popularity"'
        )
        page.get_by_role("button", name="Try GET /api/movies?query=star+wars").click()
        expect(page.get_by_role("region", name="Answer of /api/movies", exact=True)).to_contain_text('"movies": []')
        page.route("**/api/runs", lambda route: route.fulfill(status=502, body="<html>a proxy's words</html>"))
        page.get_by_role("button", name="Try GET /api/runs").click()
        expect(page.get_by_role("region", name="Answer of /api/runs")).to_contain_text("Status 502, without JSON.")


@pytest.fixture
def played_url(admin: sa.Engine, server_url: str, migrated_template: str) -> Iterator[str]:
    """The page of a database of events alone, in which a type and a title have markup."""
    with _temporary_database(admin, server_url, migrated_template) as url:
        engine = db.create_engine(url)
        played(engine)
        with engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE embrec.movies SET title = :text WHERE movie_id = 'm01'"), {"text": HOSTILE}
            )
            connection.execute(
                sa.text("UPDATE embrec.event_types SET name = :text WHERE name = 'play'"), {"text": HOSTILE}
            )
        with running(create_app(engine, limits=MANY)) as page:
            yield page
        engine.dispose()


def test_events_alone_have_every_view_without_figures_of_ratings(page: Page, played_url: str) -> None:
    for view in (
        "",
        "#/movie/m01",
        "#/liked?like.m01=5",
        "#/session?seen=m01&seen=m02",
        "#/user/u1",
        "#/map?movie=m01",
    ):
        page.goto("about:blank")
        page.goto(played_url + view)
        settled(page)
        expect(page.get_by_role("alert")).to_have_count(0)
        said = page.locator("body").inner_text()
        for absent in ("NaN", "★", "undefined", "null", "rating"):
            assert absent not in said, (view, absent)
        assert page.locator("img").count() == 0
        assert "event" in said or view.startswith(("#/liked", "#/session", "#/user")), view
    page.goto(f"{played_url}#/user/u1")
    expect(page.get_by_role("region", name="Lately").locator("li").first).to_contain_text(HOSTILE)
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options=WCAG).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize(("scheme", "size"), [("light", PHONE), ("dark", DESK)], ids=["light", "dark"])
def test_every_view_meets_wcag_and_fits(browser: Browser, url: str, scheme: str, size: dict[str, int]) -> None:
    wrong = {}
    page = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    for name, address in VIEWS.items():
        page.goto("about:blank")
        page.goto(url + address)
        settled(page)
        problems = violations(page)
        if page.evaluate("document.documentElement.scrollWidth") > size["width"]:
            problems.append("scrolls sideways")
        if problems:
            wrong[name] = problems
    page.close()
    assert wrong == {}
