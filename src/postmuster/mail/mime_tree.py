"""The MIME tree of a mail: which leaves it has, what they hold, and which of them are its text.

What for: `message.parse` walks here; everything else sees the finished `Message`.

Promises: never raises; linear in the octets for a depth of at most `Limits.depth`; nothing beyond `Limits` is read,
and a defect says so.

Sources: RFC 2045–2047 (MIME), RFC 2046 §5.1 (multiparts), RFC 2183 (disposition), RFC 3676 (flowed), RFC 6522
(reports), RFC 4155 (mbox).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postmuster.mail.decoding import decode_text, decode_transfer, read_parameters, unfold_flowed
from postmuster.mail.header_block import CHARSET_HINT, FieldIndex, index_fields, sound_lines, split_fields
from postmuster.mail.html_text import html_to_text

_BODY_TYPES = frozenset({"text/plain", "text/html"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one reading may cost."""

    size_octets: int = 64 * 1024 * 1024  # above what receivers take (RFC 1870 SIZE of large services: 25–50 MB)
    parts: int = 200  # leaves; the largest tree in the corpora has 26
    depth: int = 20  # multiparts within each other; the deepest in the corpora: 6
    header_octets: int = 256 * 1024  # one header block; RFC 5322 sets no limit, large receivers stop at 60 to 256 KB
    text_chars: int = 1_000_000  # text per leaf and in the whole; nobody answers in more


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


class MimeWalk:
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
        fields, clean = split_fields(block)
        if not clean:
            self.defects.append("header field malformed")
            block, used = sound_lines(block)
            fields, _ = split_fields(block)
            body = start + used if used < stop - start else body
        return fields, index_fields(fields), body

    def entity(self, index: FieldIndex, start: int, end: int, *, path: str, depth: int, default: str) -> list[int]:
        """Read the body of one entity; return the numbers of the leaves that are its text."""
        media_type, params = content_type(index, default)
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
            hint = CHARSET_HINT.search(content[:1024])
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


def content_type(index: FieldIndex, default: str) -> tuple[str, dict[str, str]]:
    """Return an entity's media type and its parameters."""
    found = index.get("content-type")
    if found is None:
        return default, {}
    media_type, params = read_parameters(found[0])
    if "/" not in media_type:
        # RFC 2045 §5.2: what cannot be read is plain text; `Content-Type: text` was common once.
        return "text/plain", params
    return media_type.split()[0], params


def _clean_name(name: str | None) -> str | None:
    if not name:
        return None
    return "".join(char for char in name if char.isprintable())[:255].strip() or None
