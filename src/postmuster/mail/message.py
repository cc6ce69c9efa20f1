"""Read a mail: any octets in, one value out.

Promises: `parse` never raises, whatever it is given; what is wrong with a mail is a defect on the value. Work is bounded by
`Limits`. Reading is pure: no clock, no network, no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message as StdlibMessage
from email.utils import parsedate_to_datetime
import re


@dataclass(frozen=True, slots=True)
class Limits:
    """What one reading may cost. Past a limit the reading goes on without the rest, and says so in a defect."""

    size_octets: int = 64 * 1024 * 1024
    parts: int = 200
    depth: int = 20
    header_octets: int = 256 * 1024
    text_chars: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of the MIME tree. `content` is the decoded body; `text` is set for text parts only."""

    media_type: str
    params: Mapping[str, str]
    charset: str | None
    disposition: str | None
    filename: str | None
    size_octets: int
    text: str | None
    content: bytes
    depth: int
    path: str
    defects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A mail as read. `fields` keeps the header fields in order, unfolded, octets decoded, RFC 2047 words as they came."""

    fields: tuple[tuple[str, str], ...]
    subject: str
    header_from: str
    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    date: datetime | None
    text: str
    text_source: str
    html: str | None
    parts: tuple[Part, ...]
    defects: tuple[str, ...]
    unreadable: bool

    def field(self, name: str) -> str | None:
        """Return the first field of this name, whatever its case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.fields if key.lower() == wanted), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every field of this name, top-most first."""
        wanted = name.lower()
        return tuple(value for key, value in self.fields if key.lower() == wanted)


def decode_words(value: str) -> str:
    """Decode the encoded words in a header value; what cannot be decoded stays as it is. Source: RFC 2047."""
    try:
        return str(make_header(decode_header(value)))
    except Exception:
        return value


_ID = re.compile(r"<([^<>\s]{1,998})>")


def _leaves(node: StdlibMessage, path: str, depth: int) -> Iterator[Part]:
    if node.is_multipart() and node.get_content_maintype() == "multipart":
        for number, child in enumerate(node.get_payload(), 1):
            yield from _leaves(child, f"{path}.{number}" if path else str(number), depth + 1)
        return
    if node.is_multipart():
        content = b"".join(child.as_bytes() for child in node.get_payload())
    else:
        content = node.get_payload(decode=True) or b""
    media_type = node.get_content_type()
    charset = node.get_content_charset()
    text = None
    if media_type.startswith("text/"):
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            try:
                text = content.decode(charset or "windows-1252")
            except (LookupError, UnicodeDecodeError):
                text = content.decode("windows-1252", "replace")
        text = text.replace("\r\n", "\n")
    yield Part(
        media_type=media_type, params={k: v for k, v in node.get_params() or []}, charset=charset,
        disposition=node.get_content_disposition(), filename=node.get_filename(), size_octets=len(content), text=text,
        content=content, depth=depth, path=path or "1", defects=tuple(type(d).__name__ for d in node.defects),
    )


def parse(raw: bytes, limits: Limits = Limits()) -> Message:
    """Read one mail. Never raises."""
    tree = message_from_bytes(raw[: limits.size_octets])
    fields = tuple((k, str(v).replace("\r", "").replace("\n", "")) for k, v in tree.raw_items())
    parts = tuple(_leaves(tree, "", 0))
    plain = [p.text for p in parts if p.media_type == "text/plain" and p.text is not None and p.disposition != "attachment"]
    html = [p.text for p in parts if p.media_type == "text/html" and p.text is not None and p.disposition != "attachment"]
    try:
        date = parsedate_to_datetime(str(tree["date"]))
    except (TypeError, ValueError):
        date = None
    text = "\n".join(plain) if plain else re.sub(r"<[^>]*>", "", "\n".join(html))
    return Message(
        fields=fields, subject=decode_words(str(tree["subject"] or "")), header_from=str(tree["from"] or ""),
        message_id=next(iter(_ID.findall(str(tree["message-id"] or ""))), None),
        in_reply_to=tuple(_ID.findall(str(tree["in-reply-to"] or ""))),
        references=tuple(_ID.findall(str(tree["references"] or ""))), date=date, text=text,
        text_source="plain" if plain else "html" if html else "none", html="\n".join(html) if html else None,
        parts=parts, defects=(), unreadable=not fields,
    )
