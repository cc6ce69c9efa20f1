"""Automatic mail of the simulated organisation, which shares no code and no words with the reader, and people's own.

Judged: recognised, which it is, which day it names; nothing that a person wrote is called automatic.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from postmuster.mail.automatic import AutomaticKind
from postmuster.mail.kind import Classified, Kind, classify
from postmuster.mail.message import parse
from postmuster.organisation.automatic import AutomaticMail, Setting, automatic_words, responders, write_automatic
from postmuster.organisation.dice import Dice
from postmuster.organisation.programs import Draft, Said, programs, write_reply
from postmuster.organisation.received import ReceivedMail
from postmuster.organisation.wording import wording

LEAST_RECOGNISED = 0.99
LEAST_DAYS = 0.97  # of those named in a way that one can be sure of; a day not found is none, never another
ROUNDS = 4
LANGUAGES = sorted(automatic_words())
SUBJECTS = ("An offer", "Mitteilung an alle", "Umfrage: wer ist da?", "Please reply YES")
SPOKEN = ("de", "en", "es", "fr", "it", "ja", "pl", "pt", "zh")
NOON = datetime(2024, 3, 5, 12, 0, tzinfo=UTC)


def mails() -> list[tuple[str, str, AutomaticMail]]:
    """Write more than a thousand: every program in every language, four times."""
    found = []
    for responder in responders():
        for language in LANGUAGES:
            for turn in range(ROUNDS):
                dice = Dice("judged", responder.name, language, turn)
                at = NOON + timedelta(days=dice.below(300), hours=dice.below(24))
                setting = Setting(
                    name=dice.pick(("Ada Coldley", "Jana Muster", "Óscar Galamar", "王 小明")),
                    address="ada@agency.example",
                    language=language,
                    at=at,
                    back=(at + timedelta(days=1 + dice.below(28))).date(),
                    subject=dice.pick(SUBJECTS),
                    message_id="<n1.r1@muster.example>",
                    to="b-1-x@muster.example",
                )
                found.append((responder.name, language, write_automatic(responder, setting, dice)))
    return found


MAILS = mails()


def seen(mail: AutomaticMail) -> tuple[str, Classified]:
    """Read it as it arrives: with the reverse-path on top, as a server delivers it."""
    path = b"Return-Path: <" + (mail.reverse_path or "").encode() + b">\r\n"
    found = classify(parse(path + mail.octets))
    return str(found.automatic.subkind) if found.automatic else str(found.kind), found


def test_automatic_mail_of_a_thousand_is_recognised_for_what_it_is() -> None:
    assert len(MAILS) >= 1_000
    missed: Counter[tuple[str, str, str]] = Counter()
    unseen = 0
    for name, language, mail in MAILS:
        said, found = seen(mail)
        unseen += found.kind not in (Kind.AUTOMATIC, Kind.DISPOSITION)
        if said != mail.sort:
            missed[name, language, said] += 1
    assert unseen <= (1 - LEAST_RECOGNISED) * len(MAILS), missed
    assert missed.total() <= (1 - LEAST_RECOGNISED) * len(MAILS), missed


def test_the_day_an_absence_ends_is_the_one_it_names() -> None:
    sure = [(name, language, mail) for name, language, mail in MAILS if mail.sort == "out_of_office" and mail.is_sure]
    wrong: list[object] = []
    silent: list[object] = []
    for name, language, mail in sure:
        _, found = seen(mail)
        until = found.automatic.until if found.automatic else None
        if until != mail.until:
            (silent if until is None else wrong).append((name, language, mail.until, until))
    assert not wrong, wrong
    assert len(silent) <= (1 - LEAST_DAYS) * len(sure), silent


def test_a_day_that_is_read_in_two_ways_is_the_right_one_or_none() -> None:
    doubtful = [mail for _, _, mail in MAILS if mail.sort == "out_of_office" and not mail.is_sure]
    assert doubtful
    for mail in doubtful:
        found = seen(mail)[1].automatic
        assert found is not None
        assert found.subkind is AutomaticKind.OUT_OF_OFFICE
        assert found.until in (None, mail.until)


def test_nothing_that_a_person_wrote_is_called_automatic() -> None:
    """People say in their answers what absence notes say, word for word, and answer absence notes."""
    for language in SPOKEN:
        words, spoken = automatic_words()[language], wording(language)
        said = [
            *(text.replace("{until}", words.day(words.days[0], NOON.date())) for text in words.away),
            *(forms[0].format(choice="YES", until="x", n=3) for forms in spoken.say.values()),
            words.challenge[1],
            words.receipt[2].format(n=7),
        ]
        for number, text in enumerate(said):
            program = programs()[number % len(programs())]
            subject = SUBJECTS[number % len(SUBJECTS)]
            raw = write_reply(program, _draft(language, text, subject), Dice("human", language, number))
            assert classify(parse(raw)).automatic is None, (language, program.name, text)
        for program in programs():
            dice = Dice("human", language, program.name)
            raw = write_reply(program, _draft(language, dice.pick(said), dice.pick(SUBJECTS)), dice)
            assert classify(parse(raw)).automatic is None, (language, program.name)
        for number, subject in enumerate((words.prefix + "An offer", words.subjects[0], words.challenge[0])):
            program = programs()[number]
            draft = _draft(language, spoken.say["yes"][0], subject)
            found = classify(parse(write_reply(program, draft, Dice("answers", language, number))))
            assert found.automatic is None, (language, program.name, subject)


def _draft(language: str, text: str, answered: str) -> Draft:
    return Draft(
        name="Ada Coldley",
        address="ada@agency.example",
        domain="agency.example",
        title="Clerk",
        component="Directorate",
        language=wording(language),
        at=NOON,
        said=Said(text),
        mail=ReceivedMail(
            from_name="Office of Staff Affairs",
            from_address="staff@muster.example",
            to="Ada Coldley <ada@agency.example>",
            reply_address="r-token@muster.example",
            subject=answered,
            date=NOON,
            message_id="<n1.r1@muster.example>",
            references="<n1.r1@muster.example>",
            text="Are you there?",
            html="<p>Are you there?</p>",
        ),
        to="r-token@muster.example",
    )
