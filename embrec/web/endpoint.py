"""An endpoint and its parameters, as the table of endpoints describes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from embrec.web.shapes import Schema


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
