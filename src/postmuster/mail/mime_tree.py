"""The MIME tree of a mail: which leaves it has, what they hold, and which of them are its text.

What for: `message.parse` walks here; everything else sees the finished `Message`.

Promises: never raises; linear in the octets for a depth of at most `Limits.depth`; nothing beyond `Limits` is read,
and a defect says so.

Sources: RFC 2045–2047 (MIME), RFC 2046 §5.1 (multiparts), RFC 2183 (disposition), RFC 3676 (flowed), RFC 6522
(reports), RFC 4155 (mbox).
"""

from __future__ import annotations

from collections.abc import Mapping

from postmuster.mail.cms import CMS_TYPES, CmsKind, read_cms
from postmuster.mail.decoding import decode_text, decode_transfer, read_parameters, unfold_flowed
from postmuster.mail.header_block import (
    CHARSET_HINT,
    FieldIndex,
    index_fields,
    shorten_block,
    sound_lines,
    split_fields,
)
from postmuster.mail.html_text import read_html
from postmuster.mail.part import Limits, Part, Room, clean_name, enclosed
from postmuster.mail.pgp import unwrap_signed
from postmuster.mail.tnef import TNEF_SIGNATURE, TNEF_TYPES, read_tnef
from postmuster.mail.uuencode import EncodedFile, cut_encoded_files, name_of

_BODY_TYPES = frozenset({"text/plain", "text/html"})
_UUENCODED = ("x-uu", "uu")
_TOO_LONG = "text longer than the limit"
_GOES_ON = "\n…"  # ends a text of which the rest is not read, so that nobody takes it for all that was said


