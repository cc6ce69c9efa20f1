"""The journey of a letter: claimed, composed, handed over, written down. Letters overtake bulk: they have a loop of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from postmuster.jobs.desk import Desk
from postmuster.mail.address import AddrSpec, Mailbox, parse_addr_spec
from postmuster.mail.compose import CompiledMail, Copy, Wording, compile_mail
from postmuster.mail.dkim import DkimSigner
from postmuster.mail.submission import Envelope, Notify, Outcome, OutcomeKind
from postmuster.mail.token import write_letter_id
from postmuster.outbound.letters import (
    MAX_ATTEMPTS,
    ClaimedLetter,
    LetterOutcome,
    claim_letters,
    record_letters,
)
from postmuster.outbound.relay import Relay, Submission
from postmuster.outbound.states import LetterState

WINDOW_LETTERS: Final = 50
KEPT_WORDINGS: Final = 128  # compiled; some twenty kinds of letter in eight languages, 20 KB each
_NEVER: Final[tuple[Notify, ...]] = ()


def send_letters(*, desk: Desk) -> int:
    """Send the letters whose time has come; returns how many the relay took."""
    sent = 0
    with Relay(desk.relay, desk.settings.relay.connections) as relay:
        while not desk.leaving.is_set():
            lease_s = desk.settings.work.lease_s
            letters = claim_letters(desk.keyring, limit=WINDOW_LETTERS, lease_s=lease_s, now=desk.now)
            if not letters:
                break
            taken = _hand_over(letters, relay, desk)
            sent += taken
            if not taken:
                break
    _compiled.cache_clear()  # a wording may hold what one person wrote: it does not outlive the letters at hand
    return sent


def compose_letter(letter: ClaimedLetter, desk: Desk) -> bytes:
    """The octets of a letter; its Message-ID and Date follow from its number and day, so that a second try is the same mail."""
    text = letter.text
    compiled = _compiled(
        Mailbox(text.from_name, _address(text.from_address)),
        Wording(text.subject, text.text, text.html),
        text.language,
        desk.signing.signer,
    )
    copy = Copy(
        to=Mailbox(text.to_name, _address(text.to_address)),
        message_id=write_letter_id(letter.letter_no, desk.signing.key, domain=desk.settings.organisation.domain),
        date=letter.written_at,
        reply_to=Mailbox("", _address(text.reply_to)) if text.reply_to else None,
        values=text.values,
        fields=text.fields,
    )
    return compiled.write(copy)


@lru_cache(maxsize=KEPT_WORDINGS)
def _compiled(header_from: Mailbox, wording: Wording, language: str, signer: DkimSigner | None) -> CompiledMail:
    """Receipts differ in their values only: compiling was 40 % of what a letter cost, signature included."""
    return compile_mail(
        header_from=header_from,
        wording=wording,
        language=language,
        fields=(("Auto-Submitted", "auto-replied"),),
        signer=signer,
        boundary_seed=hashlib.sha256("\0".join((wording.subject, wording.text, wording.html)).encode()).digest(),
    )


def _address(text: str) -> AddrSpec:
    found = parse_addr_spec(text)
    if not isinstance(found, AddrSpec):
        raise ValueError("a sealed letter holds no address")
    return found


def _hand_over(letters: Sequence[ClaimedLetter], relay: Relay, desk: Desk) -> int:
    submissions = [
        Submission(one.letter_no, Envelope(None, one.text.to_address, notify=_NEVER), compose_letter(one, desk))
        for one in letters
    ]
    answers = relay.submit(submissions)
    outcomes = [_outcome(one, answers[one.letter_no]) for one in letters]
    record_letters(outcomes, first_retry_s=desk.settings.relay.first_retry_s, now=desk.now)
    return sum(one.state is LetterState.RELAYED for one in outcomes)


def _outcome(letter: ClaimedLetter, outcome: Outcome) -> LetterOutcome:
    state = {
        OutcomeKind.ACCEPTED: LetterState.RELAYED,
        OutcomeKind.REFUSED_PERMANENT: LetterState.FAILED,
        OutcomeKind.REFUSED_TRANSIENT: LetterState.WAITING,
        OutcomeKind.NOT_EXECUTED: LetterState.WAITING,
        OutcomeKind.IN_DOUBT: LetterState.IN_DOUBT,
    }[outcome.kind]
    if state is LetterState.WAITING and letter.attempts >= MAX_ATTEMPTS:
        state = LetterState.FAILED
    return LetterOutcome(letter, state, outcome.enhanced_status or "", outcome.reply_code)
