"""A mail with its envelope as one run of octets, as it is sealed: a line of JSON, then the mail byte for byte."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TakenMail:
    """One mail as the door took it in; `reverse_path` is None for the null reverse path."""

    reverse_path: str | None = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    data: bytes = field(repr=False)

    def pack(self) -> bytes:
        head = json.dumps({"from": self.reverse_path, "to": self.recipients}, ensure_ascii=True)
        return head.encode("ascii") + b"\n" + self.data

    @staticmethod
    def unpack(octets: bytes) -> TakenMail:
        head, _, data = octets.partition(b"\n")
        given = json.loads(head)
        return TakenMail(given["from"], tuple(given["to"]), data)
