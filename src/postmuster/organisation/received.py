"""Received: the mail in somebody's mailbox, as a mail program sees it before Reply is pressed.

What for: a reply goes where Reply-To says, quotes the text, and names the message it answers. All of that comes from
the very mail that arrived, read by code that shares nothing with the sender's.

Promises: never raises on what a sender of notices can send; a missing field reads as empty.
Limits: reads the first text/plain and the first text/html part, five levels deep. About 0.05 ms a mail; the standard
library's parser takes four times that, and this is done for every answer.
Sources: RFC 5322 §2.2, §3.6 (fields), RFC 2047 (encoded words), RFC 2045 §6 (transfer encodings), RFC 2046 §5.1.1
(boundaries).
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import parseaddr, parsedate_to_datetime
from functools import lru_cache
from html import escape

BODY = re.compile(r"<body\b[^>]*>(.*)</body>", re.S | re.I)
FIELD_END = re.compile(r"\r\n(?![ \t])")
PARAMETER = {name: re.compile(rf'[;\s]{name}\s*=\s*(?:"([^"]+)"|([^\s;]+))', re.I) for name in ("boundary", "charset")}
BARE_ADDRESS = re.compile(r"<?([A-Za-z0-9.+_=-]+@[A-Za-z0-9.-]+)>?")
DEEPEST = 5


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """What a mail program shows of a mail. `text` and `html` are whole; `reply_address` is where a reply goes."""

    from_name: str
    from_address: str
    to: str
    reply_address: str
    subject: str
    date: datetime
    message_id: str
    references: str
    text: str
    html: str


def read_received(octets: bytes) -> ReceivedMail:
    """Read a mail as it lies in a mailbox."""
    fields, body = _split(octets)
    bodies: dict[str, str] = {}
    _collect(fields, body, bodies, DEEPEST)
    text, page = bodies.get("text/plain", "").strip("\n"), bodies.get("text/html", "")
    found = BODY.search(page)
    html = (found[1] if found else page).strip()
    name, address = _address(fields.get("from", ""))
    message_id = fields.get("message-id", "")
    return ReceivedMail(
        from_name=name or address,
        from_address=address,
        to=_decoded(fields.get("to", "")),
        reply_address=_address(fields.get("reply-to", ""))[1] or address,
        subject=_decoded(fields.get("subject", "")),
        date=_moment(fields.get("date", "")),
        message_id=message_id,
        references=f"{fields.get('references', '')} {message_id}".strip(),
        text=text,
        html=html or "<br>\n".join(escape(line) for line in text.split("\n")),
    )


def _split(octets: bytes) -> tuple[dict[str, str], bytes]:
    """Split a mail or part into its fields, the first of each name, and its body."""
    if octets.startswith(b"\r\n"):
        return {}, octets[2:]
    head, _, body = octets.partition(b"\r\n\r\n")
    fields: dict[str, str] = {}
    for field in FIELD_END.split(head.decode("utf-8", "replace")):
        name, _, value = field.partition(":")
        fields.setdefault(name.strip().lower(), " ".join(value.split()))
    return fields, body


def _collect(fields: dict[str, str], body: bytes, bodies: dict[str, str], depth: int) -> None:
    kind = fields.get("content-type", "text/plain")
    name = kind.partition(";")[0].strip().lower()
    if name.startswith("multipart/") and depth:
        boundary = _parameter(kind, "boundary").encode()
        for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:] if boundary else []:
            if not part.startswith(b"--"):
                _collect(*_split(part.lstrip(b" \t")[2:]), bodies, depth - 1)
    elif name not in bodies:
        bodies[name] = _text(fields, body)


def _text(fields: dict[str, str], body: bytes) -> str:
    transfer = fields.get("content-transfer-encoding", "").lower()
    with suppress(Error):
        body = a2b_base64(body) if transfer == "base64" else body
        body = a2b_qp(body) if transfer == "quoted-printable" else body
    try:
        text = body.decode(_parameter(fields.get("content-type", ""), "charset") or "utf-8", "replace")
    except LookupError:
        text = body.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def _parameter(value: str, name: str) -> str:
    found = PARAMETER[name].search(value)
    return (found[1] or found[2]) if found else ""


@lru_cache(maxsize=1024)
def _decoded(value: str) -> str:
    if "=?" in value:
        with suppress(HeaderParseError, LookupError, ValueError):
            value = str(make_header(decode_header(value)))
    return " ".join(value.split())


@lru_cache(maxsize=1024)
def _address(value: str) -> tuple[str, str]:
    bare = BARE_ADDRESS.fullmatch(value)
    if bare:
        return "", bare[1]
    name, address = parseaddr(value)
    return _decoded(name), address


@lru_cache(maxsize=1024)
def _moment(value: str) -> datetime:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return datetime(2000, 1, 1, tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
