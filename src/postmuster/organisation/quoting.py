"""Quoting: how a mail program puts the mail it answers below (or above) the new text.

What for: our own words come back in most replies, in some twenty dresses. Two families: a line that says who wrote
when, with the text prefixed by `>` or in a blockquote; and a block of header lines, with the text unmarked below it.

Promises: pure; the same mail, program and language give the same text.
Sources: the forms are those of the programs named; RFC 3676 §4.5 for `>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape

from postmuster.organisation.encoding import wrapped
from postmuster.organisation.received import ReceivedMail
from postmuster.organisation.wording import Wording

MUTT = "On {weekday}, {month} {day2}, {year} at {hour2}:{minute}:{second}{ampm} {offset}, {name} wrote:"
RULE = "_" * 32
QUOTE_COLUMNS = 76
PREFIXED = frozenset({"gmail", "apple", "thunderbird", "yahoo", "roundcube", "evolution", "mutt"})


@dataclass(frozen=True, slots=True)
class Quote:
    """A quoted mail: `head` introduces it, `lines` is the text as quoted, `html` both in HTML."""

    head: str
    lines: tuple[str, ...]
    html: str

    def text(self) -> str:
        """Head and lines as one text."""
        return f"{self.head}\n{chr(10).join(self.lines)}"


def quote(form: str, mail: ReceivedMail, language: Wording, moment: datetime, *, with_html: bool) -> Quote:
    """Quote `mail` in the `form` of a mail program; `moment` is its date where the reader lives."""
    if form in PREFIXED:
        pattern = MUTT if form == "mutt" else language.wrote[form]
        head = pattern.format(name=mail.from_name, address=mail.from_address, **language.moment(moment))
        lines = [f"> {part}" for line in mail.text.split("\n") for part in wrapped(line.rstrip(), QUOTE_COLUMNS)]
        body = _html_prefixed(form, head, mail) if with_html else ""
        # Thunderbird and Apple leave a line free below the head.
        return Quote(head if form != "apple" else f"{head}\n", tuple(line.rstrip() for line in lines), body)
    rows = _rows(form, mail, language, moment)
    head = "\n".join([*_rule(form, language, mail), *(f"{label}: {value}" for label, value in rows), ""])
    body = _html_block(form, rows, language, mail) if with_html else ""
    return Quote(head, tuple(mail.text.split("\n")), body)


def forward(mail: ReceivedMail, language: Wording, moment: datetime) -> str:
    """Write the head and text of a mail somebody forwarded, as it stands in the colleague's mailbox."""
    rows = _rows("phone", mail, language, moment)
    return "\n".join([language.original["forwarded"], *(f"{label}: {value}" for label, value in rows), "", mail.text])


def _rows(form: str, mail: ReceivedMail, language: Wording, moment: datetime) -> list[tuple[str, str]]:
    labels = language.labels
    sender = f"{mail.from_name} <{mail.from_address}>"
    when = language.long_date.format(**language.moment(moment))
    if form in {"phone", "notes"}:
        date = f"{moment:%d/%m/%y %H:%M} (GMT{moment:%z})" if form == "phone" else f"{moment:%d.%m.%Y %H:%M}"
        rows = [("from", sender), ("date", date), ("to", mail.to), ("subject", mail.subject)]
    else:
        rows = [("from", sender), ("sent", when), ("to", mail.to), ("subject", mail.subject)]
    return [(labels[name], value) for name, value in rows]


def _rule(form: str, language: Wording, mail: ReceivedMail) -> list[str]:
    if form == "outlook_web":
        return [RULE]
    if form == "notes":
        return [language.original["notes"].format(name=mail.from_name, address=mail.from_address)]
    named = {"outlook_classic": "outlook", "phone": "phone", "zimbra": "zimbra"}.get(form)
    return [language.original[named]] if named else []


def _html_prefixed(form: str, head: str, mail: ReceivedMail) -> str:
    said = escape(head)
    if form == "gmail":
        return (
            f'<br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{said}<br></div>'
            f'<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);'
            f'padding-left:1ex">{mail.html}</blockquote></div>'
        )
    if form == "apple":
        return (
            f'<div><br><blockquote type="cite"><div>{said}</div><br class="Apple-interchange-newline">'
            f"<div>{mail.html}</div></blockquote></div><br>"
        )
    if form == "yahoo":
        return (
            f'<div id="yahoo_quoted_0000000001" class="yahoo_quoted"><div style="font-size:13px;color:#26282a;">'
            f"<div>{said}</div><div><br></div><div>{mail.html}</div></div></div>"
        )
    return (
        f'<div class="moz-cite-prefix">{said}<br></div>'
        f'<blockquote type="cite" cite="mid:{escape(mail.message_id.strip("<>"))}">{mail.html}</blockquote>'
    )


def _html_block(form: str, rows: list[tuple[str, str]], language: Wording, mail: ReceivedMail) -> str:
    lines = "<br>\n".join(f"<b>{label}:</b> {escape(value)}" for label, value in rows)
    if form == "outlook":
        return (
            '<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in">'
            f'<p class="MsoNormal">{lines}<o:p></o:p></p></div></div><p class="MsoNormal"><o:p>&nbsp;</o:p></p>{mail.html}'
        )
    if form == "outlook_web":
        return (
            '<hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">'
            f'<font face="Calibri, sans-serif" style="font-size:11pt" color="#000000">{lines}</font><div>&nbsp;</div></div>'
            f"<div>{mail.html}</div>"
        )
    if form == "zimbra":
        return (
            f'<hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__">{lines}</div>'
            f'<div data-marker="__QUOTED_TEXT__">{mail.html}</div>'
        )
    if form == "notes":
        rule = escape(_rule(form, language, mail)[0])
        return f'<br><br><font size=2 color="#990099">{rule}<br>{lines}</font><br><br>{mail.html}'
    rule = "".join(f"<div>{escape(line)}</div>" for line in _rule(form, language, mail))
    return f'<div><br></div>{rule}<div style="font-size:100%;color:#000000;">{lines}</div><div><br></div>{mail.html}'
