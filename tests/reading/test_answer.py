"""Answers: what counts, what goes to a person, what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.notices.wording import DECLINE_WORDS, SENSITIVE_SENTENCE, WITHDRAW_WORDS
from postmuster.reading.answer import Answer, AnswerType, read_answer
from postmuster.reading.ask import Ask, AskFault, AskType, parse_ask
from postmuster.reading.newtext import cut

YES = Ask(AskType.ACKNOWLEDGE)
RESIGN = Ask(AskType.ELECTION, ("Resign",))
TWO = Ask(AskType.ELECTION, ("Resign", "Retire early"))
FIVE = Ask(AskType.REPORT, items=5)


def answer(text: str, ask: Ask, subject: str = "Re: A mail", **more: str | bool | None) -> Answer:
    return read_answer(cut(text), subject, ask, sent_subject="A mail", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "YES",
        "yes.",
        "Yes!",
        "*Yes*",
        '"YES"',
        "Hi,\n\nYes, I received this email.\n\nThank you,\nJane Doe\nAnalyst",
        "Yes.\n\n-- \nJane Doe",
        "Yes\nJane Doe",
        "Confirmed, thanks",
        "Hello HR team, yes thank you",
        "Yes, I have received your test email.",
        "Received, thank you!",
        "Yes 😊",
        "Yes - thanks",
        "Dzień dobry,\n\nTAK\n\nPozdrawiam,\nJan",
        "👍",
        "👍🏽",
        "✅",
        "Ja, bestätigt.\n\nMit freundlichen Grüßen\nJana",
        "Oui, bien reçu.\n\nCordialement",
        "Sí, recibido. Gracias.",
        "Sim, recebi. Obrigado.",
        "Sì, ricevuto",
        "Tak, potwierdzam.",
        "收到，谢谢",
        "はい、受け取りました。",
        "Да, получил",
        "Ja, ontvangen. Bedankt",
    ],
)
def test_a_yes_in_its_usual_forms_acknowledges(text: str) -> None:
    found = answer(text, YES)
    assert found.type is AnswerType.ACKNOWLEDGE, found
    assert found.evidence


@pytest.mark.parametrize(
    "text",
    [
        "Yes, but I think this is a fraud.",
        "yes, but",
        "Yes? ",
        "Yes and no",
        "Yes. I do not work for you.",
        "I did not receive this",
        "If I must: yes",
        "We got this mail but my colleague did not.",
        "Yes, remove me",
        "lorem ipsum",
    ],
)
def test_a_yes_with_anything_beside_it_is_unclear(text: str) -> None:
    assert answer(text, YES).type is AnswerType.UNCLEAR


@pytest.mark.parametrize(
    "text",
    [
        "Resign",
        "RESIGN.",
        "resign!",
        '"Resign"',
        "“Resign”",
        "*Resign*",
        "I resign.",
        "I hereby choose to resign",
        "I would like to resign, thank you.",
        "Yes, I resign",
        "Hello,\n\nMy answer is Resign.\n\nBest regards,\nJane Doe",
        "I am replying to say that I resign",
        "I choose to resign under this offer",
        "My choice: Resign",
        "Dear Ms Doe,\n\nResign\n\nJane Doe\nAnalyst\nOffice of Water",
        "Elijo Resign. Gracias.",
        "Je choisis Resign.\n\nCordialement,\nJeanne",
        "Ich wähle Resign",
        "Escolho Resign",
        "Scelgo Resign",
        "Wybieram Resign",
        "我选择Resign",
    ],
)
def test_a_choice_asserted_alone_is_an_election(text: str) -> None:
    found = answer(text, RESIGN)
    assert (found.type, found.choice) == (AnswerType.ELECTION, "Resign"), found


@pytest.mark.parametrize(
    "text",
    [
        "Resign?",
        "Resign...",
        "Resign…",
        "Resign :)",
        "Resign 😂",
        "~~Resign~~",
        "Never resign",
        "Do not resign",
        "I will resign",
        "I resigned last year",
        "I am resigning",
        "If you pay me, I resign",
        "Resign, if it is voluntary",
        "I resign under protest",
        "I want to resign but not now",
        "My boss should resign",
        "My boss: Resign",
        "Not my choice: Resign",
        "Please resign",
        "You resign",
        "He says: resign",
        "My colleague Bob wants to resign",
        'You told me to type the word "Resign"',
        'I "resign"',
        "Resign or stay",
        "Resign\n\nJust Kidding",
        "Resign\n\nNot Yet",
        "Resign\n\nAfter May",
        "Resign\n\nEffective Next Year",
        "Resign not",
        "1. Resign",
        "Resign Resignation",
        "To resign or not to resign",
        "Is this real?\n\nResign",
        "Resign\n\nThanks,\nJane\n\nPS: not before May.",
        "Resign since you force me",
        "Re\u200bsign",
        "Rеsign",  # the second letter is Cyrillic
        "yes",
        "Hereby not: resign",
        "[ ] Resign",
        "□ Resign",
        "¬Resign",
        "≠ Resign",
        "Resign = out",
        "OK, resign",
        "Dear Director, resign!",
        "Resign\n\nBest,\nJane (not really)",
        "Resign\n\n--\nI was forced to write this",
        "hi nobody: never. Resign",
        "This is to inform you that Bob wants to\nresign",
    ],
)
def test_anything_else_beside_a_choice_is_unclear(text: str) -> None:
    assert answer(text, RESIGN).type in (AnswerType.UNCLEAR, AnswerType.QUESTION), answer(text, RESIGN)
    assert answer(text, RESIGN).choice is None


def test_two_different_choices_are_unclear_and_the_longer_choice_is_itself() -> None:
    assert answer("Resign\nRetire early", TWO).reasons == ("two_choices",)
    assert answer("I choose to retire early.", TWO).choice == "Retire early"
    assert answer("Resign. Resign!", TWO).choice == "Resign"


def test_a_choice_may_have_signs_of_its_own() -> None:
    ask = Ask(AskType.ELECTION, ("Leave/Retire", "Stay"))
    assert answer("Leave/Retire", ask).choice == "Leave/Retire"
    assert answer("[ ] Leave/Retire", ask).reasons == ("unknown_sign",)


def test_a_choice_in_the_signature_alone_is_unclear() -> None:
    assert answer("Hello,\n\nThanks,\nResign Smith", RESIGN).type is AnswerType.UNCLEAR
    assert answer("Resign\n\nThanks,\nJane Resign", RESIGN).reasons == ("choice_in_signature",)


def test_an_election_signed_by_another_name_is_unclear() -> None:
    text = "Resign\n\nJohn Smith\nDirector"
    assert answer(text, RESIGN, author="John Smith <john.smith@example.org>").type is AnswerType.ELECTION
    assert answer(text, RESIGN, author="jsmith@example.org").type is AnswerType.UNCLEAR
    assert answer(text, RESIGN, author="Jane Doe <jane@example.org>").reasons == ("another_name",)


def test_a_room_has_a_number_and_a_year_is_none() -> None:
    author = "John Smith <john.smith@example.org>"
    assert answer("Resign\n\nJohn Smith\nRoom 12", RESIGN, author=author).type is AnswerType.ELECTION
    assert answer("Resign\n\nJohn Smith\nSummer 2027", RESIGN, author=author).type is AnswerType.UNCLEAR
    assert answer("Resign\n\nJohn Smith\nJune 12", RESIGN, author=author).type is AnswerType.UNCLEAR


def test_words_between_a_choice_and_the_name_are_no_part_of_the_name() -> None:
    text = "Resign\n\nUpon Acceptance\nJohn Smith"
    assert answer(text, RESIGN, author="John Smith <john.smith@example.org>").reasons == ("unknown_last_line",)


def test_a_struck_out_choice_is_unclear() -> None:
    assert answer("Resign", RESIGN, struck=True).reasons == ("struck_text",)


@pytest.mark.parametrize(
    ("subject", "body", "kind"),
    [
        ("Resign", "", AnswerType.ELECTION),
        ("Re: Resign", "", AnswerType.ELECTION),
        ("Resign", "Thanks,\n\nJane", AnswerType.ELECTION),
        ("Resign?", "", AnswerType.UNCLEAR),
        ("Re: A mail", "", AnswerType.NONE),
        ("Fwd: AW: A mail", "", AnswerType.NONE),
        ("Resign", "I have a question about this.", AnswerType.QUESTION),
        ("Resign", "I am thinking about it", AnswerType.UNCLEAR),
        ("I do not resign", "Resign", AnswerType.UNCLEAR),
        ("[EXTERNAL] Re: A mail", "Resign", AnswerType.ELECTION),
    ],
)
def test_the_subject_counts_only_for_an_empty_body(subject: str, body: str, kind: AnswerType) -> None:
    assert answer(body, RESIGN, subject).type is kind


def test_a_subject_that_may_be_ours_is_no_answer() -> None:
    assert read_answer(cut(""), "Resign", RESIGN, sent_subject="Resign").type is AnswerType.NONE
    assert read_answer(cut(""), "Re: Resign", RESIGN).type is AnswerType.UNCLEAR


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("No", AnswerType.DECLINE),
        ("No, thank you.", AnswerType.DECLINE),
        ("I decline the offer.", AnswerType.DECLINE),
        ("I do not resign", AnswerType.DECLINE),
        ("No acepto la oferta. Gracias.", AnswerType.DECLINE),
        ("Je refuse cette offre.", AnswerType.DECLINE),
        ("Ich lehne das Angebot ab.", AnswerType.DECLINE),
        ("Não aceito a oferta.", AnswerType.DECLINE),
        ("Rifiuto l'offerta.", AnswerType.DECLINE),
        ("Odrzucam ofertę.", AnswerType.DECLINE),
        ("我不接受", AnswerType.DECLINE),
        ("I withdraw my resignation.", AnswerType.WITHDRAW),
        ("Hello,\n\nI would like to withdraw my choice.\n\nJane", AnswerType.WITHDRAW),
        ("Quiero retirar mi elección.", AnswerType.WITHDRAW),
        ("Je souhaite retirer ma réponse.", AnswerType.WITHDRAW),
        ("Ich widerrufe meine Erklärung.", AnswerType.WITHDRAW),
        ("Quero retirar a minha resposta.", AnswerType.WITHDRAW),
        ("Vorrei ritirare la mia scelta.", AnswerType.WITHDRAW),
        ("Wycofuję moją odpowiedź.", AnswerType.WITHDRAW),
        ("我要撤回我的选择", AnswerType.WITHDRAW),
        ("Is this mail real?", AnswerType.QUESTION),
        ("Who decides about it and when?", AnswerType.QUESTION),
        ("Tengo una pregunta sobre el plazo.", AnswerType.QUESTION),
        ("Wer entscheidet das?", AnswerType.QUESTION),
        ("请问这是真的吗？", AnswerType.QUESTION),
        ("I am not in your organisation.", AnswerType.NOT_MINE),
        ("You have the wrong person.", AnswerType.NOT_MINE),
        ("No trabajo para esa agencia.", AnswerType.NOT_MINE),
        ("Je ne travaille plus pour ce service.", AnswerType.NOT_MINE),
        ("Ich arbeite nicht bei Ihnen.", AnswerType.NOT_MINE),
        ("Não trabalho para esse órgão.", AnswerType.NOT_MINE),
        ("Non lavoro per voi.", AnswerType.NOT_MINE),
        ("Nie pracuję u Państwa.", AnswerType.NOT_MINE),
        ("你们发错了", AnswerType.NOT_MINE),
        ("I don't work for you. Why did I get this?", AnswerType.NOT_MINE),
    ],
)
def test_what_is_no_answer_to_the_ask_has_its_own_kind(text: str, kind: AnswerType) -> None:
    assert answer(text, RESIGN).type is kind, answer(text, RESIGN)
    if kind is not AnswerType.DECLINE:
        assert answer(text, YES).type is kind
        assert answer(text, FIVE).type is kind


@pytest.mark.parametrize(
    "text",
    [
        "I withdraw my resignation unless you answer me.",
        "Can I withdraw my resignation?",
        "I do not want to withdraw my resignation.",
        "I withdraw my resignation. Resign.",
    ],
)
def test_a_withdrawal_with_a_condition_or_a_question_is_not_taken(text: str) -> None:
    assert answer(text, RESIGN).type in (AnswerType.UNCLEAR, AnswerType.QUESTION)


FIVE_LINES = ["Wrote a report on water", "Met the team", "Answered 12 letters", "Reviewed a plan", "Trained two people"]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"- {line}" for line in FIVE_LINES),
        "\n".join(f"* {line}" for line in FIVE_LINES),
        "\n".join(f"• {line}" for line in FIVE_LINES),
        "\n".join(f"– {line}" for line in FIVE_LINES),
        "\n".join(f"{n}. {line}" for n, line in enumerate(FIVE_LINES, 1)),
        "\n".join(f"{n}) {line}" for n, line in enumerate(FIVE_LINES, 1)),
        "\n".join(f"({chr(96 + n)}) {line}" for n, line in enumerate(FIVE_LINES, 1)),
        "\n\n".join(f"{n}.\n{line}" for n, line in enumerate(FIVE_LINES, 1)),
        "\n".join(FIVE_LINES),
        "\n\n".join(FIVE_LINES),
        "; ".join(FIVE_LINES),
        "Hello,\n\nHere is what I did:\n\n"
        + "\n".join(f"- {line}" for line in FIVE_LINES)
        + "\n\nThank you,\nJane Doe",
        "Hello,\n" + "\n".join(FIVE_LINES) + "\n\nThanks\nJane",
    ],
)
def test_items_are_found_in_each_form_of_a_list(text: str) -> None:
    found = answer(text, FIVE)
    assert found.type is AnswerType.REPORT, found
    assert list(found.items) == FIVE_LINES
    assert len(found.evidence) == 5


def test_a_list_of_another_length_is_a_report_that_says_so() -> None:
    assert answer("- one\n- two\n- three", FIVE).reasons == ("fewer_items",)
    assert answer("\n".join(f"- item {n}" for n in range(7)), FIVE).reasons == ("more_items",)


def test_lines_without_marks_are_a_list_unless_they_speak_to_the_reader() -> None:
    assert len(answer("Wrote a report\nMet the team\nReviewed a plan", FIVE).items) == 3
    assert answer("Wrote a report\nMet the team\nReviewed a plan", FIVE).type is AnswerType.REPORT
    assert answer("This is wrong\nYou have no right to ask\nI tell my union", FIVE).type is AnswerType.UNCLEAR
    assert answer("Wrote a report\nMet the team", FIVE).type is AnswerType.UNCLEAR


def test_a_wrapped_item_is_one_item() -> None:
    found = answer("- one that goes on\n  in the next line\n- two\n\n- three", FIVE)
    assert found.items == ("one that goes on in the next line", "two", "three")


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("All of my activities are sensitive.", AnswerType.REPORT, "all_sensitive"),
        ("Hello,\n\nAll of my activities are sensitive.\n\nJane Doe", AnswerType.REPORT, "all_sensitive"),
        ("I am on leave until 5 May.", AnswerType.DECLINE, "on_leave"),
        ("On leave", AnswerType.DECLINE, "on_leave"),
        ("My agency answers for me.", AnswerType.DECLINE, "answered_by_component"),
        ("I decline to answer.", AnswerType.DECLINE, "declined"),
        ("Estoy de vacaciones.", AnswerType.DECLINE, "on_leave"),
        ("Meine Behörde antwortet für mich.", AnswerType.DECLINE, "answered_by_component"),
        ("Toutes mes activités sont sensibles.", AnswerType.REPORT, "all_sensitive"),
        ("我在休假", AnswerType.DECLINE, "on_leave"),
    ],
)
def test_a_complete_answer_in_fixed_words_has_its_reason(text: str, kind: AnswerType, reason: str) -> None:
    found = answer(text, FIVE)
    assert (found.type, found.reasons) == (kind, (reason,)), found


@pytest.mark.parametrize(
    "text", ["Yes", "I did my job.", "I think this is illegal.\n\nPlease stop.", "ok", "My activities vary"]
)
def test_a_text_that_is_no_list_is_unclear_for_a_report(text: str) -> None:
    assert answer(text, FIVE).type is AnswerType.UNCLEAR


@pytest.mark.parametrize("text", ["", "\n\n", "Hello,\n\nThank you.\n\nJane Doe", "-- \nJane"])
def test_nothing_but_politeness_is_no_answer(text: str) -> None:
    for ask in (YES, RESIGN, FIVE):
        assert answer(text, ask).type is AnswerType.NONE


def test_where_nothing_was_asked_only_questions_and_strangers_are_noticed() -> None:
    nothing = Ask(AskType.NONE)
    assert answer("Yes", nothing).type is AnswerType.NONE
    assert answer("Is this real?", nothing).type is AnswerType.QUESTION
    assert answer("You have the wrong person.", nothing).type is AnswerType.NOT_MINE


def test_evidence_points_into_the_text_that_was_cut() -> None:
    text = "Hello,\n\n  I resign, thank you.\n\n> quoted"
    found = read_answer(cut(text), "", RESIGN)
    assert [text[start:end] for start, end in found.evidence] == ["I resign,"]


@pytest.mark.parametrize(
    ("word", "ask"),
    [
        ("acknowledge", YES),
        ("election:Resign", RESIGN),
        ("election:Resign, Retire early", TWO),
        ("report:5", FIVE),
        (" NONE ", Ask(AskType.NONE)),
        ("", AskFault.UNKNOWN),
        ("election", AskFault.NO_CHOICES),
        ("election:", AskFault.NO_CHOICES),
        ("election:A,,B", AskFault.BAD_CHOICES),
        ("election:A,a", AskFault.BAD_CHOICES),
        ("report:0", AskFault.BAD_ITEMS),
        ("report:x", AskFault.BAD_ITEMS),
        ("report:²", AskFault.BAD_ITEMS),
        ("acknowledge:1", AskFault.UNKNOWN),
    ],
)
def test_an_ask_is_read_from_its_word(word: str, ask: Ask | AskFault) -> None:
    assert parse_ask(word) == ask


_WORDS = st.sampled_from(
    [
        "Resign", "I", "choose to", "yes", "no", "not", ",", ".", "?", "\n", "\n\n", "- ", "> ", "Hello", "Thanks",
        "Jane Doe", "withdraw", "my", "👍", '"', "是", "if", "1. ",
    ]
)  # fmt: skip


@given(
    st.lists(_WORDS, max_size=30).map(" ".join) | st.text(max_size=300),
    st.sampled_from([YES, RESIGN, TWO, FIVE]),
    st.text(max_size=40),
)
def test_any_text_gives_an_answer_with_evidence_within_it(text: str, ask: Ask, subject: str) -> None:
    found = read_answer(cut(text), subject, ask, author=subject)
    assert 0 <= found.confidence <= 1
    for start, end in found.evidence:
        assert 0 <= start <= end <= len(text)
    if found.type is AnswerType.ELECTION:
        assert found.choice in ask.choices


@given(st.lists(_WORDS, max_size=12).map(" ".join))
def test_no_text_with_a_negation_or_a_condition_is_an_election(text: str) -> None:
    found = read_answer(cut(text), "", RESIGN)
    if found.type is AnswerType.ELECTION:
        words = set(cut(text).new_text.lower().replace(",", " ").replace(".", " ").split())
        assert not words & {"not", "if", "no", "withdraw"}


def test_the_words_our_notices_tell_people_to_use_are_understood() -> None:
    assert answer(WITHDRAW_WORDS, RESIGN).type is AnswerType.WITHDRAW
    assert answer(DECLINE_WORDS, FIVE).type is AnswerType.DECLINE
    assert answer(SENSITIVE_SENTENCE, FIVE).reasons == ("all_sensitive",)


def test_a_sentence_above_lines_that_are_none_is_no_item() -> None:
    found = answer("Please find my points below.\n\nWrote a plan\nMet the council\nFixed gate four", FIVE)
    assert (found.type, found.items) == (AnswerType.REPORT, ("Wrote a plan", "Met the council", "Fixed gate four"))


@pytest.mark.parametrize(
    "text",
    [
        "As discussed.\n\nThe gate is shut\nThe lock is open\nThe plan is late.",
        "The badge is broken.\n\nRoom four\nSecond floor\n\nMore follows soon",
        "We spoke on the phone\n\nThe gate is shut again\nThe lock is open\n\nThe plan is late",
    ],
)
def test_a_letter_in_short_lines_is_no_report(text: str) -> None:
    assert answer(text, FIVE).type is AnswerType.UNCLEAR


@pytest.mark.parametrize("special", ["I withdraw my answer.", "You have the wrong person.", "Who asks for this?"])
def test_a_letter_that_says_something_else_is_no_report(special: str) -> None:
    found = answer(f"{special}\n\nThe gate is shut\n\nThe lock is open\n\nThe plan is late\n\nMore follows", FIVE)
    assert found.type is not AnswerType.REPORT
