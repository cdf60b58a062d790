"""How long processors work for a round and how much memory it takes, party by party.

Each rate says where it was measured, on one core of an AMD EPYC with AVX-512 and AES. Another
machine is faster or slower in all of them together, more or less: what is compared are suites.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from protocols.round_config import FieldName
from protocols.secagg.coin import REPETITIONS

from .setting import Setting

# Seconds. benchmarks/kernels.py: `share` 3 of 5 and 6 of 10 are n·t products for a value, `open`
# are t; 336 M and 2245 M values a second over p31, 172 M and 587 M over p61.
PRODUCT_S: Mapping[FieldName, float] = MappingProxyType({"p31": 0.18e-9, "p61": 0.37e-9})
# benchmarks/kernels.py: `add`, a share's word to a sum.
ADD_S: Mapping[FieldName, float] = MappingProxyType({"p31": 0.19e-9, "p61": 0.46e-9})
# docs/checks.md: products of combinations, 6 and 2.5 thousand million a second.
COMBINE_S: Mapping[FieldName, float] = MappingProxyType({"p31": 0.17e-9, "p61": 0.4e-9})
DRAW_S = 0.2e-9  # docs/checks.md: a byte of the generator, at 5 GB/s
# benchmarks/masked.py, for each residue: a million values are as many of them in the usual
# layouts. Full blocks take 40, 2 and 45 ns; those that fit into chunks of 256 KB hold fewer
# polynomials and take 48 to 68, 3 to 6, and 60. The coordinator adds twice: the first time at the
# door, to see whether these are residues.
MASK_S, MASK_ADD_S, UNMASK_S = 60e-9, 9e-9, 60e-9
SECRET_S = 0.4e-6  # benchmarks/masked.py: `secret`, a coefficient drawn, and shared among five
# benchmarks/scaling.py: what is left of a round when all of the above is taken off, at each end:
# for a byte to be hashed, sealed or opened, copied and written; for a box, with its key agreement
# and signatures; for a short message, signed and checked; for an actor, a round with its commits.
BYTE_S, BOX_S, MESSAGE_S, ROUND_S = 3.5e-9, 0.35e-3, 0.2e-3, 4e-3

# Bytes. A process of ours that has nothing to do: 65 MB of its own, the rest is code.
PROCESS_BYTES = 140_000_000
_TRAINER_BYTES = 1024  # of a trainer at the coordinator and at a holder, and more for each holder:
_RECEIPT_BYTES = 300
_CHUNKS_IN_MEMORY = 16  # on their way in or out at a time, of 2^18 bytes mostly


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Seconds of one core and bytes of memory for one round, of one of each kind of party.

    The owner's own code, which computes the vector, is in neither.
    """

    trainer_s: float
    holder_s: float
    coordinator_s: float
    trainer_memory: int
    holder_memory: int
    coordinator_memory: int

    def total_s(self, setting: Setting) -> float:
        """Return the seconds of all parties together."""
        others = setting.trainers * self.trainer_s + setting.holders * self.holder_s
        return others + self.coordinator_s


def effort_of(setting: Setting) -> Effort:
    """Return what a round takes."""
    s = setting
    vector, chunks = 8 * s.dimension, _CHUNKS_IN_MEMORY * s.chunk_bytes
    receipts = s.trainers * (_TRAINER_BYTES + s.holders * _RECEIPT_BYTES)
    return Effort(
        trainer_s=protecting_s(s) + _trainer_overhead_s(s),
        holder_s=adding_s(s) + _holder_overhead_s(s),
        coordinator_s=opening_s(s) + _coordinator_overhead_s(s),
        # The vector as it was computed, and as integers; the state is read beside the data.
        trainer_memory=PROCESS_BYTES + 2 * vector + chunks + s.state_bytes,
        holder_memory=PROCESS_BYTES + chunks + s.trainers * _TRAINER_BYTES,
        # The sum in integers and in reals, and two states: the old one, and the new one.
        coordinator_memory=PROCESS_BYTES + 2 * vector + chunks + receipts + 2 * s.state_bytes,
    )


def protecting_s(setting: Setting) -> float:
    """Return how long a trainer's arithmetic takes: the vector hidden, and shares made."""
    s, product = setting, PRODUCT_S[setting.field]
    if s.layout is not None:
        return s.residues * MASK_S + s.share_words * SECRET_S
    fitted = s.holders
    if s.packing or s.seeds:  # then T shares are drawn, and only the others are computed
        fitted = s.holders - s.privacy
    drawn = (s.privacy if s.packing else s.threshold - 1) * s.share_words * s.word_bytes
    return fitted * s.threshold * s.share_words * product + drawn * DRAW_S


def adding_s(setting: Setting) -> float:
    """Return how long a holder's arithmetic takes: the sum of all shares, and their check."""
    s = setting
    words = s.trainers * s.share_words
    drawn = words * s.word_bytes * s.privacy / s.holders if s.seeds else 0.0
    passes = 2 if s.checks else 1
    checked = words * REPETITIONS[s.field] * COMBINE_S[s.field] if s.checks else 0.0
    return words * ADD_S[s.field] + drawn * DRAW_S * passes + checked


def opening_s(setting: Setting) -> float:
    """Return how long the coordinator's arithmetic takes: the answers, and what was masked."""
    s = setting
    secrets = s.share_words * max(s.packing, 1)
    opened = secrets * s.threshold * PRODUCT_S[s.field]
    if s.faults:
        opened += s.holders * s.share_words * REPETITIONS[s.field] * COMBINE_S[s.field]
    return opened + s.residues * (s.trainers * MASK_ADD_S + UNMASK_S)


def _trainer_overhead_s(s: Setting) -> float:
    sent = s.shares + s.bulk
    messages = 4 + 2 * s.holders
    return ROUND_S + sent.payload * BYTE_S + sent.chunks * BOX_S + messages * MESSAGE_S


def _holder_overhead_s(s: Setting) -> float:
    got = s.shares.times(s.trainers)
    payload = got.payload / s.holders + s.answer.payload
    chunks = got.chunks / s.holders + s.answer.chunks
    messages = 8 + 2 * s.trainers
    return ROUND_S + payload * BYTE_S + chunks * BOX_S + messages * MESSAGE_S


def _coordinator_overhead_s(s: Setting) -> float:
    got = s.bulk.times(s.trainers) + s.answer.times(s.holders)
    messages = s.trainers * (s.holders + 4) + 6 * s.holders
    return ROUND_S + got.payload * BYTE_S + got.chunks * BOX_S + messages * MESSAGE_S
