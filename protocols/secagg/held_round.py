"""What a share-holder knows of one open round, and how it is found again in the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from protocols.batches import Asked
from protocols.codec import canonical, parse
from protocols.effects import Record
from protocols.messages import AnswerHeader, Contribution, ContributionHeader, Message
from protocols.records import (
    HeldAnswer,
    HeldConfig,
    HeldExclusion,
    HeldKey,
    HeldProposal,
    HeldShare,
    HeldVote,
)
from protocols.round_config import RoundConfig
from protocols.trust.sealing import BoxKey, SealingKey

from .chunks import share_stream
from .credit import Incoming
from .held_check import HeldCheck
from .sets import contribution_digest
from .tails import seed_of_tests


@dataclass(slots=True)
class Partial:
    """A contribution that is still coming in."""

    header: ContributionHeader
    digest: bytes
    signature: bytes
    chunks: Incoming = field(default_factory=Incoming)


@dataclass(slots=True)
class HeldRound:
    """One open round; `vote` and `answered_set` are each set once and never changed.

    Answers are sealed to `sealing_key`, the coordinator's; shares are opened with `box_key`.
    """

    config: RoundConfig
    sealing_key: SealingKey
    box_key: BoxKey
    cid: bytes = field(init=False)
    partial: dict[str, Partial] = field(default_factory=dict)
    complete: dict[str, bytes] = field(default_factory=dict)
    tests: dict[str, bytes] = field(default_factory=dict)  # seeds, of those that are complete
    signatures: dict[str, bytes] = field(default_factory=dict)  # of the first header of each
    excluded: dict[str, HeldExclusion] = field(default_factory=dict)
    proposed: HeldProposal | None = None  # the first, whatever came of it
    vote: tuple[Contribution, ...] | None = None
    answered_set: tuple[Contribution, ...] | None = None
    answer: AnswerHeader | None = None
    unable: bool = False
    asked: Asked | None = None  # where somebody wanted to know
    check: HeldCheck = field(default_factory=HeldCheck)

    def __post_init__(self) -> None:
        self.cid = self.config.cid()

    @property
    def prefix(self) -> str:
        """Return what all journal keys of this round begin with."""
        return f"round/{self.cid.hex()}/"

    @property
    def fixed(self) -> bool:
        """Whether it is decided which contributions count: none comes in, nobody goes out."""
        bound = (self.check.frozen, self.vote, self.answered_set)
        return any(chosen is not None for chosen in bound)

    @property
    def at_work(self) -> bool:
        """Whether shares are combined, or an answer is decided on, not there, and worked on."""
        summing = self.answered_set is not None and self.answer is None and not self.unable
        return summing or self.check.combining

    def completed(self, header: ContributionHeader) -> None:
        """Take note that all of a share is here, and is what its header says."""
        self.complete[header.trainer] = contribution_digest(header)
        if self.config.norm_bound:
            self.tests[header.trainer] = seed_of_tests(header)

    def seeds_of(self, chosen: tuple[Contribution, ...]) -> tuple[bytes, ...]:
        """Return the seeds of the tests of a set that is here, none where norms are not bound."""
        names = (one.trainer for one in chosen)
        return tuple(self.tests[name] for name in names) if self.config.norm_bound else ()

    def lack(self, chosen: tuple[Contribution, ...]) -> str | None:
        """Say that not all of a set is here, None if it is."""
        lacking = sum(self.complete.get(one.trainer) != one.digest for one in chosen)
        if not lacking:
            return None
        return f"{lacking} of {len(chosen)} contributions are not complete here"

    def record(self, key: str, value: Message) -> Record:
        """Return the journal write for one fact of this round."""
        return Record(self.prefix + key, canonical(value))

    def digest_of(self, trainer: str) -> bytes | None:
        """Return the digest of the first contribution seen from a trainer."""
        partial = self.partial.get(trainer)
        return self.complete.get(trainer) if partial is None else partial.digest

    def restore(self, key: str, value: bytes, stored: Mapping[str, frozenset[int]]) -> None:
        """Take up one record."""
        kind, _, trainer = key.partition("/")
        match kind:
            case "share":
                self._restore_share(trainer, parse(value, HeldShare), stored)
            case "excluded":
                self.excluded[trainer] = parse(value, HeldExclusion)
            case "proposed":
                self.proposed = parse(value, HeldProposal)
            case "vote":
                self.vote = parse(value, HeldVote).chosen
            case "answer":
                record = parse(value, HeldAnswer)
                self.answered_set, self.answer = record.chosen, record.header
            case _:
                self.check.restore(kind, value)

    def _restore_share(
        self, trainer: str, share: HeldShare, stored: Mapping[str, frozenset[int]]
    ) -> None:
        digest = contribution_digest(share.header)
        self.signatures[trainer] = share.signature
        if share.complete:
            self.completed(share.header)
            return
        indices: Iterable[int] = sorted(stored.get(share_stream(self.cid, trainer), ()))
        chunks = Incoming(dict.fromkeys(indices))
        self.partial[trainer] = Partial(share.header, digest, share.signature, chunks)


def restore_rounds(
    records: Mapping[str, bytes], stored: Mapping[str, frozenset[int]]
) -> dict[bytes, HeldRound]:
    """Rebuild all open rounds from the journal and the indices of stored chunks."""
    split = [key.split("/", 2)[1:] for key in records if key.startswith("round/")]
    rounds: dict[bytes, HeldRound] = {}
    for cid, kind in split:
        if kind == "config":
            opened = parse(records[f"round/{cid}/config"], HeldConfig)
            seed = parse(records[f"round/{cid}/key"], HeldKey).seed
            box_key = seed.key(opened.config.sealing)
            rounds[bytes.fromhex(cid)] = HeldRound(opened.config, opened.sealing_key, box_key)
    for cid, key in split:
        rounds[bytes.fromhex(cid)].restore(key, records[f"round/{cid}/{key}"], stored)
    return rounds
