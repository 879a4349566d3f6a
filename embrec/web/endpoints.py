"""The table of endpoints: the routes, the checks of what is asked and the OpenAPI document are all made of it."""

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
    """One value that an endpoint takes; it is of the path where the path names it.

    Attributes:
        name: As in SQL.
        shape: What it must be.
        description: What it says.
        required: Whether it must be given.
        example: A value to try.
    """

    name: str
    shape: Schema
    description: str
    required: bool = False
    example: Any = None


@dataclass(frozen=True)
class Endpoint:
    """One address.

    Attributes:
        path: With the parameters of the path in braces.
        summary: What it answers, in a line.
        answer: Called with an Asking and the values.
        shape: What comes back.
        parameters: Of the path and the query.
        body: What a POST takes as JSON, each of them a value too; with none it is a GET.
    """

    path: str
    summary: str
    answer: Callable[..., Any]
    shape: Schema
    parameters: tuple[Parameter, ...] = ()
    body: tuple[Parameter, ...] = ()

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "POST" if self.body else "GET"


HOW_MANY = Parameter("n", COUNT, "How many.")
ASKED_RUN = Parameter("run", RUN_NUMBER, "The run that is to answer, published or not; without it the published one.")
MOVIE = Parameter("movie_id", ID, "The movie's id.", required=True, example="50")
USER = Parameter("user_id", ID, "The user's id.", required=True, example="196")
FILTERS = (
    Parameter("genres", GENRES, "Movies of at least one of these."),
    Parameter("without_genres", GENRES, "Movies of none of these."),
    Parameter("released_from", YEAR, "The first release year."),
    Parameter("released_to", YEAR, "The last release year."),
    Parameter("min_ratings", {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, "Rated at least so often."),
)
DIVERSITY = Parameter("diversity", SHARE, "0 for the best movies, up to 1 for the most different.")
VISITOR = Parameter("ratings", RATINGS, "A visitor's ratings by movie id.", required=True, example={"50": 5, "172": 4})
EITHER_RUN = "The number of a trained run."
FACTS = {"movie_id": TEXT, **KNOWN_OF_MOVIE, "rating_count": WHOLE, "mean_rating": nullable(NUMBER)}
COMPARED = record(model_run_id=WHOLE, movies=rows(**RANKED, score=NUMBER))

ENDPOINTS = (
    Endpoint(
        "/api/health",
        "Whether there is a run to ask, and the command to run where there is none.",
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
        "What is known of a movie.",
        answers.movie,
        record(**FACTS),
        (MOVIE,),
    ),
    Endpoint(
        "/api/details",
        "What is known of several movies; those that are not known are left out.",
        answers.details,
        record(movies=rows(**FACTS)),
        body=(Parameter("movie_ids", IDS, "The movies' ids.", required=True, example=["50", "172"]),),
    ),
    Endpoint(
        "/api/recommendations",
        "The best movies for a visitor, from a few ratings, with reasons. Nothing is stored.",
        answers.recommendations,
        record(basis=nullable(TEXT), model_run_id=RUN, movies=rows(**RECOMMENDED)),
        (ASKED_RUN,),
        (VISITOR, HOW_MANY, *FILTERS, DIVERSITY),
    ),
    Endpoint(
        "/api/popular",
        "The most popular movies: well rated, and by many.",
        answers.popular,
        record(movies=rows(**RANKED, popularity=NUMBER, mean_rating=NUMBER, rating_count=WHOLE)),
        (HOW_MANY, *FILTERS),
    ),
    Endpoint(
        "/api/users/{user_id}",
        "A user's newest ratings, and the best movies for the user, with reasons and predicted ratings.",
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
        "The runs that can be asked.",
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
        "The same question to two runs: similar movies, or a list for a user or a visitor. Give one of the three.",
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
        "Places in the plane for the most rated movies, similar ones near each other. The first call takes a while.",
        answers.movie_map,
        record(model_run_id=RUN, movies=rows(movie_id=TEXT, **KNOWN_OF_MOVIE, rating_count=WHOLE, x=NUMBER, y=NUMBER)),
        (ASKED_RUN,),
    ),
    Endpoint(
        "/api/genres",
        "The genres that there are, the most frequent first.",
        answers.genres,
        record(genres=rows(genre=TEXT, movie_count=WHOLE, released_from=nullable(WHOLE), released_to=nullable(WHOLE))),
    ),
)
