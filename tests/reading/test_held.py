"""Attachments are held: named and measured, and nothing looks into them."""

from __future__ import annotations

import ast
import io
import json
import zipfile
from email.message import EmailMessage
from pathlib import Path

import postmuster
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.reading import as_json, read

HOUSE = Path(postmuster.__file__).parent
# Modules that unpack or run what they are given.
UNPACKERS = frozenset(
    {
        "zipfile",
        "tarfile",
        "gzip",
        "bz2",
        "lzma",
        "zlib",
        "shutil",
        "pickle",
        "marshal",
        "subprocess",
        "tempfile",
        "xml",
        "csv",
    }
)
MAY_UNPACK = {
    "mail/cms.py": "zlib"
}  # the compressed form of a signed mail is the mail itself, and counted against its limit

MARKED = "SECRET//NOFORN\nmine is 219-09-9999, password: hunter2x, https://evil.example/\nResign\n"


def _mail(attach: dict[str, object], content: bytes | str) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "jane@example.org", "Re: An offer"
    message.set_content("I have a form for you.\n")
    message.add_attachment(content, **attach)
    return message.as_bytes()


def _is_held(raw: bytes) -> None:
    shown = as_json(read(raw, ask=Ask(AskType.ELECTION, ("Resign",), None)))
    assert [(each["held"], each["size_octets"] > 0) for each in shown["attachments"]] == [(True, True)]
    assert (shown["markings"], shown["personal"], shown["secrets"], shown["links"]) == ([], [], [], [])
    assert shown["answer"]["type"] != "election"
    assert "219-09" not in json.dumps(shown)
    assert "NOFORN" not in json.dumps(shown)


def test_a_text_that_is_attached_is_not_read() -> None:
    _is_held(_mail({"filename": "notes.txt"}, MARKED))


def test_a_page_that_is_attached_is_not_read() -> None:
    _is_held(_mail({"subtype": "html", "filename": "notes.html"}, f"<p>{MARKED}</p>"))


def test_an_archive_is_not_opened() -> None:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        archive.writestr("notes.txt", MARKED)
    _is_held(_mail({"maintype": "application", "subtype": "zip", "filename": "notes.zip"}, octets.getvalue()))


def test_a_form_that_is_attached_is_not_opened() -> None:
    _is_held(
        _mail({"maintype": "application", "subtype": "pdf", "filename": "form.pdf"}, b"%PDF-1.4\n" + MARKED.encode())
    )


def test_nothing_that_reads_mail_can_unpack_or_run_a_file() -> None:
    found = {}
    for path in sorted([*HOUSE.glob("mail/**/*.py"), *HOUSE.glob("reading/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                if name.partition(".")[0] in UNPACKERS:
                    found[str(path.relative_to(HOUSE))] = name
    assert found == MAY_UNPACK