class MimeWalk:
    """One reading's state: the octets with LF line ends, the leaves so far, the defects so far."""

    __slots__ = ("cms", "defects", "limits", "octets", "parts", "room", "words_charset")

    def __init__(self, raw: bytes, limits: Limits) -> None:
        self.limits = limits
        self.room = Room(limits)
        self.parts: list[Part] = []
        self.defects: list[str] = []
        self.cms: CmsKind | None = None  # of the outermost S/MIME wrapper
        self.words_charset: str | None = None  # of the encoded words in the mail's own header
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

    def within(self, octets: bytes) -> MimeWalk:
        """Return a walk of a mail that is wrapped in this one; leaves, defects and limits are shared."""
        inner = MimeWalk(octets, self.limits)
        self.defects.extend(inner.defects)
        inner.room, inner.parts, inner.defects = self.room, self.parts, self.defects
        inner.words_charset = self.words_charset
        return inner

    def header(self, start: int, end: int) -> tuple[list[tuple[str, str]], FieldIndex, int]:
        """Read the header block at `start`; return its fields, their index and where the body begins."""
        octets, limit = self.octets, min(self.limits.header_octets, self.room.headers_octets)
        if octets.startswith(b"\n", start):
            return [], {}, start + 1
        stop = octets.find(b"\n\n", start, end)
        body = stop + 2
        if stop < 0:
            stop = body = end
        block = octets[start:stop]
        if len(block) > limit:
            self.defects.append("header longer than the limit")
            block = shorten_block(block, limit)
            stop = max(octets.rfind(b"\n", start, start + limit), start)
        self.room.headers_octets -= len(block)
        fields, clean = split_fields(block)
        if not clean:
            self.defects.append("header field malformed")
            block, used = sound_lines(octets[start:stop])
            fields, _ = split_fields(block)
            body = start + used if used < stop - start else body
        return fields, index_fields(fields), body

    def entity(self, index: FieldIndex, start: int, end: int, *, path: str, depth: int, default: str) -> list[int]:
        """Read the body of one entity; return the numbers of the leaves that are its text."""
        media_type, params = content_type(index, default)
        if not media_type.startswith("multipart/"):
            return self.leaf(index, start, end, media_type=media_type, params=params, path=path, depth=depth)
        if media_type == "multipart/encrypted":
            self.defects.append("encrypted with OpenPGP, not read")
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
            self.room.delimiters -= 1
            if self.room.delimiters < 0:
                self.defects.append("too many delimiter lines")
                break
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
        """Decode one leaf and keep it, or what is wrapped in it; return the numbers of those that are the mail's own text."""
        defects: list[str] = []
        content = self.octets[start:end]
        disposition, filename = None, None
        if "content-disposition" in index:
            disposition, details = read_parameters(index["content-disposition"][0])
            filename = details.get("filename")
        filename = filename or params.get("name")
        encoding = index.get("content-transfer-encoding")
        if encoding is not None and not media_type.startswith("multipart/"):
            if filename is None and encoding[0].lower().startswith(_UUENCODED):
                filename = name_of(content)
            content, defect = decode_transfer(content, encoding[0])
            if defect:
                defects.append(defect)
        filename = clean_name(filename)
        path = path or "1"
        if media_type in CMS_TYPES or (filename is not None and filename.lower().endswith(".p7m")):
            chosen = self.open_cms(content, defects, path=path, depth=depth)
            if chosen is not None:
                return chosen
        chosen = []
        if media_type in TNEF_TYPES or content.startswith(TNEF_SIGNATURE):
            is_empty, chosen = self.open_tnef(content, defects, path=path, depth=depth)
            if not is_empty and not defects:
                return chosen
        attached = (
            media_type not in _BODY_TYPES
            or disposition in ("attachment", "reaction")
            or (filename is not None and bool(self.parts))
        )
        charset = params.get("charset")
        text: str | None = None
        files: tuple[EncodedFile, ...] = ()
        if media_type.startswith("text/"):
            worded = content
            if media_type == "text/plain" and not attached and b"begin" in content:
                worded, files = cut_encoded_files(content, self.limits.parts)
            text = self.text_from(worded, charset, params, defects)
        number = self.keep(
            Part(
                media_type, params, charset.lower() if charset else None, disposition or None, filename, len(content), text,
                content, depth, path, tuple(defects), attached,
            )
        )  # fmt: skip
        if files:
            self.keep_files(files, path=path, depth=depth)
        return chosen if attached or number is None else [*chosen, number]

    def keep(self, part: Part) -> int | None:
        """Keep a leaf with its defects; return its number, None where there is no room for it."""
        self.defects.extend(part.defects)
        if len(self.parts) >= self.limits.parts:
            self.defects.append("too many parts")
            return None
        self.parts.append(part)
        return len(self.parts) - 1

    def keep_files(self, files: tuple[EncodedFile, ...], *, path: str, depth: int) -> None:
        """Keep files that stood uuencoded in a text; the path of each is the text's and its own number."""
        for number, file in enumerate(files, 1):
            defects = (file.defect,) if file.defect else ()
            self.keep(enclosed(clean_name(file.name), file.content, f"{path}:{number}", depth, defects))

    def open_cms(self, content: bytes, defects: list[str], *, path: str, depth: int) -> list[int] | None:
        """Read the mail in an S/MIME wrapper; None when it stays closed."""
        found = read_cms(content, self.room.decompressed_octets)
        if not self.parts and self.cms is None:
            self.cms = found.kind
        if found.kind is CmsKind.ENCRYPTED:
            defects.append("encrypted with S/MIME, not read")
        if found.defect:
            defects.append(found.defect)
        if not found.content:
            return None
        if found.kind is CmsKind.COMPRESSED:
            self.room.decompressed_octets -= len(found.content)
        self.room.unwrapped_octets -= len(found.content)
        if self.room.unwrapped_octets < 0:
            defects.append("wrapped mails longer than the limit")
            return None
        if depth >= self.limits.depth:
            defects.append("parts nested too deeply")
            return None
        self.defects.extend(defects)
        inner = self.within(found.content)
        _, index, body = inner.header(0, len(inner.octets))
        return inner.entity(index, body, len(inner.octets), path=f"{path}:1", depth=depth + 1, default="text/plain")

    def open_tnef(self, content: bytes, defects: list[str], *, path: str, depth: int) -> tuple[bool, list[int]]:
        """Keep what is in a winmail.dat; say whether that was nothing, and which of it is the mail's text."""
        found = read_tnef(content)
        defects.extend(found.defects)
        chosen: list[int] = []
        count = 0
        if not any(part.text and part.text.strip() for part in self.parts if not part.attached):
            for media_type, text in (("text/plain", found.text), ("text/html", found.html)):
                if text and text.strip() and not chosen:
                    count += 1
                    text = self.tidy(text, defects)
                    number = self.keep(
                        Part(media_type, {}, None, None, None, len(text), text, b"", depth, f"{path}:{count}", ())
                    )
                    chosen = [] if number is None else [number]
            if not chosen and found.has_rtf:
                defects.append("text only as RTF in winmail.dat, not read")
        for file in found.files[: self.limits.parts + 1]:
            count += 1
            self.keep(enclosed(clean_name(file.name), file.content, f"{path}:{count}", depth, (), file.media_type))
        return not count, chosen

    def text_from(self, content: bytes, charset: str | None, params: Mapping[str, str], defects: list[str]) -> str:
        """Read a text leaf: charset, line ends, soft breaks."""
        limit = min(self.limits.text_octets, self.room.texts_octets)
        is_cut = len(content) > limit
        if is_cut:
            content = content[:limit]
            defects.append(_TOO_LONG)
        self.room.texts_octets -= len(content)
        if charset is None and not content.isascii():
            hint = CHARSET_HINT.search(content[:1024])
            charset = hint[1].decode("ascii") if hint else None
        text, defect = decode_text(content, charset)
        if defect in ("charset missing", "charset unknown") and self.words_charset is not None:
            guess, fault = decode_text(content, self.words_charset)
            text = guess if fault is None else text
        if defect:
            defects.append(defect)
        text = self.tidy(text, defects)
        if params.get("format", "").lower() == "flowed":
            text = unfold_flowed(text, delete_space=params.get("delsp", "").lower() == "yes")
        text = text.removeprefix("\ufeff")
        return text + _GOES_ON if is_cut else text

    def tidy(self, text: str, defects: list[str]) -> str:
        """Make line ends LF and leave out what is no character of a text."""
        if len(text) > self.limits.text_octets:
            text = text[: self.limits.text_octets] + _GOES_ON
            defects.append(_TOO_LONG)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if "\x00" in text:
            defects.append("NUL in text")
            text = text.replace("\x00", "")
        return text

    def text_of(self, chosen: list[int]) -> tuple[str, str]:
        """Join the chosen leaves into the mail's text and name its source."""
        if not chosen:
            return "", "none"
        pieces, sources = [], []
        for number in chosen:
            part = self.parts[number]
            text = part.text or ""
            if part.media_type == "text/html":
                page = read_html(text, self.limits.text_chars)
                text = page.text
                if not page.is_whole or (_TOO_LONG in part.defects and not text.endswith(_GOES_ON)):
                    text += _GOES_ON
                if not page.is_whole:
                    self.defects.append("HTML longer than the limit")
            elif "-----BEGIN PGP" in text:
                text = unwrap_signed(text)
            pieces.append(text)
            sources.append("html" if part.media_type == "text/html" else "plain")
        text = pieces[0] if len(pieces) == 1 else "\n".join(pieces)
        if len(text) > self.limits.text_chars:
            text = text[: self.limits.text_chars] + _GOES_ON
            self.defects.append(_TOO_LONG)
        return text, "plain" if "plain" in sources else "html"


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
