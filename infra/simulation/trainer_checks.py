"""What a trainer may say: what it recorded, to whom it belongs, and nothing that is secret."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from protocols.messages import ContributionHeader, ShareChunk, Wire
from protocols.records import Contributed
from protocols.reports import TookPart
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import has_bulk, with_salts
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.prg import SEED_BYTES
from protocols.secagg.salts import SALT_BYTES, salts_of
from protocols.secagg.sets import contribution_digest
from protocols.secagg.suites import SUITES

from .box_checks import BoxChecks
from .ghost import Ghost, Rule
from .lookout import Lookout
from .result_checks import ResultChecks
from .turn_checks import out_of_turn
from .watch import Writes

_NEEDLES = 6  # of one host that are looked for
_WINDOW = 2  # values of a vector side by side
_LONG = 10_000.0
_LOOKED_AT = 8  # one contribution of so many is computed again
_NUMBERS = 1000  # of rounds and trainers that are remembered
_SEEDS = 8  # of one host that are remembered


class TrainerChecks:
    """Looks at the messages and records of trainers."""

    def __init__(
        self,
        ghost: Ghost,
        boxes: BoxChecks,
        lookouts: Mapping[str, Lookout],
        *,
        fraction_bits: int,
    ) -> None:
        self._ghost = ghost
        self._lookouts = lookouts
        self._boxes = boxes
        self._scale = 2**fraction_bits
        # Coordinators draw secrets too: the coins that answers are judged under.
        names = (ghost.roster.coordinator, *ghost.roster.holders, *ghost.roster.trainers)
        self._needles: dict[str, list[bytes]] = {name: [] for name in names}
        self._drawn: dict[str, list[bytes]] = {name: [] for name in names}
        self._values: dict[str, list[str]] = {}
        self._results = ResultChecks(ghost)
        self._digests: dict[str, tuple[ContributionHeader, bytes]] = {}
        self._numbers: dict[tuple[str, int], bytes] = {}
        self._hidden: dict[tuple[str, bytes], bytes] = {}

    def sending(self, host: str, to: str, message: Wire) -> None:
        """Look at a message before it leaves."""
        if not isinstance(message, ShareChunk):
            return
        self._on_chunk(host, to, message)
        share = self._boxes.share(host, to, message)
        header, roster = message.header, self._ghost.roster
        if to == roster.coordinator or message.index > 0 or share is None:
            return
        if header.share_bytes == len(share):
            place = roster.holders.index(to)
            if hashlib.sha256(share).digest() != header.share_digests[place]:
                text = f"sent {to} a share that is not its own"
                self._ghost.violated(Rule.ADDRESSED, host, text)

    def _on_chunk(self, host: str, to: str, message: ShareChunk) -> None:
        """See that a chunk is of the one contribution that its trainer recorded."""
        ghost, header = self._ghost, message.header
        record = ghost.durable(host, f"job/{self._job(host)}", Contributed)
        if record is None or record.header != header:
            # A chunk that was decided on may leave when a newer round has been recorded.
            newer = record is not None and record.header.cid != header.cid
            if not newer:
                ghost.violated(Rule.DURABLE, host, "sent a share")
        if record is not None and record.header == header:
            self._check_number(host, record)
        digest = self._digest_of(host, header)
        known = ghost.contributed.setdefault(header.cid, {})
        if (host, digest) not in known:
            again = any(trainer == host for trainer, _ in known)
            if again and host not in ghost.forgetful:
                ghost.violated(Rule.ONE_CONTRIBUTION, host, "sent a second contribution")
            known[host, digest] = None
            if record is not None and record.header == header and digest[0] % _LOOKED_AT == 0:
                self._check_hidden(host, to, record, message)

    def _check_number(self, host: str, record: Contributed) -> None:
        """See that of all rounds that were announced under one number it is in one only."""
        number, cid = record.config.number, record.header.cid
        known = self._numbers.setdefault((host, number), cid)
        if known != cid and host not in self._ghost.forgetful:
            text = f"contributed to two rounds of number {number}"
            self._ghost.violated(Rule.ONE_CONTRIBUTION, host, text)
        while len(self._numbers) > _NUMBERS:
            del self._numbers[next(iter(self._numbers))]

    def _check_hidden(self, host: str, to: str, record: Contributed, chunk: ShareChunk) -> None:
        """See that a share is what the suite makes of the vector and of entropy from its port."""
        config = record.config
        vector = self._ghost.part_of(host, config)
        suite, share = SUITES[config.suite], self._boxes.share(host, to, chunk)
        if vector is None or share is None or suite.chunks(config) != 1:
            return
        if chunk.index > suite.chunks(config):
            return  # of a tail its beginning is looked at
        values = FixedPoint.of(config).encode(vector)
        drawn = [seed for seed in self._drawn[host] if len(seed) == SEED_BYTES]
        salted = config.norm_bound and chunk.index == suite.chunks(config)
        looked_at = share[:SALT_BYTES] if salted else share
        made = (self._made(config, to, chunk.index, values, seed) for seed in drawn)
        used = next((seed for seed, one in zip(drawn, made, strict=True) if one == looked_at), None)
        if used is None:
            self._ghost.violated(Rule.SECRET, host, "a share is hidden by no entropy that it drew")
            return
        cid = chunk.header.cid
        if self._hidden.setdefault((host, used), cid) != cid:
            self._ghost.violated(Rule.SECRET, host, "one seed hides two contributions")
        while len(self._hidden) > _SEEDS * len(self._drawn):
            del self._hidden[next(iter(self._hidden))]

    def _made(
        self, config: RoundConfig, to: str, index: int, values: NDArray[np.int64], seed: bytes
    ) -> bytes:
        """Return what a recipient gets as this chunk of a contribution under this seed."""
        suite, roster = SUITES[config.suite], self._ghost.roster
        if to == roster.coordinator and suite.bulk is not None:
            covered = values[suite.bulk.covers(config, index)]
            return suite.bulk.hiding(config, seed).protect(index, covered)
        if index == suite.chunks(config):
            shares = _tails(config, seed)
        else:
            plain = suite.protect(config, values[suite.covers(config, index)], seed, index)
            shares = with_salts(config, index, seed, plain)
        return shares[roster.holders.index(to)]

    def _job(self, host: str) -> str:
        key = next((k for k in self._ghost.disks[host].records if k.startswith("job/")), "job/")
        return key.removeprefix("job/")

    def _digest_of(self, host: str, header: ContributionHeader) -> bytes:
        known = self._digests.get(host)
        if known is None or known[0] != header:
            known = self._digests[host] = (header, contribution_digest(header))
        return known[1]

    def committed(self, host: str, writes: Writes) -> None:
        """Look at what has just become durable."""
        for key, value in writes:
            if value is not None:
                if self._lookouts[host].may_hold(value):
                    self.look_closer(host, value, "the journal")
                if key.startswith("job/"):
                    record = self._ghost.parsed(value, Contributed)
                    self._results.recorded(host, record)
                    self._check_turn(host, record.config)

    def _check_turn(self, host: str, config: RoundConfig) -> None:
        """See that a trainer contributes when its batch is drawn, whoever asks it."""
        if out_of_turn(config, self._ghost.roster, host):
            self._ghost.violated(Rule.TURN, host, "contributed out of turn")

    def told(self, host: str, event: TookPart) -> None:
        """Hear how a trainer's own part in a round ended."""
        record = self._ghost.durable(host, f"job/{event.job}", Contributed)
        if event.outcome != "contributed" or record is None:
            return
        config = record.config
        receipts = self._ghost.receipts.get(config.cid())
        if receipts is None or config.number != event.number:
            return  # of a round that is long over
        known = receipts.get(host, {})
        if len(known) < config.threshold:
            text = f"tells that it contributed after {len(known)} receipts"
            self._ghost.violated(Rule.ENDINGS, host, text)
        if has_bulk(config) and host not in self._ghost.bulk.get(config.cid(), {}):
            text = "tells that it contributed, and the coordinator lacks its part"
            self._ghost.violated(Rule.ENDINGS, host, text)

    def logged(self, host: str, text: str) -> None:
        """Look at a line of a log."""
        for needle in self._needles.get(host, ()):
            if needle.hex() in text or repr(needle)[2:-1] in text:
                self._ghost.violated(Rule.SECRET, host, "a log holds what only it may know")
        if any(value in text for value in self._values.get(host, ())):
            self._ghost.violated(Rule.SECRET, host, "a log holds a value of its vector")

    def computed(self, host: str, vector: NDArray[np.float64]) -> None:
        """Look out for this vector from now on, as it is and as fixed point."""
        # Short numbers stand in logs for many reasons.
        self._values[host] = [str(v) for v in vector[-_WINDOW:].tolist() if abs(v) >= _LONG]
        fixed = np.rint(vector[-_WINDOW:] * self._scale).astype(np.int64)
        self.keep_secret(host, vector[-_WINDOW:].tobytes())
        self.keep_secret(host, fixed.tobytes())

    def drew(self, host: str, seed: bytes) -> None:
        """Remember entropy that a host was given, and look out for it."""
        self._drawn[host] = [*self._drawn[host][1 - _SEEDS :], seed]
        self.keep_secret(host, seed)

    def keep_secret(self, host: str, needle: bytes) -> None:
        """Look out for these bytes from now on."""
        if not needle.strip(b"\0"):
            return  # zeros are everywhere
        needles = self._needles[host]
        needles.append(needle)
        self._lookouts[host].add(needle)
        while len(needles) > _NEEDLES:
            self._lookouts[host].remove(needles.pop(0))

    def look_closer(self, host: str, text: bytes, where: str) -> None:
        """See that nothing that only this host may know is in what leaves it, or is kept."""
        for needle in self._needles[host]:
            if text.find(needle) >= 0:
                self._ghost.violated(Rule.SECRET, host, f"{where} holds what only it may know")
                return


def _tails(config: RoundConfig, seed: bytes) -> tuple[bytes, ...]:
    """Return what a tail begins with, by place."""
    suite = SUITES[config.suite]
    return salts_of(config, seed) if config.norm_bound else suite.deal_masks(config, seed)
