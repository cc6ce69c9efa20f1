"""The words of absence: how programs in many languages say that somebody is away, and until when.

What for: `mail.automatic` asks whether a subject is one, and which day an out-of-office names.

Promises: never raises; linear in what it reads. A day without a year is the next such day from the mail's own date
on; without that date it is none. Of two readings of 3/5/2025 the language of the words decides; where they cannot,
none is returned.

Sources: data/automatic.toml; ISO 8601; the forms of dates in Unicode CLDR for the languages there.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import islice
from typing import Final

from postmuster.mail.phrases import load_table, strings

MAX_DATES: Final = 50  # ours: dates looked at in one text
MAX_DAYS_AHEAD: Final = 1_100  # ours: three years; a later day is a mistake or no day of return
LIKELY_DAYS: Final = 180  # ours: how far ahead an absence usually ends
ONE_BREATH_CHARS: Final = 60  # ours: days so near each other are of one absence
SENTENCE_CHARS: Final = 100  # ours: around a day, searched for words of return
GRACE_DAYS: Final = 30  # ours: an absence that ended lately is still the one meant


@dataclass(frozen=True, slots=True)
class AbsenceWords:
    """Subjects of out-of-office answers, compiled."""

    heads: re.Pattern[str]
    phrases: tuple[str, ...]
    body: tuple[str, ...]

    def begins(self, subject: str) -> bool:
        """Whether the subject begins as a mail program begins an automatic answer."""
        return self.heads.match(subject) is not None

    def mentions(self, subject: str) -> bool:
        """Whether the subject speaks of absence anywhere."""
        lower = subject.lower().replace("’", "'")
        return any(phrase in lower for phrase in self.phrases)

    def says_so(self, text: str) -> bool:
        """Whether a text speaks of absence. People do so too: it tells in mail that is known to be automatic."""
        lower = text.lower().replace("’", "'")
        return any(phrase in lower and _begins_a_word(phrase, lower) for phrase in self.body)


def _begins_a_word(phrase: str, text: str) -> bool:
    """Whether a phrase stands in a text at the beginning of a word; in scripts without spaces it may stand anywhere."""
    if phrase[0] >= _IDEOGRAPHS:
        return True
    at = text.find(phrase)
    while at > 0 and text[at - 1].isalnum():
        at = text.find(phrase, at + 1)
    return at >= 0


@dataclass(frozen=True, slots=True)
class _Dates:
    named: re.Pattern[str]
    month_of: Mapping[str, int]
    before: re.Pattern[str]
    after: re.Pattern[str]
    back: re.Pattern[str]
    day_first_words: re.Pattern[str]


def _strings(value: object) -> list[str]:
    return [unicodedata.normalize("NFC", text) for text in strings(value, "automatic")]


def _languages() -> list[Mapping[str, object]]:
    return [language for language in load_table("automatic").values() if isinstance(language, dict)]


def _either(words: Sequence[str]) -> str:
    longest_first = sorted(set(words), key=lambda word: (-len(word), word))
    return "|".join(re.escape(word).replace("'", "['’]").replace("\\ ", r"\s") for word in longest_first)


@cache
def absence_words() -> AbsenceWords:
    """Return the subjects of all languages, compiled once."""
    heads = [word for language in _languages() for word in _strings(language["heads"])]
    phrases = [word for language in _languages() for word in _strings(language["phrases"])]
    return AbsenceWords(
        re.compile(
            rf"\s*+[\[(*\"“«]?(?:{_either(heads)})\s{{0,3}}(?:[:：\-–—.!\])*\"”»(,;]|$|\s(?:until|bis|till|from|re:|aw:))",
            re.IGNORECASE,
        ),
        tuple(dict.fromkeys(phrases)),
        tuple(dict.fromkeys(word for language in _languages() for word in _strings(language.get("body", [])))),
    )


@cache
def _dates() -> _Dates:
    month_of: dict[str, int] = {}
    month_first: set[str] = set()
    until: list[str] = []
    after: list[str] = []
    back: list[str] = []
    day_first: list[str] = []
    for language in _languages():
        for number, forms in enumerate(_strings(language["months"]), 1):
            for form in forms.split("|"):
                month_of.setdefault(form, number)
                if not language["day_first"]:
                    month_first.add(form)
        until += _strings(language["until"])
        after += _strings(language.get("after", []))
        back += _strings(language.get("back", []))
        if language["day_first"]:
            day_first += [word for key in ("until", "after", "back") for word in _strings(language.get(key, []))]
    english = set(_strings(_languages()[0]["until"]))
    months, first = (
        "|".join(sorted(map(re.escape, some), key=lambda form: (-len(form), form))) for some in (month_of, month_first)
    )
    return _Dates(
        re.compile("|".join(_FORMS).replace("MONTHS", months).replace("FIRST", first), re.IGNORECASE),
        month_of,
        re.compile(_BEFORE.replace("WORDS", _words(until)), re.IGNORECASE),
        re.compile(rf"^\s{{0,2}}(?:[(（][^()（）\n]{{1,6}}[)）])?\s{{0,2}}(?:{_either(after)})", re.IGNORECASE),
        re.compile(_words(back), re.IGNORECASE),
        re.compile(_words([word for word in day_first if word not in english]), re.IGNORECASE),
    )


def _words(words: Sequence[str]) -> str:
    """Words of scripts with spaces stand by themselves; those of the others do not."""
    spaced = _either([word for word in words if max(word) < _IDEOGRAPHS])
    others = _either([word for word in words if max(word) >= _IDEOGRAPHS])
    alone = rf"(?<!\w)(?:{spaced})(?!\w)"
    return f"(?:{alone}|{others})" if others else alone


_STOP: Final = re.compile(r"\n|(?<!\d)[.!?;](?=\s|$)|[。！？]")
_IDEOGRAPHS: Final = "\u2e80"
_YEAR: Final = r"(?:19|20)\d\d"
_FORMS: Final = (
    rf"(?P<y1>{_YEAR})[-/.年]\s?(?P<m1>\d{{1,2}})[-/.月]\s?(?P<d1>\d{{1,2}})(?!\d)日?",
    rf"(?<![\d.])(?P<a>\d{{1,2}})[./-]\s?(?P<b>\d{{1,2}})[./-]\s?(?P<y2>{_YEAR}|\d\d)(?!\d)",
    r"(?P<m3>\d{1,2})\s?[月월]\s?(?P<d3>\d{1,2})\s?[日일]",
    r"(?<![\d.])(?P<d4>\d{1,2})(?:st|nd|rd|th|er|º|ª|\.)?,?\s{0,2}(?:of\s|de\s|d['’])?"
    rf"(?P<n4>MONTHS)[^\W\d_]{{0,9}}\.?,?(?:\s{{0,2}}(?:de\s|del\s)?(?P<y4>{_YEAR}))?",
    r"\b(?!mardi|martes|marted[iì]|maandag|mar[tț]i)"  # Tuesdays and a Monday that begin as months do
    rf"(?P<n5>FIRST)[^\W\d_]{{0,9}}\.?\s{{0,2}}(?P<d5>\d{{1,2}})(?:st|nd|rd|th)?(?!\d|[:.]\d)(?:,?\s{{0,2}}(?P<y5>{_YEAR}))?",
    r"(?<![\d.])(?P<d6>\d{1,2})\.\s?(?P<m6>\d{1,2})\.(?!\d)",
    rf"(?<![\d./])(?!24/7)(?P<a7>\d{{1,2}})/(?P<b7>\d{{1,2}})(?![\d/])(?:\s(?P<y7>{_YEAR}))?",
)
# Between the word and the day there may be an article and the day's name: "until Monday, the 17th", "bis zum Montag, dem 17."
_BEFORE: Final = (
    r"WORDS\s{0,3}(?:(?:on|the|am|dem|den|le|el|il|o|op|dne|um|dia|día|:)\s{0,2}"
    r"|[^\W\d]{2,12}(?:-[^\W\d]{2,8})?[.,]{0,2}\s{1,2}){0,3}$"  # "sexta-feira, "
)


def return_date(text: str, base: date | None) -> date | None:
    """Find the day an absence ends or the person returns; None when the text names none. Never raises.

    `base` is the date of the mail, by which a day without a year is understood.
    """
    rules = _dates()
    text = unicodedata.normalize("NFC", text)
    found = list(islice(rules.named.finditer(text), MAX_DATES))
    day_first = _day_comes_first(found, rules, text)
    marked: list[tuple[int, date]] = []
    plain: list[date] = []
    for hit in found:
        day = _read(hit, rules, day_first, base)
        if day is None or (base is not None and not -GRACE_DAYS <= (day - base).days <= MAX_DAYS_AHEAD):
            continue
        if _names_the_end(hit, text, rules, is_ahead=base is not None and day > base):
            marked.append((hit.start(), day))
        else:
            plain.append(day)
    if marked:
        # "from the 3rd to the 14th", "until the 14th, back on the 17th": of days in one breath the last one.
        return max(day for at, day in marked if at - marked[0][0] <= ONE_BREATH_CHARS)
    return max(plain) if len(plain) == 2 else None  # "1.–14. August": nothing but a dash between two days


def _names_the_end(hit: re.Match[str], text: str, rules: _Dates, *, is_ahead: bool) -> bool:
    """Whether words beside a day make it the end of an absence, or a word of return stands in its sentence."""
    if rules.before.search(text[max(hit.start() - 60, 0) : hit.start()]):
        return True
    if rules.after.match(text[hit.end() : hit.end() + 30]):
        return True
    whole = not hit["a7"] or hit["y7"] is not None
    return is_ahead and whole and rules.back.search(_sentence(text, hit.start(), hit.end())) is not None


def _sentence(text: str, start: int, end: int) -> str:
    """Return what stands around a day up to the ends of its sentence; a stop behind a figure is none."""
    if text[end - 1] == "." and text[end : end + 2].strip()[:1].isupper():
        end -= 1  # "on 14 March. I will …"
    left = text[max(start - SENTENCE_CHARS, 0) : start]
    right = text[end : end + SENTENCE_CHARS]
    before = [found.end() for found in _STOP.finditer(left)]
    after = _STOP.search(right)
    return left[before[-1] if before else 0 :] + " " + right[: after.start() if after else None]


def _day_comes_first(found: Sequence[re.Match[str]], rules: _Dates, text: str) -> bool | None:
    """Whether 3/5/2025 is 3 May: by another date that can be read in one way only, else by the language.

    None when nothing tells.
    """
    for hit in found:
        if hit["a"] and (int(hit["a"]) > 12) != (int(hit["b"]) > 12):
            return int(hit["a"]) > 12
        if hit["a7"] and (int(hit["a7"]) > 12) != (int(hit["b7"]) > 12):
            return int(hit["a7"]) > 12
    return True if rules.day_first_words.search(text) else None


def _read(found: re.Match[str], rules: _Dates, day_first: bool | None, base: date | None) -> date | None:
    part = found.groupdict()
    if part["y1"]:
        return _day(part["y1"], int(part["m1"]), int(part["d1"]), base)
    if part["a"]:
        first = True if "." in found[0] else day_first
        return _numbers(int(part["a"]), int(part["b"]), part["y2"], first, base)
    if part["a7"]:
        return _without_year(int(part["a7"]), int(part["b7"]), part["y7"], day_first, base)
    if part["m3"]:
        return _day(None, int(part["m3"]), int(part["d3"]), base)
    if part["d6"]:
        return _day(None, int(part["m6"]), int(part["d6"]), base)
    month = rules.month_of.get((part["n4"] or part["n5"]).lower())
    if month is None:
        return None
    return _day(part["y4"] or part["y5"], month, int(part["d4"] or part["d5"]), base)


def _without_year(first: int, second: int, year: str | None, day_first: bool | None, base: date | None) -> date | None:
    """Read 14/3, with or without a year behind it; in English it is read only where one of the two can be no month."""
    if day_first is None and first != second:
        return None
    return _day(year, second, first, base) if day_first or first == second else _day(year, first, second, base)


def _numbers(first: int, second: int, year: str, day_first: bool | None, base: date | None) -> date | None:
    if day_first is not None or first == second:
        return _day(year, second, first, base) if day_first or first == second else _day(year, first, second, base)
    # 3/5/2025 in English is May in London and March in Washington: it counts when only one of them lies ahead of the mail.
    readings = [_day(year, second, first, base), _day(year, first, second, base)]
    ahead = [day for day in readings if day is not None and base is not None and 0 <= (day - base).days <= LIKELY_DAYS]
    return ahead[0] if len(ahead) == 1 else None


def _day(year: str | None, month: int, day: int, base: date | None) -> date | None:
    try:
        if year is not None:
            return date(int(year) + (2000 if len(year) == 2 else 0), month, day)
        if base is None:
            return None
        this = date(base.year, month, day)
        return this if this >= base - timedelta(days=GRACE_DAYS) else date(base.year + 1, month, day)
    except (ValueError, OverflowError):
        return None
