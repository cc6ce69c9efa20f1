"""New text: what stays, what is cut and why, in any language, on any input."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.reading.newtext import MAX_TEXT_CHARS, cut
from postmuster.reading.spans import SpanKind, join_lines, remaining_lines

# What programs write above a quote, one per language they are set to.
ANNOUNCEMENTS = {
    "en": "On Tue, Mar 5, 2024 at 10:00 AM, Human Resources <hr@example.org> wrote:",
    "de": "Am 05.03.2024 um 10:00 schrieb Human Resources <hr@example.org>:",
    "fr": "Le mar. 5 mars 2024 à 10:00, Human Resources <hr@example.org> a écrit :",
    "es": "El mar, 5 mar 2024 a las 10:00, Human Resources (<hr@example.org>) escribió:",
    "pt": "Em ter., 5 de mar. de 2024 às 10:00, Human Resources <hr@example.org> escreveu:",
    "it": "Il giorno mar 5 mar 2024 alle ore 10:00 Human Resources <hr@example.org> ha scritto:",
    "pl": "W dniu wt., 5.03.2024 o 10:00 Human Resources <hr@example.org> napisał(a):",
    "nl": "Op di 5 mrt 2024 om 10:00 schreef Human Resources <hr@example.org>:",
    "sv": "Den tis 5 mars 2024 kl 10:00 skrev Human Resources <hr@example.org>:",
    "da": "Den tirs. 5. mar. 2024 kl. 10.00 skrev Human Resources <hr@example.org>:",
    "no": "tir. 5. mar. 2024 kl. 10:00 skrev Human Resources <hr@example.org>:",
    "fi": "ti 5. maalisk. 2024 klo 10.00 Human Resources <hr@example.org> kirjoitti:",
    "cs": "út 5. 3. 2024 v 10:00 odesílatel Human Resources <hr@example.org> napsal:",
    "sk": "ut 5. 3. 2024 o 10:00 Human Resources <hr@example.org> napísal(a):",
    "hu": "Human Resources <hr@example.org> ezt írta (időpont: 2024. márc. 5., K, 10:00):",
    "ro": "În mar., 5 mar. 2024 la 10:00, Human Resources <hr@example.org> a scris:",
    "tr": "Human Resources <hr@example.org>, 5 Mar 2024 Sal, 10:00 tarihinde şunu yazdı:",
    "ru": "вт, 5 мар. 2024 г. в 10:00, Human Resources <hr@example.org>:",
    "uk": "вт, 5 бер. 2024 р. о 10:00 Human Resources <hr@example.org> пише:",
    "el": "Στις Τρί 5 Μαρ 2024 στις 10:00 π.μ., ο Human Resources <hr@example.org> έγραψε:",
    "ja": "2024年3月5日(火) 10:00 Human Resources <hr@example.org>:",
    "zh": "Human Resources <hr@example.org> 于2024年3月5日周二 10:00写道：",
    "ko": "2024년 3월 5일 (화) 오전 10:00, Human Resources <hr@example.org>님이 작성:",
    "he": "\u200fבתאריך יום ג׳, 5 במרץ 2024 ב-10:00 מאת Human Resources <\u202ahr@example.org\u202c>:",
    "ar": "في الثلاثاء، 5 مارس 2024 في 10:00 ص تمت كتابة ما يلي بواسطة Human Resources <hr@example.org>:",
}
BLOCKS = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
    "fr": ("De", "Envoyé", "À", "Objet"),
    "es": ("De", "Enviado el", "Para", "Asunto"),
    "pt": ("De", "Enviado", "Para", "Assunto"),
    "it": ("Da", "Inviato", "A", "Oggetto"),
    "pl": ("Od", "Wysłano", "Do", "Temat"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp"),
    "sv": ("Från", "Skickat", "Till", "Ämne"),
    "da": ("Fra", "Sendt", "Til", "Emne"),
    "fi": ("Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"),
    "cs": ("Od", "Odesláno", "Komu", "Předmět"),
    "hu": ("Feladó", "Elküldve", "Címzett", "Tárgy"),
    "ro": ("De la", "Trimis", "Către", "Subiect"),
    "tr": ("Kimden", "Gönderildi", "Kime", "Konu"),
    "ru": ("От", "Отправлено", "Кому", "Тема"),
    "uk": ("Від", "Надіслано", "Кому", "Тема"),
    "el": ("Από", "Στάλθηκε", "Προς", "Θέμα"),
    "ja": ("差出人", "送信日時", "宛先", "件名"),
    "zh": ("发件人", "发送时间", "收件人", "主题"),
    "ko": ("보낸 사람", "보낸 날짜", "받는 사람", "제목"),
}


@pytest.mark.parametrize("language", ANNOUNCEMENTS)
@pytest.mark.parametrize("mark", ["> ", ""], ids=["marked", "unmarked"])
def test_the_sentence_above_a_quote_is_known_in_each_language(language: str, mark: str) -> None:
    text = f"My own words.\n\n{ANNOUNCEMENTS[language]}\n\n{mark}Words of the mail.\n{mark}More of them."
    assert cut(text).new_text == "My own words."


@pytest.mark.parametrize("language", BLOCKS)
def test_the_block_of_fields_above_a_quote_is_known_in_each_language(language: str) -> None:
    sender, date, to, subject = BLOCKS[language]
    block = f"{sender}: HR <hr@example.org>\n{date}: 5.3.2024 10:00\n{to}: Jane\n{subject}: A test"
    for above in ("", "________________________________\n", "\n"):
        text = f"My own words.\n{above}{block}\n\nWords of the mail."
        assert cut(text).new_text == "My own words.", above


def test_new_lines_between_quotes_stay() -> None:
    text = "On Tue, Mar 5, 2024 at 10:00 AM, HR <hr@example.org> wrote:\n> First question?\n\nFirst answer.\n\n> Second?\nNo."
    assert cut(text).new_text == "First answer.\n\nNo."


def test_a_sentence_that_wraps_over_three_lines_is_one_announcement() -> None:
    text = "Mine.\n\nOn Tue, Mar 5, 2024 at 10:00 AM, Human Resources\n<a-very-long-address@example.org>\nwrote:\n\nTheirs."
    assert cut(text).new_text == "Mine."


def test_a_person_who_tells_what_somebody_wrote_is_not_cut() -> None:
    text = "My manager wrote:\nyou may answer.\nSo I answer here."
    found = cut(text)
    assert found.new_text == text
    assert found.confidence < 0.8


@pytest.mark.parametrize(
    "ending",
    [
        "-- \nJane Doe\nAnalyst",
        "Thanks,\nJane Doe\n+1 202 555 0143",
        "Mit freundlichen Grüßen\n\nJana Muster",
        "Cordialement,\nJeanne",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Get Outlook for iOS",
    ],
)
def test_a_signature_is_cut_and_kept_apart(ending: str) -> None:
    found = cut(f"Yes.\n\n{ending}")
    assert found.new_text == "Yes."
    assert found.signature == ending.strip()
    assert [span.kind for span in found.elided] == [SpanKind.SIGNATURE]


def test_a_postscript_below_a_name_is_not_a_signature() -> None:
    text = "Resign\n\nThanks,\nJane\n\nPS: only if you pay me."
    assert "only if you pay me" in cut(text).new_text


def test_a_notice_of_lawyers_is_cut_as_a_disclaimer() -> None:
    text = (
        "Yes.\n\nThis e-mail and any attachments are confidential and intended only for the addressee. If you have received "
        "this in error, delete this mail. Any unauthorised disclosure is prohibited."
    )
    found = cut(text)
    assert found.new_text == "Yes."
    assert found.elided[-1].kind is SpanKind.DISCLAIMER


def test_a_forward_is_cut_as_one() -> None:
    text = "See below.\n\n---------- Forwarded message ---------\nFrom: HR <hr@example.org>\nDate: Tue, 5 Mar 2024\n\nWords."
    found = cut(text)
    assert found.new_text == "See below."
    assert found.elided[-1].kind is SpanKind.FORWARD


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I have not received the mail that you wrote to me", "en"),
        ("Ich habe die Nachricht nicht erhalten und bitte Sie um eine neue", "de"),
        ("はい、受け取りました", "ja"),
        ("Yes", None),
    ],
)
def test_a_language_is_named_only_when_the_words_say_so(text: str, language: str | None) -> None:
    assert cut(text).language == language


_LINES = st.sampled_from(
    [
        "",
        "Yes",
        "Resign",
        "> quoted",
        ">",
        "-- ",
        "Thanks,",
        "Jane Doe",
        *ANNOUNCEMENTS.values(),
        "From: HR <hr@example.org>",
        "Sent: Tuesday, March 5, 2024 10:00",
        "To: Jane",
        "Subject: A test",
        "-----Original Message-----",
        "Begin forwarded message:",
        "________________________________",
        "Sent from my phone",
        "type the word Resign in your reply and send it before the deadline that is named below in your own zone",
        "This e-mail and any attachments are confidential; the intended recipient may not disclose it",
        "wrote:",
        "\u200b\u2066",
    ]
)
_TEXTS = st.lists(_LINES, max_size=25).map("\n".join) | st.text(max_size=400)


@given(_TEXTS, _TEXTS | st.none())
def test_new_text_and_spans_always_make_up_the_text(text: str, sent: str | None) -> None:
    found = cut(text, sent=sent)
    at = 0
    for span in found.elided:
        assert at <= span.start < span.end <= len(text)
        at = span.end
    assert join_lines(remaining_lines(text, found.elided)) == found.new_text
    assert found.new_text.strip("\n") == found.new_text
    for start, line in found.lines:
        assert text[start : start + len(line)] == line
    assert 0 <= found.confidence <= 1


@pytest.mark.parametrize(
    "piece",
    [
        "x",
        "> ",
        "From: ",
        "wrote:\n",
        "On a@b 2024 wrote:\n",
        "-",
        "a\n",
        "--\n",
        "\n",
        "thanks,\n",
        "From: a@b\n",
        " ",
        "9.9.",
    ],
)
def test_a_megabyte_of_anything_takes_less_than_two_seconds(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    found = cut(text, sent=text[:50_000])
    assert time.process_time() - began < 2
    assert all(0 <= span.start < span.end <= len(text) for span in found.elided)


def test_twice_the_text_takes_at_most_about_twice_the_time() -> None:
    def seconds(lines: int) -> float:
        text = "A line of words that somebody wrote: yes, on 5.3.2024 at a@b\n" * lines
        began = time.process_time()
        cut(text)
        return time.process_time() - began

    seconds(100)
    assert seconds(3_000) < 12 * max(seconds(1_000), 0.002)


def test_what_is_longer_than_the_limit_is_cut_and_the_confidence_says_so() -> None:
    found = cut("word " * (MAX_TEXT_CHARS // 2))
    assert found.elided[-1].end == 5 * (MAX_TEXT_CHARS // 2)
    assert found.confidence <= 0.5
