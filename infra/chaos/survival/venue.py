"""What a report says of the theatre in which its scenario was played."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """A theatre in words.

    Attributes:
        text: follows "so many histories".
        options: of `quorate chaos SCENARIO`, for the same theatre again.
        repeatable: whether the same seed gives the same history.
    """

    text: str
    options: str
    repeatable: bool


VIRTUAL = Venue(text="in virtual time", options="", repeatable=True)
