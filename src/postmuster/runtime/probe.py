"""Asking a server of the SMTP family whether it is there: connect, read its greeting, say who we are, leave.

Used by `postmuster check` only; mail leaves through `outbound.relay`. Never raises; ends within the limit. What the other
side says is shown as printable ASCII, because it ends on a screen.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from dataclasses import dataclass

LIMIT_S = 10.0
LINE_OCTETS = 4096
MOST_LINES = 64
SHOWN_CHARS = 120
_LINE = re.compile(rb"(\d{3})([ -])")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: `trouble` is empty when the server greeted us and took our name."""

    trouble: str
    extensions: frozenset[str] = frozenset()


def ask(
    host: str, port: int, *, verb: str, name: str, tls: ssl.SSLContext | None = None, limit_s: float = LIMIT_S
) -> Answer:
    """`verb` is EHLO for a relay, LHLO for an LMTP server (RFC 2033 §4.1); `tls` is for TLS from the first octet on."""
    return asyncio.run(_within(host, port, f"{verb} {name}\r\n".encode("ascii", "replace"), tls, limit_s))


def verifying(ca_file: str) -> ssl.SSLContext:
    """Chain and name are verified, as senders do; `ca_file` empty: the system's. Raises `OSError` for a file that is none."""
    return ssl.create_default_context(cafile=ca_file or None)


async def _within(host: str, port: int, hello: bytes, tls: ssl.SSLContext | None, limit_s: float) -> Answer:
    try:
        async with asyncio.timeout(limit_s):
            return await _dialog(host, port, hello, tls)
    except ssl.SSLError:
        return Answer("no TLS that can be verified was begun (relay.tls, relay.ca_file)")
    except TimeoutError:
        return Answer(f"no answer within {limit_s:.0f} s")
    except OSError as error:
        words = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return Answer((words or "it cannot be reached").lower())


async def _dialog(host: str, port: int, hello: bytes, tls: ssl.SSLContext | None) -> Answer:
    reader, writer = await asyncio.open_connection(host, port, limit=LINE_OCTETS, ssl=tls)
    try:
        code, lines = await _reply(reader)
        if code != 220:
            return Answer(f"it greeted us with “{_shown(lines)}”")
        writer.write(hello)
        code, lines = await _reply(reader)
        writer.write(b"QUIT\r\n")
        if code != 250:
            return Answer(f"it answered our name with “{_shown(lines)}”")
        words = (line[4:].split(b" ")[0].decode("ascii", "replace").upper() for line in lines[1:])
        return Answer("", frozenset(words))
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return Answer("it does not speak SMTP")
    finally:
        writer.close()


async def _reply(reader: asyncio.StreamReader) -> tuple[int, list[bytes]]:
    lines: list[bytes] = []
    while len(lines) < MOST_LINES:
        line = (await reader.readuntil(b"\n")).rstrip(b"\r\n")
        match = _LINE.match(line + b" ")
        if match is None:
            raise ValueError("not a reply line")
        lines.append(line)
        if match[2] == b" ":
            return int(match[1]), lines
    raise ValueError("a reply without end")


def _shown(lines: list[bytes]) -> str:
    text = lines[0].decode("ascii", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)[:SHOWN_CHARS]
