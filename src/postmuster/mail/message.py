"""Read a mail: any octets in, one value out.

What for: everything that comes in (replies, reports, automatic answers, attacks) is read here once, and nowhere else.

Promises: `parse` never raises, whatever it is given, and works in time linear in the size and bounded by `Limits`; what is wrong with a
mail is a defect (a fixed phrase) on the value. LF, CRLF and lone CR line ends read the same. Nothing is fetched, nothing is executed.

Limits: one constant each in `Limits`; past one the reading goes on without the rest and says so in a defect.

How: an own reader over octets, standard decoders below it; docs/decisions/0002-mail-parser.md has the choice and its measurements.
Sources: RFC 5322 (fields), RFC 2045–2047 (MIME), RFC 2183 (disposition), RFC 2231, RFC 3676, RFC 7103 (what broken mail looks like).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from postmuster.mail.decoding import decode_text, decode_transfer, decode_words, read_parameters, unfold_flowed
from postmuster.mail.html_text import html_to_text

__all__ = ["Limits", "Message", "Part", "Wrapping", "decode_words", "parse"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one reading may cost."""

    size_octets: int = 64 * 1024 * 1024  # above what receivers take (RFC 1870 SIZE of large services: 25–50 MB)
    parts: int = 200  # leaves; the largest tree in the corpora has 26
    depth: int = 20  # multiparts within each other; the deepest in the corpora: 6
    header_octets: int = 256 * 1024  # one header block; RFC 5322 sets no limit, large receivers stop at 60 to 256 KB
    text_chars: int = 1_000_000  # text per leaf and in the whole; nobody answers in more


