"""Wording: what mail programs and people write, by language, from `texts/`.

What for: every language says "On Tuesday you wrote", "Sent from my phone" and "yes" in its own way. All of that is
data.

Promises: a language without a file of its own speaks English; every file has the same keys (a test holds them
together).
Limits: nine languages, those of `data/names.toml`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import resources

FALLBACK = "en"


@dataclass(frozen=True, slots=True)
class Wording:
    """One language. `say` maps what somebody means to the forms it is written in."""

    language: str
    months: tuple[str, ...]
    months_short: tuple[str, ...]
    weekdays: tuple[str, ...]
    weekdays_short: tuple[str, ...]
    long_date: str
    labels: dict[str, str]
    prefixes: dict[str, str]
    original: dict[str, str]
    wrote: dict[str, str]
    phone: dict[str, str]
    titles: tuple[str, ...]
    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    disclaimer: str
    say: dict[str, tuple[str, ...]]

    def moment(self, moment: datetime) -> dict[str, str]:
        """Spell the parts of a moment, for the patterns of this language."""
        hour12 = moment.hour % 12 or 12
        return {
            "year": str(moment.year), "month_no": str(moment.month), "month2": f"{moment.month:02d}",
            "month": self.months[moment.month - 1], "month_short": self.months_short[moment.month - 1],
            "day": str(moment.day), "day2": f"{moment.day:02d}",
            "weekday": self.weekdays[moment.weekday()], "weekday_short": self.weekdays_short[moment.weekday()],
            "hour2": f"{moment.hour:02d}", "hour12": str(hour12), "minute": f"{moment.minute:02d}",
            "second": f"{moment.second:02d}", "ampm": "AM" if moment.hour < 12 else "PM",
            "zone": moment.tzname() or "UTC", "offset": f"{moment:%z}",
        }  # fmt: skip


@lru_cache(maxsize=32)
def wording(language: str) -> Wording:
    """Read the wording of a language; English where there is none."""
    file = resources.files(__package__) / "texts" / f"{language}.toml"
    if not language.isalpha() or not file.is_file():
        return wording(FALLBACK)
    text = tomllib.loads(file.read_text("utf-8"))
    dates, people, say = text["dates"], text["people"], dict(text["say"])
    return Wording(
        language=language,
        months=tuple(dates["months"]),
        months_short=tuple(dates["months_short"]),
        weekdays=tuple(dates["weekdays"]),
        weekdays_short=tuple(dates["weekdays_short"]),
        long_date=dates["long"],
        labels=text["labels"],
        prefixes=text["prefixes"],
        original=text["original"],
        wrote=text["wrote"],
        phone=text["phone"],
        titles=tuple(people["titles"]),
        greetings=tuple(people["greetings"]),
        closings=tuple(people["closings"]),
        disclaimer=people["disclaimer"],
        say={name: tuple(forms) for name, forms in say.items()},
    )


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text with a marking: `first` and `last` are lines of their own, `subject` and `field` (a header field) are empty
    where the marking is in the text, `tier` says how grave it is.
    """

    tier: str
    first: str
    text: str
    last: str
    subject: str
    field: str


@lru_cache(maxsize=1)
def marked_texts() -> tuple[MarkedText, ...]:
    """Read the texts that carry markings."""
    file = resources.files(__package__) / "texts" / "marked.toml"
    return tuple(
        MarkedText(
            tier=form["tier"],
            first=form.get("line", ""),
            text=f"{form.get('portion', '')} {form['text']}".strip(),
            last=form.get("last", ""),
            subject=form.get("subject", ""),
            field=form.get("field", ""),
        )
        for form in tomllib.loads(file.read_text("utf-8"))["forms"]
    )
