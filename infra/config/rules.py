"""What no single key of a job file shows: rules between sections.

Each rule names the places it needs and runs where all of them hold valid values, so that one
mistake never hides another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.rabbitmq.address import AddressError, BrokerAddress
from protocols.learning.algorithms import ALGORITHMS, TORCH, options_of
from protocols.learning.layout import GRID_BITS, ROOM_BITS
from protocols.learning.probe import LARGEST
from protocols.messages import MAX_TRAINERS
from protocols.round_config import (
    MAX_NORM_BOUND,
    MINIMUM_FLOOR,
    NO_BUFFERED_BATCHES,
    NO_SEEDS,
    buffer_faults,
    checks_faults,
    crowd_fault,
    least_chunk_bytes,
    majority,
    norm_faults,
    norm_means,
    packing_faults,
    sample_faults,
    squared_bound,
    threshold_faults,
)
from protocols.secagg.field import FIELDS
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.masked.parameters import SETS

from .masks import mask_layout, training_largest
from .schema import SecureSum

NamedOwners = Sequence[tuple[int, str]]  # the place in the file, from 1, and the name


def cross_faults(known: Mapping[str, Any]) -> list[str]:
    """Apply every rule whose places are all in `known`; return what each one found."""
    return [
        fault
        for places, rule in _RULES
        if all(place in known for place in places)
        for fault in rule(*(known[place] for place in places))
    ]


def _crowd(holders: int, faults: int) -> list[str]:
    fault = crowd_fault(holders, faults)
    return [] if fault is None else [f"federation.faults: {fault}"]


def _thresholds(holders: int, faults: int, threshold: int, vote: bool) -> list[str]:
    if crowd_fault(holders, faults) is not None:
        return []  # no threshold suits them
    quorum = majority(holders, faults)
    found = threshold_faults(
        holders=holders, faults=faults, threshold=threshold, quorum=quorum, vote=vote
    )
    return [f"federation.threshold: {with_cure(text, holders)}" for text in found]


def _checks(holders: int, faults: int, threshold: int, vote: bool, checks: bool) -> list[str]:
    if not checks:
        return []
    found = checks_faults(holders=holders, faults=faults, threshold=threshold, vote=vote)
    return [f"secure_sum.checks: {text}" for text in found]


def _norm_holders(holders: int, faults: int, threshold: int, bound: float | None) -> list[str]:
    if bound is None:
        return []
    found = norm_faults(holders=holders, faults=faults, threshold=threshold)
    return [f"secure_sum.norm_bound: {text}" for text in found]


def _norm_means(checks: bool, suite: str, bound: float | None) -> list[str]:
    if bound is None:
        return []
    found = norm_means(checks=checks, field="p61", suite=suite)
    return [f"secure_sum.norm_bound: {text}" for text in found]


def _norm_field(field: str, bound: float | None) -> list[str]:
    if bound is None:
        return []
    found = norm_means(checks=True, field=field, suite="shamir")
    return [f"secure_sum.norm_bound: {text}" for text in found]


def _norm_fits(bound: float | None, fraction_bits: int) -> list[str]:
    if bound is None or 1 <= squared_bound(bound, fraction_bits) <= MAX_NORM_BOUND:
        return []
    place = f"secure_sum.norm_bound: {bound:g} with {fraction_bits} fraction bits"
    if squared_bound(bound, fraction_bits) < 1:
        return [f"{place} is below the smallest number that travels; use more fraction bits"]
    most = math.isqrt(MAX_NORM_BOUND)
    fitting = [bits for bits in range(61) if squared_bound(bound, bits) <= MAX_NORM_BOUND]
    fewer = f"use fraction_bits = {fitting[-1]} or less, or " if fitting else "use "
    smaller = math.floor(most / 2**fraction_bits * 1000) / 1000 or most / 2**fraction_bits
    return [
        f"{place} is above {most} / 2^fraction_bits, more than can be checked in the field p61; "
        f"{fewer}a bound of {smaller:g} or less"
    ]


def _suite(suite: str, packing: int) -> list[str]:
    if suite == "packed" and packing < 1:
        return [
            "secure_sum.packing: missing; how many numbers share a polynomial, which is how much "
            "shorter a share is; 1 or more, below federation.threshold"
        ]
    if suite != "packed" and packing:
        return [
            f'secure_sum.packing: {packing} is for suite = "packed", and secure_sum.suite is '
            f'"{suite}"; leave it out or change the suite'
        ]
    return []


def _chosen_packing(_auto: bool, packing: int) -> list[str]:
    if not packing:
        return []
    return [
        f'secure_sum.packing: {packing} is for suite = "packed", and suite = "auto" chooses it '
        f"itself; leave it out, and say with privacy how many holders must learn nothing"
    ]


def _privacy(auto: bool, privacy: int | None, threshold: int, faults: int) -> list[str]:
    if privacy is None:
        return []
    if not auto:
        return [
            'secure_sum.privacy: only suite = "auto" asks for it; leave it out: other suites say '
            "by threshold and packing how many holders learn nothing"
        ]
    if privacy >= threshold:
        return [
            f"secure_sum.privacy: with threshold {threshold} that many holders open a sum, so no "
            f"{privacy} learn nothing; use {threshold - 1} or less, or a larger threshold"
        ]
    if privacy < faults:
        return [
            f"secure_sum.privacy: {faults} holders may lie, and would pool what they have; use "
            f"{faults} or more"
        ]
    return []


def _packing(holders: int, faults: int, threshold: int, vote: bool, packing: int) -> list[str]:
    if packing < 1:
        return []
    found = packing_faults(
        holders=holders, faults=faults, threshold=threshold, packing=packing, vote=vote
    )
    return [f"secure_sum.packing: {text}" for text in found]


def _seeds(suite: str, seeds: bool) -> list[str]:
    return [f"secure_sum.seeds: {NO_SEEDS}"] if seeds and suite == "masked" else []


def with_cure(fault: str, holders: int) -> str:
    """Say what to do about a threshold that makes no sense, unless the sentence does already."""
    # Some of the protocol's sentences already end in what to do.
    if "; use " in fault:
        return fault
    return f"{fault}; use 2 to {holders}" if holders >= 2 else f"{fault}; set holders to 3 or more"


def _enough_owners(minimum: int, owners: int) -> list[str]:
    if owners >= minimum or owners == 0:
        return []
    way = "" if owners < MINIMUM_FLOOR else f" or set minimum to {owners}"
    return [
        f"federation.minimum: {minimum} is above the number of owners, {owners}, so no sum would "
        f"ever be opened; add owners with [[owner]]{way}"
    ]


def _buffered(algorithm: str, buffered: int) -> list[str]:
    if not buffered or any(o.name == "max_staleness" for o in options_of(ALGORITHMS[algorithm])):
        return []
    return [
        f"federation.buffered: every sum of {algorithm} is over one state, and rounds that are "
        "buffered add what belongs to older ones; leave it out"
    ]


def _buffer(minimum: int, owners: int, buffered: int) -> list[str]:
    if not buffered or owners < minimum:
        return []
    found = buffer_faults(buffered=buffered, minimum=minimum, trainers=owners)
    return [f"federation.buffered: {text}" for text in found]


def _sampled(algorithm: str, sample: int) -> list[str]:
    if not sample or algorithm in TORCH or algorithm == "probe":
        return []
    return [
        f"federation.sample: what {algorithm} finds is of all owners, and each of its sums must be "
        f"over the same; leave it out. Models ({', '.join(TORCH)}) are trained on samples"
    ]


def _sampled_watch(watch: str, sample: int) -> list[str]:
    if not sample or not watch:
        return []
    return [
        f'federation.sample: training.watch = "{watch}" compares rounds, and each is measured at '
        "other owners; leave one of them out"
    ]


def _sampled_buffer(buffered: int, sample: int) -> list[str]:
    if not sample or not buffered:
        return []
    return [f"federation.sample: {NO_BUFFERED_BATCHES}; leave sample or buffered out"]


def _sample(minimum: int, owners: int, sample: int, batch: int) -> list[str]:
    if batch and not sample:
        return [
            f"federation.batch: batches of {batch} are for rounds that ask a sample; leave it out, "
            "or say with sample about how many owners a round asks"
        ]
    if not sample or owners < minimum:
        return []
    found = sample_faults(trainers=owners, minimum=minimum, sample=sample, batch=batch)
    return [f"federation.{'batch' if batch else 'sample'}: {text}" for text in found]


def _most_owners(owners: int) -> list[str]:
    if owners <= MAX_TRAINERS:
        return []
    return [
        f"owner: {owners:,} are too many; one round has up to {MAX_TRAINERS:,}: divide them among "
        f"several jobs"
    ]


def _encrypted(broker: str | Sequence[str], insecure: bool) -> list[str]:
    if isinstance(broker, str) and "://" not in broker:
        return []
    try:
        BrokerAddress.parse(broker, user="-", password="-", insecure=insecure)  # noqa: S106
    except AddressError as error:
        return [f"federation.broker: {error}"]
    return []


def _unique_names(named: NamedOwners) -> list[str]:
    first: dict[str, int] = {}
    faults = []
    for place, name in named:
        if name in first:
            faults.append(
                f'owner[{place}].name: "{name}" is the name of owner[{first[name]}] too; '
                f"give each owner a name of its own"
            )
        first.setdefault(name, place)
    return faults


def _headroom(
    owners: int, field: str, fraction_bits: int, largest_weight: int, clip: float
) -> list[str]:
    largest = training_largest(largest_weight, clip)
    try:
        FixedPoint(field=FIELDS[field], fraction_bits=fraction_bits, trainers=owners).check_fits(
            largest
        )
    except ValueError as error:
        return [_overflow(largest_weight, clip, error)]
    return []


def _overflow(largest_weight: int, clip: float, error: ValueError) -> str:
    return (
        f"secure_sum: largest_weight {largest_weight} times clip {clip:g} can overflow the "
        f"sum: {error}"
    )


def _masked_headroom(
    _masked: bool, owners: int, fraction_bits: int, largest_weight: int, clip: float
) -> list[str]:
    try:
        mask_layout(owners, training_largest(largest_weight, clip), fraction_bits)
    except ValueError as error:
        return [_overflow(largest_weight, clip, error)]
    return []


def _few_bits(_owners: int, fraction_bits: int) -> list[str]:
    if fraction_bits >= GRID_BITS:
        return []
    return [
        f"secure_sum.fraction_bits: {fraction_bits} are too few for a statistic; "
        f"use {GRID_BITS} or more"
    ]


def _masked_digits(_masked: bool, owners: int, fraction_bits: int) -> list[str]:
    try:
        mask_layout(owners, 2.0**ROOM_BITS, fraction_bits)
    except ValueError as error:
        return [f"secure_sum: the digits of a statistic can overflow the sum: {error}"]
    return []


def _masked_probe(_masked: bool, owners: int, fraction_bits: int) -> list[str]:
    try:
        mask_layout(owners, LARGEST, fraction_bits)
    except ValueError as error:
        return [f"secure_sum: the values of the probe can overflow the sum: {error}"]
    return []


def _masked_chunks(_masked: bool, chunk_kb: int) -> list[str]:
    least = max(map(least_chunk_bytes, SETS)) // 1024
    if chunk_kb >= least:
        return []
    return [
        f"limits.chunk_kb: {chunk_kb} is too small for a share of the suite masked, which "
        f"travels in one piece; use {least} or more"
    ]


def digit_faults(owners: int, secure_sum: SecureSum) -> list[str]:
    """Say why sums of numbers with a range, see `layout.py`, have no room in a job's integers."""
    bits = secure_sum.fraction_bits
    room = (
        _masked_digits(True, owners, bits)
        if secure_sum.suite == "masked"
        else _digits(owners, secure_sum.field, bits)
    )
    return _few_bits(owners, bits) or room


