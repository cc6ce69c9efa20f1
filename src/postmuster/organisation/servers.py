"""Servers: the receiving systems of the organisation, a real SMTP server on a loopback port.

What for: whoever sends to the organisation talks to a server of another make than the sender's client, so that a common
misunderstanding of the standards shows.

Promises: announces PIPELINING, 8BITMIME, SMTPUTF8, SIZE, ENHANCEDSTATUSCODES and DSN; runs in a thread of its own;
answers every command; `close` ends every conversation and leaves no task behind.
Limits: about 2,000 messages a second and core. No TLS, no CHUNKING. NOTIFY=SUCCESS is
honoured by a later report of the mailboxes, the other parameters of RFC 3461 are understood and ignored.
Sources: RFC 5321, RFC 2920 (PIPELINING), RFC 2034, RFC 3461 (DSN), RFC 6531 (SMTPUTF8).
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Coroutine, Mapping
from typing import TypeVar
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from postmuster.organisation.mailboxes import NOT_HERE, Mailboxes
from postmuster.organisation.people import Person, mailbox_key
from postmuster.organisation.post import Post

T = TypeVar("T")

HOST_NAME = "mx.agency.example"
BACKLOG = 512
MESSAGE_OCTETS = 100_000_000
CLOSE_TIMEOUT_S = 10
ANNOUNCED = ["250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-DSN"]
PLAIN_PATH = re.compile(r"<([A-Za-z0-9.+_=-]{1,64}@[A-Za-z0-9.-]{1,255})>(.*)", re.S)
MAIL_DSN = re.compile(r"\s(?:RET|ENVID)=\S*", re.I)
RCPT_DSN = re.compile(r"\s(?:NOTIFY|ORCPT)=\S*", re.I)
WANTS_SUCCESS = re.compile(r"\sNOTIFY=\S*\bSUCCESS\b", re.I)


class Reception:
    """Decides what the server answers; the hooks are called by aiosmtpd under these names."""

    def __init__(self, people: Mapping[str, Person], mailboxes: Mailboxes, post: Post) -> None:
        self._people = people
        self._mailboxes = mailboxes
        self._post = post

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Announce what the server can do."""
        session.host_name = hostname
        return responses[:-1] + ANNOUNCED + responses[-1:]

    async def handle_RCPT(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Ask the mailbox."""
        person = self._people.get(mailbox_key(address))
        reverse_path = envelope.mail_from or ""
        if person is None:
            self._post.refuse(reverse_path, NOT_HERE)
            return NOT_HERE
        kind = self._mailboxes.kind(person)
        refusal = self._mailboxes.refusal(person, kind, reverse_path)
        if refusal is not None:
            self._post.refuse(reverse_path, refusal)
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient ok"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Put the message before its recipients, then say so."""
        people = [self._people[mailbox_key(address)] for address in envelope.rcpt_tos]
        content = envelope.content
        self._post.accept(
            reverse_path=envelope.mail_from or "",
            octets=content if isinstance(content, bytes) else (content or "").encode(),
            recipients=[(person.number, person.language) for person in people],
            wants_success=isinstance(server, _Server) and server.wants_success,
        )
        return "250 2.0.0 Message accepted"


class _Server(SMTP):
    """aiosmtpd's server, taught to accept the parameters of RFC 3461 instead of refusing the command."""

    line_length_limit = MESSAGE_OCTETS  # the StreamReader's limit, which `readuntil` in `smtp_DATA` would meet
    wants_success = False

    async def smtp_MAIL(self, arg: str | None) -> None:
        self.wants_success = False
        await super().smtp_MAIL(MAIL_DSN.sub("", arg) if arg else arg)

    async def smtp_RCPT(self, arg: str | None) -> None:
        if arg and WANTS_SUCCESS.search(arg):
            self.wants_success = True
        await super().smtp_RCPT(RCPT_DSN.sub("", arg) if arg else arg)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        # aiosmtpd parses by the grammar of RFC 5322, 0.15 ms an address; a plain one needs one look.
        plain = PLAIN_PATH.match(arg)
        return (plain[1], plain[2]) if plain else super()._getaddr(arg)

    async def smtp_DATA(self, arg: str) -> None:
        """Read the data in few pieces: aiosmtpd awaits every line, which at 100 lines a mail is half of its cost."""
        if arg or self.envelope is None or not self.envelope.rcpt_tos:
            # Without recipients the command is refused, and no data is read.
            await super().smtp_DATA(arg)
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        data = bytearray(b"\r\n")
        while not data.endswith(b"\r\n.\r\n"):
            data += await self._reader.readuntil(b".\r\n")
        self.envelope.content = bytes(data[:-3]).replace(b"\r\n..", b"\r\n.")[2:]
        status = await self.event_handler.handle_DATA(self, self.session, self.envelope)
        self._set_post_data_state()  # type: ignore[no-untyped-call]  # aiosmtpd has it without types
        await self.push(status)


class Servers:
    """The SMTP server and its thread."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="organisation-smtp", daemon=True)
        self._server: asyncio.Server | None = None
        self._open: WeakSet[_Server] = WeakSet()

    def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen; port 0 lets the system choose. Returns host and port."""
        # aiosmtpd logs addresses; nothing of that kind may reach a log.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        self._thread.start()
        return self._run(self._listen(host, port))

    def close(self) -> None:
        """Stop listening, cut every conversation, end the thread."""
        if self._thread.is_alive():
            self._run(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_TIMEOUT_S)
        self._loop.close()

    def _run(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CLOSE_TIMEOUT_S)

    async def _listen(self, host: str, port: int) -> tuple[str, int]:
        self._server = await self._loop.create_server(self._conversation, host, port, backlog=BACKLOG)
        name = self._server.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    def _conversation(self) -> _Server:
        server = _Server(
            self._reception,
            data_size_limit=MESSAGE_OCTETS,
            enable_SMTPUTF8=True,
            hostname=HOST_NAME,
            ident="ESMTP receiving systems of the simulated organisation",
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
            loop=self._loop,
        )
        self._open.add(server)
        return server

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for server in list(self._open):
            if isinstance(server.transport, asyncio.Transport):
                server.transport.abort()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
