"""Why a mailbox could not be looked at: a word for the table, a sentence for people. No word of what a server said."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from postmuster.base.errors import Transient


class Trouble(StrEnum):
    """What stands between us and a mailbox."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    LOGIN = "login"
    FOLDER = "folder"
    READ_ONLY = "read_only"
    MARKING = "marking"
    UNINTELLIGIBLE = "unintelligible"
    INTAKE = "intake"
    FILES = "files"


SENTENCES: Final[dict[Trouble, str]] = {
    Trouble.UNREACHABLE: "The mailbox's server does not answer, or hangs up; see imap.host and imap.port",
    Trouble.TLS: "The mailbox's server cannot show that it is the one named; see imap.tls, imap.host and imap.ca_file",
    Trouble.LOGIN: "The mailbox's server refuses the login; see imap.user and the file imap-password",
    Trouble.FOLDER: "The mailbox has no folder of that name, or does not open it; see imap.folder",
    Trouble.READ_ONLY: "The mailbox may only be read; set imap.when_taken to leave, or have the right to mark granted",
    Trouble.MARKING: (
        "What was taken could not be marked or moved; see imap.when_taken and imap.taken_folder, which has to exist, and whether "
        "the server can move (RFC 6851)"
    ),
    Trouble.UNINTELLIGIBLE: "The mailbox's server gives answers that cannot be read, or that have no end; ask its operator",
    Trouble.INTAKE: "The intake takes no mail now; see `postmuster check`, and whether a stop of the intake stands",
    Trouble.FILES: "The folder of the mailbox cannot be read or written; see mailbox.maildir",
}


class MailboxTrouble(Transient):
    """A mailbox could not be looked at, or not to its end; what was taken is kept, the rest stays where it is."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(f"{SENTENCES[trouble]}; what was taken is kept, the rest is where it was; it is tried again.")
        self.trouble = trouble
