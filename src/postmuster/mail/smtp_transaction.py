"""One message inside an SMTP dialog, from its queue to its outcome."""

from __future__ import annotations

from postmuster.mail.reply_code import Reply
from postmuster.mail.submission import Envelope, Stage


class Transaction:
    """One message on its way. Made new for each message, dropped whole."""

    __slots__ = ("data", "end", "envelope", "has_go_ahead", "is_recalled", "key", "rcpt", "refusal", "stage")

    def __init__(self, key: int, envelope: Envelope, data: bytes) -> None:
        self.key = key
        self.envelope = envelope
        self.data = data
        self.rcpt = b""
        self.stage = Stage.PREPARE
        self.end = 0  # where its data end in all that was ever said; 0: they were not said
        self.has_go_ahead = False  # 354 was read
        self.refusal: Reply | None = None  # the first one is the reason
        self.is_recalled = False
