"""Legal notices: cut in any language and place, and nothing else with them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.reading.answer import AnswerType, read_answer
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.newtext import cut
from postmuster.reading.spans import SpanKind

YES = Ask(AskType.ACKNOWLEDGE)
RESIGN = Ask(AskType.ELECTION, ("Resign",))

NOTICES = [
    "CONFIDENTIALITY NOTICE: This message is for the addressee only. If you have received it in error, please tell the "
    "sender and delete it.",
    "This e-mail and any files transmitted with it are confidential and intended solely for the use of the individual to "
    "whom they are addressed. If you have received this e-mail in error please notify the system manager.",
    "The information contained in this communication is privileged. Any disclosure, copying or distribution is prohibited "
    "if you are not the intended recipient.",
    "If you are not the intended recipient of this email, please notify the sender and delete all copies.",
    "This transmission may contain proprietary material. Should you not be the addressee, destroy it and inform us.",
    "AVISO: Este mensaje va dirigido exclusivamente a su destinatario. Si lo ha recibido por error, comuníquelo al remitente "
    "y bórrelo.",
    "Este correo electrónico es confidencial y para uso exclusivo del destinatario. Si usted ha recibido este correo por "
    "error, por favor notifique al remitente y elimínelo de su sistema.",
    "Ce message est destiné exclusivement à son destinataire. Si vous l'avez reçu par erreur, merci d'en avertir "
    "l'expéditeur et de le détruire.",
    "Ce courriel et ses pièces jointes sont confidentiels. Si vous n'êtes pas le destinataire, veuillez le supprimer et "
    "prévenir l'expéditeur.",
    "Diese E-Mail enthält vertrauliche Informationen. Wenn Sie nicht der richtige Adressat sind, informieren Sie bitte den "
    "Absender und löschen Sie diese E-Mail.",
    "Diese Nachricht ist ausschließlich für den Adressaten bestimmt. Sollten Sie nicht der vorgesehene Empfänger sein, "
    "vernichten Sie diese Nachricht.",
    "Esta mensagem destina-se exclusivamente ao seu destinatário. Se a recebeu por engano, avise o remetente e apague-a.",
    "Este e-mail pode conter informações confidenciais. Caso tenha recebido esta mensagem por engano, exclua-a e notifique o "
    "remetente.",
    "Questo messaggio è destinato esclusivamente al destinatario. Se lo avete ricevuto per errore, avvisate il mittente e "
    "cancellatelo.",
    "Le informazioni contenute nella presente e-mail sono riservate. Qualora non foste i destinatari, vi preghiamo di "
    "informare il mittente e di distruggerla.",
    "Ta wiadomość jest przeznaczona wyłącznie dla adresata. Jeśli otrzymano ją przez pomyłkę, prosimy powiadomić nadawcę i "
    "ją usunąć.",
    "Niniejsza wiadomość zawiera informacje poufne. Jeżeli nie są Państwo jej adresatem, prosimy o jej usunięcie i "
    "poinformowanie nadawcy.",
    "Dit bericht is uitsluitend bestemd voor de geadresseerde. Indien u dit bericht ten onrechte hebt ontvangen, verzoeken "
    "wij u de afzender te informeren en het te verwijderen.",
    "Это сообщение предназначено исключительно для адресата. Если вы получили его по ошибке, сообщите отправителю и удалите "
    "его.",
    "このメールは宛先の方のみを対象としています。誤って受信された場合は、送信者に連絡のうえ削除してください。",
    "本邮件仅供收件人使用。如误收，请通知发件人并删除。",
    "本邮件及其附件含有保密信息，仅限于发送给上述地址中列出的个人。如果您错误收到本邮件，请您立即通知发件人并删除本邮件。",
]

# A person's own words about messages, mistakes and secrets: each stays.
OWN_WORDS = [
    "I received it in error, please delete me from your list.",
    "I received this message in error. Please tell the sender and delete it.",
    "This message is confidential, I hope.",
    "You sent this message to the wrong addressee; please delete it.",
    "If this message was meant for my husband, please delete my address and inform the sender.",
    "Please delete this e-mail address, it is confidential.",
    "Who is the intended recipient of this message? If you are not sure, delete it.",
    "My work is confidential and privileged.",
    "Recibí este mensaje por error; por favor, bórrenme de la lista.",
    "Este mensaje no es para mí. Si ha recibido mi respuesta, avise al remitente.",
    "Ce message est-il authentique ? Le destinataire n'est pas indiqué.",
    "J'ai reçu ce message par erreur, merci de le détruire.",
    "Ich habe diese Nachricht irrtümlich erhalten, bitte löschen Sie meine Adresse.",
    "Diese Nachricht ist nicht für mich.",
    "Recebi esta mensagem por engano, por favor retirem-me da lista.",
    "Ho ricevuto questo messaggio per errore, cancellatemi.",
    "Otrzymałem tę wiadomość przez pomyłkę, proszę usunąć mój adres.",
    "Ik heb dit bericht ten onrechte ontvangen, verwijder mijn adres.",
    "Я получил это сообщение по ошибке, удалите мой адрес.",
    "このメールは私宛ではありません。削除してください。",
    "我误收了本邮件，请删除我的地址。",
]


@pytest.mark.parametrize("notice", NOTICES)
@pytest.mark.parametrize(
    "form",
    [
        "YES\n\n{}",
        "YES\n\n________________________\n{}",
        "YES\n\n***\n\n{}\n",
        "YES\n\nJane Doe\nTel. 202-555-0142\n\n{}",
    ],
    ids=["below", "below a rule", "below stars", "below a name"],
)
def test_a_notice_below_an_answer_is_cut(notice: str, form: str) -> None:
    found = cut(form.format(notice), author="Jane Doe <jane@example.org>")
    assert found.new_text == "YES"
    assert found.notices.endswith(notice)
    assert found.confidence == 1.0


@pytest.mark.parametrize("notice", NOTICES)
def test_a_notice_below_the_quote_is_cut(notice: str) -> None:
    quote = "On Tue, Mar 5, 2024 at 10:00 AM, HR <hr@example.org> wrote:\n> Please answer."
    found = cut(f"YES\n\n{quote}\n\n{notice}")
    assert found.new_text == "YES"
    assert found.elided[-1].kind is SpanKind.DISCLAIMER


@pytest.mark.parametrize("notice", NOTICES)
def test_a_notice_whose_lines_were_wrapped_is_cut(notice: str) -> None:
    words = notice.split(" ")
    wrapped = "\n".join(" ".join(words[at : at + 9]) for at in range(0, len(words), 9))
    assert cut(f"YES\n\n{wrapped}").new_text == "YES"


@pytest.mark.parametrize("notice", [NOTICES[0], NOTICES[5], NOTICES[20]])
def test_two_notices_are_cut_together(notice: str) -> None:
    assert cut(f"YES\n\n{notice}\n\n{NOTICES[9]}\n\nwww.example.org").new_text == "YES"


@pytest.mark.parametrize("own", OWN_WORDS)
def test_a_persons_own_words_are_no_notice(own: str) -> None:
    for text in (own, f"Hello,\n\n{own}", f"{own}\n\nJane", f"Yes.\n\n{own}"):
        assert own in cut(text).new_text


@pytest.mark.parametrize("notice", NOTICES)
def test_words_in_front_of_a_notice_in_its_paragraph_stay(notice: str) -> None:
    assert cut(f"No, never. {notice}").new_text.startswith("No, never.")


@pytest.mark.parametrize("notice", NOTICES)
def test_an_answer_below_a_notice_stays(notice: str) -> None:
    assert "I do not agree" in cut(f"Hello,\n\n{notice}\n\nI do not agree").new_text


@pytest.mark.parametrize("notice", NOTICES)
def test_an_answer_above_a_notice_is_read(notice: str) -> None:
    assert read_answer(cut(f"Yes.\n\n{notice}"), "Re: A mail", YES).type is AnswerType.ACKNOWLEDGE
    found = read_answer(cut(f"I resign.\n\n{notice}"), "Re: A mail", RESIGN, sent_subject="A mail")
    assert found.type is AnswerType.ELECTION, found


def test_a_notice_that_names_the_choice_leaves_the_election_to_a_person() -> None:
    notice = (
        "This message is for the addressee only. If you have received it in error, delete it; nobody has to resign."
    )
    found = read_answer(cut(f"Resign\n\n{notice}"), "Re: A mail", RESIGN, sent_subject="A mail")
    assert (found.type, found.reasons) == (AnswerType.UNCLEAR, ("choice_in_notice",))


def test_thousands_of_paragraphs_that_begin_like_notices_are_read_in_time() -> None:
    started = time.perf_counter()
    line = "This message is for the addressee only. If you have received it in error, delete it."
    cut(f"{line}\n\nI\n\n" * 2_000)
    cut(f"{line}\n\n" * 2_000 + "I do not agree")
    cut(f"{line}\n" * 2_000)
    cut(f"{line} " * 2_000)
    cut("Words that go on and on, and on, and on, in one long paragraph of many lines.\n" * 3_000)
    assert time.perf_counter() - started < 5


@given(st.lists(st.sampled_from([*NOTICES, *OWN_WORDS, "", "YES", "---", "x" * 300]), max_size=12))
def test_nothing_is_lost_whatever_stands_in_a_row(parts: list[str]) -> None:
    text = "\n".join(parts)
    found = cut(text)
    kept = "".join(line for _, line in found.lines)
    elided = "".join(text[span.start : span.end] for span in found.elided)
    assert sorted("".join((kept + elided).split())) == sorted("".join(text.split()))
