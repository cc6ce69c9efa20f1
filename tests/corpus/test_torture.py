"""Other projects' torture mails give a value, and what those projects say of subjects, texts and names is so, or is named here.

What differs and why (2026-11-24): of 10 lists of attachment names one, whose project replaces the hyphens in the names it
finds by spaces; of 14 texts one, of which that project expects a sentence of its own where nothing could be decoded. Line
ends change nothing.
"""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postmuster.mail.kind import classify
from postmuster.mail.message import Limits, Message, parse
from postmuster.reading.reading import as_json, read

DIFFERENT_NAMES = 1
DIFFERENT_TEXTS = 1


def cases(corpora: Path) -> Iterator[tuple[Any, bytes]]:
    for index in sorted((corpora / "dev" / "mime").glob("*/index.json")):
        for entry in json.loads(index.read_text("utf-8")).values():
            path = index.parent / entry["file"]
            if path.suffix == ".eml":
                yield entry.get("expected"), path.read_bytes()


@pytest.fixture(scope="module")
def mails(corpora: Path) -> list[tuple[dict[str, Any], Message]]:
    found = [(expected, parse(raw)) for expected, raw in cases(corpora) if isinstance(expected, dict)]
    assert len(found) > 50
    return found


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", html.unescape(text).replace("\u200b", "").replace("\ufeff", ""))


def texts_of(expected: dict[str, Any]) -> list[str]:
    stated = [expected.get("text"), expected.get("text_contains")]
    return [text for each in stated for text in (each if isinstance(each, list) else [each]) if isinstance(text, str)]


def test_every_mail_gives_a_value(corpora: Path) -> None:
    count = 0
    for _, raw in cases(corpora):
        json.dumps(as_json(read(raw)))
        classify(parse(raw))
        count += 1
    assert count > 100


def test_subjects_are_as_stated(mails: list[tuple[dict[str, Any], Message]]) -> None:
    pairs = [
        (expected["subject"], found.subject) for expected, found in mails if isinstance(expected.get("subject"), str)
    ]
    assert pairs
    assert [(want, got) for want, got in pairs if squeezed(want) != squeezed(got)] == []


def test_attachments_have_the_names_stated(mails: list[tuple[dict[str, Any], Message]]) -> None:
    pairs = [
        (sorted(map(str, expected["attachment_filenames"])), sorted(str(part.filename) for part in found.attachments))
        for expected, found in mails
        if isinstance(expected.get("attachment_filenames"), list)
    ]
    different = [(want, got) for want, got in pairs if want != got]
    assert len(pairs) >= 10
    assert len(different) <= DIFFERENT_NAMES
    for want, got in different:
        assert want == sorted(name.replace("-", " ") for name in got)


def test_texts_are_as_stated(mails: list[tuple[dict[str, Any], Message]]) -> None:
    wanted = [(texts_of(expected), squeezed(found.text)) for expected, found in mails if texts_of(expected)]
    different = [want for want, got in wanted if not all(squeezed(text) in got for text in want)]
    assert len(wanted) >= 14
    assert len(different) <= DIFFERENT_TEXTS


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_line_ends_change_nothing(corpora: Path, ends: bytes) -> None:
    for _, raw in cases(corpora):
        plain = raw.replace(b"\r\n", b"\n")
        if b"\r" in plain:
            continue
        first, second = parse(plain), parse(plain.replace(b"\n", ends))
        assert (first.subject, first.text, first.html) == (second.subject, second.text, second.html)
        assert [part.filename for part in first.parts] == [part.filename for part in second.parts]


def test_no_mail_of_the_corpora_comes_near_a_limit(corpora: Path) -> None:
    limits = Limits()
    for _, raw in cases(corpora):
        found = parse(raw)
        assert not [defect for defect in found.defects if "limit" in defect or "too many" in defect]
        assert len(found.parts) < limits.parts / 5
