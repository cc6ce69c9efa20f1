"""Read postal addresses: street and house number as the United States, Britain, Germany and France write them.

What for: a street with a house number says where somebody lives. `reading.personal` finds the house number; here the rest
is read.

Promises: never raises; each pattern looks at a bounded number of words before and after the house number. Precision: a
street counts when a town with its postal code follows, when the words before it speak of an address, or when it has a
line of its own; "2 Google Drive folders" and "Platz 3" are none.

Sources: USPS Publication 28 (suffixes, states, ZIP codes), Royal Mail (form of postcodes), DIN 5008 (German addresses),
La Poste NF Z10-011 (French addresses).
"""

from __future__ import annotations

import re
from typing import Final

from postmuster.reading.personal_context import Context, context_of

_WORD: Final = r"[A-Za-zÀ-ÿ][\wÀ-ÿ'’.-]{0,30}"
_NAME: Final = r"[A-ZÀ-Þ][\wÀ-ÿ'’.-]{0,30}"
_SUFFIX: Final = (
    r"(?:[Ss]treet|St\.?|[Aa]venue|Ave\.?|[Rr]oad|Rd\.?|[Bb]oulevard|Blvd\.?|[Ll]ane|Ln\.?|[Dd]rive|Dr\.?|[Cc]ourt|Ct\.?|[Ww]ay"
    r"|Place|Pl\.?|[Tt]errace|[Cc]ircle|Cir\.?|Parkway|Pkwy\.?|Highway|Hwy\.?|Square|Sq\.?|Crescent|Close|Gardens|Grove|Mews|Hill"
    r"|Loop|Trail|Trl\.?|Plaza|Pike|Alley|Crossing|Row|Walk|Park)"
)
_KIND_FR: Final = (
    r"(?:[Rr]ue|[Aa]venue|[Aa]v\.|[Bb]oulevard|[Bb]d\.?|[Ii]mpasse"
    r"|[Cc]hemin|[Qq]uai|[Aa]llée|[Pp]lace|[Cc]ours|[Rr]oute|[Ss]quare)"
)
# What a house number is followed by: a word with a capital, or a French kind of street. Spares most numbers what is below.
HOUSE_NUMBER: Final = (
    r"[0-9]{0,4}(?:[A-Za-z]|-[0-9]{1,4}| ?bis| ?ter)?,? (?:[A-ZÀ-Þ0-9]|rue|av|bou|bd|imp|che|qua|all|pla|cou|rou|squ)"
)
# What follows the first digit of a house number; these stand in the one pattern of `reading.personal`.
STREET: Final = (
    rf"[0-9]{{0,4}}[A-Za-z]?(?:-[0-9]{{1,4}})?,? (?:[NSEW]{{1,2}}\.? )?(?:(?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd|th)) ){{1,4}}?"
    rf"{_SUFFIX}(?: (?:N|S|E|W|NE|NW|SE|SW)\b)?(?!\w)"
)
RUE: Final = (
    rf"[0-9]{{0,3}}(?: ?(?:bis|ter|quater|[A-D]))?,? {_KIND_FR} "
    rf"(?:(?:de|du|des|la|le|les|et|à|aux?) |(?:de )?l['’]|d['’]){{0,3}}{_NAME}(?:[ -](?:(?:de|du|des|la) )?{_NAME}){{0,3}}"
)
# The last three letters of straße, Str., gasse, allee, weg, platz, ring, damm, ufer; the word itself is read by `german_place`.
BEFORE_GERMAN: Final = r"(?:(?<=[asteflwim][ßsreltnm][egzmr.] [0-9])|(?<=[Ss]tr\.[0-9]))"
BEFORE_BOX: Final = r"(?:(?<=[Bb][oO][xX] [0-9])|(?<=fach [0-9])|(?<=\bBP [0-9]))"
_GAP: Final = r"(?:,? {1,2}|,? ?\n[>| ]{0,8})"
_STATES: Final = (
    r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]"
    r"|Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana"
    r"|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska"
    r"|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania"
    r"|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming)"
)
_UNIT: Final = rf"(?:{_GAP}(?:(?:Apt|Apartment|Suite|Ste|Unit|Floor|Flat|Room|Rm)\.? ?#?|#)[A-Z0-9-]{{1,6}})?"
_TOWN: Final = rf"{_NAME}(?:[ -]{_WORD}){{0,3}}"
_US_TAIL: Final = re.compile(rf"{_UNIT}{_GAP}{_TOWN}{_GAP}{_STATES}\.?{_GAP}[0-9]{{5}}(?:-[0-9]{{4}})?(?![\w])")
_UK_CODE: Final = r"[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][ABD-HJLNP-UW-Z]{2}(?![\w])"
_UK_TAIL: Final = re.compile(rf"{_UNIT}(?:{_GAP}{_TOWN}){{0,3}}?{_GAP}{_UK_CODE}")
_UNIT_ALONE: Final = re.compile(_UNIT)
_DE_NUMBER: Final = r"[0-9]{0,3}(?: ?[a-zA-Z](?![\w]))?(?:[-/] ?[0-9]{1,4}[a-z]?)?(?![\w])"
GERMAN: Final = _DE_NUMBER
NUMBER_AND_TOWN: Final = r"[0-9]{0,2} ?[a-z]?(?:, ?|,? ?\n[>| ]{0,8})(?:D-)?[0-9]{5} [A-ZÄÖÜ][a-zäöüß]{2,30}"
_DE_TAIL: Final = re.compile(rf"{_GAP}(?:[A-Z]{{1,2}}-)?[0-9]{{4,5}} {_NAME}(?: (?:{_NAME}|am|an der|im))?")
_FR_TAIL: Final = re.compile(rf"{_GAP}(?:{_TOWN}{_GAP})?(?:F-)?[0-9]{{5}} {_NAME}(?:[ -]{_NAME}){{0,3}}")
_DE_STREET: Final = re.compile(r"(?:[A-ZÄÖÜ][\wäöüß.-]{1,30} )?(?P<last>[\wäöüß.-]{2,40}) ?\Z")
_DE_ROADS: Final = frozenset(
    {"bundesstraße", "landstraße", "landesstraße", "kreisstraße", "einbahnstraße", "datenstraße"}
)
_DE_WORDS: Final = ("straße", "strasse", "str.", "gasse", "chaussee", "allee", "weg", "platz", "ring", "damm", "ufer")
_DE_STRONG: Final = ("straße", "strasse", "str.", "gasse", "chaussee")
_FR_STRONG: Final = ("rue", "avenue", "av.", "boulevard", "bd", "bd.", "impasse", "chemin", "quai", "allée")
_BOX_TAIL: Final = re.compile(rf"(?:{_US_TAIL.pattern}|{_DE_TAIL.pattern})")
_BOX_WORDS: Final = re.compile(r"(?:P\. ?O\. ?|PO ?|P\.O |Post Office )?(?:Box|BOX)|Postfach|BP")
_STREET_OF_WORDS: Final = re.compile(
    r"(?:(?:Am|An|Auf|Bei|Hinter|Im|In|Unter|Vor|Zum|Zur|Straße) (?:[\wäöüß.]{1,30} ){0,3})?[A-ZÄÖÜ][\wäöüß.-]{1,40} \Z"
)


