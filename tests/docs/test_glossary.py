"""Every word that people meet has a line in the glossary."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from tests.docs.pages import HOUSE, modules, page

# Enumerations whose words no person meets, each with the reason; `module.Name` without `postmuster.`.
UNSEEN = {
    "cli.dns.Algorithm": "words of one option, listed in docs/commands.md",
    "cli.relay_config.Part": "words of one option, listed in docs/commands.md",
    "mail.address.AddressFault": "a reason in the rejects file, which has a sentence beside it",
    "mail.authentication_results.Result": "words of RFC 8601",
    "mail.cms.CmsKind": "inside the reader",
    "mail.dkim.SigningAlgorithm": "words of RFC 6376",
    "mail.lmtp.DeliveryReply": "what a dialog answers",
    "mail.message.Wrapping": "how a mail is wrapped, printed nowhere",
    "mail.reply_code.ReplyFault": "inside the dialog",
    "mail.report.ReportFormat": "inside the reader",
    "mail.smtp_events.EndReason": "inside the dialog",
    "mail.submission.Notify": "words of RFC 3461",
    "mail.submission.OutcomeKind": "inside the dialog; people see the delivery's state",
    "mail.submission.ReturnOf": "words of RFC 3461",
    "mail.submission.Stage": "inside the dialog",
    "mail.token.Purpose": "a part of what is signed",
    "mail.token.TokenFault": "a wrong token is counted, not described",
    "organisation.mailboxes.MailboxKind": "how the simulated servers behave",
    "organisation.truth.Outcome": "shown as right, to a person or wrong",
    "reading.ask.AskFault": "a whole sentence",
    "reading.personal_context.Context": "inside the reader",
    "reading.reading.FileKind": "by the file's name",
    "reading.sent_mail.SentFault": "a whole sentence",
    "roster.delta.Stage": "progress, in plain words",
    "roster.rejects.Reason": "a reason in the rejects file, which has a sentence beside it",
}


@cache
def _enumerations() -> dict[str, list[str]]:
    found = {}
    for path in modules():
        name = ".".join(path.relative_to(HOUSE).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(
                isinstance(b, ast.Name) and b.id == "StrEnum" for b in node.bases
            ):
                found[f"{name}.{node.name}"] = [
                    str(line.value.value)
                    for line in node.body
                    if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
                ]
    assert len(found) > 30
    return found


def _tables() -> list[str]:
    return sorted(
        table
        for path in HOUSE.glob("*/models.py")
        for table in re.findall(r'db_table = "(\w+)"', path.read_text(encoding="utf-8"))
    )


def _bullets() -> list[str]:
    return re.findall(r"^- (.*?)(?=^- |^$|^#|\Z)", page("docs/glossary.md").text, re.MULTILINE | re.DOTALL)


@cache
def _stored_words() -> set[str]:
    return {word for line in _bullets() for word in re.findall(r"`([^`\n]+)`", line)}


def _terms() -> set[str]:
    return {term.lower() for line in _bullets() for term in re.findall(r"\*\*([^*]+)\*\*", line)}


@pytest.mark.parametrize("name", sorted(set(_enumerations()) - set(UNSEEN)))
def test_every_word_of_the_enumeration_has_a_line(name: str) -> None:
    assert [word for word in _enumerations()[name] if word not in _stored_words()] == []


@pytest.mark.parametrize("table", _tables())
def test_every_table_has_a_line(table: str) -> None:
    assert table.partition("_")[2].replace("_", " ") in _terms()


def test_no_enumeration_is_left_out_that_is_not_there() -> None:
    assert set(UNSEEN) - set(_enumerations()) == set()


def test_a_word_without_a_line_is_found() -> None:
    assert "no such word" not in _stored_words() | _terms()
    assert {"feed", "reject", "kept", "shrinkage", "delta"} <= _terms()
