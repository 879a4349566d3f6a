"""The OpenAPI 3.1 document of the endpoints."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from embrec.web.endpoint import Endpoint, Parameter
from embrec.web.endpoints import ENDPOINTS
from embrec.web.shapes import ERROR

REFUSALS = {
    "400": "The Host header names another server.",
    "404": "There is no such movie, user or run.",
    "422": "A value is missing, of a wrong type, or out of range.",
    "429": "Too many requests of one client; Retry-After says when to come back.",
    "503": "Too many requests at once, or the database cannot answer.",
}
BODY_REFUSALS = {
    "408": "The body took too long to come.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
}


def document() -> dict[str, Any]:
    """Return the document, as plain values for JSON."""
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "embrec",
            "version": importlib.metadata.version("embrec"),
            "description": "A movie recommender that lives in PostgreSQL. Everything here only reads.",
        },
        # Relative to this document, so that it holds below any path of a proxy.
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    refusals = REFUSALS | (BODY_REFUSALS if endpoint.body else {})
    operation: dict[str, Any] = {
        "operationId": endpoint.answer.__name__,
        "summary": endpoint.summary,
        "parameters": [_parameter(endpoint, each) for each in endpoint.parameters],
        "responses": {
            "200": {"description": "The answer.", "content": {"application/json": {"schema": endpoint.shape}}},
            **{status: _refusal(description) for status, description in refusals.items()},
        },
    }
    if endpoint.body:
        shape = {
            "type": "object",
            "properties": {each.name: {**each.shape, "description": each.description} for each in endpoint.body},
            "required": [each.name for each in endpoint.body if each.required],
            "additionalProperties": False,
        }
        examples = {each.name: each.example for each in endpoint.body if each.example is not None}
        content = {"application/json": {"schema": shape, "example": examples}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameter(endpoint: Endpoint, parameter: Parameter) -> dict[str, Any]:
    of_path = f"{{{parameter.name}}}" in endpoint.path
    shape: dict[str, Any] = {"schema": parameter.shape}
    if parameter.shape["type"] == "object":  # a query parameter holds it as JSON
        shape = {"content": {"application/json": shape}}
    example = {} if parameter.example is None else {"example": parameter.example}
    return {
        "name": parameter.name,
        "in": "path" if of_path else "query",
        "description": parameter.description,
        "required": parameter.required,
        **shape,
        **example,
    }


def _refusal(description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": description, "content": content}
