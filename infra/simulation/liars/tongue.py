"""What all liars have in common: they know all, speak in their own name, and are written down."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from actors.ports import Lane
from infra.simulation.broker import Taken
from infra.simulation.crew import Crew
from infra.simulation.draws import fraction
from infra.simulation.faults import Fault
from infra.simulation.queues import Parcel
from infra.simulation.sealing import look_into
from infra.simulation.signatures import header_signature, signature_of, signed
from infra.simulation.wording import said
from protocols.codec import SIGNATURE_BYTES
from protocols.messages import (
    Announce,
    AnswerChunk,
    Contribution,
    Endorsement,
    Have,
    Opened,
    OpenRound,
    RoundOpened,
    ShareChunk,
    Vote,
    Wire,
)
from protocols.records import HeldConfig, HeldKey, HeldShare, RoundRecord
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.sealed import binding_of
from protocols.secagg.sets import contribution_digest, set_digest
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import BoxSeed, SealingKey


class Tongue:
    """Says what a liar wants said, and keeps the books of it.

    A liar sees every disk. That is more than any real one sees, and the rules must hold all the
    same.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    @property
    def roster(self) -> Roster:
        """Who takes part."""
        return self._crew.world.roster

    @property
    def crew(self) -> Crew:
        """What those who bring faults about have in common."""
        return self._crew

    # --- what a liar knows ------------------------------------------------------------

    def round(self) -> RoundRecord | None:
        """Return the round under way, as the coordinator has it on its disk."""
        return self._crew.ghost.durable(self.roster.coordinator, "round", RoundRecord)

    def held(self, holder: str, cid: bytes) -> tuple[Contribution, ...]:
        """Return what a holder has in full, sorted by trainer."""
        ghost, found = self._crew.ghost, []
        for trainer in self.roster.trainers:
            share = ghost.durable(holder, f"round/{cid.hex()}/share/{trainer}", HeldShare)
            if share is not None and share.complete:
                digest = contribution_digest(share.header)
                found.append(Contribution(trainer=trainer, digest=digest))
        return tuple(found)

    def votes(
        self, cid: bytes, chosen: tuple[Contribution, ...], voters: Sequence[str]
    ) -> tuple[Endorsement, ...]:
        """Return a certificate that names these: true signatures of those who voted so."""
        digest = set_digest(cid, chosen)
        vote, federation = Vote(cid=cid, set_digest=digest), self.roster.federation
        ghost = self._crew.ghost
        return tuple(
            Endorsement(
                holder=name,
                signature=signature_of(federation, name, vote)
                if ghost.voted(cid, name, digest)
                else bytes(SIGNATURE_BYTES),
            )
            for name in voters
        )

    def key_of(self, name: str, cid: bytes) -> SealingKey | None:
        """Return what a holder, or the coordinator, could open with now in a round."""
        ghost = self._crew.ghost
        if name == self.roster.coordinator:
            record = self.round()
            if record is None or record.config.cid() != cid:
                return None
            return record.seed.key(record.config.sealing).sealing_key
        opened = ghost.durable(name, f"round/{cid.hex()}/config", HeldConfig)
        held = ghost.durable(name, f"round/{cid.hex()}/key", HeldKey)
        if opened is None or held is None:
            return None
        return held.seed.key(opened.config.sealing).sealing_key

    def opened_by(self, config: RoundConfig, holders: Sequence[str]) -> tuple[Opened, ...]:
        """Return what to announce of holders: what they signed, made-up keys of the others."""
        return tuple(self._opened(config, name) for name in holders)

    def _opened(self, config: RoundConfig, name: str) -> Opened:
        cid, federation = config.cid(), self.roster.federation
        key = self.key_of(name, cid)
        if key is None:
            unsigned, made_up = bytes(SIGNATURE_BYTES), made_up_key(config, name)
            return Opened(holder=name, sealing_key=made_up, signature=unsigned)
        said = RoundOpened(cid=cid, sealing_key=key)
        signature = signature_of(federation, name, said)
        return Opened(holder=name, sealing_key=key, signature=signature)

    def unsealed(self, sender: str, to: str, chunk: ShareChunk) -> ShareChunk | None:
        """Return a share as it was before it was sealed, None if that can't be told any more."""
        key = self._crew.ghost.keys.get((to, chunk.header.cid))
        if key is None:
            return None
        info = binding_of(self.roster.federation, sender, to, chunk)
        try:
            payload = look_into(key, info, chunk.payload)
        except Untrusted:
            return None
        return msgspec.structs.replace(chunk, payload=payload)

    def bits(self, fault: Fault, number: int = 0) -> int:
        """Return 64 bits that belong to one lie."""
        return self._crew.stage.draw(f"{fault.kind.value} {fault.target} {fault.at_s}", number)

    def bytes(self, fault: Fault, number: int = 0) -> bytes:
        """Return 32 bytes that belong to one lie."""
        return hashlib.sha256(self.bits(fault, number).to_bytes(8, "big")).digest()

    def some(self, fault: Fault, names: Sequence[str]) -> list[str]:
        """Choose the share of these that a lie is told to, but at least one."""
        drawn = [
            (fraction(self.bits(fault, 1 + place), 0), name) for place, name in enumerate(names)
        ]
        chosen = [name for value, name in drawn if value < fault.amount]
        return chosen or [min(drawn)[1]] if drawn else []

    # --- what it says -----------------------------------------------------------------

    def say(
        self, liar: str, to: str, message: Wire, *, name: str = "", in_clear: bool = False
    ) -> bool:
        """Put a lie into a queue, in the name of its liar or under another; say if it fitted.

        What others put into boxes, a liar does, too, unless it is told not to.
        """
        chunk = isinstance(message, ShareChunk | AnswerChunk)
        lane = Lane.BULK if chunk else Lane.CONTROL
        travels = message if in_clear else self._sealed(name or liar, to, message)
        body = signed(self.roster.federation, liar, travels, name=name)
        parcel = Parcel(liar, body, type(message).__name__, 0.0)
        if self._crew.world.broker.take(to, lane, parcel) is not Taken.YES:
            return False
        self._note(liar, to, message)
        text, facts = said(message)
        self._crew.stage.tell(f"{liar} lies to {to}: {text}{f' ({facts})' if facts else ''}")
        return True

    def _sealed(self, sender: str, to: str, message: Wire) -> Wire:
        if not isinstance(message, ShareChunk | AnswerChunk):
            return message
        key = self.key_of(to, message.header.cid)
        if key is None:
            return message  # of a round that is not open there
        info = binding_of(self.roster.federation, sender, to, message)
        box = self._crew.world.hosts[sender].sealing.seal(key, info, message.payload)
        return msgspec.structs.replace(
            message,
            payload=box,
            header_signature=header_signature(self.roster.federation, sender, message.header),
        )

    def _note(self, liar: str, to: str, message: Wire) -> None:
        ghost = self._crew.ghost
        ghost.lies.note(liar, to, message)
        match message:
            case OpenRound():
                ghost.numbers.setdefault(message.config.cid(), message.config.number)
            case Announce():
                cid = message.config.cid()
                ghost.numbers.setdefault(cid, message.config.number)
                wrong = (o for o in message.opened if o.sealing_key != self.key_of(o.holder, cid))
                ghost.lies.keys.update(dict.fromkeys(one.holder for one in wrong))
            case Have():
                receipts = ghost.receipts.setdefault(message.cid, {})
                for contribution in message.contributions:
                    receipts.setdefault(contribution.trainer, {})[liar] = None
            case _:
                pass


def made_up_key(config: RoundConfig, name: str) -> SealingKey:
    """Return a key for a round that has no owner."""
    seed = BoxSeed(entropy=hashlib.sha256(config.cid() + name.encode()).digest())
    return seed.key(config.sealing).sealing_key
