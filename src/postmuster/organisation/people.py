"""People: who works in the simulated organisation.

What for: a roster that looks like a real one (a tree of components, uneven sizes, managers, leave, people without mail,
several employment classes, names with commas, quotes and letters beyond ASCII, addresses in quoted, UTF-8 and
internationalised form).

Promises: the same number and seed give the same people, byte for byte. Every address is under `agency.example`, every
name is made of syllables. Addresses are different from each other after folding of case and of domain form (see
`mailbox_key`).
Limits: a person costs about 400 octets of memory; 200,000 people take 80 MB.
Sources: RFC 5321 §4.1.2 (quoted local parts), RFC 6531 (UTF-8 local parts), RFC 3490 (domain forms), RFC 2606 (example
names).
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from postmuster.organisation.dice import Dice

LOCAL_PART_OCTETS = 64  # RFC 5321 §4.5.3.1.1
TEAM_SIZE = 12
NO_ASCII_FORM = str.maketrans({"ł": "l", "Ł": "L", "ß": "ss", "ø": "o", "đ": "d"})


@dataclass(frozen=True, slots=True)
class Agency:
    """A branch of the organisation with its mail domain; `sign` is the DKIM algorithm (rsa, ed25519 or none)."""

    name: str
    domain: str
    time_zone: str
    sign: str
    dmarc: str
    offices: tuple[str, ...]


AGENCIES = (
    Agency(
        "Agency of Rivers", "rivers.agency.example", "America/New_York", "rsa", "reject",
        ("Directorate", "Bureau of Locks/Northern Office", "Bureau of Locks/Southern Office", "Bureau of Weirs"),
    ),
    Agency(
        "Agency of Bridges", "brücken.agency.example", "Europe/Berlin", "none", "",
        ("Directorate", "Bureau of Spans", "Bureau of Tolls/Day Office", "Bureau of Tolls/Night Office"),
    ),
    Agency(
        "Agency of Weather", "weather.agency.example", "America/Denver", "ed25519", "quarantine",
        ("Directorate", "Bureau of Rain", "Bureau of Wind/Coastal Office", "Bureau of Wind/Inland Office"),
    ),
    Agency(
        "Agency of Seeds", "seeds.agency.example", "America/Chicago", "none", "",
        ("Directorate", "Bureau of Grain/Office of Wheat", "Bureau of Grain/Office of Rye", "Bureau of Orchards"),
    ),
    Agency(
        "Agency of Records, Maps and Weights", "records.agency.example", "America/Los_Angeles", "rsa", "none",
        ("Directorate", "Bureau of Maps", "Bureau of Weights", "Bureau of Archives/Reading Room"),
    ),
    Agency(
        "Agency of Lighthouses", "lights.agency.example", "Asia/Tokyo", "none", "",
        ("Directorate", "Bureau of Lamps", "Bureau of Foghorns", "Bureau of Keepers/Island Office"),
    ),
)  # fmt: skip

EMPLOYMENT_CLASSES = (
    ("employee", 870), ("contractor", 60), ("military", 25), ("detailee", 18), ("other", 15), ("judge", 8), ("elected", 4),
)  # fmt: skip
STATUSES = (("active", 940), ("on_leave", 30), ("no_mail_access", 18), ("separated", 12))


@dataclass(frozen=True, slots=True)
class Person:
    """One row of the roster. `address` is as the roster writes it; `number` counts from 1."""

    number: int
    person_id: str
    address: str
    name: str
    component: str
    employment_class: str
    manager_id: str
    time_zone: str
    language: str
    status: str
    agency: Agency


@lru_cache(maxsize=1)
def name_parts() -> dict[str, dict[str, list[str]]]:
    """Read the name syllables by language."""
    return tomllib.loads((resources.files(__package__) / "data" / "names.toml").read_text("utf-8"))


def mailbox_key(address: str) -> str:
    """Fold an address to the form mailboxes are looked up by: unquoted, lower case, composed, domain in A-labels."""
    local, _, domain = unicodedata.normalize("NFC", address).rpartition("@")
    if local.startswith('"') and local.endswith('"'):
        local = local[1:-1].replace("\\", "")
    return f"{local.lower()}@{ascii_domain(domain)}"


@lru_cache(maxsize=256)
def ascii_domain(domain: str) -> str:
    """Write a domain in A-labels, lower case; one that has no such form stays as it is.

    Source: RFC 3490 §4.
    """
    if domain.isascii():
        return domain.lower()
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return domain.lower()


def ascii_letters(name: str) -> str:
    """Reduce a name to the lower-case ASCII letters an address can carry; empty for names in other scripts."""
    folded = unicodedata.normalize("NFKD", name.translate(NO_ASCII_FORM))
    return "".join(letter for letter in folded.lower() if letter.isascii() and letter.isalpha())


def create_people(count: int, seed: int) -> list[Person]:
    """Create the `count` people of the organisation called `seed`."""
    return list(_Founding(seed).people(count))


class _Founding:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._parts = name_parts()
        self._languages = [(code, int(str(part["weight"]))) for code, part in self._parts.items()]
        layout = Dice(seed, "components")
        self._places = [
            ((agency, f"{agency.name}/{office}"), 2 + layout.below(9))
            for agency in AGENCIES
            for office in agency.offices
        ]
        self._taken: dict[str, int] = {}
        self._leads: dict[str, list[str]] = {}
        self._sizes: dict[str, int] = {}

    def people(self, count: int) -> Iterator[Person]:
        for number in range(1, count + 1):
            dice = Dice(self._seed, "person", number)
            # The first rounds fill every component once, so that a small organisation has them all.
            place = self._places[number - 1][0] if number <= len(self._places) else dice.weighted(self._places)
            yield self._person(number, *place, dice)

    def _person(self, number: int, agency: Agency, component: str, dice: Dice) -> Person:
        language = dice.weighted(self._languages)
        part = self._parts[language]
        given, family = dice.pick(part["given"]), dice.pick(part["head"]) + dice.pick(part["tail"])
        person_id = f"E{number:07d}"
        return Person(
            number=number,
            person_id=person_id,
            address=self._address(given, family, agency, dice),
            name=_display_name(given, family, language, dice),
            component=component,
            employment_class=dice.weighted(EMPLOYMENT_CLASSES),
            manager_id=self._manager(person_id, component),
            time_zone=agency.time_zone if dice.chance(0.9) else dice.pick(AGENCIES).time_zone,
            language=language,
            status=_status(dice),
            agency=agency,
        )

    def _manager(self, person_id: str, component: str) -> str:
        """Name the manager: the head of the component is its first member, every twelfth leads a team."""
        leads = self._leads.setdefault(component, [])
        size = self._sizes[component] = self._sizes.get(component, 0) + 1
        if size == 1:
            leads.append(person_id)
            return ""
        if size % TEAM_SIZE == 1:
            leads.append(person_id)
            return leads[0]
        return leads[-1]

    def _address(self, given: str, family: str, agency: Agency, dice: Dice) -> str:
        first, last = ascii_letters(given), ascii_letters(family)
        form = dice.below(1000)
        local = ".".join(part for part in (first, last) if part) or f"staff.{dice.hexadecimal(4)}"
        if form < 4 and not (given + family).isascii():
            local = f"{given}.{family}".lower().replace(" ", "")
        elif form < 8 and first and last:
            local = f"{last}, {first}" if form < 6 else f"{first} {last}"
        local = local[: LOCAL_PART_OCTETS // 2]
        quote = '"' if " " in local else ""
        key = mailbox_key(f"{local}@{agency.domain}")
        seen = self._taken[key] = self._taken.get(key, 0) + 1
        while seen > 1:
            numbered = mailbox_key(f"{local}{seen}@{agency.domain}")
            if numbered not in self._taken:
                self._taken[key], self._taken[numbered] = seen, 1
                local = f"{local}{seen}"
                break
            seen += 1
        return f"{quote}{local}{quote}@{agency.domain}"


def _display_name(given: str, family: str, language: str, dice: Dice) -> str:
    if language in {"ja", "zh"}:
        return f"{family} {given}" if family.isascii() else f"{family}{given if not given.isascii() else ' ' + given}"
    form = dice.below(100)
    if form < 6:
        return f"{family}, {given}"
    if form < 9:
        return f'{given} "{given[:3]}" {family}'
    if form < 11:
        return f"{given} O'{family}"
    if form < 13:
        return f"{family}, {given} (Acting), Ph.D."
    return f"{given} {family}"


def _status(dice: Dice) -> str:
    status = dice.weighted(STATUSES)
    return f"on_leave:2026-{dice.pick(('11', '12'))}-{1 + dice.below(28):02d}" if status == "on_leave" else status
