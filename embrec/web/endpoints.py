"""The table of endpoints, from which routes, validation and the OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from embrec.web import answers
from embrec.web.shapes import (
    COUNT,
    GENRES,
    ID,
    IDS,
    KNOWN_OF_MOVIE,
    NUMBER,
    RANKED,
    RATED,
    RATINGS,
    RECOMMENDED,
    RUN,
    RUN_NUMBER,
    SHARE,
    TEXT,
    WHOLE,
    WORDS,
    YEAR,
    Schema,
    nullable,
    record,
    rows,
)


@dataclass(frozen=True)
class Parameter:
    """A parameter of an endpoint; a path parameter if the path names it.

    Attributes:
        name: Name, as in SQL.
        shape: JSON Schema of its values.
        description: Description in the OpenAPI document.
        required: True if a request must have it.
        example: Example of a value.
    """

    name: str
    shape: Schema
    description: str
    required: bool = False
    example: Any = None


@dataclass(frozen=True)
class Endpoint:
    """An endpoint.

    Attributes:
        path: Path, with path parameters in braces.
        summary: Summary in the OpenAPI document, in a line.
        answer: Function that answers, called with an Asking and the parameters' values.
        shape: JSON Schema of the answer.
        parameters: Parameters in the path and the query.
        body: Parameters in the JSON body of a POST; an endpoint without any is a GET.
    """

    path: str
    summary: str
    answer: Callable[..., Any]
    shape: Schema
    parameters: tuple[Parameter, ...] = ()
    body: tuple[Parameter, ...] = ()

    @property
    def method(self) -> str:
        """Return the HTTP method."""
        return "POST" if self.body else "GET"


HOW_MANY = Parameter("n", COUNT, "Number of rows.")
ASKED_RUN = Parameter("run", RUN_NUMBER, "The run that answers, published or not; default: the published one.")
MOVIE = Parameter("movie_id", ID, "The movie's id.", required=True, example="50")
USER = Parameter("user_id", ID, "The user's id.", required=True, example="196")
FILTERS = (
    Parameter("genres", GENRES, "Only movies of at least one of these genres."),
    Parameter("without_genres", GENRES, "Only movies of none of these genres."),
    Parameter("released_from", YEAR, "The earliest release year."),
    Parameter("released_to", YEAR, "The latest release year."),
    Parameter("min_ratings", {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, "The minimum number of ratings."),
)
DIVERSITY = Parameter("diversity", SHARE, "Weight of diversity: 0 for the best movies, up to 1 for the most diverse.")
VISITOR = Parameter("ratings", RATINGS, "A visitor's ratings by movie id.", required=True, example={"50": 5, "172": 4})
EITHER_RUN = "The number of a trained run."
FACTS = {
    "movie_id": TEXT,
    **KNOWN_OF_MOVIE,
    "rating_count": WHOLE,
    "mean_rating": nullable(NUMBER),
    "event_count": WHOLE,
}
COMPARED = record(model_run_id=WHOLE, movies=rows(**RANKED, score=NUMBER))

ENDPOINTS = (
    Endpoint(
        "/api/health",
        "The state of the database, and the command to run next if no run is published.",
        answers.health,
        record(
            state={"enum": ["ready", "unpublished", "empty"]},
            next_step=nullable(TEXT),
            model_run_id=RUN,
        ),
        (ASKED_RUN,),
    ),
    Endpoint(
        "/api/movies",
        "Movies whose title has every word of the query.",
        answers.find,
        record(movies=rows(rank=WHOLE, movie_id=TEXT, **KNOWN_OF_MOVIE)),
        (Parameter("query", WORDS, "Words of a title.", required=True, example="star wars"), HOW_MANY),
    ),
    Endpoint(
        "/api/movies/{movie_id}/similar",
        "The movies most similar to one.",
        answers.similar,
        record(model_run_id=RUN, movies=rows(**RANKED, similarity=NUMBER)),
        (MOVIE, HOW_MANY, ASKED_RUN),
    ),
    Endpoint(
        "/api/movies/{movie_id}",
        "The details of a movie.",
        answers.movie,
        record(**FACTS),
        (MOVIE,),
    ),
    Endpoint(
        "/api/details",
        "The details of several movies, without unknown ones.",
        answers.details,
        record(movies=rows(**FACTS)),
        body=(Parameter("movie_ids", IDS, "The movies' ids.", required=True, example=["50", "172"]),),
    ),
    Endpoint(
        "/api/recommendations",
        "Recommendations for a visitor, from a few ratings, with explanations. Nothing is stored.",
        answers.recommendations,
        record(basis=nullable(TEXT), model_run_id=RUN, movies=rows(**RECOMMENDED)),
        (ASKED_RUN,),
        (VISITOR, HOW_MANY, *FILTERS, DIVERSITY),
    ),
    Endpoint(
        "/api/popular",
        "The most popular movies, by likes and events.",
        answers.popular,
        record(
            movies=rows(
                **RANKED, popularity=NUMBER, mean_rating=nullable(NUMBER), rating_count=WHOLE, event_count=WHOLE
            )
        ),
        (HOW_MANY, *FILTERS),
    ),
    Endpoint(
        "/api/users/{user_id}",
        "A user's newest ratings, and recommendations with explanations and predicted ratings.",
        answers.user,
        record(
            user_id=TEXT,
            ratings=rows(rank=WHOLE, **RATED, rated_at=nullable(TEXT)),
            basis=nullable(TEXT),
            model_run_id=RUN,
            movies=rows(**RECOMMENDED, predicted_rating=nullable(NUMBER)),
        ),
        (USER, HOW_MANY, *FILTERS, DIVERSITY, ASKED_RUN),
    ),
    Endpoint(
        "/api/runs",
        "The runs that can answer.",
        answers.runs,
        record(
            runs=rows(
                model_run_id=WHOLE,
                architecture=TEXT,
                published={"type": "boolean"},
                finished_at=nullable(TEXT),
                rating_count=WHOLE,
                lowest_rating=nullable(NUMBER),
                highest_rating=nullable(NUMBER),
                metrics={"type": "object"},
            )
        ),
    ),
    Endpoint(
        "/api/compare",
        "The answers of two runs: similar movies, or recommendations for a user or a visitor. Give one of the three.",
        answers.compare,
        record(runs={"type": "array", "items": COMPARED}, shared=WHOLE),
        (
            Parameter("first", RUN_NUMBER, EITHER_RUN, required=True, example=1),
            Parameter("second", RUN_NUMBER, EITHER_RUN, required=True, example=1),
            Parameter("movie_id", ID, "Movies similar to this one.", example="50"),
            Parameter("user_id", ID, "Movies for this user."),
            Parameter("ratings", RATINGS, "Movies for a visitor with these ratings."),
            HOW_MANY,
        ),
    ),
    Endpoint(
        "/api/map",
        "A map of the most rated movies, with similar ones near each other (t-SNE). The first call takes seconds.",
        answers.movie_map,
        record(model_run_id=RUN, movies=rows(movie_id=TEXT, **KNOWN_OF_MOVIE, rating_count=WHOLE, x=NUMBER, y=NUMBER)),
        (ASKED_RUN,),
    ),
    Endpoint(
        "/api/genres",
        "All genres, the most frequent first.",
        answers.genres,
        record(genres=rows(genre=TEXT, movie_count=WHOLE, released_from=nullable(WHOLE), released_to=nullable(WHOLE))),
    ),
)
