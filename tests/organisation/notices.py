"""Notices as the organisation would receive them, written by hand so that nothing of the sender's is needed."""

from __future__ import annotations

import base64
import quopri
from datetime import datetime
from email.utils import format_datetime

from postmuster.organisation.correspondence import field_address
from postmuster.organisation.mailboxes import MailboxKind
from postmuster.organisation.people import Person
from postmuster.organisation.world import World

LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
TEXTS = {
    "en": "Dear {name},\n\nplease reply to this message. What you have to write stands below.\n\nReply with YES.\n\n"
    "It is voluntary; silence means nothing.\n\nOffice of Notices",
    "de": "Guten Tag {name},\n\nbitte antworten Sie auf diese Nachricht. Für Rückfragen: die Geschäftsstelle.\n\n"
    "Antworten Sie mit JA.\n\nDie Teilnahme ist freiwillig; Schweigen bedeutet nichts.\n\nAmt für Mitteilungen",
    "zh": "{name}：\n\n请回复此邮件。\n\n请回复“是”。\n\n自愿参加。\n\n通知办公室",
}


def reply_address(notice_no: int, number: int) -> str:
    """Write a reply address with a token of 39 letters."""
    value = notice_no * 1_000_003 + number * 7_919
    token = "".join(LETTERS[(value >> (5 * (at % 8))) + at & 31] for at in range(39))
    return f"reply+{token}@survey.example"


def notice_mail(notice_no: int, person: Person, at: datetime, *, round_no: int = 1) -> bytes:
    """Write the mail of a notice to one person: text and HTML, in quoted-printable."""
    text = TEXTS.get(person.language, TEXTS["en"]).format(name=person.name)
    page = f"<html><body><p>{text.replace(chr(10) * 2, '</p><p>')}</p></body></html>\n"
    parts = "".join(
        f"--bnd\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        + quopri.encodestring(body.encode()).decode().replace("\n", "\r\n")
        + "\r\n"
        for kind, body in (("plain", text), ("html", page))
    )
    subject = base64.b64encode("Mitteilung für alle / Notice to all".encode()).decode()
    return (
        f"From: Office of Notices <notices@survey.example>\r\nTo: {field_address(person)}\r\n"
        f"Subject: =?utf-8?B?{subject}?=\r\nDate: {format_datetime(at)}\r\n"
        f"Message-ID: <n{notice_no}.r{round_no}.s{person.number}.aaaabbbbccccdddd@survey.example>\r\n"
        f"Reply-To: <{reply_address(notice_no, person.number)}>\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/alternative; boundary="bnd"\r\n\r\n{parts}--bnd--\r\n'
    ).encode()


def reach_everyone(
    world: World, notice_no: int, at: datetime, *, round_no: int = 1, wants_success: bool = False
) -> int:
    """Put the mail of a notice before everyone whose mailbox takes mail in the end; returns how many."""
    never = {MailboxKind.UNKNOWN, MailboxKind.FULL, MailboxKind.POLICY}
    reached = 0
    for person in world.people:
        if world.mailbox_kind(person) in never:
            continue
        reached += 1
        world.post.accept(
            reverse_path=f"b-n{notice_no}-{reply_address(notice_no, person.number)[6:]}",
            octets=notice_mail(notice_no, person, at, round_no=round_no),
            recipients=[(person.number, person.language)],
            wants_success=wants_success,
        )
    return reached
