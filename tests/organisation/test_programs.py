"""Mail programs: each of them, in each language, writes a mail that others can read."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.organisation.dice import Dice
from postmuster.organisation.encoding import encode_text, encoded_words, flowed, mailbox
from postmuster.organisation.people import create_people, name_parts
from postmuster.organisation.programs import Draft, Program, Said, choose_program, programs, write_reply
from postmuster.organisation.quoting import PREFIXED
from postmuster.organisation.received import read_received
from postmuster.organisation.wording import wording

from .notices import TEXTS, notice_mail

PEOPLE = create_people(400, 11)
AT = datetime(2026, 11, 3, 14, 5, 9, tzinfo=UTC)
LANGUAGES = sorted(name_parts())


def draft(language: str, said: Said, **changes: object) -> Draft:
    person = next(one for one in PEOPLE if one.language == language)
    values: dict[str, object] = {
        "name": person.name,
        "address": "ada@seeds.agency.example",
        "domain": "seeds.agency.example",
        "title": "Clerk",
        "component": "Directorate",
        "language": wording(language),
        "at": AT.astimezone(ZoneInfo("Europe/Berlin")),
        "said": said,
        "mail": read_received(notice_mail(7, person, AT)),
        "to": "reply+abc@survey.example",
    }
    return Draft(**(values | changes))  # type: ignore[arg-type]


def parsed(octets: bytes) -> EmailMessage:
    return message_from_bytes(octets, policy=policy.default)


def texts(octets: bytes) -> list[str]:
    return [
        part.get_content().replace("\r\n", "\n")
        for part in parsed(octets).walk()
        if part.get_content_maintype() == "text"
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("program", programs(), ids=lambda program: program.name)
def test_a_reply_parses_and_says_what_was_written(program: Program, language: str) -> None:
    said = Said(wording(language).say["yes_variant"][0])
    octets = write_reply(program, draft(language, said), Dice(program.name, language))
    message = parsed(octets)
    assert not message.defects
    assert all(not part.defects for part in message.walk())
    assert message["to"].addresses[0].addr_spec == "reply+abc@survey.example"
    assert message["from"].addresses[0].display_name == draft(language, said).name
    assert message["in-reply-to"].startswith("<n7.r1.")
    assert message["date"].datetime == AT.replace(microsecond=0)
    assert len(message.get_all("mime-version", [])) == 1
    assert message["subject"].endswith("Mitteilung für alle / Notice to all")
    for text in texts(octets):
        plain = text.replace("&#x27;", "'").replace("\u2019", "'")
        assert said.before in plain
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert b"\n" not in octets.replace(b"\r\n", b"")


@pytest.mark.parametrize("program", programs(), ids=lambda program: program.name)
def test_a_reply_quotes_the_mail_it_answers(program: Program) -> None:
    place = next(name for name, _ in program.place if name != "none")
    octets = write_reply(program, draft("de", Said("Ja"), place=place), Dice(1))
    for text in texts(octets):
        assert "Die Teilnahme ist freiwillig" in text.replace("\n> ", " ").replace(" \n", " ")


@pytest.mark.parametrize("program", [one for one in programs() if one.quote in PREFIXED], ids=lambda one: one.name)
@pytest.mark.parametrize("place", ["top", "bottom", "inline", "none"])
def test_posting_above_below_within_or_alone(program: Program, place: str) -> None:
    octets = write_reply(program, draft("en", Said("Quite so"), place=place), Dice(2))
    body = texts(octets)[0]
    own, first, last = body.find("Quite so"), body.find("Dear "), body.find("Office of Notices", body.find("voluntary"))
    assert own >= 0
    expected = {
        "top": own < first < last,
        "bottom": first < last < own,
        "inline": first < own < last,
        "none": first < 0,
    }
    assert expected[place]


def test_there_are_at_least_twelve_programs_of_different_make() -> None:
    everything = programs()
    assert len(everything) >= 12
    assert {program.form for program in everything} == {"text", "html", "alternative"}
    assert {program.transfer for program in everything} >= {"base64", "quoted-printable", "8bit"}
    assert any(program.flowed for program in everything)
    assert {place for program in everything for place, _ in program.place} == {"top", "bottom", "inline", "none"}


def test_prefixes_and_attributions_follow_the_language() -> None:
    outlook, gmail = (next(one for one in programs() if one.name == name) for name in ("outlook_desktop", "gmail_web"))
    subjects = {
        language: parsed(write_reply(outlook, draft(language, Said("x")), Dice(3)))["subject"][:4]
        for language in LANGUAGES
    }
    assert subjects["de"] == "AW: "
    assert subjects["pt"] == "RES:"
    assert subjects["zh"] == "答复: "
    assert subjects["it"].startswith("R: ")
    german = texts(write_reply(gmail, draft("de", Said("x"), place="top"), Dice(3)))[0]
    assert "Am Di., 3. Nov. 2026 um 15:05 Uhr schrieb Office of Notices <notices@survey.example>:" in german.replace(
        "\n", " "
    )


def test_real_lists_are_lists_where_there_is_html() -> None:
    gmail = next(one for one in programs() if one.name == "gmail_web")
    said = Said("Mine:", ("one <b>", "two", "three"), "ul", "Ada")
    plain, page = texts(write_reply(gmail, draft("en", said), Dice(4)))
    assert "* one <b>\n* two\n* three" in plain
    assert "<ul><li>one &lt;b&gt;</li><li>two</li><li>three</li></ul>" in page


def test_somebody_keeps_their_program_and_programs_are_spread_by_weight() -> None:
    assert choose_program(1, 5) is choose_program(1, 5)
    names = [choose_program(1, number).name for number in range(2000)]
    assert set(names) == {program.name for program in programs()}
    assert names.count("outlook_desktop") > 5 * names.count("mutt")


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=120))
def test_encoded_words_decode_to_the_text(text: str) -> None:
    text = " ".join(text.split())
    written = encoded_words(text)
    if "=?" in text and text.isascii():
        return  # a text that looks like an encoded word cannot be told apart without encoding it
    message = message_from_bytes(f"Subject: {written}\n\n".encode(), policy=policy.default)
    assert str(message["subject"]) == text
    assert all(len(line) <= 76 for line in written.split("\n")) or text.isascii()


@given(
    st.text(st.characters(exclude_categories=("Cc", "Cs")) | st.just("\n"), max_size=400),
    st.sampled_from(["us-ascii", "utf-8", "iso-8859-1", "iso-2022-jp", "gb2312"]),
    st.sampled_from(["7bit", "8bit", "quoted-printable", "base64"]),
)
def test_bodies_decode_to_the_text(text: str, charset: str, transfer: str) -> None:
    part = encode_text(text, subtype="plain", charset=charset, transfer=transfer)
    octets = b"MIME-Version: 1.0\n" + part.encode("latin-1")
    message = message_from_bytes(octets)
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    read = payload.decode(message.get_content_charset() or "", "strict").replace("\r\n", "\n")
    assert read.rstrip("\n") == text.rstrip("\n")


def test_flowed_text_joins_again_to_the_same_lines() -> None:
    text = "A long line that goes on " * 8 + "\n> looks like a quote\n-- \nAda"
    lines = flowed(text.strip()).split("\n")
    joined = ""
    for line in lines:
        stuffed = line.removeprefix(" ")
        joined += stuffed if stuffed.endswith(" ") and stuffed != "-- " else f"{stuffed}\n"
    assert joined.strip("\n") == text.replace("go  A", "go A").strip("\n").replace(" \n", "\n").replace("--\n", "-- \n")
    assert max(map(len, lines)) <= 78


@pytest.mark.parametrize("name", ['Ada "Ad" O\'Shea', "Coldford, Ada (Acting), Ph.D.", "李 静怡", "Plain Name", ""])
def test_display_names_survive(name: str) -> None:
    message = message_from_bytes(f"From: {mailbox(name, 'a@b.example')}\n\n".encode(), policy=policy.default)
    assert message["from"].addresses[0].display_name == name
    assert message["from"].addresses[0].addr_spec == "a@b.example"


def test_a_received_mail_is_read_whatever_its_fields() -> None:
    for octets in (
        b"",
        b"Subject: =?x?q?=?=\r\nDate: soon\r\n\r\n",
        b"Content-Type: text/plain; charset=unheard\r\n\r\nx\xff",
    ):
        assert read_received(octets).date.tzinfo is not None
    person = next(one for one in PEOPLE if one.language == "zh")
    mail = read_received(notice_mail(1, person, AT))
    assert mail.text == TEXTS["zh"].format(name=person.name)
    assert mail.reply_address.startswith("reply+")
