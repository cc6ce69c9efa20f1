"""Say how sure it is that the author's domain sent a mail: grades A to D.

What for: only a reply by the person counts, and From can be written by anybody. The grade is one of the things
`jobs.reply` asks before an answer is taken; the other is whether From is an address enrolled for the person.

Grades
- A: an aligned DKIM signature passed (by our own check, or by our border server's word for a signature that is
  there), or our border server says that the author of exactly this address logged in to send it (`auth=pass`).
- B: aligned SPF alone by our border server, its own `dmarc=pass`, or ARC by a trusted sealer that had found the same.
- C: nothing published, nothing passed: nobody can say.
- D: the author's domain publishes DMARC and nothing aligned passed; or whether it does could not be found out
  (`is_temporary`: ask again later); or the mail has no author. Several From fields or several authors are never
  aligned.

A signature that fails where no DMARC is published proves nothing (RFC 6376 §6.1: as if unsigned), nor does a failed
SPF (forwarding): C.

Promises: never raises, whatever `raw` is; bounded by the limits of `dkim_check` and `dmarc`. `txt` gives the text of
a name's TXT record (its strings joined; several records one a line), None when there is none, and raises when it
could not ask: that is `temperror`, never a pass.

Sources: RFC 8601, RFC 6376, RFC 9989, RFC 8617.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from postmuster.mail.address import AddrSpec, Mailbox, parse_addr_spec, parse_mailboxes
from postmuster.mail.authentication_results import MethodResult, Result, trusted_results
from postmuster.mail.dkim_check import ArcResult, SignatureResult, SignedMail
from postmuster.mail.dmarc import DmarcRecords, Lookup, Policy
from postmuster.mail.message import Message

MAX_AUTHOR_DOMAINS: Final = 3  # ours: of a mail with several authors, asked for a policy


class Grade(StrEnum):
    """How sure the author's domain is."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


@dataclass(frozen=True, slots=True)
class Authentication:
    """What the checks came to. `aligned_domain` is the author's domain when something aligned passed, else None."""

    spf: Result
    dkim: Result
    dmarc: Result
    arc: Result
    grade: Grade
    aligned_domain: str | None

    @property
    def is_temporary(self) -> bool:
        """Whether the grade may be better once the DNS answers."""
        return self.grade is Grade.D and Result.TEMPERROR in (self.dmarc, self.dkim, self.arc)


def authenticate(
    raw: bytes,
    message: Message,
    *,
    txt: Lookup,
    authserv_id: str,
    trusted_sealers: Collection[str] = (),
    now: datetime | None = None,
) -> Authentication:
    """Check who sent a mail. `raw` is what `message` was read from. Never raises.

    Source: RFC 8601 §2.7, RFC 6376 §6, RFC 9989 §5.
    """
    authors = _authors(message)
    stated = trusted_results(message, authserv_id)
    records = DmarcRecords(txt)
    if len(authors) != 1 or len(message.all("from")) != 1:
        return _without_author(authors, stated, records)
    return _Check(authors[0], raw, stated, records, txt, now).grade({sealer.lower() for sealer in trusted_sealers})


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
    return Authentication(
        _stated(stated, "spf"), _stated(stated, "dkim"), dmarc, Result.NONE, Grade.D if fails else Grade.C, None
    )


