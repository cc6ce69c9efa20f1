"""Which policy a domain publishes, and which domains belong together.

What for: a reply counts as authentic when a check passed for a domain *aligned* with the author's, and a failure
counts where the author's domain publishes DMARC.

How: the DNS tree walk of RFC 9989. From a domain upwards, `_dmarc` records are looked for; one with `psd=n` is the
organisational domain, one with `psd=y` has it one label below, else the shortest name with a record is it. A domain
under which none has a record stands alone: then only the same name is aligned. No list of public suffixes is needed,
and a walk asks at most `MAX_LOOKUPS` names.

Promises: never raises. A lookup that fails is `is_uncertain`, never "nothing published".

Sources: RFC 9989 §4.8 (records), §4.10 (tree walk), §4.10.2 (organisational domain), §5.3 (alignment).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

MAX_LOOKUPS: Final = 8  # RFC 9989 §4.10: a name of more than eight labels is cut to seven after the first question
MAX_RECORD_CHARS: Final = 4_096  # ours: of one TXT answer
MAX_TAGS: Final = 50  # ours
MAX_KEPT: Final = 1_024  # ours: records read and kept for the next mail

Lookup = Callable[[str], str | None]
Record = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """What was found for an author's domain."""

    is_published: bool
    is_uncertain: bool
    strict_dkim: bool = False
    strict_spf: bool = False


@dataclass(slots=True)
class DmarcRecords:
    """The records of one mail's domains; each name is asked once. `txt` may raise: that is a failed lookup."""

    txt: Lookup
    _found: dict[str, Record | None] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def policy(self, domain: str) -> Policy:
        """Return the policy for an author's domain. Source: RFC 9989 §4.10.1."""
        walked = self._walk(domain)
        record = (
            self._record(domain)
            or (self._found.get(self.organisational_domain(domain)) if walked else None)
            or (walked[-1][1] if walked else None)
        )
        uncertain = record is None and any(name in self._failed for name in _names(domain))
        if record is None:
            return Policy(False, uncertain)
        return Policy(True, False, record.get("adkim", "r").lower() == "s", record.get("aspf", "r").lower() == "s")

    def organisational_domain(self, domain: str) -> str:
        """Return the domain under which this one belongs; itself when nothing says more."""
        walked = self._walk(domain)
        for name, record in walked:
            mark = record.get("psd", "u").lower()
            if mark == "n":
                return name
            if mark == "y":
                below = domain.split(".")[-name.count(".") - 2 :]
                return ".".join(below)
        return walked[-1][0] if walked else domain

    def aligned(self, domain: str, author_domain: str, *, strict: bool) -> bool:
        """Whether a checked domain stands for the author's. Source: RFC 9989 §5.3."""
        domain = domain.strip().rstrip(".").lower()
        if domain == author_domain:
            return bool(domain)
        if strict or not may_align(domain, author_domain):
            return False
        if any(name in self._failed for name in (*_names(domain), *_names(author_domain))):
            return False
        return self.organisational_domain(domain) == self.organisational_domain(author_domain)

    def _walk(self, domain: str) -> list[tuple[str, Record]]:
        """The records from a domain upwards, longest name first; a walk ends at the first one that says what it is."""
        out: list[tuple[str, Record]] = []
        for name in _names(domain):
            record = self._record(name)
            if record is not None:
                out.append((name, record))
                if record.get("psd", "u").lower() in ("n", "y"):
                    break
        return out

    def _record(self, name: str) -> Record | None:
        if name not in self._found:
            text: str | None = None
            try:
                text = self.txt(f"_dmarc.{name}")
            except Exception:  # whatever the caller's resolver raises, the answer is unknown
                self._failed.add(name)
            self._found[name] = read_record(text) if text else None
        return self._found[name]


def may_align(domain: str, author_domain: str) -> bool:
    """Whether two names can have an organisational domain in common: they share their last two labels."""
    tail = author_domain.split(".")[-2:]
    return len(tail) == 2 and domain.lower().split(".")[-2:] == tail


def _names(domain: str) -> list[str]:
    labels = [label for label in domain.split(".") if label]
    names = [".".join(labels)] if labels else []
    rest = labels[-7:] if len(labels) > 8 else labels[1:]
    while rest and len(names) < MAX_LOOKUPS:
        names.append(".".join(rest))
        rest = rest[1:]
    return names


def read_record(text: str) -> Record | None:
    """Read a DMARC record; None when the answer has none or more than one. Never raises. Source: RFC 9989 §4.7."""
    return _read_record(text[:MAX_RECORD_CHARS])


@lru_cache(maxsize=MAX_KEPT)
def _read_record(text: str) -> Record | None:
    """A record's text means the same every time; nobody changes what comes out."""
    records = [line for line in text.split("\n") if line.strip()[:2].lower() == "v="]
    read = [record for record in map(_tags, records) if record is not None]
    return read[0] if len(read) == 1 else None


def _tags(line: str) -> Record | None:
    tags: dict[str, str] = {}
    for number, piece in enumerate(line.split(";")[:MAX_TAGS]):
        name, _, value = piece.partition("=")
        name, value = name.strip().lower(), value.strip()
        if number == 0 and (name != "v" or value != "DMARC1"):
            return None
        if name:
            tags.setdefault(name, value)
    if tags.get("p", "none").lower() not in ("none", "quarantine", "reject") and "rua" not in tags:
        return None
    return tags
