"""The table of endpoints, from which routes, validation and the OpenAPI document are made."""

from __future__ import annotations

from embrec.web import answers, histories
from embrec.web.endpoint import Endpoint, Parameter
from embrec.web.shapes import (
    ACT,
    COUNT,
    FOLLOWING,
    GENRES,
    ID,
    IDS,
    KNOWN_OF_MOVIE,
    NUMBER,
    RANKED,
    RATINGS,
    RECOMMENDED,
    REPEATS,
    RUN,
    RUN_NUMBER,
    SHARE,
    STEP,
    TEXT,
    WHOLE,
    WORDS,
    YEAR,
    nullable,
    record,
    rows,
)

HOW_MANY = Parameter("n", COUNT, "Number of rows.")
ASKED_RUN = Parameter("run", RUN_NUMBER, "The run that answers, published or not; default: the published one.")
MOVIE = Parameter("movie_id", ID, "The movie's id.", required=True, example="50")
USER = Parameter("user_id", ID, "The user's id.", required=True, example="196")
FILTERS = (
    Parameter("genres", GENRES, "Only movies of at least one of these genres."),
    Parameter("without_genres", GENRES, "Only movies of none of these genres."),
    Parameter("released_from", YEAR, "The earliest release year."),
    Parameter("released_to", YEAR, "The latest release year."),
    Parameter(
        "min_ratings",
        {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        "The minimum number of ratings and events.",
    ),
)
DIVERSITY = Parameter("diversity", SHARE, "Weight of diversity: 0 for the best movies, up to 1 for the most diverse.")
SEEN = Parameter("repeats", REPEATS, "Movies seen already: never, allowed, or only those.")
VISITOR = Parameter("ratings", RATINGS, "A visitor's ratings by movie id.", required=True, example={"50": 5, "172": 4})
SESSION = Parameter("history", IDS, "The session: movie ids, newest last.", required=True, example=["50", "172"])
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
        "A user's list: recommendations with explanations and predicted ratings, whatever the order of what they did.",
        answers.user,
        record(
            user_id=TEXT,
            basis=nullable(TEXT),
            model_run_id=RUN,
            movies=rows(**RECOMMENDED, predicted_rating=nullable(NUMBER)),
        ),
        (USER, HOW_MANY, *FILTERS, DIVERSITY, ASKED_RUN),
    ),
    Endpoint(
        "/api/history",
        "A user's newest ratings and events, newest first.",
        histories.history,
        record(user_id=TEXT, history=rows(rank=WHOLE, **ACT)),
        (USER, HOW_MANY),
    ),
    Endpoint(
        "/api/next",
        "What a user wants next, by the order of what they did, with the steps that contribute most.",
        histories.next_for_user,
        record(model_run_id=RUN, movies=rows(**FOLLOWING, reasons=rows(**STEP), although=rows(**STEP))),
        (USER, HOW_MANY, SEEN, *FILTERS, ASKED_RUN),
    ),
    Endpoint(
        "/api/next",
        "What a visitor wants next, given their session. Nothing is stored.",
        histories.next_for_session,
        record(model_run_id=RUN, movies=rows(**FOLLOWING)),
        (ASKED_RUN,),
        (SESSION, HOW_MANY, SEEN, *FILTERS),
    ),
    Endpoint(
        "/api/next/explanation",
        "All steps of a user's history that add to a movie's score as the next one; they add up to it.",
        histories.explanation,
        record(model_run_id=RUN, score=NUMBER, steps=rows(rank=WHOLE, **STEP)),
        (USER, MOVIE, ASKED_RUN),
    ),
    Endpoint(
        "/api/continue",
        "Movies that a user may go on with: started and not finished, then those watched more than once.",
        histories.continued,
        record(movies=rows(**RANKED, basis=TEXT, steps=WHOLE, last_at=nullable(TEXT))),
        (USER, HOW_MANY),
    ),
    Endpoint(
        "/api/next-after",
        "The movies that most likely follow one.",
        histories.next_after,
        record(model_run_id=RUN, movies=rows(**RANKED, score=NUMBER)),
        (MOVIE, HOW_MANY, ASKED_RUN),
    ),
    Endpoint(
        "/api/also-watched",
        "The movies that the users of one also watched or rated, more than chance has it.",
        histories.also_watched,
        record(model_run_id=RUN, movies=rows(**RANKED, score=NUMBER)),
        (MOVIE, HOW_MANY, ASKED_RUN),
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
                event_count=nullable(WHOLE),
                history_length=nullable(WHOLE),
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
        "A map of the most rated and watched movies, similar ones near each other (t-SNE). A first call takes seconds.",
        answers.movie_map,
        record(
            model_run_id=RUN,
            movies=rows(movie_id=TEXT, **KNOWN_OF_MOVIE, rating_count=WHOLE, event_count=WHOLE, x=NUMBER, y=NUMBER),
        ),
        (ASKED_RUN,),
    ),
    Endpoint(
        "/api/genres",
        "All genres, the most frequent first.",
        answers.genres,
        record(genres=rows(genre=TEXT, movie_count=WHOLE, released_from=nullable(WHOLE), released_to=nullable(WHOLE))),
    ),
)
