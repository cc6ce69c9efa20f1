"""Texts made to keep a regular expression busy are read in no more time than others of their size.

Each is read in one process whose processor time is limited by the system, far above what all of them need together: a
pattern that goes back and forth takes minutes over one of them.
"""

import resource
import subprocess
import sys

import pytest

LIMIT_S = 20  # of processor time, for all; together they need two
HEAD = "From: Finn <finn@home.example>\nReturn-Path: <>\nSubject: {subject}\nContent-Type: text/{kind}\n\n{text}"
FAILED = "Undelivered mail: failure"
BOMBS: dict[str, tuple[str, str, str]] = {
    "a rule of dashes": (FAILED, "plain", "undeliverable a@b.example\n" + "-" * 60_000),
    "a rule in a reply": ("Re: x", "plain", "a\n" + "-" * 100_000 + "x\n"),
    "spaces behind an address": (FAILED, "plain", "undeliverable\na@b.example" + "\t " * 30_000 + "x"),
    "spaces behind a slash": ("Re: x", "plain", ("CUI a/b" + " " * 3_900 + "x\n") * 60),
    "rules of a table": ("Re: x", "plain", "| a | b |\n|" + "-" * 60_000 + "x\n"),
    "spaces": ("Re: x", "plain", "x" + " " * 200_000 + "x"),
    "quote marks": ("Re: x", "plain", "> " * 100_000 + "x"),
    "opening brackets": ("Re: x", "plain", "(" * 100_000),
    "addresses without an end": ("Re: x", "plain", "a@" * 60_000),
    "digits": ("Re: x", "plain", "1 " * 60_000 + "1" * 60_000),
    "announcements": ("Re: x", "plain", "On Mon, 3 Mar 2025 at 12:00, Ada <a@x.example> wrote: " * 3_000),
    "fields without an end": ("Re: x", "plain", "From: " * 30_000),
    "links": ("Re: x", "plain", "https://" * 20_000),
    "open tags": ("Re: x", "html", "<a href=" * 20_000),
    "open comments": ("Re: x", "html", "<!--" * 40_000),
    "encoded words": ("Re: " + "=?utf-8?q?a" * 15_000, "plain", "YES"),
    "a long prefix": ("Re:" * 60_000, "plain", "YES"),
    "parameters": ("Re: x", 'plain; a="' + '\\"' * 60_000, "YES"),
}
READ = """
import sys
from postmuster.reading.ask import parse_ask
from postmuster.reading.reading import as_json, read
for octets in sys.stdin.buffer.read().split(b"\\x1e"):
    as_json(read(octets, ask=parse_ask("report:5")))
    as_json(read(octets, ask=parse_ask("election:Resign")))
    print("read", flush=True)
"""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_no_text_keeps_a_pattern_busy(ends: str) -> None:
    mails = [HEAD.format(subject=subject, kind=kind, text=text) for subject, kind, text in BOMBS.values()]
    done = subprocess.run(
        [sys.executable, "-c", READ],
        input="\x1e".join(mails).replace("\n", ends).encode(),
        capture_output=True,
        preexec_fn=_limit,
        check=False,
    )
    read = done.stdout.count(b"read")
    assert read == len(BOMBS), f"over {[*BOMBS, '?'][read]}: {done.stderr[-300:]!r}"
