"""embrec scale."""

from __future__ import annotations

import click

from embrec.cli.common import database_option, engine, json_option, note, print_json
from embrec.data.scale import get_rating_scale, set_rating_scale, shown


class ScaleType(click.ParamType[tuple[float, float]]):
    """A scale of ratings as LOWEST:HIGHEST."""

    name = "LOWEST:HIGHEST"

    def convert(self, value: object, param: object, ctx: object) -> tuple[float, float]:
        """Return the two ends as numbers."""
        lowest, _, highest = str(value).partition(":")
        try:
            return float(lowest), float(highest)
        except ValueError:
            raise click.BadParameter(f"{value!r} is no scale; give the lowest and the highest rating: 1:5") from None


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("wanted", metavar="[LOWEST:HIGHEST]", type=ScaleType(), required=False)
@database_option
@json_option
def scale(wanted: tuple[float, float] | None, database_url: str | None, as_json: bool) -> None:
    """Show the scale of ratings on record, or change it to LOWEST:HIGHEST.

    \b
    embrec scale
    embrec scale 1:5
    embrec scale -- -10:10

    Loads, add_rating and followed tables keep to the scale. The first load of a hundred ratings puts it on record.
    A scale that leaves stored ratings out is refused.
    """
    bind = engine(database_url)
    if wanted is not None:
        set_rating_scale(bind, *wanted)
    found = get_rating_scale(bind)
    if as_json:
        print_json(None if found is None else {"lowest": found[0], "highest": found[1]})
    elif found is None:
        note("No scale is on record yet; the first hundred ratings put one there. To give it: embrec scale 1:5")
    else:
        click.echo(f"{shown(found[0])}:{shown(found[1])}")
