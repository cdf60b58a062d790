"""What is not to be trusted, and why."""

from __future__ import annotations

from typing import Literal

from protocols.errors import ProtocolError

Doubt = Literal[
    "form",  # bytes or text in no form of ours
    "key",  # a public key that nobody may have
    "signature",  # not made by that key over these bytes
    "authority",  # signed by nobody whom we trust
    "federation",  # of another federation
    "epoch",  # older than what was accepted before, or another one of the same epoch
    "expired",
    "early",  # not valid yet
    "revoked",
    "incomplete",  # no federation could work with it
    "sealed",  # a sealed box that does not open
    "evidence",  # does not show what it claims
    "policy",  # by rules weaker than those that the reader demands
    "chain",  # transcripts that do not follow each other
    "quorum",  # too few have said it, or one was counted twice
    "set",  # contributions that must not be summed, or others than were voted for
    "contribution",  # the reader's own is not in the sum
]


class Untrusted(ProtocolError):
    """Something that another party made is refused; `doubt` is its kind, to be counted by.

    The text says what to do where somebody can do something. It holds no secret.
    """

    def __init__(self, doubt: Doubt, text: str) -> None:
        super().__init__(text)
        self.doubt: Doubt = doubt
