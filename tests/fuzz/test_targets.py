"""Every target of `make fuzz` runs for a moment on changed seeds, the same ones each time."""

import importlib.util
import random
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "fuzz"
INPUTS = 12  # per target
SPLICE = (
    b"\n", b"\n\n", b"\x1e", b"\x00", b"\xff", b"> ", b"<p>", b'"', b"(", b"=?utf-8?q?", b"?=", b"--b\n", b"&#99999999;",
    b"begin 644 a\n", b"\r", b"1" * 40, b"-" * 40, b" " * 40, b"@", "\u200b\u202e".encode(), b"%ff", b"\\", b";", b"{", b"[",
)  # fmt: skip


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", FUZZ / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TARGETS = load("targets")
ALL: dict[str, Callable[[bytes], None]] = TARGETS.targets()


@cache
def seeds() -> list[bytes]:
    made: list[bytes] = load("seeds").seeds()
    return made


def changed(seed: bytes, dice: random.Random) -> bytes:
    """Change a seed as a fuzzer would: cut, doubled, spliced, single octets turned."""
    octets = bytearray(seed)
    for _ in range(dice.randint(0, 4)):
        at, end = sorted(dice.randint(0, len(octets)) for _ in range(2))
        match dice.randint(0, 4):
            case 0:
                del octets[at : min(end, at + 200)]
            case 1:
                octets[at:at] = octets[at : min(end, at + 200)] * 3
            case 2 if octets:
                octets[at % len(octets)] = dice.randint(0, 255)
            case _:
                octets[at:at] = dice.choice(SPLICE)
    return bytes(octets[:4_096])


@pytest.mark.parametrize("name", ALL)
def test_a_target_runs_on_changed_seeds(name: str) -> None:
    dice = random.Random(name)  # noqa: S311 - the same changes each time
    target = ALL[name]
    target(b"")
    for _ in range(INPUTS):
        target(changed(dice.choice(seeds()), dice))


def test_what_everything_goes_through_has_a_target() -> None:
    assert {
        "mail.message.parse",
        "mail.kind.classify",
        "mail.html_text.read_html",
        "mail.decoding.decode_words",
        "mail.tnef.read_tnef",
        "mail.cms.read_cms",
        "mail.address.parse_mailboxes",
        "mail.authentication.authenticate",
        "mail.lmtp.LmtpServer",
        "mail.smtp.SmtpClient",
        "reading.reading.read",
        "reading.newtext.cut",
        "reading.answer.read_answer",
        "reading.markings.find_markings",
        "reading.personal.find_personal",
        "reading.sent_mail.sent_from_mail",
    } <= set(ALL)


def test_a_target_that_raises_is_noticed() -> None:
    def wrong(text: str) -> int:
        return int(text)

    target = TARGETS._made_from_types(wrong)
    with pytest.raises(ValueError, match="invalid literal"):
        target(b"x")


def test_a_function_whose_arguments_cannot_be_made_has_no_target() -> None:
    def asks_for_a_number(text: str, at: int) -> str:
        return text[at]

    assert TARGETS._made_from_types(asks_for_a_number) is None


def test_the_seeds_are_small_and_the_same_each_time() -> None:
    made = load("seeds")
    assert made.seeds() == seeds()
    assert 40 <= len(seeds()) <= 400
    assert max(map(len, seeds())) <= made.MAX_SEED_OCTETS
