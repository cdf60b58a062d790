"""What an actor says of itself when it starts, and what a round needs that it may lack."""

from __future__ import annotations

from typing import Literal

from protocols.messages import Hello
from protocols.round_config import RoundConfig
from protocols.trust.sealing import suites

from .field import FIELDS
from .suites import SUITES


def greeting(role: Literal["trainer", "holder"], software: str) -> Hello:
    """Return the greeting of an actor that runs this code."""
    return Hello(
        role=role,
        software=software[:64],
        suites=tuple(SUITES),
        fields=tuple(FIELDS),
        sealing=suites(),
    )


def lacking(hello: Hello, config: RoundConfig) -> str | None:
    """Say what an actor would need to take part in a round, None if it has it all."""
    if config.suite not in hello.suites:
        return f"the round uses the suite {config.suite}, which {hello.software} does not have"
    if config.field not in hello.fields:
        return f"the round uses the field {config.field}, which {hello.software} does not have"
    if config.sealing not in hello.sealing:
        return (
            f"the round seals with {config.sealing}, which {hello.software} can't there: install "
            f"a newer `cryptography`, or set secure_sum.sealing in the job"
        )
    return None
