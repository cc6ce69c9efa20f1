"""`postmuster reply read`: an object per file, sentences for people, and the exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from postmuster.cli.reply import app

MAIL = b"From: Jane <jane@example.org>\r\nSubject: Re: A mail\r\n\r\nYes.\r\n\r\n> Type YES.\r\n"


def run(*words: str) -> tuple[int, list[str], str]:
    done = CliRunner().invoke(app, ["read", *words])
    return done.exit_code, done.stdout.splitlines(), done.stderr


def test_each_file_gives_one_object_and_one_line(tmp_path: Path) -> None:
    for name, content in (
        ("a.eml", MAIL),
        ("b.txt", b"Yes"),
        ("c.html", b"<p>Yes</p>"),
        ("d", b"\x00\xff"),
        ("e.eml", b""),
    ):
        (tmp_path / name).write_bytes(content)
    names = sorted(map(str, tmp_path.iterdir()))
    code, lines, _ = run("--json", "--ask", "acknowledge", *names)
    objects = [json.loads(line) for line in lines]
    assert code == 0
    assert [each["file"] for each in objects] == names
    assert [each["answer"]["type"] for each in objects] == ["acknowledge", "acknowledge", "acknowledge", "none", "none"]
    assert [each["kind"] for each in objects][3:] == ["unreadable", "unreadable"]


def test_a_file_that_cannot_be_opened_is_said_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Yes")
    code, lines, errors = run("--json", str(tmp_path / "missing.eml"), str(tmp_path), str(tmp_path / "a.txt"))
    assert code == 1
    assert len(lines) == 1
    assert errors.count("could not be opened") == 2


def test_the_ask_comes_from_the_notice_that_was_sent(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(MAIL)
    (tmp_path / "n.toml").write_text('subject = "A mail"\n[ask]\ntype = "acknowledge"\n')
    (tmp_path / "body.md").write_text("Type YES.")
    (tmp_path / "sent.eml").write_bytes(b"From: hr@example.org\nSubject: A mail\n\nType YES.\n")
    code, lines, _ = run("--json", "--sent", str(tmp_path / "n.toml"), str(tmp_path / "a.eml"))
    assert (code, json.loads(lines[0])["answer"]["type"]) == (0, "acknowledge")
    code, lines, _ = run(
        "--json", "--sent", str(tmp_path / "sent.eml"), "--ask", "acknowledge", str(tmp_path / "a.eml")
    )
    assert (code, json.loads(lines[0])["answer"]["type"]) == (0, "acknowledge")


def test_wrong_usage_is_exit_2_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Yes")
    (tmp_path / "n.toml").write_bytes(b"\xff")
    for words in (["--ask", "what"], ["--sent", str(tmp_path / "none.eml")], ["--sent", str(tmp_path / "n.toml")]):
        code, _, errors = run(*words, str(tmp_path / "a.txt"))
        assert code == 2
        assert "Traceback" not in errors
    assert run()[0] == 2


def test_people_get_a_short_view_without_control_characters(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Yes \x1b[31m\n\n> quoted")
    code, lines, _ = run("--ask", "acknowledge", str(tmp_path / "a.txt"))
    assert code == 0
    assert any("kind      reply" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


def test_reading_needs_neither_the_database_nor_django() -> None:
    code = "import sys, postmuster.cli.reply; print([m for m in ('django', 'psycopg', 'procrastinate') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
