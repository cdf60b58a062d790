"""The job of every simulated federation: known vectors, so that every sum can be checked."""

from __future__ import annotations

from actors.coordinator import Assignment
from protocols.learning.probe import Probe
from protocols.round_config import MAX_NORM_BOUND, Roster, SumSuite, majority
from protocols.secagg.coordinating import Plan as Rounds
from protocols.secagg.patience import Timing
from protocols.trust.sealing import CLASSICAL

from .faults import Size

# The times of a federation in one room.
TIMING = Timing(grace_s=2.0, patience_s=12.0, round_s=600.0, resend_s=2.0)
_NO_END = 10**9
_SLOTS = 2  # of 30 bits and more, where 2^23 of each trainer are added
_STALENESS = 3  # so that some begin anew
_MASKED_CHUNK = 16_384  # just a share of a secret; 2912 masked values


def roster_of(size: Size) -> Roster:
    """Return who takes part."""
    return Roster(
        federation="simulated",
        coordinator="coordinator",
        holders=tuple(f"h{place}" for place in range(1, size.holders + 1)),
        trainers=tuple(f"t{place:02}" for place in range(1, size.trainers + 1)),
    )


def probe_of(roster: Roster, size: Size) -> Probe:
    """Return the algorithm that knows every sum beforehand."""
    return Probe(
        owners=roster.trainers,
        values=size.values,
        max_rounds=_NO_END,
        max_staleness=_STALENESS if size.buffered else 0,
    )


def assignment_of(size: Size, probe: Probe) -> Assignment:
    """Return what the coordinator is to do: rounds without end."""
    rounds = Rounds(
        job="known",
        suite=_suite(size),
        packing=size.packing,
        field="p31" if size.masked else "p61",
        parameters="A" if size.masked else "",
        slots=_SLOTS if size.masked else 0,
        fraction_bits=8,
        threshold=size.threshold,
        faults=size.faults,
        vote=size.vote,
        quorum=majority(size.holders, size.faults),
        minimum=size.minimum,
        chunk_bytes=_chunk_bytes(size),
        # Every library has it, so a seed tells one history on all machines.
        sealing=CLASSICAL,
        checks=size.checks,
        norm_bound=MAX_NORM_BOUND if size.norms else 0,
        buffered=size.buffered,
        max_staleness=probe.max_staleness,
        batches=size.batches,
        drawn=size.drawn,
        abandoned_rounds=_NO_END,
        timing=TIMING,
    )
    return Assignment(plan=rounds, algorithm=probe, initial=probe.start())


def _suite(size: Size) -> SumSuite:
    if size.masked:
        return "masked"
    return "packed" if size.packing else "shamir"


def _chunk_bytes(size: Size) -> int:
    if size.masked:
        return _MASKED_CHUNK
    # What is dealt beside a vector whose norm is bound has 23 KB.
    return 32_768 if size.norms else 1024
