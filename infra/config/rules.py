"""What no single key of a job file shows: rules between sections.

Each rule names the places it needs and runs where all of them hold valid values, so that one
mistake never hides another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.rabbitmq.address import AddressError, BrokerAddress
from protocols.learning.layout import GRID_BITS, ROOM_BITS
from protocols.learning.probe import LARGEST
from protocols.round_config import (
    MINIMUM_FLOOR,
    checks_faults,
    crowd_fault,
    least_chunk_bytes,
    majority,
    threshold_faults,
)
from protocols.secagg.field import FIELDS
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.masked.parameters import SETS

from .masks import fedavg_largest, mask_layout

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
    largest = fedavg_largest(largest_weight, clip)
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
        mask_layout(owners, fedavg_largest(largest_weight, clip), fraction_bits)
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
    (("federation.broker", "federation.insecure"), _encrypted),
    (("federation.minimum", "owner.count"), _enough_owners),
    (("owner.names",), _unique_names),
    (("table.owners", "secure_sum.fraction_bits"), _few_bits),
    (("table.owners", "secure_sum.field", "secure_sum.fraction_bits"), _digits),
    (("secure_sum.masked", "table.owners", "secure_sum.fraction_bits"), _masked_digits),
    (("secure_sum.masked", "probe.owners", "secure_sum.fraction_bits"), _masked_probe),
    (("secure_sum.masked", "limits.chunk_kb"), _masked_chunks),
    (
        (
            "secure_sum.masked",
            "fedavg.owners",
            "secure_sum.fraction_bits",
            "secure_sum.largest_weight",
            "secure_sum.clip",
        ),
        _masked_headroom,
    ),
    (
        (
            "fedavg.owners",
            "secure_sum.field",
            "secure_sum.fraction_bits",
            "secure_sum.largest_weight",
            "secure_sum.clip",
        ),
        _headroom,
    ),
)
