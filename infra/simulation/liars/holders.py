"""A share-holder that lies about what it has, votes for and answers.

Who must refuse: the coordinator counts votes and answers for its own set only, one of each holder,
and checks shape, digest and residues of an answer; a trainer sends what it was asked for rightly.
Nobody can refuse a receipt or an accusation: they cost the round, or a trainer its part in it. An
answer that is only wrong is found among t + 2f, and its holder named, as long as no more than f
lie; with f = 0 it spoils the sum, as nothing shows in t answers.
"""

from __future__ import annotations

import hashlib
from functools import partial

import msgspec
import numpy as np

from infra.simulation.crew import Strikes
from infra.simulation.draws import stream
from infra.simulation.faults import Fault, Kind
from protocols.messages import (
    AnswerChunk,
    AnswerHeader,
    Contribution,
    Excluded,
    Grant,
    Have,
    Refused,
    Vote,
    Wire,
)
from protocols.records import RoundRecord
from protocols.secagg.chunks import chosen_streams, words_of
from protocols.secagg.field import FIELDS
from protocols.secagg.sets import set_digest
from protocols.secagg.suites import SUITES

from .lying import Lying

_MOST = 1000


class LyingHolders(Lying):
    """Tells the coordinator and trainers what is not so."""

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {
            Kind.LIE_STRANGE_VOTE: partial(self.begin, self._strange_vote),
            Kind.LIE_EMPTY_VOTE: partial(self.begin, self._empty_vote),
            Kind.LIE_GARBAGE_ANSWER: partial(self.begin, self._garbage_answer),
            Kind.LIE_WRONG_ANSWER: partial(self.begin, self._wrong_answer),
            Kind.LIE_ONE_VALUE: partial(self.begin, self._one_value),
            Kind.LIE_TWO_ANSWERS: partial(self.begin, self._two_answers),
            Kind.LIE_RECEIPT: partial(self.begin, self._receipt),
            Kind.LIE_ACCUSATION: partial(self.begin, self._accusation),
            Kind.LIE_GRANT: partial(self.begin, self._grant),
        }

    # --- votes ------------------------------------------------------------------------

    def _strange_vote(self, fault: Fault) -> bool:
        """Vote for a set that was never proposed."""
        record = self._chosen()
        if record is None:
            return False
        vote = Vote(cid=record.config.cid(), set_digest=self.tongue.bytes(fault))
        return self._tell(fault, vote)

    def _empty_vote(self, fault: Fault) -> bool:
        """Vote for the set, whatever it holds and wrote down."""
        record = self._chosen()
        if record is None:
            return False
        cid = record.config.cid()
        return self._tell(fault, Vote(cid=cid, set_digest=set_digest(cid, record.chosen)))

    # --- answers ----------------------------------------------------------------------

    def _garbage_answer(self, fault: Fault) -> bool:
        """Answer in another shape, without its digest, for another set, or with no residues."""
        record = self._chosen()
        if record is None:
            return False
        payload = self._made_up(fault, record, 0)
        chunk = _answer(record, payload)
        match self.tongue.bits(fault) % 5:
            case 0:
                chunk = _answer(record, payload + bytes(8))
            case 1:
                chunk = _answer(record, b"\xff" * len(payload))
            case 2:
                header = msgspec.structs.replace(chunk.header, answer_digest=bytes(32))
                chunk = msgspec.structs.replace(chunk, header=header)
            case 3:
                chunk = msgspec.structs.replace(chunk, index=1)
            case _:
                header = msgspec.structs.replace(chunk.header, set_digest=bytes(32))
                chunk = msgspec.structs.replace(chunk, header=header)
        return self._tell(fault, chunk)

    def _wrong_answer(self, fault: Fault) -> bool:
        """Answer with a share of another sum, of the right shape and under its own digest."""
        record = self._chosen()
        if record is None:
            return False
        return self._tell(fault, _answer(record, self._made_up(fault, record, 0)))

    def _one_value(self, fault: Fault) -> bool:
        """Answer rightly but for one value, which is off by a little."""
        record = self._chosen()
        payload = None if record is None else self._true_answer(fault.target, record)
        if record is None or payload is None:
            return False
        field = FIELDS[record.config.field]
        values, bits = field.from_bytes(payload).copy(), self.tongue.bits(fault)
        place = bits % values.size
        values[place] = (int(values[place]) + 1 + (bits >> 32) % _MOST) % field.modulus
        return self._tell(fault, _answer(record, field.to_bytes(values)))

    def _true_answer(self, holder: str, record: RoundRecord) -> bytes | None:
        """Return a holder's sum over the set, None where it does not hold all of it."""
        config, chunks = record.config, self.tongue.crew.ghost.disks[holder].chunks
        suite, total = SUITES[config.suite], None
        for held in chosen_streams(config.cid(), record.chosen):
            share = chunks.get(held, {}).get(0)
            if share is None:
                return None
            total = suite.add(config, total, words_of(config, 0, share))
        return None if total is None else suite.answer(config, total)

    def _two_answers(self, fault: Fault) -> bool:
        """Answer twice for the same set, with different bytes."""
        record = self._chosen()
        if record is None:
            return False
        chunks = [_answer(record, self._made_up(fault, record, number)) for number in range(2)]
        told = [self._tell(fault, chunk) for chunk in chunks]
        return any(told)

    def _made_up(self, fault: Fault, record: RoundRecord, number: int) -> bytes:
        config = record.config
        draw = stream(self.tongue.bits(fault, number), fault.target)
        values = [draw.randint(-_MOST, _MOST) for _ in range(config.dimension)]
        made_up = np.array(values, dtype=np.int64)
        suite, seed = SUITES[config.suite], self.tongue.bytes(fault, number)
        shares = suite.protect(config, made_up[suite.covers(config, 0)], seed, 0)
        return shares[self.tongue.roster.holders.index(fault.target)]

    # --- receipts and accusations -----------------------------------------------------

    def _receipt(self, fault: Fault) -> bool:
        """Tell the coordinator and the trainers that every contribution is complete here.

        Where a trainer has sent none, it is one that does not exist: two holders disagree then,
        and that trainer is left out.
        """
        record = self.tongue.round()
        if record is None:
            return False
        cid, sent = record.config.cid(), dict[str, bytes]()
        for trainer, digest in self.tongue.crew.ghost.contributed.get(cid, {}):
            sent.setdefault(trainer, digest)
        if self.tongue.bits(fault) & 1:
            for trainer in self.tongue.some(fault, self.tongue.roster.trainers):
                sent.setdefault(trainer, self.tongue.bytes(fault))
        have = [Contribution(trainer=name, digest=sent[name]) for name in sorted(sent)]
        for mine in have:
            self.tongue.say(fault.target, mine.trainer, Have(cid=cid, contributions=(mine,)))
        return bool(have) and self._tell(fault, Have(cid=cid, contributions=tuple(have)))

    def _accusation(self, fault: Fault) -> bool:
        """Tell the coordinator to leave out trainers that broke no rule."""
        record = self.tongue.round()
        if record is None:
            return False
        told = [
            self._tell(
                fault,
                Excluded(
                    cid=record.config.cid(),
                    trainer=trainer,
                    reason="sent two different contributions",
                ),
            )
            for trainer in self.tongue.some(fault, self.tongue.roster.trainers)
        ]
        return any(told)

    def _grant(self, fault: Fault) -> bool:
        """Ask trainers for chunks that no share has, or refuse what they have not offered."""
        record = self.tongue.round()
        if record is None:
            return False
        cid, strange = record.config.cid(), self.tongue.bits(fault) % 3
        messages: list[Wire] = [
            Grant(cid=cid, spans=((0, 1), (7, 3))),
            Grant(cid=cid, spans=((0, 1),)),
            Refused(cid=cid, what="share", reason="a lie"),
        ]
        told = [
            self.tongue.say(fault.target, trainer, messages[strange])
            for trainer in self.tongue.some(fault, self.tongue.roster.trainers)
        ]
        return any(told)

    # --- parts ------------------------------------------------------------------------

    def _chosen(self) -> RoundRecord | None:
        """Return the round under way once its set is chosen."""
        record = self.tongue.round()
        return record if record is not None and record.chosen else None

    def _tell(self, fault: Fault, message: Wire) -> bool:
        return self.tongue.say(fault.target, self.tongue.roster.coordinator, message)


def _answer(record: RoundRecord, payload: bytes) -> AnswerChunk:
    cid = record.config.cid()
    header = AnswerHeader(
        cid=cid,
        set_digest=set_digest(cid, record.chosen),
        answer_bytes=len(payload),
        answer_digest=hashlib.sha256(payload).digest(),
    )
    return AnswerChunk(header=header, index=0, payload=payload)