def english_place(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the whole address whose street stands from `start` to `end`, as written in America or Britain."""
    tail = _US_TAIL.match(text, end) or _UK_TAIL.match(text, end)
    if tail:
        return start, tail.end()
    unit = _UNIT_ALONE.match(text, end)
    close = unit.end() if unit else end
    named = text[start:end].split(" ", 1)[-1][:1].isupper()
    if (named and _has_own_line(text, start, close)) or context_of(text, start) is Context.ADDRESS:
        return start, close
    return None


def french_place(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the whole address whose street stands from `start` to `end`, as written in France."""
    tail = _FR_TAIL.match(text, end)
    if tail:
        return start, tail.end()
    words = text[start:end].replace(",", " ").lower().split(" ")
    strong = any(word in _FR_STRONG for word in words[1:4])
    return (start, end) if strong or context_of(text, start) is Context.ADDRESS else None


def german_place(text: str, number: int, end: int) -> tuple[int, int] | None:
    """Return the whole address whose house number stands from `number` to `end`, as written in German."""
    street = _DE_STREET.search(text, max(0, number - 72), number)
    if street is None:
        return None
    last = street["last"].lower()
    if not last.endswith(_DE_WORDS):
        return None
    alone = last in ("straße", "strasse", "str.", "weg", "platz", "allee")
    start = street.start() if alone else street.start("last")
    if not text[start].isupper() or (alone and start == street.start("last")):
        return None
    tail = _DE_TAIL.match(text, end)
    if tail:
        return start, tail.end()
    strong = last.endswith(_DE_STRONG) and last not in _DE_ROADS
    return (start, end) if strong or context_of(text, start) is Context.ADDRESS else None


def german_town_place(text: str, number: int, end: int) -> tuple[int, int] | None:
    """Return a German address whose street does not say so: its number stands at `number`, its town ends at `end`."""
    street = _STREET_OF_WORDS.search(text, max(0, number - 72), number)
    return (street.start(), end) if street else None


def box_place(text: str, number: int, end: int) -> tuple[int, int] | None:
    """Return the whole address of a post office box whose number stands from `number` to `end`."""
    found = list(_BOX_WORDS.finditer(text, max(0, number - 20), number))
    if not found or found[-1][0] in ("Box", "BOX"):
        return None
    tail = _BOX_TAIL.match(text, end)
    if tail is None and found[-1][0] == "BP":  # also blood pressure
        return None
    return found[-1].start(), tail.end() if tail else end


def _has_own_line(text: str, start: int, end: int) -> bool:
    """Whether nothing but quote marks stands before it in its line, and nothing but a comma after it."""
    line = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    before, after = text[line:start], text[end : stop if stop >= 0 else len(text)]
    return not before.strip("> |*") and not after[:80].strip(" ,.*\r")
