"""Fills that can be told apart without colour, and the strip that splits one audience into its states.

For: the plots, the page's legend and the strip beside a notice. Promises: each state and each kind has a texture of its
own, the same everywhere. Colours come from variables (`--pm-delivered`) with a fallback, so that a page can darken them.
Light: no plotting library is imported here. Source: WCAG 2.2, 1.4.1 and 1.4.11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from postmuster.reports.figures import State

STRIP_LEAST: Final = 0.4
"""The least width in percent of a state that has anyone in it, so that one person in a million is still seen."""
_SHARED: Final = "pm"


@dataclass(frozen=True, slots=True)
class Texture:
    """A fill: `marks` are SVG shapes in an 8 by 8 tile."""

    name: str
    colour: str
    marks: str

    def definition(self, prefix: str) -> str:
        tile = f'<rect width="8" height="8" style="fill:var(--pm-{self.name},{self.colour})"/>{self.marks}'
        return f'<pattern id="{prefix}-{self.name}" width="8" height="8" patternUnits="userSpaceOnUse">{tile}</pattern>'


_LIGHT: Final = "var(--pm-mark,#fff)"
_DARK: Final = "var(--pm-faint-mark,#68707c)"


def _lines(path: str, width: float = 1.4, colour: str = _LIGHT) -> str:
    return f'<path d="{path}" style="stroke:{colour};stroke-width:{width};fill:none"/>'


_DOTS: Final = f'<circle cx="4" cy="4" r="1.5" style="fill:{_LIGHT}"/>'
_RISING: Final = _lines("M-2 2L2 -2M0 8L8 0M6 10L10 6")
_FALLING: Final = _lines("M-2 6L2 10M0 0L8 8M6 -2L10 2", 2.2)
_CROSSED: Final = _lines("M0 0L8 8M8 0L0 8", 1.2)
_LEVEL: Final = _lines("M0 2H8M0 6H8", 1.2)

# Contrast with white and with the dark page (#14171c) is at least 3:1 for each colour or its marks (WCAG 1.4.11); the hues stay
# apart for protan, deutan and tritan sight (after Okabe and Ito, darkened).
STATE_TEXTURES: Final = {
    State.DELIVERED: Texture("delivered", "#1f5a96", ""),
    State.RELAYED: Texture("relayed", "#3f8abf", _RISING),
    State.DEFERRED: Texture("deferred", "#a87400", _DOTS),
    State.IN_DOUBT: Texture("in-doubt", "#8e5aa8", _CROSSED),
    State.FAILED: Texture("failed", "#c2410c", _FALLING),
    State.WITHHELD: Texture("withheld", "#68707c", _LEVEL),
    State.PENDING: Texture("pending", "#dfe3e8", _lines("M2 0V8M6 0V8", 1.2, _DARK)),
}

SERIES_TEXTURES: Final = (
    Texture("series-1", "#1f5a96", ""),
    Texture("series-2", "#a87400", _DOTS),
    Texture("series-3", "#c2410c", _FALLING),
    Texture("series-4", "#3f8abf", _RISING),
    Texture("series-5", "#8e5aa8", _CROSSED),
    Texture("series-6", "#68707c", _LEVEL),
    Texture("series-7", "#0f766e", _lines("M2 0V8M6 0V8", 1.2)),
    Texture("series-8", "#dfe3e8", _lines("M0 4H8M4 0V8", 1.2, _DARK)),
)


def shared_textures() -> str:
    """Define each state's texture once for a page; `swatch` and `strip` use them."""
    fills = "".join(texture.definition(_SHARED) for texture in STATE_TEXTURES.values())
    return f'<svg class="textures" width="0" height="0" aria-hidden="true"><defs>{fills}</defs></svg>'


def swatch(state: State) -> str:
    """Draw the texture of a state as a small square beside its name; nothing to the ear."""
    return (
        '<svg class="swatch" width="13" height="13" viewBox="0 0 13 13" aria-hidden="true">'
        f'<rect width="13" height="13" rx="1.5" fill="url(#{_SHARED}-{STATE_TEXTURES[state].name})"/></svg>'
    )


def strip(states: Mapping[State, int]) -> str:
    """Draw an audience as one strip, split by state in the reports' order; nothing to the ear, a table beside it speaks.

    Returns an empty string for an empty audience.
    """
    shown = [(state, states[state]) for state in State if states.get(state)]
    if not shown:
        return ""
    whole = sum(count for _, count in shown)
    room = 100 - STRIP_LEAST * len(shown)
    left, drawn = 0.0, []
    for state, count in shown:
        width = STRIP_LEAST + room * count / whole
        fill = f"url(#{_SHARED}-{STATE_TEXTURES[state].name})"
        drawn.append(f'<rect x="{left:.2f}%" width="{width:.2f}%" height="100%" fill="{fill}"/>')
        left += width
    return f'<svg class="strip" aria-hidden="true">{"".join(drawn)}</svg>'
