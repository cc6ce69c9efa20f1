"""Mail in files: every octet as it is, nothing deleted, nothing read that is too large or no plain file."""

from __future__ import annotations

import mailbox
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postmuster.base.errors import Refused
from postmuster.inbound import mailboxes
from postmuster.inbound.header_envelope import with_envelope

MOST = 10_000
MAIL = b"From: ann@mail.example\nSubject: YES\n\nYES\n"
SEPARATOR = b"From ann@mail.example Mon Mar  1 10:00:00 2027\n"


def _read(path: Path, most: int = MOST) -> list[bytes | None]:
    return [one.octets for one in mailboxes.read_mailbox(path, most=most)]


# ---- mbox


def test_an_mbox_is_split_below_empty_lines_only(tmp_path: Path) -> None:
    first = MAIL + b"From here on I agree.\n>From there too.\n"
    (tmp_path / "box").write_bytes(SEPARATOR + first + b"\n" + SEPARATOR + MAIL + b"\n")
    assert _read(tmp_path / "box") == [first, MAIL]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_the_last_mail_of_an_mbox_may_lack_its_empty_line(tmp_path: Path, end: bytes) -> None:
    (tmp_path / "box").write_bytes(SEPARATOR + MAIL + b"\n" + SEPARATOR + MAIL + end)
    assert _read(tmp_path / "box") == [MAIL, MAIL]


def test_lines_ended_by_cr_lf_and_lines_without_end_are_kept(tmp_path: Path) -> None:
    windows = MAIL.replace(b"\n", b"\r\n")
    endless = b"Subject: long\n\n" + b"x" * 200_000 + b"From the middle\n"
    box = b"\r\n".join([SEPARATOR.rstrip() + b"\r\n" + windows, b""]) + SEPARATOR + endless
    (tmp_path / "box").write_bytes(box)
    assert _read(tmp_path / "box", most=300_000) == [windows, endless]


def test_a_mail_of_an_mbox_that_is_too_large_is_passed_over_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(SEPARATOR + MAIL + b"y" * 50_000 + b"\n\n" + SEPARATOR + MAIL + b"\n")
    assert _read(tmp_path / "box") == [None, MAIL]
    assert _read(tmp_path / "box", most=len(MAIL)) == [None, MAIL]
    assert _read(tmp_path / "box", most=len(MAIL) - 1) == [None, None]


def test_what_is_no_mailbox_or_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "note").write_bytes(b"Dear all\n")
    for name in ("note", "missing", "missing.eml"):
        with pytest.raises(Refused, match="run again"):
            _read(tmp_path / name)
    (tmp_path / "empty").touch()
    assert _read(tmp_path / "empty") == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.sampled_from([b"", b"Subject: x", b"a line", b">From x", b"\xff\x00", b"Fromage", b" From x"])),
        max_size=6,
    )
)
def test_what_a_mail_program_wrote_is_read_back(tmp_path: Path, mails: list[list[bytes]]) -> None:
    given_mails = [b"Subject: x\n\n" + b"".join(line + b"\n" for line in lines) for lines in mails]
    (tmp_path / "box").write_bytes(b"".join(SEPARATOR + mail + b"\n" for mail in given_mails))
    assert _read(tmp_path / "box") == given_mails


# ---- folders


def test_a_folder_gives_its_eml_files_and_those_below_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "b.eml").write_bytes(MAIL + b"b")
    (tmp_path / "below" / "a.eml").write_bytes(MAIL + b"a")
    (tmp_path / "notes.txt").write_bytes(b"x")
    (tmp_path / "large.eml").write_bytes(b"x" * (MOST + 1))
    os.mkfifo(tmp_path / "pipe.eml")
    assert _read(tmp_path) == [MAIL + b"b", MAIL + b"a", None]
    assert _read(tmp_path / "b.eml") == [MAIL + b"b"]


def _maildir(folder: Path, *mails: bytes) -> mailbox.Maildir:
    box = mailbox.Maildir(folder, create=True)
    for octets in mails:
        box.add(octets)
    return box


def test_a_maildir_gives_what_is_new_and_what_was_read(tmp_path: Path) -> None:
    _maildir(tmp_path / "box", MAIL + b"1", MAIL + b"2")
    [one, _] = mailboxes.waiting(tmp_path / "box")
    mailboxes.mark_taken(one)
    assert sorted(filter(None, _read(tmp_path / "box"))) == [MAIL + b"1", MAIL + b"2"]


def test_what_was_taken_from_a_maildir_is_seen_there_by_every_program(tmp_path: Path) -> None:
    box = _maildir(tmp_path / "box", MAIL)
    [one] = mailboxes.waiting(tmp_path / "box")
    assert (mailboxes.read_waiting(one, most=MOST), one.octets) == (MAIL, len(MAIL))
    mailboxes.mark_taken(one)
    mailboxes.mark_taken(one)  # gone: somebody else was quicker
    assert mailboxes.waiting(tmp_path / "box") == []
    assert mailboxes.read_waiting(one, most=MOST) is None
    [(_, message)] = box.items()
    assert (message.get_subdir(), message.get_flags()) == ("cur", "S")


def test_a_mail_of_the_same_name_that_was_read_before_is_not_written_over(tmp_path: Path) -> None:
    _maildir(tmp_path / "box", MAIL)
    [one] = mailboxes.waiting(tmp_path / "box")
    earlier = tmp_path / "box" / "cur" / f"{one.path.name}:2,S"
    earlier.write_bytes(b"another")
    mailboxes.mark_taken(one)
    assert (earlier.read_bytes(), one.path.read_bytes()) == (b"another", MAIL)


def test_a_folder_that_is_no_maildir_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="new"):
        mailboxes.waiting(tmp_path)
    box = _maildir(tmp_path / "box", MAIL)
    [one] = mailboxes.waiting(tmp_path / "box")
    os.rmdir(Path(box._path, "cur"))  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="cur"):
        mailboxes.mark_taken(one)


# ---- the envelope


def _envelope(*fields: str) -> tuple[str | None, tuple[str, ...]]:
    octets = "\r\n".join([*fields, "", "YES"]).encode()
    found = with_envelope(octets, domains=("reply.agency.example",), otherwise="reply@reply.agency.example")
    assert found.data == octets
    return found.reverse_path, found.recipients


def test_the_envelope_is_what_the_header_says_of_our_own_addresses() -> None:
    assert _envelope(
        "Return-Path: <ann@mail.example>",
        "Delivered-To: reply+abc@reply.agency.example",
        "To: Reply <reply+abc@REPLY.agency.example>, bob@mail.example",
        "Cc: reply+def@reply.agency.example",
    ) == ("ann@mail.example", ("reply+abc@reply.agency.example", "reply+def@reply.agency.example"))


def test_a_header_that_names_nobody_gets_the_plain_address_and_a_null_path_stays_null() -> None:
    assert _envelope("Return-Path: <>", "To: bob@mail.example") == (None, ("reply@reply.agency.example",))
    assert _envelope("\x00") == (None, ("reply@reply.agency.example",))


def test_a_header_with_a_thousand_addresses_gives_as_many_as_the_door_takes() -> None:
    many = ", ".join(f"reply+{number}@reply.agency.example" for number in range(1_000))
    assert len(_envelope(f"To: {many}")[1]) == 100
