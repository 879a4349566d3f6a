"""The models that embrec knows, by name: its own, and those of installed packages.

A new model of embrec's own is one entry in ``BUILT_IN``. A package adds one by an entry point of the group
``embrec.models``. Anybody else's is named by where it is, as ``package.module:object``.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from embrec import validation
from embrec.errors import ConfigError

if TYPE_CHECKING:
    from embrec.models.protocol import Model

# The default one first. They are named, not imported: importing Keras takes seconds.
BUILT_IN = {
    "two-part": "embrec.models.hybrid:TwoPart",
    "matrix-factorization": "embrec.models.als.model:MatrixFactorization",
    "outer-product": "embrec.models.outer_product:OuterProduct",
}
DEFAULT = "two-part"
GROUP = "embrec.models"


def names() -> list[str]:
    """Return the names of all models, embrec's own first."""
    return [*BUILT_IN, *(name for name in sorted(_installed()) if name not in BUILT_IN)]


def _installed() -> dict[str, str]:
    return {found.name: found.value for found in importlib.metadata.entry_points(group=GROUP)}


def get(model: str | Model) -> Model:
    """Return a model.

    Args:
        model: Its name, ``package.module:object``, or the model itself.

    Raises:
        ConfigError: There is no such model, or it is none.
    """
    found = _load(model) if isinstance(model, str) else model
    if isinstance(found, type):
        found = found()
    if lacking := [part for part in ("name", "options", "fit") if not hasattr(found, part)]:
        raise ConfigError(
            f"{model} is no model: it has no {', '.join(lacking)}. See docs/how-to/bring-a-model.md for what one has"
        )
    return cast("Model", found)


def _load(name: str) -> Any:
    place = (_installed() | BUILT_IN).get(name, name)
    module, colon, attribute = place.partition(":")
    if not colon:
        meant = validation.did_you_mean(name, names())
        raise ConfigError(f"There is no architecture {name}.{meant} Choose one of: {', '.join(names())}")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        if place != name:
            raise
        raise ConfigError(
            f"The model {name} cannot be loaded: {error}. Give package.module:object of an importable module"
        ) from error


def make_options(model: Model, given: Mapping[str, Any]) -> Any:
    """Make a model's options.

    Args:
        model: The model.
        given: Options that differ from its defaults, by name.

    Raises:
        ConfigError: The model has no such option.
    """
    known = {field.name for field in dataclasses.fields(cast("Any", model.options))}
    if unknown := set(given) - known:
        raise ConfigError(
            f"The architecture {model.name} has no option {', '.join(sorted(unknown))}. "
            f"It has: {', '.join(sorted(known))}"
        )
    return model.options(**given)
