"""JSON Schemas of requests and answers, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from embrec.validation import LONGEST_ID_BYTES

Schema = dict[str, Any]

MOST_ROWS = 100
MOST_RATINGS = 500

TEXT: Schema = {"type": "string"}
ID: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID_BYTES}
IDS: Schema = {"type": "array", "items": ID, "maxItems": MOST_RATINGS}
WORDS: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
YEAR: Schema = {"type": "integer", "minimum": 0, "maximum": 9999}
RUN_NUMBER: Schema = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1, "default": 0}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": 10}
GENRES: Schema = {"type": "array", "items": {"type": "string", "maxLength": 100}, "maxItems": 50}
RATINGS: Schema = {
    "type": "object",
    "propertyNames": ID,
    "additionalProperties": {"type": "number", "minimum": -1e6, "maximum": 1e6},
    "maxProperties": MOST_RATINGS,
    "examples": [{"50": 5, "172": 4}],
}


def nullable(shape: Schema) -> Schema:
    """Return a schema that also allows null."""
    return {**shape, "type": [shape["type"], "null"]}


def rows(**columns: Schema) -> Schema:
    """Return the schema of an array of objects with exactly these properties."""
    return {"type": "array", "items": record(**columns)}


def record(**columns: Schema) -> Schema:
    """Return the schema of an object with exactly these properties."""
    return {"type": "object", "properties": columns, "required": list(columns), "additionalProperties": False}


RUN = nullable(WHOLE)
TITLE = nullable(TEXT)
KNOWN_OF_MOVIE = {"title": TITLE, "genres": {"type": "array", "items": TEXT}, "release_year": nullable(WHOLE)}
RATED = {"movie_id": TEXT, "title": TITLE, "rating": NUMBER}
RANKED = {"rank": WHOLE, "movie_id": TEXT, "title": TITLE}
RATINGS_OF_IT = rows(**RATED, contribution=NUMBER)
RECOMMENDED = {**RANKED, "score": NUMBER, "reasons": RATINGS_OF_IT, "although": RATINGS_OF_IT}
ERROR = record(error={**TEXT, "description": "What is wrong, and what to do."})
