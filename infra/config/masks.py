"""How values lie under the mask of a job: the layout with the fewest bytes in which they fit."""

from __future__ import annotations

from fractions import Fraction

from protocols.learning.layout import ROOM_BITS
from protocols.learning.probe import LARGEST
from protocols.secagg.masked.layout import Layout, chosen

from .schema import Job, TableSettings, TorchSettings


def mask_layout(owners: int, largest: float, fraction_bits: int) -> Layout:
    """Return the layout for values of this magnitude.

    Raises:
        ValueError: no layout holds the sum of all owners; the text has the bits that are
            missing, and the ways out.
    """
    return chosen(owners, round(Fraction(largest) * 2**fraction_bits))


def training_largest(largest_weight: int, clip: float) -> float:
    """Return the largest magnitude of what an owner sends to train a model."""
    # The weights travel beside the clipped, weighted update and bound it where clip < 1.
    return largest_weight * max(clip, 1.0)


def layout_of(job: Job, owners: int | None = None) -> Layout | None:
    """Return how values of a job lie under its mask; None in a suite without one.

    With `owners` there are to be so many instead of those of the file.

    Raises `ValueError` where they do not fit; the rules have found that before.
    """
    secure_sum = job.secure_sum
    if secure_sum.suite != "masked":
        return None
    count = len(job.owners) if owners is None else owners
    return mask_layout(count, largest_value(job), secure_sum.fraction_bits)


def largest_value(job: Job) -> float:
    """Return the largest magnitude of what an owner sends in a round, as it is known before."""
    secure_sum = job.secure_sum
    match job.learning:
        case TorchSettings():
            return training_largest(secure_sum.largest_weight, secure_sum.clip)
        case TableSettings():
            return 2.0**ROOM_BITS
    return LARGEST
