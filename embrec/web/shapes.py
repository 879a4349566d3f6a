"""JSON Schemas of requests and answers, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Any, get_args

from embrec.validation import LONGEST_ID_BYTES, Repeats

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
REPEATS: Schema = {"type": "string", "enum": list(get_args(Repeats)), "default": "never"}
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
TITLED = {"movie_id": TEXT, "title": TITLE}
RANKED = {"rank": WHOLE, **TITLED}
# A movie that was rated, or watched without a rating.
OWN = rows(**TITLED, rating=nullable(NUMBER), contribution=NUMBER)
RECOMMENDED = {**RANKED, "score": NUMBER, "reasons": OWN, "although": OWN}
HAPPENED = {**TITLED, "event_type": TEXT, "occurred_at": nullable(TEXT)}
ACT = {**HAPPENED, "value": nullable(NUMBER)}
STEP = {**HAPPENED, "age": WHOLE, "contribution": NUMBER}
FOLLOWING = {**RANKED, "score": NUMBER, "basis": TEXT}
ERROR = record(error={**TEXT, "description": "What is wrong, and what to do."})
