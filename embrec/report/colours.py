"""The colours of a report's figures: the page's own, which follow its theme, or those of its light theme."""

from __future__ import annotations

import re
from dataclasses import dataclass

from embrec import pages

# The page's style sheet has as many colours for series.
SERIES = 8


@dataclass(frozen=True)
class Colours:
    """Colours by the names that they have on the page."""

    ink: str
    ink_soft: str
    line: str
    surface: str
    series: tuple[str, ...]
    series_other: str


# Colours that stand for the page's own, put in their place after drawing.
STAND_INS = Colours(
    ink="#010101",
    ink_soft="#020202",
    line="#030303",
    surface="#040404",
    series=tuple(f"#0{number}0{number}0a" for number in range(1, SERIES + 1)),
    series_other="#0b0b0b",
)
_NAMES = {
    STAND_INS.ink: "ink",
    STAND_INS.ink_soft: "ink-soft",
    STAND_INS.line: "line",
    STAND_INS.surface: "surface",
    **{colour: f"series-{number + 1}" for number, colour in enumerate(STAND_INS.series)},
    STAND_INS.series_other: "series-other",
}


def with_page_colours(svg: str) -> str:
    """Replace the stand-ins in an SVG element by the variables of the page."""
    return re.sub("#0[0-9a-f]{5}", lambda found: f"var(--{_NAMES[found[0]]})" if found[0] in _NAMES else found[0], svg)


def on_white() -> Colours:
    """The colours of the page's light theme."""
    by_day = pages.page_text("page.css").partition("prefers-color-scheme: dark")[0]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", by_day))
    series = tuple(found[f"series-{number}"] for number in range(1, SERIES + 1))
    return Colours(found["ink"], found["ink-soft"], found["line"], found["surface"], series, found["series-other"])
