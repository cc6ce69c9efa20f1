"""Say how sure it is that the author's domain sent a mail: grades A to D, each with its reason.

What for: only a reply by the person counts, and From can be written by anybody. The grade is one of the things
`jobs.reply` asks before an answer is taken; the other is whether From is an address enrolled for the person.

Grades
- A: an aligned DKIM signature passed (by our own check, or by our border server's word for a signature that is there and
  covers the whole mail), our border server says that the author of exactly this address logged in to send it
  (`auth=pass`), or a server of ours that lets everybody write in their own name only took it from somebody logged in.
- B: aligned SPF alone by our border server, its own `dmarc=pass`, or ARC by a trusted sealer that had found the same.
- C: nothing published, nothing passed: nobody can say.
- D: the author's domain publishes DMARC and nothing aligned passed; or whether it does could not be found out
  (`is_temporary`: ask again later); or the mail has no author. Several From fields or several authors are never
  aligned.

A signature that fails where no DMARC is published proves nothing (RFC 6376 §6.1: as if unsigned), nor does a failed
SPF (forwarding): C. The reason of C and D says what stood in the way of a better grade.

Promises: never raises, whatever `raw` is; bounded by the limits of `dkim_check`, `arc`, `received` and `dmarc`. `txt`
gives the text of a name's TXT record (its strings joined; several records one a line), None when there is none, and
raises when it could not ask: that is `temperror`, never a pass.

Sources: RFC 8601, RFC 6376, RFC 9989, RFC 8617.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from postmuster.mail.address import AddrSpec, Mailbox, parse_addr_spec, parse_mailboxes
from postmuster.mail.arc import NO_CHAIN, ArcResult, ChainTrouble, verify_arc
from postmuster.mail.authentication_results import MethodResult, Result, Statements, trusted_results
from postmuster.mail.dkim_check import MAY_COME_LATER, Signatures
from postmuster.mail.dkim_key import Keys
from postmuster.mail.dmarc import DmarcRecords, Lookup, Policy
from postmuster.mail.message import Message
from postmuster.mail.received import InternalHop, Way, read_internal_hops, trusted_way
from postmuster.mail.signed_mail import SignedMail

MAX_AUTHOR_DOMAINS: Final = 3  # ours: of a mail with several authors, asked for a policy


class Grade(StrEnum):
    """How sure the author's domain is."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class Reason(StrEnum):
    """Why this grade. Those of C and D that are not here are the words of `dkim_check.Trouble` and `arc.ChainTrouble`."""

    SIGNED = "signed"
    SIGNED_BY_BORDER = "signed_says_border"
    LOGGED_IN = "logged_in"
    INTERNAL_HOP = "internal_hop"
    SPF = "spf"
    DMARC_BY_BORDER = "dmarc_says_border"
    ARC = "arc"
    ARC_FOUND_NOTHING = "arc_found_nothing"
    NO_AUTHOR = "no_author"
    SEVERAL_AUTHORS = "several_authors"
    SILENT = "dns_silent"
    OTHERS = "signed_by_others"
    UNSIGNED = "unsigned"
    NOTHING_PUBLISHED = "nothing_published"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom we believe: names (lower case) our own servers write results under, our own servers, sealers."""

    authserv_ids: frozenset[str]
    internal: tuple[InternalHop, ...]
    sealers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Authentication:
    """What the checks came to. `aligned_domain` is the author's domain when something aligned passed, else None.

    `reason` says why the grade is no better and no worse: one word, for people.
    """

    spf: Result
    dkim: Result
    dmarc: Result
    arc: Result
    grade: Grade
    aligned_domain: str | None
    reason: str

    @property
    def is_temporary(self) -> bool:
        """Whether the grade may be better once the DNS answers."""
        return self.grade is Grade.D and Result.TEMPERROR in (self.dmarc, self.dkim, self.arc)


def authenticate(
    raw: bytes,
    message: Message,
    *,
    txt: Lookup,
    authserv_id: str | Sequence[str] = "",
    internal_hops: Sequence[str] = (),
    trusted_sealers: Collection[str] = (),
    now: datetime | None = None,
) -> Authentication:
    """Check who sent a mail. `raw` is what `message` was read from. Never raises.

    `authserv_id` are the names our own servers write their results under, `internal_hops` our own servers as
    `received.read_internal_hops` reads them, `trusted_sealers` the domains whose ARC seals are believed.

    Source: RFC 8601 §2.7, RFC 6376 §6, RFC 9989 §5.
    """
    ids = (authserv_id,) if isinstance(authserv_id, str) else tuple(authserv_id)
    trust = _trust(ids, tuple(internal_hops), tuple(trusted_sealers))
    way, stated = _stated_by_ours(message, trust)
    authors = _authors(message)
    records = DmarcRecords(txt)
    if len(authors) != 1 or len(message.all("from")) != 1:
        return _without_author(authors, stated.results, records)
    signs = "dkim-signature" in message.index or "arc-seal" in message.index
    mail, keys = SignedMail(raw if signs else b""), Keys(txt)
    check = _Check(authors[0], message, mail, Signatures(mail, keys, now), stated, way, records)
    return check.grade(lambda: verify_arc(mail, keys, trust.sealers, now))


@lru_cache(maxsize=16)
def _trust(ids: tuple[str, ...], hops: tuple[str, ...], sealers: tuple[str, ...]) -> Trust:
    names = frozenset(name.strip().lower() for name in ids) - {""}
    return Trust(names, read_internal_hops(hops), frozenset(sealer.strip().lower() for sealer in sealers) - {""})


def _stated_by_ours(message: Message, trust: Trust) -> tuple[Way, Statements]:
    """How the mail came through our own servers, and what they say; nothing is read where nobody could be believed."""
    speaks = bool(trust.authserv_ids) and "authentication-results" in message.index
    if not (speaks or trust.internal):
        return Way(()), Statements()
    way = trusted_way(message.all("received"), trust.internal)
    return way, trusted_results(message, trust.authserv_ids, len(way.hops)) if speaks else Statements()


def _authors(message: Message) -> Sequence[Mailbox]:
    return [box for value in message.all("from")[:10] for box in parse_mailboxes(value)]


def _without_author(
    authors: Sequence[Mailbox], stated: Sequence[MethodResult], records: DmarcRecords
) -> Authentication:
    domains = list(dict.fromkeys(box.addr.domain for box in authors))
    policies = [records.policy(domain) for domain in domains[:MAX_AUTHOR_DOMAINS]]
    published = any(policy.is_published for policy in policies)
    uncertain = any(policy.is_uncertain for policy in policies)
    fails = published or uncertain or not domains or len(domains) > MAX_AUTHOR_DOMAINS
    dmarc = Result.FAIL if published or not domains else Result.TEMPERROR if uncertain else Result.NONE
    reason = Reason.SEVERAL_AUTHORS if domains else Reason.NO_AUTHOR
    grade = Grade.D if fails else Grade.C
    return Authentication(_best(stated, "spf"), _best(stated, "dkim"), dmarc, Result.NONE, grade, None, str(reason))


class _Check:
    """One mail with one author."""

    def __init__(
        self,
        author: Mailbox,
        message: Message,
        mail: SignedMail,
        signatures: Signatures,
        stated: Statements,
        way: Way,
        records: DmarcRecords,
    ) -> None:
        self._author = author.addr
        self._domain = author.addr.domain
        self._message, self._mail = message, mail
        self._stated, self._way, self._records = stated, way, records
        self._policy: Policy = records.policy(self._domain)
        self._signers = signatures.signers
        self._verified = signatures.verify(self._domain, self._dkim_is_aligned)

    def grade(self, verify_chain: Callable[[], ArcResult]) -> Authentication:
        """Weigh the evidence, the best first; ARC is verified only where nothing better is there."""
        signed = self._why_signed()
        sent = signed or self._why_submitted()
        spf = self._spf_is_aligned(self._stated.results)
        dmarc = self._dmarc(passed=signed is not None or spf)
        chain, why = NO_CHAIN, ""
        if sent is not None:
            grade, why = Grade.A, sent
        elif spf or self._is_stated_dmarc(self._stated.results):
            grade, why = Grade.B, Reason.SPF if spf else Reason.DMARC_BY_BORDER
        else:
            chain = verify_chain()
            if any(map(self._has_aligned, chain.findings)):
                grade, why = Grade.B, Reason.ARC
            else:
                grade = Grade.D if dmarc in (Result.FAIL, Result.TEMPERROR) else Grade.C
                why = self._why_not(chain, dmarc)
        aligned = self._domain if grade in (Grade.A, Grade.B) else None
        spf_result = _best(self._stated.results, "spf")
        return Authentication(spf_result, self._dkim(), dmarc, chain.result, grade, aligned, str(why))

    def _dkim_is_aligned(self, domain: str) -> bool:
        return self._records.aligned(domain, self._domain, strict=self._policy.strict_dkim)

    def _why_signed(self) -> Reason | None:
        """Our server's word counts for a signature that is there: a field may be imitated, a domain's signature not."""
        for found in self._verified:
            if found.result is Result.PASS and self._dkim_is_aligned(found.domain) and self._signs_this_author():
                return Reason.SIGNED
        whole = {found.domain for found in self._verified if found.trouble is None or found.trouble in MAY_COME_LATER}
        for stated in self._stated.results:
            if stated.method == "dkim" and stated.result == Result.PASS:
                domain = _domain_of(stated, "header.d", "header.i")
                if domain in whole and self._dkim_is_aligned(domain):
                    return Reason.SIGNED_BY_BORDER
        return None

    def _signs_this_author(self) -> bool:
        """Whether the From that is signed is the one that is read."""
        numbers = self._mail.all(b"from")
        if len(numbers) != 1:
            return False
        written = self._mail.value(numbers[0]).decode("utf-8", "replace").strip()
        if written == self._message.header_from:
            return True
        return [box.addr for box in parse_mailboxes(written)] == [self._author]

    def _why_submitted(self) -> Reason | None:
        """Whether the author logged in at a server of ours.

        What stands right below the border's Received may be the sender's own: there a login counts only where that
        Received says so, too.
        """
        results = self._stated.results
        sure = results if self._way.hops and self._way.hops[-1].is_logged_in else results[: self._stated.certain]
        for found in sure:
            login = found.properties.get("smtp.auth", "")
            if found.method == "auth" and found.result == Result.PASS and self._is_author(login):
                return Reason.LOGGED_IN
        hop, login = self._way.submitted_to, self._way.login
        if hop is None or not hop.vouches_for(self._domain) or ("@" in login and not self._is_author(login)):
            return None
        return Reason.INTERNAL_HOP

    def _is_author(self, login: str) -> bool:
        addr = parse_addr_spec(login)
        return isinstance(addr, AddrSpec) and addr.match_key == self._author.match_key

    def _spf_is_aligned(self, stated: Sequence[MethodResult]) -> bool:
        for found in stated:
            if found.method == "spf" and found.result == Result.PASS:
                domain = _domain_of(found, "smtp.mailfrom", "smtp.mfrom", "smtp.helo")
                if domain and self._records.aligned(domain, self._domain, strict=self._policy.strict_spf):
                    return True
        return False

    def _is_stated_dmarc(self, stated: Sequence[MethodResult]) -> bool:
        return any(
            found.method == "dmarc" and found.result == Result.PASS and _domain_of(found, "header.from") == self._domain
            for found in stated
        )

    def _has_aligned(self, results: Sequence[MethodResult]) -> bool:
        """Whether a sealer had found something aligned when the mail came to it."""
        if self._is_stated_dmarc(results) or self._spf_is_aligned(results):
            return True
        return any(
            found.method == "dkim"
            and found.result == Result.PASS
            and self._dkim_is_aligned(_domain_of(found, "header.d", "header.i"))
            for found in results
        )

    def _dmarc(self, *, passed: bool) -> Result:
        if self._policy.is_uncertain:
            return Result.TEMPERROR
        if not self._policy.is_published:
            return Result.NONE
        if passed:
            return Result.PASS
        unsure = any(
            found.result is Result.TEMPERROR and self._dkim_is_aligned(found.domain) for found in self._verified
        )
        return Result.TEMPERROR if unsure else Result.FAIL

    def _dkim(self) -> Result:
        results = [found.result for found in self._verified]
        own = next((result for result in _BEST_FIRST if result in results), Result.NONE)
        stated = _best(self._stated.results, "dkim")
        if stated is Result.PASS and any(self._signers):
            return Result.PASS
        return own if own is not Result.NONE else stated

    def _why_not(self, chain: ArcResult, dmarc: Result) -> str:
        """What stood in the way of a better grade, the nearest first."""
        aligned = [found.trouble for found in self._verified if found.trouble and self._dkim_is_aligned(found.domain)]
        if dmarc is Result.TEMPERROR or chain.trouble is ChainTrouble.SILENT:
            return Reason.SILENT
        if chain.result is Result.PASS:
            return Reason.ARC_FOUND_NOTHING
        if chain.trouble is not None and chain.trouble is not ChainTrouble.STRANGER:
            return chain.trouble
        if aligned:
            return aligned[0]
        if chain.trouble is not None:
            return chain.trouble
        if any(found.result is Result.PASS for found in self._verified):
            return Reason.OTHERS
        return Reason.NOTHING_PUBLISHED if dmarc is Result.NONE else Reason.UNSIGNED


_BEST_FIRST: Final = (
    Result.PASS, Result.TEMPERROR, Result.FAIL, Result.PERMERROR, Result.POLICY, Result.NEUTRAL,
)  # fmt: skip
_RESULTS: Final = {result.value: result for result in Result}


def _best(stated: Sequence[MethodResult], method: str) -> Result:
    """What our own servers say of a method; of several results a pass goes first."""
    results = [_RESULTS[found.result] for found in stated if found.method == method and found.result in _RESULTS]
    return Result.PASS if Result.PASS in results else results[0] if results else Result.NONE


def _domain_of(found: MethodResult, *names: str) -> str:
    value = next((found.properties[name] for name in names if found.properties.get(name)), "")
    return value.rpartition("@")[2].strip("<> ").rstrip(".").lower()
