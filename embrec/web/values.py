"""The parameters of a request, parsed and validated by the JSON Schemas of the OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

import anyio
from jsonschema import Draft202012Validator
from starlette.exceptions import HTTPException
from starlette.requests import Request

from embrec.web.endpoint import Endpoint, Parameter
from embrec.web.shapes import Schema

LARGEST_BODY = 64 * 1024
SLOWEST_BODY_SECONDS = 10


async def read(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """Return the values of a request, by name, including ``run`` if it is given.

    Raises:
        HTTPException: 408, 413, 415 or 422, with a message that says what to give.
    """
    known = {each.name for each in endpoint.parameters}
    if unknown := sorted(set(request.query_params) - known):
        raise _unusable(
            f"There is no parameter {unknown[0][:40]!r}; the parameters are: {', '.join(sorted(known)) or 'none'}."
        )
    values: dict[str, Any] = {}
    for parameter in endpoint.parameters:
        given = _given(parameter, request)
        values |= _checked(parameter, given) if given is not None else _absent(parameter)
    if endpoint.body:
        body = await _body(request)
        if unknown := sorted(set(body) - {each.name for each in endpoint.body}):
            raise _unusable(
                f"The body has {unknown[0][:40]!r}, which is none of: {', '.join(e.name for e in endpoint.body)}."
            )
        for parameter in endpoint.body:
            values |= _checked(parameter, body[parameter.name]) if parameter.name in body else _absent(parameter)
    return values


def _given(parameter: Parameter, request: Request) -> Any:
    """Convert a parameter's text to its JSON type; text that cannot be converted stays, and fails validation."""
    if parameter.name in request.path_params:
        return request.path_params[parameter.name]
    texts = request.query_params.getlist(parameter.name)
    if not texts:
        return None
    if parameter.shape["type"] == "array":
        return texts
    if parameter.shape["type"] == "string":
        return texts[-1]
    try:
        return json.loads(texts[-1])
    except (ValueError, RecursionError):
        return texts[-1]


def _checked(parameter: Parameter, value: Any) -> dict[str, Any]:
    error = next(iter(Draft202012Validator(parameter.shape).iter_errors(value)), None)
    if error is not None:
        raise _unusable(f"{parameter.name}: {_reason(error.validator, error.message, parameter.shape)}.")
    return {parameter.name: value}


def _reason(rule: str, message: str, shape: Schema) -> str:
    if rule == "maxProperties":
        return f"more than {shape['maxProperties']} are given; give fewer"
    return message if len(message) <= 200 else f"it does not fit {rule}"


def _absent(parameter: Parameter) -> dict[str, Any]:
    if parameter.required:
        raise _unusable(f"{parameter.name} is missing: {parameter.description}")
    return {parameter.name: parameter.shape["default"]} if "default" in parameter.shape else {}


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send JSON, with the header Content-Type: application/json.")
    try:
        with anyio.fail_after(SLOWEST_BODY_SECONDS):
            text = await _text(request)
    except TimeoutError:
        message = f"The body was not here after {SLOWEST_BODY_SECONDS} seconds; send it again."
        raise HTTPException(408, message, {"Connection": "close"}) from None
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise _unusable("The body is no JSON.") from None
    if not isinstance(body, dict):
        raise _unusable('The body is no object; send one as {"ratings": {"50": 5}}.')
    return body


async def _text(request: Request) -> bytearray:
    text = bytearray()
    async for part in request.stream():
        text += part
        if len(text) > LARGEST_BODY:
            raise HTTPException(413, f"The body is larger than {LARGEST_BODY} bytes; send less.")
    return text


def _unusable(message: str) -> HTTPException:
    return HTTPException(422, message)
