"""Programs: the mail programs of the organisation, and how each writes a reply.

What for: a reader of replies meets some twenty programs in nine languages: other fields, other Message-IDs, other
prefixes, text above or below or within the quoted mail, HTML alone or with text beside it, four transfer encodings,
phone signatures, name blocks.

Promises: pure; the same draft, program and throws give the same octets. Every mail parses with the standard library.
CRLF line ends.
Limits: the programs are modelled on what they are known to write, not byte for byte.
Sources: RFC 5322 §3.6 (fields), RFC 2046 §5.1.4 (alternative), RFC 3676 (flowed); the programs are in
`data/programs.toml`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from html import escape
from importlib import resources

from postmuster.organisation.dice import Dice
from postmuster.organisation.encoding import LOCAL_CHARSETS, encode_text, encoded_words, flowed, mailbox
from postmuster.organisation.quoting import PREFIXED, Quote, quote
from postmuster.organisation.received import ReceivedMail
from postmuster.organisation.wording import Wording

REFERENCES_KEPT = 20  # message identifiers; mail programs shorten long threads


@dataclass(frozen=True, slots=True)
class Program:
    """One mail program; the words are those of `data/programs.toml`."""

    name: str
    weight: int
    form: str
    transfer: str
    charset: str
    quote: str
    place: tuple[tuple[str, int], ...]
    prefix: str
    references: str
    message_id: str
    fields: tuple[str, ...]
    flowed: bool
    phone: str
    signature: bool
    name_block: bool
    html: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody writes: a text, a list with its kind of mark, a text. `ul` and `ol` are real lists where there is HTML."""

    before: str
    items: tuple[str, ...] = ()
    mark: str = ""
    after: str = ""

    def text(self) -> str:
        """Write it as plain text."""
        marks = {"1.": "{}. ", "1)": "{}) ", "ol": "{}. ", "ul": "* ", "": ""}
        mark = marks.get(self.mark, f"{self.mark} ")
        listed = [mark.format(number) + item for number, item in enumerate(self.items, 1)]
        return "\n".join(
            [*([self.before, ""] if self.before else []), *listed, *(["", self.after] if self.after else [])]
        ).strip("\n")


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything a program needs to write one reply. `at` is in the author's zone, addresses are as fields carry them."""

    name: str
    address: str
    domain: str
    title: str
    component: str
    language: Wording
    at: datetime
    said: Said
    mail: ReceivedMail
    to: str
    cc: tuple[str, ...] = ()
    subject: str = ""
    place: str = ""
    threaded: bool = True
    disclaimer: str = ""
    extra: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def programs() -> tuple[Program, ...]:
    """Read the mail programs."""
    text = (resources.files(__package__) / "data" / "programs.toml").read_text("utf-8")
    return tuple(
        Program(
            name=entry["name"],
            weight=entry["weight"],
            form=entry["form"],
            transfer=entry["transfer"],
            charset=entry["charset"],
            quote=entry["quote"],
            place=tuple(entry["place"].items()),
            prefix=entry["prefix"],
            references=entry["references"],
            message_id=entry["message_id"],
            fields=tuple(entry["fields"]),
            flowed=entry.get("flowed", False),
            phone=entry.get("phone", ""),
            signature=entry.get("signature", False),
            name_block=entry.get("name_block", False),
            html=_three(entry.get("html", ["", "", ""])),
        )
        for entry in tomllib.loads(text)["programs"]
    )


def choose_program(seed: int, number: int) -> Program:
    """Say which program a person uses: always the same one."""
    return Dice(seed, "program", number).weighted([(program, program.weight) for program in programs()])


def write_reply(program: Program, draft: Draft, dice: Dice) -> bytes:
    """Write a reply as the program does."""
    fields = reply_fields(program, draft, dice)
    place = draft.place or dice.weighted(program.place)
    moment = draft.mail.date.astimezone(draft.at.tzinfo)
    quoted = quote(program.quote, draft.mail, draft.language, moment, with_html=program.form != "text")
    content = _content(program, draft, quoted, place, dice.hexadecimal(24))
    head = "\n".join(fields).encode() + b"\n"
    return (head + content.encode("latin-1")).replace(b"\n", b"\r\n")


def message_id(pattern: str, domain: str, dice: Dice) -> str:
    """Write a fresh message identifier in a program's form, brackets included."""
    text = pattern.replace("{domain}", domain)
    uuid = dice.hexadecimal(32).upper()
    text = text.replace("{uuid}", f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}")
    for form, width in (("{h8}", 8), ("{h16}", 16), ("{h32}", 32)):
        while form in text:
            text = text.replace(form, dice.hexadecimal(width), 1)
    while "{d10}" in text:
        text = text.replace("{d10}", f"{10**9 + dice.below(9 * 10**9)}", 1)
    return f"<{text}>"


def reply_fields(program: Program, draft: Draft, dice: Dice) -> list[str]:
    """Write the header fields of a reply, without those of its content."""
    mail, prefix = draft.mail, program.prefix
    prefix = draft.language.prefixes["outlook"] if prefix == "outlook" else prefix
    again = mail.subject.lower().startswith(prefix.strip().lower())
    subject = draft.subject or (mail.subject if again else prefix + mail.subject)
    fields = [f"From: {mailbox(draft.name, draft.address)}", f"To: {mailbox(_shown(program, mail), draft.to)}"]
    if draft.cc:
        fields.append("Cc: " + ",\n ".join(draft.cc))
    fields.append(f"Subject: {encoded_words(subject)}")
    fields.append(f"Date: {format_datetime(draft.at)}")
    fields.append(f"Message-ID: {message_id(program.message_id, draft.domain, dice)}")
    if draft.threaded and mail.message_id:
        fields.append(f"In-Reply-To: {mail.message_id}")
        if program.references != "none":
            named = mail.references.split()[-REFERENCES_KEPT:] if program.references == "full" else [mail.message_id]
            fields.append("References: " + "\n ".join(named))
    names = {"{topic}": encoded_words(mail.subject), "{language}": draft.language.language, "{sender}": draft.address}
    own = [_filled(field, names, dice) for field in program.fields]
    if not any(field.lower().startswith("mime-version") for field in own):
        own.append("MIME-Version: 1.0")
    return [*fields, *own, *draft.extra]


