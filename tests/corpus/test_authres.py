"""Other projects' Authentication-Results and signed mails are read as those projects say.

Every field reads as stated but one form: Office 365 writes no server's name at the front and its own before some of the
results, which RFC 8601 has no room for; such a field says nothing here, and with nobody's name nobody believes it. Every
signature that has to hold holds, every one that must not does not.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postmuster.mail.authentication import Grade, authenticate
from postmuster.mail.authentication_results import AuthenticationResults, read_results
from postmuster.mail.decoding import decode_text
from postmuster.mail.dkim_check import Signatures
from postmuster.mail.dkim_key import Keys
from postmuster.mail.message import parse
from postmuster.mail.signed_mail import SignedMail

Case = tuple[str, dict[str, Any], bytes]


@pytest.fixture(scope="module")
def cases(corpora: Path) -> list[Case]:
    found = list(_cases(corpora / "dev" / "authres"))
    if not found:
        pytest.skip("no signed mails and fields among the corpora")
    return found


def _cases(folder: Path) -> Iterator[Case]:
    for index in sorted(folder.glob("*/index.json")):
        for name, entry in json.loads(index.read_text("utf-8")).items():
            entry["key"] = _key(index.parent, entry)
            yield f"{index.parent.name}/{name}", entry, (index.parent / entry["file"]).read_bytes()


def _key(folder: Path, entry: dict[str, Any]) -> str | None:
    named = (entry.get("extra_files") or {}).get("pub")
    if not named:
        return None
    inner = "".join(
        line for line in (folder / named).read_text("ascii").splitlines() if line and not line.startswith("--")
    )
    return f"v=DKIM1; k=rsa; p={inner}"


def _fields(cases: list[Case]) -> Iterator[tuple[str, Any, AuthenticationResults | None]]:
    for name, entry, raw in cases:
        if entry["kind"] == "authentication_results_header":
            field = decode_text(raw, None)[0].partition(":")[2]
            yield name, entry["expected"], read_results(re.sub(r"\r?\n(?=[ \t])", "", field).strip())


def test_fields_are_read_as_other_readers_read_them(cases: list[Case]) -> None:
    seen = []
    for name, wanted, found in _fields(cases):
        if "office365" in json.dumps(wanted):
            assert found is None, name
            continue
        assert found is not None, name
        shown = _shown(found)
        seen += [(name, path) for path, value in _stated(wanted).items() if shown.get(path) != value]
    assert seen == []
    assert len(list(_fields(cases))) > 10


def _stated(wanted: dict[str, Any]) -> dict[str, str]:
    """What a case states, one value a path, in whichever of two forms its project has."""
    flat = {
        path: value
        for path, value in wanted.get("checks", {}).items()
        if re.search(r"(?:_id|method|result|value|type|name)$", path)
    }
    for key in ("authserv_id", "instance"):
        if key in wanted:
            flat[key] = str(wanted[key])
    for number, result in enumerate(wanted.get("results", [])):
        flat |= {f"results[{number}].{key}": result[key] for key in ("method", "result")}
        for place, each in enumerate(result.get("properties", [])):
            at = f"results[{number}].properties[{place}]"
            flat |= {f"{at}.type": each["ptype"], f"{at}.name": each["property"], f"{at}.value": each["value"]}
    return flat


def _shown(found: AuthenticationResults) -> dict[str, str]:
    flat = {"authserv_id": found.authserv_id, "instance": str(found.instance)}
    for number, result in enumerate(found.results):
        flat |= {f"results[{number}].method": result.method, f"results[{number}].result": result.result}
        named = [(name, value) for name, value in result.properties.items() if "." in name]
        for place, (name, value) in enumerate(named):
            at = f"results[{number}].properties[{place}]"
            kind, _, own = name.partition(".")
            flat |= {f"{at}.type": kind, f"{at}.name": own, f"{at}.value": value}
    return flat


def _signed(cases: list[Case]) -> Iterator[tuple[str, bool, bytes, Any]]:
    for name, entry, raw in cases:
        if entry["kind"].startswith("dkim") and "dkim_valid" in entry["expected"]:
            records, key = entry.get("dns", {}), entry["key"]

            def txt(asked: str, records: dict[str, str] = records, key: str | None = key) -> str | None:
                return records.get(f"{asked}.", key) if "_domainkey" in asked else None

            yield name, entry["expected"]["dkim_valid"], raw, txt


def test_signatures_hold_where_they_have_to_and_nowhere_else(cases: list[Case]) -> None:
    seen = 0
    for name, valid, raw, txt in _signed(cases):
        found = authenticate(raw, parse(raw), txt=txt)
        assert (found.dkim == "pass", found.grade is Grade.A) == (valid, valid), (name, found)
        seen += 1
    assert seen >= 4


def test_of_two_kinds_of_signature_each_holds(cases: list[Case]) -> None:
    both = 0
    for _, valid, raw, txt in _signed(cases):
        found = Signatures(SignedMail(raw), Keys(txt)).verify("football.example.com", lambda _: False)
        if valid and len(found) > 1:
            both += 1
            assert all(each.trouble is None for each in found)
    assert both >= 1


def test_both_forms_of_a_body_are_those_that_other_programs_make(cases: list[Case], corpora: Path) -> None:
    seen = 0
    for name, entry, raw in cases:
        if entry["kind"] != "dkim_canonicalization" or not raw:
            continue
        for form in ("simple", "relaxed"):
            wanted = (
                corpora / "dev" / "authres" / name.partition("/")[0] / entry["extra_files"][f"{form}.expected"]
            ).read_bytes()
            body = wanted.partition(b"\r\n\r\n")[2]
            length, _ = SignedMail(raw).body(relaxed=form == "relaxed")
            assert length == len(body), (name, form)
            seen += 1
    assert seen >= 10


def test_keys_are_written_in_base64(cases: list[Case]) -> None:
    keys = [entry["key"] for _, entry, _ in cases if entry["key"]]
    assert all(base64.b64decode(key.partition("p=")[2]) for key in keys)