def _digits(owners: int, field: str, fraction_bits: int) -> list[str]:
    fixed_point = FixedPoint(field=FIELDS[field], fraction_bits=fraction_bits, trainers=owners)
    try:
        fixed_point.check_fits(2.0**ROOM_BITS)
    except ValueError as error:
        return [f"secure_sum: the digits of a statistic can overflow the sum: {error}"]
    return []


_RULES: tuple[tuple[tuple[str, ...], Callable[..., list[str]]], ...] = (
    (("federation.holders", "federation.faults"), _crowd),
    (
        ("federation.holders", "federation.faults", "federation.threshold", "federation.vote"),
        _thresholds,
    ),
    (
        (
            "federation.holders",
            "federation.faults",
            "federation.threshold",
            "federation.vote",
            "secure_sum.checks",
        ),
        _checks,
    ),
    (("secure_sum.suite", "secure_sum.packing"), _suite),
    (("secure_sum.auto", "secure_sum.packing"), _chosen_packing),
    (
        (
            "secure_sum.chooses",
            "secure_sum.privacy",
            "federation.threshold",
            "federation.faults",
        ),
        _privacy,
    ),
    (
        (
            "federation.holders",
            "federation.faults",
            "federation.threshold",
            "secure_sum.norm_bound",
        ),
        _norm_holders,
    ),
    (("secure_sum.checks", "secure_sum.suite", "secure_sum.norm_bound"), _norm_means),
    (("secure_sum.field", "secure_sum.norm_bound"), _norm_field),
    (("secure_sum.norm_bound", "secure_sum.fraction_bits"), _norm_fits),
    (
        (
            "federation.holders",
            "federation.faults",
            "federation.threshold",
            "federation.vote",
            "secure_sum.packing",
        ),
        _packing,
    ),
    (("secure_sum.suite", "secure_sum.seeds"), _seeds),
    (("federation.broker", "federation.insecure"), _encrypted),
    (("federation.minimum", "owner.count"), _enough_owners),
    (("job.algorithm", "federation.buffered"), _buffered),
    (("federation.minimum", "owner.count", "federation.buffered"), _buffer),
    (("job.algorithm", "federation.sample"), _sampled),
    (("training.watch", "federation.sample"), _sampled_watch),
    (("federation.buffered", "federation.sample"), _sampled_buffer),
    (("federation.minimum", "owner.count", "federation.sample", "federation.batch"), _sample),
    (("owner.count",), _most_owners),
    (("owner.names",), _unique_names),
    (("table.owners", "secure_sum.fraction_bits"), _few_bits),
    (("table.owners", "secure_sum.field", "secure_sum.fraction_bits"), _digits),
    (("secure_sum.masked", "table.owners", "secure_sum.fraction_bits"), _masked_digits),
    (("secure_sum.masked", "probe.owners", "secure_sum.fraction_bits"), _masked_probe),
    (("secure_sum.masked", "limits.chunk_kb"), _masked_chunks),
    (
        (
            "secure_sum.masked",
            "torch.owners",
            "secure_sum.fraction_bits",
            "secure_sum.largest_weight",
            "secure_sum.clip",
        ),
        _masked_headroom,
    ),
    (
        (
            "torch.owners",
            "secure_sum.field",
            "secure_sum.fraction_bits",
            "secure_sum.largest_weight",
            "secure_sum.clip",
        ),
        _headroom,
    ),
)