def _shown(program: Program, mail: ReceivedMail) -> str:
    # Some programs keep the display name of the sender on Reply, some show the bare address.
    return mail.from_name if program.name not in {"mutt", "k9", "roundcube"} else ""


def _filled(field: str, names: dict[str, str], dice: Dice) -> str:
    for form, value in names.items():
        field = field.replace(form, value)
    for form, width in (("{h8}", 8), ("{h32}", 32)):
        while form in field:
            field = field.replace(form, dice.hexadecimal(width), 1)
    return field


def _three(lines: list[str]) -> tuple[str, str, str]:
    first, second, third = lines
    return first, second, third


def _content(program: Program, draft: Draft, quoted: Quote, place: str, boundary: str) -> str:
    local = LOCAL_CHARSETS.get(draft.language.language, "us-ascii")
    charset = local if program.charset == "local" else program.charset
    if program.form == "html":
        return encode_text(
            _page(program, draft, quoted, place), subtype="html", charset=charset, transfer=program.transfer
        )
    text = _plain(program, draft, quoted, place)
    text = flowed(text) if program.flowed else text
    plain = encode_text(text, subtype="plain", charset=charset, transfer=program.transfer, flowed=program.flowed)
    if program.form == "text":
        return plain
    page = encode_text(_page(program, draft, quoted, place), subtype="html", charset=charset, transfer=program.transfer)
    return (
        f'Content-Type: multipart/alternative; boundary="{boundary}"\n\n'
        f"--{boundary}\n{plain}\n--{boundary}\n{page}\n--{boundary}--\n"
    )


def _signature(program: Program, draft: Draft) -> list[str]:
    lines: list[str] = []
    if program.phone:
        lines += ["", draft.language.phone[program.phone]]
    if program.name_block and draft.title:
        lines += ["", draft.name, f"{draft.title} | {draft.component}", "Tel. 555-0142"]
    if program.signature and draft.title:
        lines += ["", "-- ", draft.name, draft.title]
    if draft.disclaimer == "own":
        lines += ["", draft.language.disclaimer]
    return lines


def _plain(program: Program, draft: Draft, quoted: Quote, place: str) -> str:
    own = "\n".join([draft.said.text(), *_signature(program, draft)])
    if place == "top":
        text = f"{own}\n\n{quoted.text()}"
    elif place == "bottom":
        text = f"{quoted.text()}\n\n{own}"
    elif place == "inline" and program.quote in PREFIXED:
        middle = _middle(quoted)
        end = "\n".join(_signature(program, draft))
        above, below = "\n".join(quoted.lines[:middle]), "\n".join(quoted.lines[middle:])
        text = f"{quoted.head}\n{above}\n\n{draft.said.text()}\n\n{below}\n{end}"
    else:
        text = own
    bottom = f"\n\n{draft.language.disclaimer}" if draft.disclaimer == "bottom" else ""
    return f"{text}{bottom}\n"


def _middle(quoted: Quote) -> int:
    """Find the end of the paragraph nearest to the middle of a quoted mail."""
    start = len(quoted.lines) // 2
    return next((at for at in range(start, len(quoted.lines)) if quoted.lines[at] == ">"), len(quoted.lines))


def _page(program: Program, draft: Draft, quoted: Quote, place: str) -> str:
    opening, line, closing = program.html
    own = "\n".join([*_html_said(line, draft.said), *(_html_line(line, text) for text in _signature(program, draft))])
    bottom = f"\n{_html_line(line, draft.language.disclaimer)}" if draft.disclaimer == "bottom" else ""
    if place == "bottom":
        return f"{opening}{quoted.html}\n{own}{bottom}{closing}\n"
    if place == "inline":
        middle = _middle(quoted)
        parts = [
            "<br>\n".join(escape(text.removeprefix(">").strip()) for text in some)
            for some in (quoted.lines[:middle], quoted.lines[middle:])
        ]
        said = "\n".join(_html_said(line, draft.said))
        return (
            f'{opening}<div>{escape(quoted.head.strip())}</div><blockquote type="cite">{parts[0]}</blockquote>\n{said}\n'
            f'<blockquote type="cite">{parts[1]}</blockquote>{bottom}{closing}\n'
        )
    if program.quote == "gmail" and place == "top":
        # Gmail closes the block of the own text before the quote.
        return f"{opening}{own}{closing}{quoted.html}{bottom}\n"
    return f"{opening}{own}{quoted.html if place == 'top' else ''}{bottom}{closing}\n"


def _html_line(line: str, text: str) -> str:
    return line.replace("{line}", escape(text, quote=False) if text.strip() else "<br>")


def _html_said(line: str, said: Said) -> list[str]:
    if said.mark not in {"ul", "ol"}:
        return [_html_line(line, text) for text in said.text().split("\n")]
    items = "".join(f"<li>{escape(item, quote=False)}</li>" for item in said.items)
    return [
        *(_html_line(line, text) for text in said.before.split("\n") if text),
        f"<{said.mark}>{items}</{said.mark}>",
        *(_html_line(line, text) for text in said.after.split("\n") if text),
    ]