class Wrapping(StrEnum):
    """A cryptographic wrapper around the whole mail. Sources: RFC 8551 §3, RFC 3156."""

    SMIME_SIGNED = "smime-signed"
    SMIME_ENCRYPTED = "smime-encrypted"
    PGP_SIGNED = "pgp-signed"
    PGP_ENCRYPTED = "pgp-encrypted"


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of the MIME tree.

    `content` is the body with its transfer encoding undone (line ends LF), `text` its characters when the type is text/*.
    `attached` is true when the leaf is no part of what the author wrote in the mail itself. `path` is IMAP's numbering ("1.2").
    """

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
    attached: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A mail as read.

    `fields` keeps the header fields in order: unfolded, octets decoded, encoded words as they came (`decode_words` reads them).
    Message identifiers have no angle brackets. `date` always has a zone. `text` is the body as the author's mail program showed it:
    the text/plain leaves, the text of an HTML leaf where it has no plain alternative.
    """

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
    media_type: str = "text/plain"
    params: Mapping[str, str] = field(default_factory=dict)
    wrapping: Wrapping | None = None
    index: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    def field(self, name: str) -> str | None:
        """Return the top-most field of this name, whatever its case, or None."""
        found = self.index.get(name.lower())
        return found[0] if found else None

    def all(self, name: str) -> tuple[str, ...]:
        """Return every field of this name, top-most first."""
        return self.index.get(name.lower(), ())

    @property
    def attachments(self) -> tuple[Part, ...]:
        """The leaves that are not the mail's own text."""
        return tuple(part for part in self.parts if part.attached)


_IDENTIFIER = re.compile(r"<\s*+([^<>\s]{1,998})\s*+>")
_CHARSET_HINT = re.compile(rb"charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9._:+-]{1,40})", re.IGNORECASE)
_FIELD_START = re.compile(rb"[!-9;-~]{1,998}[ \t]{0,9}:")
_KNOWN_FIELDS = frozenset(
    [
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "message-id",
        "received",
        "return-path",
        "content-type",
        "mime-version",
        "reply-to",
        "sender",
        "in-reply-to",
        "references",
        "delivered-to",
        "authentication-results",
        "dkim-signature",
        "auto-submitted",
        "list-id",
    ]
)
_BODY_TYPES = frozenset({"text/plain", "text/html"})
_NUMBER_OF_MONTH = {
    m: n for n, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}


def parse(raw: bytes, limits: Limits = Limits()) -> Message:
    """Read one mail. `raw` may be anything. Never raises.

    Sources: RFC 5322, RFC 2045, RFC 7103.
    """
    walk = _Walk(raw, limits)
    fields, index, body = walk.header(0, len(walk.octets))
    media_type, params = _content_type(index, "text/plain")
    chosen = walk.entity(index, body, len(walk.octets), path="", depth=0, default="text/plain")
    text, source = walk.text_of(chosen)
    html = [
        part.text
        for part in walk.parts
        if part.media_type == "text/html" and part.text is not None and not part.attached
    ]
    get = index.get
    subject = get("subject", ("",))[0]
    own_id = _identifiers(get("message-id", ()))
    return Message(
        fields=tuple(fields),
        subject=decode_words(subject).strip() if "=?" in subject else subject,
        header_from=get("from", ("",))[0],
        message_id=own_id[0] if own_id else None,
        in_reply_to=_identifiers(get("in-reply-to", ())),
        references=_identifiers(get("references", ())),
        date=read_date(get("date", ("",))[0]),
        text=text,
        text_source=source,
        html="\n".join(html) if html else None,
        parts=tuple(walk.parts),
        defects=tuple(dict.fromkeys(walk.defects)),
        unreadable=_KNOWN_FIELDS.isdisjoint(index),
        media_type=media_type,
        params=params,
        wrapping=_wrapping(media_type, params, text),
        index=index,
    )


FieldIndex = dict[str, tuple[str, ...]]


class _Walk:
    """One reading's state: the octets with LF line ends, the leaves so far, the defects so far."""

    __slots__ = ("defects", "limits", "octets", "parts")

    def __init__(self, raw: bytes, limits: Limits) -> None:
        self.limits = limits
        self.parts: list[Part] = []
        self.defects: list[str] = []
        if len(raw) > limits.size_octets:
            raw = raw[: limits.size_octets]
            self.defects.append("longer than the size limit")
        octets = bytes(raw).replace(b"\r\n", b"\n")
        if b"\r" in octets[: limits.header_octets] and b"\n" not in octets[: limits.header_octets]:
            octets = octets.replace(b"\r", b"\n")
        octets = octets.lstrip(b"\n")
        if octets.startswith((b"From ", b">From ")):  # an mbox separator that was left on. Source: RFC 4155
            octets = octets[octets.find(b"\n") + 1 or len(octets) :]
        self.octets = octets

    def header(self, start: int, end: int) -> tuple[list[tuple[str, str]], FieldIndex, int]:
        """Read the header block at `start`; return its fields, their index and where the body begins."""
        octets, limit = self.octets, self.limits.header_octets
        if octets.startswith(b"\n", start):
            return [], {}, start + 1
        stop = octets.find(b"\n\n", start, end)
        body = stop + 2
        if stop < 0:
            stop = body = end
        if stop - start > limit:
            self.defects.append("header longer than the limit")
            stop = start + limit
        block = octets[start:stop]
        fields, clean = _fields(block)
        if not clean:
            self.defects.append("header field malformed")
            block, used = _sound_lines(block)
            fields, _ = _fields(block)
            body = start + used if used < stop - start else body
        index: dict[str, tuple[str, ...]] = {}
        for name, value in fields:
            key = name.lower()
            index[key] = (*index[key], value) if key in index and len(index[key]) < 1000 else (value,)
        return fields, index, body

    def entity(self, index: FieldIndex, start: int, end: int, *, path: str, depth: int, default: str) -> list[int]:
        """Read the body of one entity; return the numbers of the leaves that are its text."""
        media_type, params = _content_type(index, default)
        if not media_type.startswith("multipart/"):
            return self.leaf(index, start, end, media_type=media_type, params=params, path=path, depth=depth)
        boundary = params.get("boundary", "").rstrip()
        if depth >= self.limits.depth:
            self.defects.append("parts nested too deeply")
            return self.leaf(index, start, end, media_type=media_type, params=params, path=path, depth=depth)
        spans = self.split(boundary.encode("utf-8", "replace"), start, end) if boundary else []
        if not spans:
            self.defects.append("multipart without parts")
            return self.leaf(index, start, end, media_type="text/plain", params={}, path=path, depth=depth)
        child_default = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
        choices = []
        for number, (first, last) in enumerate(spans, 1):
            if len(self.parts) >= self.limits.parts:
                self.defects.append("too many parts")
                break
            _, child, body = self.header(first, last)
            inner = f"{path}.{number}" if path else str(number)
            choices.append(
                self.entity(child, min(body, last), last, path=inner, depth=depth + 1, default=child_default)
            )
        return self.choose(media_type, choices)

    def choose(self, media_type: str, choices: list[list[int]]) -> list[int]:
        """Say which leaves of a multipart are its text. Source: RFC 2046 §5.1.3–5.1.4, RFC 6522 §3 (report: the first part)."""
        if media_type == "multipart/report":
            return choices[0] if choices else []
        if media_type != "multipart/alternative":
            return [number for choice in choices for number in choice]
        worded = [choice for choice in choices if any((self.parts[n].text or "").strip() for n in choice)]
        plain = [choice for choice in worded if self.parts[choice[0]].media_type == "text/plain"]
        return (plain or worded or [[]])[0]

    def split(self, boundary: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Find the parts between delimiter lines. Source: RFC 2046 §5.1.1."""
        octets = self.octets
        needle = b"\n--" + boundary
        width = len(needle)
        spans: list[tuple[int, int]] = []
        opened = -1
        at = octets.find(needle, max(start - 1, 0), end)
        if start == 0 and octets.startswith(needle[1:]):
            at = -1  # cannot happen for a mail with a header; a part at octet 0 has none
        while at >= 0:
            line_end = octets.find(b"\n", at + width, end)
            line_end = end if line_end < 0 else line_end
            tail = octets[at + width : min(line_end, at + width + 200)].strip()
            if tail in (b"", b"--"):
                if opened >= 0:
                    spans.append((min(opened, at), at))
                    opened = -1
                if tail:
                    return spans
                if len(spans) > self.limits.parts:
                    self.defects.append("too many parts")
                    return spans
                opened = line_end + 1
                line_end = max(line_end, at + width)
                at = octets.find(needle, line_end, end)
            else:
                at = octets.find(needle, at + width, end)
        if opened >= 0:
            self.defects.append("multipart not closed")
            spans.append((min(opened, end), end))
        return spans

    def leaf(
        self, index: FieldIndex, start: int, end: int, *, media_type: str, params: dict[str, str], path: str, depth: int
    ) -> list[int]:
        """Decode one leaf and keep it; return its number when it is the mail's own text."""
        defects: list[str] = []
        content = self.octets[start:end]
        encoding = index.get("content-transfer-encoding")
        if encoding is not None and not media_type.startswith("multipart/"):
            content, defect = decode_transfer(content, encoding[0])
            if defect:
                defects.append(defect)
        disposition, filename = None, None
        if "content-disposition" in index:
            disposition, details = read_parameters(index["content-disposition"][0])
            filename = details.get("filename")
        filename = _clean_name(filename or params.get("name"))
        charset = params.get("charset")
        text = None
        if media_type.startswith("text/"):
            text = self.text_from(content, charset, params, defects)
        attached = (
            media_type not in _BODY_TYPES
            or disposition in ("attachment", "reaction")
            or (filename is not None and bool(self.parts))
        )
        self.defects.extend(defects)
        self.parts.append(
            Part(
                media_type, params, charset.lower() if charset else None, disposition or None, filename, len(content), text,
                content, depth, path or "1", tuple(defects), attached,
            )
        )  # fmt: skip
        return [] if attached else [len(self.parts) - 1]

    def text_from(self, content: bytes, charset: str | None, params: Mapping[str, str], defects: list[str]) -> str:
        """Read a text leaf: charset, line ends, soft breaks."""
        limit = self.limits.text_chars
        if len(content) > limit:
            content = content[:limit]
            defects.append("text longer than the limit")
        if charset is None and not content.isascii():
            hint = _CHARSET_HINT.search(content[:1024])
            charset = hint[1].decode("ascii") if hint else None
        text, defect = decode_text(content, charset)
        if defect:
            defects.append(defect)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if "\x00" in text:
            defects.append("NUL in text")
            text = text.replace("\x00", "")
        if params.get("format", "").lower() == "flowed":
            text = unfold_flowed(text, delete_space=params.get("delsp", "").lower() == "yes")
        return text.removeprefix("\ufeff")

    def text_of(self, chosen: list[int]) -> tuple[str, str]:
        """Join the chosen leaves into the mail's text and name its source."""
        if not chosen:
            return "", "none"
        pieces, sources = [], []
        for number in chosen:
            part = self.parts[number]
            text = part.text or ""
            if part.media_type == "text/html":
                text = html_to_text(text)
            pieces.append(text)
            sources.append("html" if part.media_type == "text/html" else "plain")
        text = pieces[0] if len(pieces) == 1 else "\n".join(pieces)
        return text[: self.limits.text_chars], "plain" if "plain" in sources else "html"


def _content_type(index: FieldIndex, default: str) -> tuple[str, dict[str, str]]:
    found = index.get("content-type")
    if found is None:
        return default, {}
    media_type, params = read_parameters(found[0])
    if "/" not in media_type:
        # RFC 2045 §5.2: what cannot be read is plain text; `Content-Type: text` was common once.
        return "text/plain", params
    return media_type.split()[0], params


def _fields(block: bytes) -> tuple[list[tuple[str, str]], bool]:
    """Split a header block. The second value is false when a line is neither a field nor its continuation."""
    unfolded = block.replace(b"\n ", b" ").replace(b"\n\t", b" ")
    try:
        lines = unfolded.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        hint = _CHARSET_HINT.search(unfolded)
        charset = hint[1].decode("ascii") if hint else None
        lines = [decode_text(line, charset)[0] for line in unfolded.split(b"\n")]
    fields, clean = [], True
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.rstrip()
        if colon and name and " " not in name and name.isascii():
            value = value.strip()
            fields.append((name, value.replace("\x00", "") if "\x00" in value else value))
        elif line:
            clean = False
    return fields, clean


def _sound_lines(block: bytes) -> tuple[bytes, int]:
    """Return the field lines of a block with junk in it, and how many of its octets are header.

    A junk line between fields is left out. Junk that no field follows is where a body begins without its blank line.
    """
    lines = block.split(b"\n")
    kept, at, junk_at, used = [], 0, -1, len(block)
    for number, line in enumerate(lines):
        follows = number + 1 < len(lines) and _FIELD_START.match(lines[number + 1])
        if _FIELD_START.match(line) or (kept and line.startswith((b" ", b"\t")) and junk_at < 0):
            kept.append(line)
            junk_at = -1
        elif follows:
            junk_at = at
        else:
            used = at
            break
        at += len(line) + 1
    return b"\n".join(kept), used


def _clean_name(name: str | None) -> str | None:
    if not name:
        return None
    return "".join(char for char in name if char.isprintable())[:255].strip() or None


def _identifiers(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        return ()
    value = values[0]
    found = _IDENTIFIER.findall(value)
    if not found and value:
        found = [word.strip("<>") for word in value.split()[:100] if "@" in word]
    return tuple(found)


_DATE = re.compile(r"(?:[A-Z][a-z]{2}, )?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")


def read_date(value: str) -> datetime | None:
    """Read a Date field; None when it says no time. A date without zone is taken as UTC. Never raises. Source: RFC 5322 §3.3."""
    value = value[:200]
    if not value:
        return None
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _wrapping(media_type: str, params: Mapping[str, str], text: str) -> Wrapping | None:
    if media_type == "multipart/signed":
        pgp = "pgp" in params.get("protocol", "").lower()
        return Wrapping.PGP_SIGNED if pgp else Wrapping.SMIME_SIGNED
    if media_type == "multipart/encrypted":
        return Wrapping.PGP_ENCRYPTED
    if media_type in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        signed = params.get("smime-type", "").lower() == "signed-data"
        return Wrapping.SMIME_SIGNED if signed else Wrapping.SMIME_ENCRYPTED
    start = text[:200].lstrip()
    if start.startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
        return Wrapping.PGP_SIGNED
    return Wrapping.PGP_ENCRYPTED if start.startswith("-----BEGIN PGP MESSAGE-----") else None
