"""Turn the octets of a mail into words: charsets, transfer encodings, encoded words, parameters, flowed text.

What for: `mail.message` walks the tree, this module reads what hangs on it. Each function takes whatever it is given,
returns the best reading there is, and never raises; a trouble worth knowing comes back as a defect (a short fixed
phrase, never the mail's own words).

Every function is linear in its input. Patterns use possessive quantifiers where a plain one could run back.

Sources: RFC 2045 §6 (encodings), RFC 2047 (encoded words), RFC 2231 (parameters), RFC 3676 (flowed), WHATWG Encoding
(labels).
"""

from __future__ import annotations

import binascii
import codecs
import re
from functools import lru_cache

MAX_PARAMETERS = 100  # per field; a real one has under ten (own corpora, largest: 7)
MAX_SAMPLE_CHARS = 4_096  # ours: of a text whose label is doubted
MIN_WIDE_CHARS = 4  # ours: fewer say nothing for sure
MAX_CHARSET_CHARS = 40  # RFC 2978 §2.3 allows 40

# Two octets or a shift state make one character here: such text can look like valid UTF-8 by accident, so the label goes first.
_LABEL_FIRST = re.compile(
    r"(?:x-)?+(?:iso-?2022|hz|utf-?7|unicode-1|utf-?16|utf-?32|gb|big5|shift|sjis|ms932|windows-31j|cp9|euc|johab|ks_c)"
)
_LABELS = {
    "iso-8859-1": "windows-1252", "us-ascii": "windows-1252", "ascii": "windows-1252", "latin1": "windows-1252",
    "gb2312": "gb18030", "gbk": "gb18030", "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "shift_jis": "cp932",
    "windows-31j": "cp932", "iso-2022-jp": "iso2022_jp_ext", "iso-8859-8-i": "iso-8859-8", "iso-8859-9": "windows-1254",
    "x-sjis": "cp932", "x-gbk": "gb18030", "x-euc-jp": "euc-jp", "x-windows-949": "cp949", "unicode-1-1-utf-7": "utf-7",
    "windows-874": "cp874", "x-mac-roman": "mac-roman", "macintosh": "mac-roman", "utf8mb4": "utf-8",
}  # fmt: skip
# Python codecs that are no charsets of mail, or that cost more than linear time (punycode).
_NO_CHARSETS = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "unicode_internal", "mbcs", "oem"}
)
_CHARSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,39}\Z")


@lru_cache(maxsize=256)
def _codec(label: str) -> str | None:
    name = _LABELS.get(label, label)
    if not _CHARSET.match(name):
        return None
    try:
        info = codecs.lookup(name)
        if info.name.replace("-", "_") in _NO_CHARSETS:
            return None
        b"four".decode(name, "replace")  # codecs that make octets from octets refuse; of nothing at all they would not
    except (LookupError, ValueError, UnicodeError):
        return None
    return info.name


def decode_text(content: bytes, charset: str | None) -> tuple[str, str | None]:
    """Decode a body or a header line. Returns the text and a defect or None. Never raises.

    UTF-8 goes first, because what is valid UTF-8 beyond ASCII is hardly ever anything else; the label next; Windows-1252 last.
    Charsets of several octets a character and those with shift states keep their label's word.
    """
    label = charset.strip().lower() if charset else ""
    if label and _LABEL_FIRST.match(label):
        codec = _codec(label)
        if codec is not None and not _surely_utf8(content):
            try:
                text = content.decode(codec)
                return text.encode("utf-8", "replace").decode("utf-8"), None  # UTF-7 can spell half a surrogate pair
            except UnicodeError:
                pass
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError:
        pass
    codec = _codec(label) if label else None
    if codec is not None and codec != "utf-8":
        try:
            return content.decode(codec), None
        except UnicodeError:
            return content.decode(codec, "replace"), "octets do not fit the charset"
    if label == "utf-8" or not label:
        defect = "octets do not fit the charset" if label else "charset missing"
    else:
        defect = "charset unknown"
    if label == "utf-8" and _mostly_utf8(content):
        return content.decode("utf-8", "replace"), defect
    return content.decode("windows-1252", "replace"), defect


