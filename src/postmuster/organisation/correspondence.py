"""Correspondence: writes the mail of each act, and says what a right reading of it is.

What for: an act says who does what and when; here it becomes octets with an envelope, in the person's mail program and
language, about the very mail that reached them, signed where their domain signs.

Promises: pure; the same act about the same mail gives the same octets, so that a replay is the same mail again. Every
mail but a replay has a Message-ID of its own.
Limits: a huge mail of 60 MB takes 120 MB while it is written.
Sources: RFC 3834 (automatic responses), RFC 5321 §4.5.5 (null reverse-path).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from postmuster.organisation import attacks
from postmuster.organisation.automatic import Setting, responders, write_automatic
from postmuster.organisation.behaviour import Act, Occasion
from postmuster.organisation.dice import Dice
from postmuster.organisation.encoding import mailbox
from postmuster.organisation.people import Person, ascii_domain, ascii_letters
from postmuster.organisation.post import Held
from postmuster.organisation.programs import Draft, Program, Said, choose_program, message_id, write_reply
from postmuster.organisation.quoting import forward
from postmuster.organisation.received import ReceivedMail, read_received
from postmuster.organisation.reports_dsn import Report, write_report
from postmuster.organisation.signing import Signing
from postmuster.organisation.statements import SOMEBODY, state
from postmuster.organisation.truth import Answer, Expected, Kind, Outcome, Truth
from postmuster.organisation.wording import Wording, marked_texts, wording

PRIVATE_DOMAIN = "home.example"
STRANGER_DOMAIN = "elsewhere.example"
DISCLAIMERS = {"records.agency.example": "bottom", "brücken.agency.example": "own"}
TEAM = 5  # colleagues in the copy of a Reply-All
REPORTS = {Truth.BOUNCE_DSN: "failed", Truth.DELAY_DSN: "delayed", Truth.SUCCESS_DSN: "delivered"}


@dataclass(frozen=True, slots=True)
class Written:
    """A mail with its envelope (`reverse_path` None is the null path), what it is and in whose style it is written."""

    reverse_path: str | None
    recipients: tuple[str, ...]
    octets: bytes
    expected: Expected
    style: str
    message_id: str


def field_address(person: Person) -> str:
    """Write the address of a person as mail programs do: the domain in A-labels."""
    local, _, domain = person.address.rpartition("@")
    return f"{local}@{ascii_domain(domain)}"


class Correspondence:
    """Writes mails for the people of one organisation."""

    def __init__(
        self, seed: int, people: Sequence[Person], signing: Signing, *, huge_octets: int, largest: int | None
    ) -> None:
        self.seed = seed
        self.people = people
        self._by_id = {person.person_id: person for person in people}
        self._signing = signing
        self._huge_octets = huge_octets
        self._largest = largest

    def write(self, occasion: Occasion, act: Act, held: Held, earlier: Mapping[int, str]) -> Written:
        """Write the mail of an act about the mail `held`; `earlier` has reply addresses of earlier notices by notice number."""
        scene = _Scene(self, occasion, act, held)
        written = self._dispatch(scene, act, held, earlier)
        late = act.at > occasion.deadline and written.expected.kind is Kind.REPLY
        return replace(written, expected=replace(written.expected, late=True)) if late else written

    def _dispatch(self, scene: _Scene, act: Act, held: Held, earlier: Mapping[int, str]) -> Written:
        match act.truth:
            case Truth.BOUNCE_DSN | Truth.DELAY_DSN | Truth.SUCCESS_DSN:
                return self._report(scene, REPORTS[act.truth], act.detail)
            case Truth.OUT_OF_OFFICE:
                return self._away(scene, date.fromisoformat(act.detail))
            case Truth.OTHER_AUTHOR:
                return self._storm(scene) if act.detail == "storm" else self._private(scene, Truth(act.detail))
            case Truth.FORWARDED_ANSWER:
                return self._forwarded(scene, Truth(act.detail))
            case Truth.FORGED:
                return self._forged(scene)
            case Truth.ALTERED_TOKEN:
                return self._altered(scene, Truth(act.detail))
            case Truth.WRONG_NOTICE_TOKEN:
                return self._wrong_notice(scene, Truth(act.detail), earlier)
            case Truth.BROKEN | Truth.HUGE:
                return self._mangled(scene, Truth(act.detail))
            case Truth.MARKED:
                return self._marked(scene)
            case Truth.TWO_ADDRESSES:
                written = self._own(scene, Truth(act.detail))
                return replace(written, recipients=(*written.recipients, held.reverse_path))
            case Truth.ANSWERED_TWICE:
                return self._own(scene, Truth(act.detail))
            case _:
                return self._own(scene, act.truth)

    def _own(self, scene: _Scene, truth: Truth) -> Written:
        """Write what most people write: an answer of their own, from their own mailbox, to the address the mail names."""
        said, expected = state(truth, scene.occasion.ask, scene.language, scene.dice, scene.person.name)
        return self._reply(scene, said, expected)

    def _reply(self, scene: _Scene, said: Said, expected: Expected, *, to: str = "", threaded: bool = True) -> Written:
        draft = replace(scene.draft(said), cc=self._cc(scene), threaded=threaded)
        draft = replace(draft, to=to or draft.to)
        octets = self._signing.sign(write_reply(scene.program, draft, scene.dice), draft.domain)
        return Written(draft.address, (draft.to,), octets, expected, scene.program.name, _message_id(octets))

    def _marked(self, scene: _Scene) -> Written:
        """Write a text that carries a marking: in a line, before a paragraph, in the subject or in a field."""
        marked = scene.dice.pick(marked_texts())
        said = Said("\n\n".join(part for part in (marked.first, marked.text, marked.last) if part))
        draft = replace(scene.draft(said), subject=marked.subject, extra=(marked.field,) if marked.field else ())
        octets = self._signing.sign(write_reply(scene.program, draft, scene.dice), draft.domain)
        return Written(draft.address, (draft.to,), octets, SOMEBODY, f"tier {marked.tier}", _message_id(octets))

    def _cc(self, scene: _Scene) -> tuple[str, ...]:
        if scene.act.detail == "cc_manager" and scene.person.manager_id:
            manager = self._by_id[scene.person.manager_id]
            return (mailbox(manager.name, field_address(manager)),)
        if scene.act.detail == "reply_all":
            team = [self.colleague(scene) for _ in range(TEAM)]
            return tuple(mailbox(one.name, field_address(one)) for one in dict.fromkeys(team))
        return ()

    def colleague(self, scene: _Scene) -> Person:
        """Choose somebody else of the organisation."""
        step = 1 + scene.dice.below(min(40, len(self.people) - 1))
        return self.people[(scene.person.number - 1 + step) % len(self.people)]

    def _private(self, scene: _Scene, truth: Truth) -> Written:
        """Answer from an address at home that nobody has enrolled."""
        said, expected = state(truth, scene.occasion.ask, scene.language, scene.dice, scene.person.name)
        local = ascii_letters(scene.person.name) or "staff"
        address = f"{local[:30]}{scene.dice.below(1000)}@{PRIVATE_DOMAIN}"
        draft = replace(scene.draft(said), address=address, domain=PRIVATE_DOMAIN, title="", disclaimer="")
        octets = write_reply(scene.program, draft, scene.dice)
        return Written(address, (draft.to,), octets, _somebody(expected), scene.program.name, _message_id(octets))

    def _storm(self, scene: _Scene) -> Written:
        """A colleague in the copy of a manager's Reply-All answers all, and so the manager's own reply address."""
        other = scene.as_seen_by(self.colleague(scene))
        text = scene.dice.pick(other.language.say["storm"])
        manager = mailbox(scene.person.name, field_address(scene.person))
        draft = replace(other.draft(Said(text)), cc=(manager,))
        octets = self._signing.sign(write_reply(other.program, draft, scene.dice), draft.domain)
        return Written(draft.address, (draft.to,), octets, SOMEBODY, other.program.name, _message_id(octets))

    def _forwarded(self, scene: _Scene, truth: Truth) -> Written:
        """A colleague got the mail forwarded, and answers to the address it names."""
        other = scene.as_seen_by(self.colleague(scene))
        said, expected = state(truth, scene.occasion.ask, other.language, scene.dice, other.person.name)
        mail = scene.mail
        inner = forward(mail, scene.language, mail.date.astimezone(scene.zone))
        identifier = message_id(scene.program.message_id, scene.domain, scene.dice)
        passed_on = replace(
            mail,
            from_name=scene.person.name,
            from_address=field_address(scene.person),
            to=f"{other.person.name} <{field_address(other.person)}>",
            subject=scene.language.prefixes["forward"] + mail.subject,
            date=scene.act.at - timedelta(minutes=5),
            message_id=identifier,
            references=f"{mail.references} {identifier}",
            text=inner,
            html=f"<div>{inner.replace('&', '&amp;').replace('<', '&lt;')}</div>".replace("\n", "<br>\n"),
        )
        draft = replace(other.draft(said), mail=passed_on, to=mail.reply_address)
        octets = self._signing.sign(write_reply(other.program, draft, scene.dice), draft.domain)
        return Written(draft.address, (draft.to,), octets, _somebody(expected), other.program.name, _message_id(octets))

    def _forged(self, scene: _Scene) -> Written:
        """Write in somebody's name from elsewhere: in the person's own where their domain publishes DMARC, else a colleague's."""
        protected = bool(scene.person.agency.dmarc) and scene.dice.chance(0.6)
        shown = scene.person if protected else self.colleague(scene)
        said, expected = state(scene.occasion.ask.usual, scene.occasion.ask, scene.language, scene.dice, shown.name)
        plain = replace(self._plain(scene, said), name=shown.name, address=field_address(shown))
        octets = attacks.write_plain(plain)
        sender = f"bulk{scene.dice.below(100)}@{STRANGER_DOMAIN}"
        return Written(sender, (plain.to,), octets, _somebody(expected), "script", plain.message_id)

    def _altered(self, scene: _Scene, truth: Truth) -> Written:
        """Write to an address with one character changed: half by a stranger who guesses, half by the person."""
        to = attacks.alter_token(scene.mail.reply_address, scene.dice)
        said, expected = state(truth, scene.occasion.ask, scene.language, scene.dice, scene.person.name)
        if scene.dice.chance(0.5):
            expected = replace(expected, also=(*expected.also, Outcome.TO_A_PERSON, Outcome.UNMATCHED))
            return self._reply(scene, said, expected, to=to)
        address = f"guess{scene.dice.below(1000)}@{STRANGER_DOMAIN}"
        plain = replace(self._plain(scene, said), name="", address=address, to=to)
        expected = Expected(Kind.REPLY, Outcome.UNMATCHED, expected.answer, also=(Outcome.TO_A_PERSON,))
        return Written(address, (to,), attacks.write_plain(plain), expected, "script", plain.message_id)

    def _wrong_notice(self, scene: _Scene, truth: Truth, earlier: Mapping[int, str]) -> Written:
        """Answer this notice to the address an earlier one gave; the first notice has none, so it is answered as usual."""
        if not earlier:
            return self._own(scene, truth)
        said, expected = state(truth, scene.occasion.ask, scene.language, scene.dice, scene.person.name)
        to = earlier[max(earlier)]
        return self._reply(scene, said, _somebody(expected), to=to, threaded=scene.dice.chance(0.5))

    def _mangled(self, scene: _Scene, truth: Truth) -> Written:
        said, expected = state(truth, scene.occasion.ask, scene.language, scene.dice, scene.person.name)
        plain = self._plain(scene, said)
        if scene.act.truth is Truth.HUGE:
            style, octets = "huge", attacks.write_huge(plain, self._huge_octets)
            expected = Expected(Kind.REPLY, Outcome.REFUSED, expected.answer)
        else:
            small = self._largest is not None
            forms = [
                form for form in attacks.BROKEN if not small or attacks.LARGE_FORMS.get(form, 0) < (self._largest or 0)
            ]
            style = scene.dice.pick(forms)
            octets = self._signing.sign(attacks.write_broken(style, plain), scene.domain)
            # Damage may hide what it says, and may break the signature too.
            also = (Outcome.TO_A_PERSON, Outcome.UNMATCHED)
            # Lines of a broken structure may stand in the text, and be taken for items.
            counted = (Answer.REPORT,) if expected.answer is Answer.REPORT else ()
            expected = replace(expected, also=also, also_answers=(*expected.also_answers, *counted))
        return Written(plain.address, (plain.to,), octets, expected, style, plain.message_id)

    def _plain(self, scene: _Scene, said: Said) -> attacks.Plain:
        subject = f"Re: {scene.mail.subject}"
        identifier = f"<{scene.dice.hexadecimal(24)}@{scene.domain}>"
        address = field_address(scene.person)
        to = scene.mail.reply_address
        return attacks.Plain(scene.person.name, address, to, subject, scene.act.at, identifier, said.text())

    def _report(self, scene: _Scene, action: str, style: str) -> Written:
        held = scene.held
        report = Report(
            style, action, field_address(scene.person), scene.domain, held.reverse_path, scene.mail, scene.at
        )
        octets, expected = write_report(report, scene.dice)
        octets = self._signing.sign(octets, scene.domain)
        return Written(None, (held.reverse_path,), octets, expected, style, _message_id(octets))

    def _away(self, scene: _Scene, until: date) -> Written:
        """Write an absence note as the responders of servers do: to the reverse-path, with the marks of automatic mail."""
        setting = Setting(
            name=scene.person.name,
            address=field_address(scene.person),
            language=scene.person.language,
            at=scene.at,
            back=until,
            subject=scene.mail.subject,
            message_id=scene.mail.message_id,
            to=scene.held.reverse_path,
        )
        responder = scene.dice.pick([each for each in responders() if each.sort == Truth.OUT_OF_OFFICE])
        mail = write_automatic(responder, setting, scene.dice)
        octets = self._signing.sign(mail.octets, scene.domain)
        expected = Expected(Kind.AUTOMATIC, Outcome.NOTED, until=mail.until if mail.is_sure else None)
        return Written(
            mail.reverse_path, (scene.held.reverse_path,), octets, expected, responder.name, _message_id(octets)
        )


