"""What a program sent by itself is told from what a person wrote, and an absence from other answers."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.absence import return_date
from postmuster.mail.automatic import Automatic, AutomaticKind, read_automatic
from postmuster.mail.message import parse
from postmuster.mail.phrases import load_table

MARCH = date(2025, 3, 4)


def read(
    subject: str, text: str = "text", extra: str = "", sender: str = "Finn <finn@home.example>"
) -> Automatic | None:
    head = f"From: {sender}\nTo: intake@agency.example\nDate: Tue, 4 Mar 2025 12:00:00 +0000\nSubject: {subject}\n{extra}\n"
    return read_automatic(parse((head + text).encode()))


def kind(subject: str, text: str = "text", extra: str = "", sender: str = "Finn <finn@home.example>") -> str | None:
    found = read(subject, text, extra, sender)
    return found.subkind.value if found else None


ABSENCES = [
    ("Automatic reply: A test", "I am out of the office until March 14, 2025.", date(2025, 3, 14)),
    ("Out of Office: A test", "I will return on 3/17/2025.", date(2025, 3, 17)),
    ("Automatische Antwort: Ein Test", "Ich bin bis 14.03.2025 nicht im Büro.", date(2025, 3, 14)),
    ("Abwesenheitsnotiz: Ein Test", "Ich bin bis einschließlich 21. März abwesend.", date(2025, 3, 21)),
    ("Réponse automatique : Un essai", "Je suis absente jusqu'au 14 mars 2025.", date(2025, 3, 14)),
    ("Respuesta automática: Una prueba", "Estaré fuera de la oficina hasta el 14 de marzo de 2025.", date(2025, 3, 14)),
    ("Risposta automatica: Una prova", "Sono in ferie fino al 14 marzo 2025.", date(2025, 3, 14)),
    ("Resposta automática: Um teste", "Estou de férias até 14/03/2025.", date(2025, 3, 14)),
    ("Automatisch antwoord: Een proef", "Ik ben afwezig tot en met 14 maart.", date(2025, 3, 14)),
    ("Autosvar: Ett prov", "Jag är åter den 14 mars.", date(2025, 3, 14)),
    ("Automatisk svar: En prøve", "Jeg er tilbage den 14. marts 2025.", date(2025, 3, 14)),
    ("Automaattinen vastaus: Koe", "Olen lomalla 14.3.2025 asti.", date(2025, 3, 14)),
    ("Odpowiedź automatyczna: Próba", "Jestem na urlopie do 14.03.2025.", date(2025, 3, 14)),
    ("Automatická odpověď: Zkouška", "Jsem mimo kancelář do 14. 3. 2025.", date(2025, 3, 14)),
    ("Automatikus válasz: Próba", "Szabadságon vagyok.", None),
    ("Răspuns automat: O probă", "Sunt în concediu până la 14.03.2025.", date(2025, 3, 14)),
    ("Автоматический ответ: Проба", "Я в отпуске до 14.03.2025.", date(2025, 3, 14)),
    ("Автоматична відповідь: Спроба", "Я у відпустці до 14 березня 2025.", date(2025, 3, 14)),
    ("Αυτόματη απάντηση: Δοκιμή", "Θα απουσιάζω έως 14/03/2025.", date(2025, 3, 14)),
    ("Otomatik yanıt: Deneme", "14.03.2025 tarihine kadar izindeyim.", date(2025, 3, 14)),
    ("רד: x", "", None),
    ("תשובה אוטומטית: מבחן", "אני מחוץ למשרד עד 14.03.2025", date(2025, 3, 14)),
    ("رد تلقائي: اختبار", "أنا خارج المكتب حتى 14/03/2025", date(2025, 3, 14)),
    ("自動応答: テスト", "2025年3月14日まで休暇をいただいております。", date(2025, 3, 14)),
    ("自动答复: 测试", "我休假至3月14日。", date(2025, 3, 14)),
    ("자동 회신: 시험", "3월 14일까지 휴가입니다.", date(2025, 3, 14)),
]


@pytest.mark.parametrize(("subject", "text", "until"), ABSENCES)
def test_an_absence_is_known_by_its_subject_and_names_its_end(subject: str, text: str, until: date | None) -> None:
    expected = None if subject.startswith("רד") else Automatic(AutomaticKind.OUT_OF_OFFICE, until)
    assert read(subject, text) == expected


def test_there_are_twenty_languages_and_more() -> None:
    assert len(load_table("automatic")) >= 20


@pytest.mark.parametrize(
    "extra",
    [
        "Auto-Submitted: auto-replied (vacation)\n",
        "X-Autoreply: yes\n",
        "X-Autorespond: A test\n",
        "Precedence: auto_reply\n",
        "X-POST-MessageClass: 9; Autoresponder\n",
        "X-MS-Exchange-Inbox-Rules-Loop: finn@home.example\n",
        "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent\n",
    ],
)
def test_an_absence_is_known_by_the_fields_of_responders(extra: str) -> None:
    assert kind("Auto: A test", "I am on annual leave.", extra) == "out_of_office"


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("Gone fishing.", "Auto-Submitted: auto-replied (vacation)\n"),
        ("Gone fishing.", "Auto-Submitted: auto-replied (zimbra; vacation)\n"),
        ("I will answer again after 14 March.", "Auto-Submitted: auto-replied\nPrecedence: bulk\n"),
        ("Jestem na urlopie.", "Auto-Submitted: auto-generated\nReturn-Path: <>\n"),
        ("我正在休假。", "Precedence: junk\nIn-Reply-To: <a@b.example>\n"),
        ("I am away.", "Precedence: junk\nX-Loop: Postfix Admin Virtual Vacation\n"),
    ],
)
def test_an_absence_without_a_subject_of_its_own_is_known_by_what_it_says(text: str, extra: str) -> None:
    assert kind("Re: A test", text, extra) == "out_of_office"


def test_an_automatic_mail_that_says_nothing_of_absence_is_none() -> None:
    assert kind("Re: A test", "The build is green.", "Auto-Submitted: auto-replied\n") == "other"
    assert kind("Vacations for less", "Get away, until 14 March.", "Precedence: bulk\n") == "other"
    assert kind("Re: A test", "YES", "X-Loop: finn@home.example\n") is None
    assert kind("Re: A test", "Until 14 March the offer holds.", "List-Id: <news.home.example>\n") == "list"


@pytest.mark.parametrize(
    ("subject", "extra"),
    [
        ("Finn is out of the office (returning 14/03/2025)", ""),
        ("A test (Out of Office)", "X-Auto-Response-Suppress: All\n"),
        ("A test - out of office auto reply", "Return-Path: <>\n"),
    ],
)
def test_two_weak_signs_make_one_strong_one(subject: str, extra: str) -> None:
    assert kind(subject, "I am out of the office.", extra) == "out_of_office"


@pytest.mark.parametrize(
    ("subject", "text", "extra"),
    [
        ("Re: A test", "I am out of the office until 14 March. YES", ""),
        ("Re: Out of office: how to set it", "- set my out of office\n- wrote the report", ""),
        ("RE: Automatic reply: A test", "Thanks, but please answer.", ""),
        ("AW: Abwesenheitsnotiz: Ein Test", "JA", ""),
        ("A test", "On leave, see above.", "X-Auto-Response-Suppress: DR, OOF, AutoReply\n"),
        ("Re: A test", "YES", "X-Auto-Response-Suppress: All\n"),
        ("Re: A test", "YES", "Auto-Submitted: no\n"),
        ("Re: A test", "YES", "Auto-Submitted: auto-forwarded\n"),
        ("Re: A test", "YES", "Precedence: first-class\n"),
        ("Re: A test", "YES", "X-MS-Exchange-Generated-Message-Source: Antispam Agent\n"),
        ("Re: A test", "YES", "X-Autoreply: no\n"),
        ("Vacation days of my team", "YES", ""),
        ("Absent colleagues and their tasks", "five bullets", ""),
        ("Urlaubsantrag", "JA", ""),
        ("Auto repair shop visit", "YES", ""),
        ("Re: please confirm your message", "YES I confirm", ""),
        ("Read the notes: done", "YES", ""),
        ("A test", "YES", "Return-Path: <finn@home.example>\n"),
    ],
)
def test_what_a_person_wrote_stays_a_persons(subject: str, text: str, extra: str) -> None:
    assert kind(subject, text, extra) is None


@pytest.mark.parametrize(
    ("subject", "extra", "sender", "expected"),
    [
        ("Weekly digest", "List-Id: <news.home.example>\n", "news@home.example", "list"),
        ("[news] hello", "List-Unsubscribe: <mailto:x@home.example>\nPrecedence: bulk\n", "news@home.example", "list"),
        ("Special offer", "Precedence: bulk\n", "news@home.example", "other"),
        ("Your ticket 12 has been received", "Auto-Submitted: auto-replied\n", "help@home.example", "receipt"),
        ("We have received your message", "", "no-reply@home.example", "receipt"),
        ("Read: A test", "", "finn@home.example", "receipt"),
        ("Gelesen: Ein Test", "", "finn@home.example", "receipt"),
        ("Cron <root@home> backup", "Auto-Submitted: auto-generated\n", "root@home.example", "other"),
        ("Please confirm your message", "X-TMDA-Fingerprint: x\n", "finn@home.example", "challenge"),
        ("Please confirm your message", "Return-Path: <>\n", "finn@home.example", "challenge"),
        ("Bitte bestätigen Sie Ihre Nachricht", "Auto-Submitted: auto-replied\n", "finn@home.example", "challenge"),
        ("Confirme su mensaje", "Auto-Submitted: auto-replied\n", "finn@home.example", "challenge"),
        ("News of the club", "List-Help: <mailto:x@home.example>\n", "club@home.example", "list"),
        ("News of the club", "List-Owner: <mailto:x@home.example>\n", "club@home.example", "list"),
        ("News of the club", "List-Archive: <https://home.example/>\n", "club@home.example", "list"),
        ("[home.example #12] AutoReply: A test", "Precedence: bulk\n", "help@home.example", "receipt"),
        ("Your mail", "X-OTRS-Loop: yes\nAuto-Submitted: auto-generated\n", "help@home.example", "receipt"),
        ("Wir haben Ihre Nachricht erhalten", "Auto-Submitted: auto-generated\n", "help@home.example", "receipt"),
        ("Nous avons bien reçu votre message", "Auto-Submitted: auto-generated\n", "help@home.example", "receipt"),
        ("Lida: Um teste", "", "finn@home.example", "receipt"),
    ],
)
def test_other_automatic_mail_is_named(subject: str, extra: str, sender: str, expected: str) -> None:
    assert kind(subject, "text", extra, sender) == expected


# ---- days


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("until 2025-03-14", date(2025, 3, 14)),
        ("back on Monday, March 17th", date(2025, 3, 17)),
        ("returning on 17 March 2025", date(2025, 3, 17)),
        ("until Jan 5", date(2026, 1, 5)),
        ("from 3 March until 14 March", date(2025, 3, 14)),
        ("03/05/2025 - 03/14/2025", date(2025, 3, 14)),
        ("bis zum 7. April", date(2025, 4, 7)),
        ("14.03. bis 21.03.", date(2025, 3, 21)),
        ("until 13/3/25", date(2025, 3, 13)),
        ("until 3/4/2025", None),  # 3 April or 4 March: both lie ahead of the mail
        ("Ich bin im Urlaub und am 14. März wieder im Büro.", date(2025, 3, 14)),
        ("Ich kehre am 14.03.2025 zurück.", date(2025, 3, 14)),
        ("Je suis en congé, de retour le mardi 18 mars.", date(2025, 3, 18)),
        ("Estou ausente até sexta-feira, 14 de março.", date(2025, 3, 14)),
        ("Jag är åter 14/3 2025.", date(2025, 3, 14)),
        ("Ik ben terug op maandag 17 maart.", date(2025, 3, 17)),
        ("Wracam 14 marca.", date(2025, 3, 14)),
        ("Вернусь 14 марта.", date(2025, 3, 14)),
        ("2025年3月14日（予定）まで休暇です。", date(2025, 3, 14)),
        ("3月14日以降にご連絡します。", date(2025, 3, 14)),
        ("Thank you for your mail of 3 March. I will be back soon.", None),
        ("We are open 24/7 and will be back", None),
        ("The meeting is on 14 March. I will be back some day.", None),
        ("until 31 February", None),
        ("until further notice", None),
        ("until 14 March 1999", None),
        ("call 555 3141 until 5 pm", None),
        ("version 3.14.15", None),
    ],
)
def test_the_day_an_absence_ends(text: str, day: date | None) -> None:
    assert return_date(text, MARCH) == day


def test_a_day_without_a_year_needs_the_mails_own_date() -> None:
    assert return_date("until 14 March", None) is None
    assert return_date("until 14 March 2025", None) == date(2025, 3, 14)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["", "Out of office: ", "Auto-Submitted: ", "bis 1.1."]))
def test_no_text_raises(text: str, head: str) -> None:
    return_date(head + text, MARCH)
    read(head + text.replace("\n", " "), text)
    read("x", text, f"Auto-Submitted: {text!r}\nPrecedence: {text!r}\n")


def test_the_subject_that_is_answered_names_no_end_of_an_absence() -> None:
    assert read("Automatic reply: Answer until 14 March", "I am away.") == Automatic(AutomaticKind.OUT_OF_OFFICE)
    found = read("AUTO: Finn is out of the office (returning 03/14/2025)", "I am out of the office.")
    assert found == Automatic(AutomaticKind.OUT_OF_OFFICE, date(2025, 3, 14))