def _surely_utf8(content: bytes) -> bool:
    """Whether octets under another East Asian label are UTF-8: several characters of three octets and none of two.

    Text in GB 18030, Big5, Shift_JIS or EUC that is valid UTF-8 by accident has pairs of octets in it.
    """
    if content.isascii():
        return False
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    wide = [char for char in text[:MAX_SAMPLE_CHARS] if char > "\x7f"]
    return len(wide) >= MIN_WIDE_CHARS and min(wide) > "\u07ff"


def _mostly_utf8(content: bytes) -> bool:
    # A mail cut in the middle of a character, or with one wrong octet, stays UTF-8; one in Latin-1 under a wrong label does not.
    sample = content[:65_536].decode("utf-8", "replace")
    wrong = sample.count("\ufffd")
    right = sum(1 for char in sample if char > "\x7f") - wrong
    return right > wrong


# A question mark within Q, which many programs forget to encode, does not end the word; the beginning of another does.
_ENCODED_WORD = re.compile(
    r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?=]*+(?:(?:=(?!\?[^=])|\?(?!=))[^?=]*+)*+)\?="
)


def _word_octets(encoding: str, text: str) -> bytes:
    if encoding in "bB":
        return decode_base64(text.encode("ascii", "ignore"))[0]
    return binascii.a2b_qp(text.encode("utf-8", "replace"), header=True)


def decode_words(value: str) -> str:
    """Decode the encoded words in a header value; what cannot be decoded stays as it is. Never raises. Source: RFC 2047 §6."""
    if "=?" not in value:
        return value
    words = list(_ENCODED_WORD.finditer(value))
    if not words:
        return value
    out, end = [], 0
    pending, charset = bytearray(), ""
    for word in words:
        gap = value[end : word.start()]
        label = word[1].lower()
        # Words that follow each other with only white space between are one run; a character may be cut across two of them.
        if pending and (gap.strip() or label != charset):
            out.append(decode_text(bytes(pending), charset)[0])
            pending.clear()
        if gap.strip() or not end:
            out.append(gap)
        pending += _word_octets(word[2], word[3])
        charset, end = label, word.end()
    out.append(decode_text(bytes(pending), charset)[0])
    out.append(value[end:])
    return "".join(out).replace("\x00", "").replace("\r", "").replace("\n", " ")


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]++")


def decode_base64(content: bytes) -> tuple[bytes, str | None]:
    """Decode base64, skipping what is not of its alphabet. Returns the octets and a defect or None. Never raises.

    Source: RFC 2045 §6.8. Several padded runs behind each other are all decoded: nothing can hide behind a pad.
    """
    pad = content.find(b"=")
    if pad < 0 or not content[pad : pad + 64].strip(b"=\r\n\t "):
        try:
            return binascii.a2b_base64(content), None
        except binascii.Error:
            return _decode_quads(content), "base64 cut short"
    runs = [run for run in content.split(b"=", 1000) if run.strip()]
    return b"".join(map(_decode_quads, runs)), "base64 in several runs"


def _decode_quads(content: bytes) -> bytes:
    letters = _NOT_BASE64.sub(b"", content)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def decode_uu(content: bytes) -> tuple[bytes, str | None]:
    """Decode uuencoded lines between `begin` and `end`. Never raises. Source: POSIX uuencode."""
    out = []
    defect = None
    for line in content.split(b"\n"):
        if not line or line.startswith(b"begin "):
            continue
        if line.rstrip() in (b"end", b"`"):
            break
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            defect = "uuencode damaged"
    return b"".join(out), defect