class _Check:
    """One mail with one author."""

    def __init__(
        self,
        author: Mailbox,
        raw: bytes,
        stated: Sequence[MethodResult],
        records: DmarcRecords,
        txt: Lookup,
        now: datetime | None,
    ) -> None:
        self._author = author.addr
        self._domain = author.addr.domain
        self._stated = stated
        self._records = records
        self._policy: Policy = records.policy(self._domain)
        self._mail = SignedMail(raw, txt, now)

    def grade(self, sealers: Collection[str]) -> Authentication:
        """Weigh the evidence, the best first; ARC is verified only where nothing better is there."""
        signatures = self._mail.verify(self._domain, self._dkim_is_aligned)
        signed = self._is_signed(signatures) or self._is_stated_signed()
        spf_aligned = self._spf_is_aligned(self._stated)
        dmarc = self._dmarc(signatures, passed=signed or spf_aligned)
        arc = ArcResult(Result.NONE)
        if signed or self._is_logged_in():
            grade = Grade.A
        elif spf_aligned or self._is_stated_dmarc(self._stated):
            grade = Grade.B
        else:
            arc = self._mail.verify_arc() if sealers else arc
            sealed = arc.result is Result.PASS and arc.sealer in sealers and self._is_sealed(arc)
            failed = dmarc in (Result.FAIL, Result.TEMPERROR)
            grade = Grade.B if sealed else Grade.D if failed else Grade.C
        aligned = self._domain if grade in (Grade.A, Grade.B) else None
        return Authentication(_stated(self._stated, "spf"), self._dkim(signatures), dmarc, arc.result, grade, aligned)

    def _dkim_is_aligned(self, domain: str) -> bool:
        return self._records.aligned(domain, self._domain, strict=self._policy.strict_dkim)

    def _is_signed(self, signatures: Sequence[SignatureResult]) -> bool:
        return any(found.result is Result.PASS and self._dkim_is_aligned(found.domain) for found in signatures)

    def _is_stated_signed(self) -> bool:
        """Our server's word counts for a signature that is there: a field may be imitated, a domain's signature not."""
        for found in self._stated:
            if found.method == "dkim" and found.result == Result.PASS:
                domain = _domain_of(found, "header.d", "header.i")
                if domain and domain in self._mail.signers and self._dkim_is_aligned(domain):
                    return True
        return False

    def _is_logged_in(self) -> bool:
        for found in self._stated:
            if found.method == "auth" and found.result == Result.PASS:
                addr = parse_addr_spec(found.properties.get("smtp.auth", ""))
                if isinstance(addr, AddrSpec) and addr.match_key == self._author.match_key:
                    return True
        return False

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

    def _is_sealed(self, arc: ArcResult) -> bool:
        """Whether the sealer had found something aligned when the mail came to it."""
        results = arc.found.results if arc.found else ()
        if self._is_stated_dmarc(results) or self._spf_is_aligned(results):
            return True
        return any(
            found.method == "dkim"
            and found.result == Result.PASS
            and self._dkim_is_aligned(_domain_of(found, "header.d", "header.i"))
            for found in results
        )

    def _dmarc(self, signatures: Sequence[SignatureResult], *, passed: bool) -> Result:
        if self._policy.is_uncertain:
            return Result.TEMPERROR
        if not self._policy.is_published:
            return Result.NONE
        if passed:
            return Result.PASS
        unsure = any(found.result is Result.TEMPERROR and self._dkim_is_aligned(found.domain) for found in signatures)
        return Result.TEMPERROR if unsure else Result.FAIL

    def _dkim(self, signatures: Sequence[SignatureResult]) -> Result:
        results = [found.result for found in signatures]
        own = next((result for result in _BEST_FIRST if result in results), Result.NONE)
        stated = _stated(self._stated, "dkim")
        return (
            Result.PASS if stated is Result.PASS and self._mail.signers else own if own is not Result.NONE else stated
        )


_BEST_FIRST: Final = (
    Result.PASS, Result.TEMPERROR, Result.FAIL, Result.PERMERROR, Result.POLICY, Result.NEUTRAL,
)  # fmt: skip


def _stated(stated: Sequence[MethodResult], method: str) -> Result:
    """What our border server says of a method; of several results a pass goes first."""
    words = [found.result for found in stated if found.method == method]
    results = [Result(word) for word in words if word in Result._value2member_map_]
    return Result.PASS if Result.PASS in results else results[0] if results else Result.NONE


def _domain_of(found: MethodResult, *names: str) -> str:
    value = next((found.properties[name] for name in names if found.properties.get(name)), "")
    return value.rpartition("@")[2].strip("<> ").rstrip(".").lower()