class _Scene:
    """Who writes, about what, when; the throws of one act."""

    def __init__(
        self, house: Correspondence, occasion: Occasion, act: Act, held: Held, person: Person | None = None
    ) -> None:
        self.house = house
        self.occasion = occasion
        self.act = act
        self.held = held
        self.person = person or house.people[act.number - 1]
        self.dice = Dice(house.seed, "act", occasion.notice_no, act.round_no, act.number, act.index)
        self.mail: ReceivedMail = read_received(held.octets())
        self._settle()

    def _settle(self) -> None:
        person = self.person
        self.program: Program = choose_program(self.house.seed, person.number)
        self.language: Wording = wording(person.language)
        self.zone = ZoneInfo(person.time_zone)
        self.at: datetime = self.act.at.astimezone(self.zone)
        self.domain = ascii_domain(person.agency.domain)

    def as_seen_by(self, person: Person) -> _Scene:
        """The same act, written by somebody else."""
        other: _Scene = object.__new__(_Scene)
        other.house, other.occasion, other.act, other.held = self.house, self.occasion, self.act, self.held
        other.person, other.dice, other.mail = person, self.dice, self.mail
        other._settle()
        return other

    def draft(self, said: Said) -> Draft:
        person = self.person
        return Draft(
            name=person.name,
            address=field_address(person),
            domain=self.domain,
            title=_title(self.house.seed, person.number, person.language),
            component=person.component.rpartition("/")[2],
            language=self.language,
            at=self.at,
            said=said,
            mail=self.mail,
            to=self.mail.reply_address,
            disclaimer=DISCLAIMERS.get(person.agency.domain, ""),
        )


@lru_cache(maxsize=4096)
def _title(seed: int, number: int, language: str) -> str:
    return Dice(seed, "title", number).pick(wording(language).titles)


def _somebody(expected: Expected) -> Expected:
    return Expected(Kind.REPLY, Outcome.TO_A_PERSON, expected.answer)


def _message_id(octets: bytes) -> str:
    """Find the Message-ID of a mail written here; the field name varies in case only."""
    head = octets[: octets.find(b"\r\n\r\n")]
    start = head.lower().find(b"\r\nmessage-id:")
    return head[start + 13 :].split(b"\r\n", 1)[0].strip().decode()
