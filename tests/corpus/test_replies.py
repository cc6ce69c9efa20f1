"""Every file of the corpora gives an object, and the agreement stays near what docs/reading.md says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postmuster.bench.corpus import HALF, find_corpora, measure
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.reading import FileKind, as_json, read

KINDS = {".txt": FileKind.TEXT, ".html": FileKind.HTML}
ASKS = (Ask(AskType.ACKNOWLEDGE), Ask(AskType.ELECTION, ("Resign",)), Ask(AskType.REPORT, items=5))


@pytest.fixture(scope="module")
def corpora() -> Path:
    folder = find_corpora()
    if folder is None:
        pytest.skip("the corpora are not here; POSTMUSTER_CORPORA names their folder")
    return folder


def test_every_file_gives_an_object_and_no_election(corpora: Path) -> None:
    seen = 0
    for index in sorted((corpora / HALF).glob("*/*/index.json")):
        for entry in json.loads(index.read_text("utf-8")).values():
            path = index.parent / entry["file"]
            kind = KINDS.get(path.suffix, FileKind.MAIL)
            reading = read(path.read_bytes(), file_kind=kind, ask=ASKS[seen % 3])
            shown = as_json(reading)
            json.dumps(shown)
            assert shown["answer"]["type"] != "election", path.name
            for span in shown["elided"]:
                assert 0 <= span["start"] < span["end"] <= len(shown["text"]), path.name
            seen += 1
    assert seen > 800


@pytest.mark.slow
def test_the_agreement_has_not_fallen(corpora: Path) -> None:
    total = {(each.kind, each.name): each for each in measure(corpora) if each.source == "TOTAL"}
    assert total["replies", "has a reading"].right == total["replies", "has a reading"].cases
    assert total["replies", "new text"].right >= 190