def decode_transfer(content: bytes, encoding: str) -> tuple[bytes, str | None]:
    """Undo a Content-Transfer-Encoding. `content` has LF line ends. Returns the octets and a defect or None. Never raises.

    Source: RFC 2045 §6.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "7bit", "8bit", "binary"):
        return content, None
    if encoding == "quoted-printable":
        return binascii.a2b_qp(content), None
    if encoding == "base64":
        return decode_base64(content)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return decode_uu(content)
    word = encoding.split(";")[0].split()[0] if encoding.split(";")[0].split() else ""
    if word and word != encoding:
        return decode_transfer(content, word)
    return content, "transfer encoding unknown"


_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^;]*+))', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')  # other characters are never escaped: a backslash before one is a path of Windows
_NAMES = ("name", "filename")  # the parameters people's words stand in


def read_parameters(value: str) -> tuple[str, dict[str, str]]:
    """Split a field such as Content-Type into its lower-case value and its parameters (names lower-case). Never raises.

    Sources: RFC 2045 §5.1, RFC 2231 §3–4; encoded words within a value, which no standard allows, are decoded too.
    """
    head, semicolon, rest = value.partition(";")
    head = head.strip().lower()
    if not semicolon:
        return head, {}
    params: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(";" + rest)):
        if count >= MAX_PARAMETERS:
            break
        name = found[1].lower()
        quoted = found[2]
        text = found[3].strip().strip('"') if quoted is None else quoted
        if quoted is None:
            if "(" in text and not name.startswith(_NAMES):  # a comment behind a token. Source: RFC 2045 §5.1
                text = text.partition("(")[0].strip()
        elif "\\" in quoted:
            text = _ESCAPED.sub(r"\1", quoted)
        if "*" in name:
            _keep_piece(pieces, name, text)
        elif name not in params:
            params[name] = decode_words(text) if "=?" in text else text
    for base, numbered in pieces.items():
        params[base] = _join_pieces(numbered)
    return head, params


def _keep_piece(pieces: dict[str, dict[int, tuple[str, bool]]], name: str, text: str) -> None:
    base, _, tail = name.partition("*")
    encoded = name.endswith("*")
    number = tail.rstrip("*")
    # `filename*=` is the whole value; `filename*0*=`, `filename*1=` are pieces of it.
    position = int(number) if number.isascii() and number.isdigit() and len(number) <= 3 else 0
    pieces.setdefault(base, {}).setdefault(position, (text, encoded))


def _join_pieces(numbered: dict[int, tuple[str, bool]]) -> str:
    octets, charset, plain = b"", "", True
    for position in sorted(numbered):
        text, encoded = numbered[position]
        if not encoded:
            octets += text.encode("utf-8", "replace")
            continue
        if plain and text.count("'") >= 2 and not charset:
            charset, _, text = text.split("'", 2)
        plain = False
        octets += _percent_octets(text)
    return decode_words(decode_text(octets, charset[:MAX_CHARSET_CHARS])[0])


_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def _percent_octets(text: str) -> bytes:
    return _PERCENT.sub(lambda found: bytes((int(found[1], 16),)), text.encode("utf-8", "replace"))


def unfold_flowed(text: str, *, delete_space: bool) -> str:
    """Join the soft-broken lines of a format=flowed text; quote depth is kept as `>` marks. Source: RFC 3676 §4."""
    out: list[str] = []
    held: list[str] = []
    soft, depth = "", 0  # the line above when it ends with a space: whether it goes on here is for this line to say
    for line in text.split("\n"):
        first, here = line[:1], 0
        if first == ">":
            body = line.lstrip(">")
            here = len(line) - len(body)
            line = body[1:] if body[:1] == " " else body
        elif first == " ":
            line = line[1:]
        if soft:
            if here == depth:
                held.append(soft[:-1] if delete_space else soft)
            else:
                out.append(_flowed([*held, soft], depth))
                held = []
        if line[-1:] == " " and line != "-- ":
            soft, depth = line, here
            continue
        if held or here:
            out.append(_flowed([*held, line], here))
            held = []
        else:
            out.append(line)
        soft = ""
    if soft:
        out.append(_flowed([*held, soft], depth))
    return "\n".join(out)


def _flowed(pieces: list[str], depth: int) -> str:
    line = "".join(pieces)
    if not depth:
        return line
    return f"{'>' * depth} {line}" if line else ">" * depth
