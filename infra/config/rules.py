"""What no single key of a job file shows: rules between sections.

Each rule names the places it needs and runs where all of them hold valid values, so that one
mistake never hides another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.rabbitmq.address import AddressError, BrokerAddress
from protocols.learning.layout import GRID_BITS, ROOM_BITS
from protocols.round_config import (
    MINIMUM_FLOOR,
    checks_faults,
    crowd_fault,
    majority,
    packing_faults,
    threshold_faults,
)
from protocols.secagg.field import FIELDS
from protocols.secagg.fixed_point import FixedPoint

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


def _packing(holders: int, faults: int, threshold: int, vote: bool, packing: int) -> list[str]:
    if packing < 1:
        return []
    found = packing_faults(
        holders=holders, faults=faults, threshold=threshold, packing=packing, vote=vote
    )
    return [f"secure_sum.packing: {text}" for text in found]


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
    # The weights travel beside the clipped, weighted update and bound it where clip < 1.
    largest = largest_weight * max(clip, 1.0)
    try:
        FixedPoint(field=FIELDS[field], fraction_bits=fraction_bits, trainers=owners).check_fits(
            largest
        )
    except ValueError as error:
        return [
            f"secure_sum: largest_weight {largest_weight} times clip {clip:g} can overflow the "
            f"sum: {error}"
        ]
    return []


def _digits(owners: int, field: str, fraction_bits: int) -> list[str]:
    if fraction_bits < GRID_BITS:
        return [
            f"secure_sum.fraction_bits: {fraction_bits} are too few for a statistic; "
            f"use {GRID_BITS} or more"
        ]
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
    (("federation.broker", "federation.insecure"), _encrypted),
    (("federation.minimum", "owner.count"), _enough_owners),
    (("owner.names",), _unique_names),
    (("table.owners", "secure_sum.field", "secure_sum.fraction_bits"), _digits),
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
