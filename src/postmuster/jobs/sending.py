"""One send loop of a round: claims batches, writes the copies, hands them over window by window, writes down the answers.

What for: `jobs.notice.send` runs it. While the relay works on one part of a window the next is composed and signed, and
what the relay took is written down in the same commit that lets the next part go, so that no core waits for another.

Promises. At most one window of a process is unanswered: what the relay took in the last 200 ms, at least 1, at most 200
(P4). The generation is compared in the commit before each part. A stop that concerns the batches at hand ends the dialog:
not one octet more is written, answers still owed are read for half a second. Whatever ends a loop, every batch it held is
finished, or given back with exactly the rows open that were not executed; what is in doubt is written down as such.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from django.db import transaction

from postmuster.base import sql
from postmuster.base.errors import PostmusterError
from postmuster.base.ids import notice_id
from postmuster.jobs.desk import Desk
from postmuster.jobs.errand import End, Errand, Part, manifest
from postmuster.ledger import actions as ledger
from postmuster.mail.submission import OutcomeKind
from postmuster.notices.queries import StoredRound
from postmuster.outbound import actions as outbound
from postmuster.outbound import queries as book
from postmuster.outbound.copies import Copywriter
from postmuster.outbound.in_relay import InRelay
from postmuster.outbound.pace import Pace
from postmuster.outbound.relay import Relay, Submission
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.suppression import SPARED, given_away
from postmuster.outbound.values import Opening, Recipient, RoundRef, Settlement, Taken, settlement

Tell = Callable[[int], None]
WAIT_FOR_ROOM_S: Final = 5.0  # then the batch is given back, so that no lease runs out over a full relay
LOOK_S: Final = 0.05
NOT_COMPOSED: Final = "not composed"  # the reason of a copy that could not be written: our defect, one person's copy


class Sender:
    """Sends one round through one relay until there is a reason to end."""

    def __init__(
        self,
        round_: StoredRound,
        of: RoundRef,
        relay: Relay,
        desk: Desk,
        room: InRelay,
        *,
        opening: Callable[[], Opening],
        overtaken: Callable[[], bool],
        tell: Tell,
    ) -> None:
        self.of = of
        self.sent = 0
        self.last_taken_at: float | None = None  # machine time
        self._relay = relay
        self._desk = desk
        self._tell = tell
        self._room = room
        self._opening = opening
        self._overtaken = overtaken
        self._copies = Copywriter(round_, desk.names, desk.signing)
        self._pace = Pace(desk.settings.relay.connections)
        self._errands: list[Errand] = []
        self._parts: deque[Part] = deque()
        self._taken: list[tuple[Errand, Taken]] = []  # read, and not yet written down

    @property
    def components(self) -> frozenset[int]:
        """Of which components batches are held now; asked from the watch's thread."""
        return frozenset([errand.batch.component_no for errand in tuple(self._errands)])

    def run(self) -> End:
        """Send until an end; all that was held is then finished or given back."""
        end: End | None = None
        try:
            while end is None:
                end = self._hand_over_next()
                if end is None and self._parts and not self._pace.room(self._unanswered):
                    self._land()
        except BaseException:
            self._save_what_can_be()
            raise
        self._come_home()
        return end

    def _save_what_can_be(self) -> None:
        """After trouble of our own: what is known is written down where that is possible; the rest is the rescuer's."""
        for step in (self._land_all, self._write_all_taken, self._let_go_of_all):
            with contextlib.suppress(PostmusterError):
                step()

    # ---- out

    @property
    def _unanswered(self) -> int:
        return sum([len(part.people) for part in self._parts])

    def _hand_over_next(self) -> End | None:
        """Compose the next part and let it go; None to go on."""
        if self._desk.leaving.is_set():
            return End.LEAVING
        errand = self._at_hand()
        if isinstance(errand, End):
            return errand
        if errand.is_hindered:
            return End.NO_RELAY
        size = self._pace.room(self._unanswered)
        if size == 0:
            return None
        size = self._wait_for_room(min(size, len(errand.waiting)))
        if size == 0:
            return End.LEAVING if self._desk.leaving.is_set() else End.NO_ROOM
        errand.is_in_hand = True
        people = [errand.waiting.popleft() for _ in range(size)]
        written = self._compose(errand, people)
        while self._parts and self._parts[0].answers.done():
            self._land()
        if not self._advance(errand, people[-1].seq):
            return End.CHANGED
        if written:
            unanswered = self._unanswered + len(written)
            part = [one for one in people if one.seq in written]
            begun = Part(errand, part, self._relay.begin(list(written.values())), unanswered, time.monotonic())
            begun.answers.add_done_callback(lambda _: begun.ended_s.append(time.monotonic()))
            self._parts.append(begun)
            errand.flying += 1
        errand.is_in_hand = False
        return None

    def _wait_for_room(self, want: int) -> int:
        """How many the relay may be given now; waits a little, because the next answer to how full it is comes in a second."""
        until_s = time.monotonic() + WAIT_FOR_ROOM_S
        while not (size := self._room.allowance(want)) and time.monotonic() < until_s:
            if self._parts and self._parts[0].answers.done():
                self._land()
            elif self._desk.leaving.wait(LOOK_S):
                break
        return size

    def _at_hand(self) -> Errand | End:
        """The batch that is gone through now; the next is claimed while the last parts of this one are on their way."""
        if self._errands and self._errands[-1].waiting:
            return self._errands[-1]
        while True:
            if self._overtaken():
                return End.OVERTAKEN
            batch = outbound.claim_batch(self.of, self._desk.settings.work.lease_s, self._opening())
            if batch is None:
                return End.NOTHING_LEFT
            errand = Errand(batch, deque())
            self._errands.append(errand)
            people, unaddressed = book.batch_recipients(self.of, batch)
            self._fail(errand, unaddressed)
            errand.waiting.extend(self._but_for_given_away(errand, people))
            if errand.waiting:
                return errand
            self._end_if_done(errand)

    def _but_for_given_away(self, errand: Errand, people: Sequence[Recipient]) -> Sequence[Recipient]:
        """Whose address became somebody else's since the audience was written down is withheld now."""
        gone = given_away([(one.person_no, one.address) for one in people])
        if not gone:
            return people
        state, component_no = DeliveryState.WITHHELD, errand.batch.component_no
        withheld = [one for one in people if (one.person_no, one.address) in gone]
        self._write_down(errand, [Settlement(one.seq, component_no, state, SPARED, "", None) for one in withheld])
        return [one for one in people if (one.person_no, one.address) not in gone]

    def _compose(self, errand: Errand, people: Sequence[Recipient]) -> dict[int, Submission]:
        """Write a part's copies by sequence. One that cannot be written fails alone, and is told of by its kind only."""
        try:
            return {one.key: one for one in self._copies.write_all(people)}
        except (PostmusterError, ValueError):
            return self._compose_each(errand, people)

    def _compose_each(self, errand: Errand, people: Sequence[Recipient]) -> dict[int, Submission]:
        written, failed = {}, []
        for one in people:
            try:
                written[one.seq] = self._copies.write_all((one,))[0]
            except (PostmusterError, ValueError):
                failed.append(one.seq)
        self._fail(errand, failed)
        return written

    def _fail(self, errand: Errand, seqs: Sequence[int]) -> None:
        """Copies that cannot be written are a defect of ours, and fail alone; told of by number only."""
        if not seqs:
            return
        shown = notice_id(self.of.notice_no)
        print(f"send: {len(seqs)} copies of {shown} could not be composed; see `postmuster notice deliveries {shown}`.",
              file=sys.stderr, flush=True)  # fmt: skip
        state, component_no = DeliveryState.FAILED, errand.batch.component_no
        self._write_down(errand, [Settlement(seq, component_no, state, NOT_COMPOSED, "5.6.0", None) for seq in seqs])

    def _advance(self, errand: Errand, through_seq: int) -> bool:
        """Write down what was taken and move the mark, in one commit; what does not fit that statement comes before."""
        self._taken.sort(key=lambda pair: len(pair[1].seqs))
        while len(self._taken) > 1:
            self._write_taken()
        taken = self._taken[0][1] if self._taken else outbound.NOTHING_TAKEN
        lease_s, now = self._desk.settings.work.lease_s, self._desk.now
        may_go = outbound.advance(self.of, errand.batch, taken, through_seq=through_seq, lease_s=lease_s, now=now)
        self._forget_taken()
        for done in list(self._errands):
            self._end_if_done(done)
        return may_go

    # ---- back

    def _land(self) -> None:
        """Read the answers to the oldest part."""
        part = self._parts.popleft()
        answers = part.answers.result()
        ended_s = part.ended_s[0] if part.ended_s else time.monotonic()
        if all(answer.reply_code is not None for answer in answers.values()):
            self._pace.landed(part.unanswered, ended_s - part.began_s)
        else:
            self._pace.lost()
        part.errand.flying -= 1
        taken: dict[tuple[str, int | None], list[int]] = {}
        others: list[Settlement] = []
        for person in part.people:
            outcome = answers[person.seq]
            if outcome.kind is OutcomeKind.ACCEPTED:
                taken.setdefault(((outcome.enhanced_status or "")[:11], outcome.reply_code), []).append(person.seq)
                continue
            found = settlement(person, outcome)
            if found is None:
                part.errand.unexecuted.append(person.seq)
            else:
                others.append(found)
        component_no = part.errand.batch.component_no
        for (status, reply_code), seqs in taken.items():
            self._taken.append((part.errand, Taken(component_no, status, reply_code, tuple(seqs))))
            part.errand.unwritten += len(seqs)
            state = DeliveryState.RELAYED
            part.errand.settled += [Settlement(seq, component_no, state, "", status, reply_code) for seq in seqs]
            self.sent += len(seqs)
            self.last_taken_at = time.time()
        self._write_down(part.errand, others)
        self._tell(len(part.people))

    def _write_down(self, errand: Errand, settled: Sequence[Settlement]) -> None:
        """What was refused, put off or lost is rare, and compared with what is there."""
        if settled:
            errand.unwritten += len(settled)
            retry_s = self._desk.settings.relay.first_retry_s
            outbound.record_outcomes(self.of, settled, first_retry_s=retry_s, now=self._desk.now)
            errand.unwritten -= len(settled)
            errand.settled += settled

    def _write_taken(self) -> None:
        """Write down the first of what was taken, by itself."""
        outbound.write_taken(self.of, self._taken[0][1], self._desk.now)
        self._forget_taken()

    def _forget_taken(self) -> None:
        """The first of what was taken is in the book."""
        if self._taken:
            errand, taken = self._taken.pop(0)
            errand.unwritten -= len(taken.seqs)

    def _come_home(self) -> None:
        """Read what is still owed, write it down, and let go of every batch.

        A batch whose answers could not be written down is not let go: when its lease has run out it is rescued, and says that
        they are in doubt.
        """
        self._land_all()
        self._write_all_taken()
        self._let_go_of_all()

    def _land_all(self) -> None:
        while self._parts:
            self._land()

    def _write_all_taken(self) -> None:
        while self._taken:
            self._write_taken()

    def _let_go_of_all(self) -> None:
        for errand in list(self._errands):
            if not (errand.unwritten or errand.flying):
                self._let_go(errand, is_whole=not (errand.waiting or errand.is_hindered))

    def _end_if_done(self, errand: Errand) -> None:
        if not (errand.waiting or errand.flying or errand.unwritten or errand.is_hindered):
            self._let_go(errand, is_whole=True)

    def _let_go(self, errand: Errand, *, is_whole: bool) -> None:
        """Finish or give back a batch, with one ledger entry for what left."""
        self._errands.remove(errand)
        with sql.guarded(), transaction.atomic():
            is_ours = (outbound.finish_batch if is_whole else outbound.release_batch)(errand.batch)
            if not is_ours and errand.unexecuted:  # the rescuer took them for handed over
                retry_s = self._desk.settings.relay.first_retry_s
                outbound.reopen_unexecuted(self.of, errand.unexecuted, first_retry_s=retry_s, now=self._desk.now)
            if errand.settled:
                facts = {
                    "round": self.of.round_no,
                    "batch": errand.batch.batch_no,
                    "rows": len(errand.settled),
                    "manifest": manifest(errand.settled),
                }
                subject = notice_id(self.of.notice_no)
                ledger.append(kind="batch sent", actor="worker", subject=subject, facts=facts, now=self._desk.now)
