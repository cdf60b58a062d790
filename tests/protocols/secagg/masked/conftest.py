from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from protocols.secagg.masked.layout import Layout
from protocols.secagg.masked.masked_round import MaskedRound
from protocols.secagg.masked.masking import evaluations, mask, secret_of
from protocols.secagg.masked.opening import Opened, Total, add, open_block
from protocols.secagg.masked.parameters import ParameterSet
from protocols.secagg.masked.sharing import add_share, answer, open_secrets, shares_of

TOY = ParameterSet(
    name="toy",
    degree=16,
    primes=(1073643521, 1073479681, 1073184769),
    block_polynomials=8,
    span_values=800,
)
THRESHOLD, HOLDERS = 3, 5


@dataclass(frozen=True)
class Contribution:
    """What one trainer sends: a payload for each block, shares for each span and holder."""

    blocks: list[bytes]
    shares: list[tuple[bytes, ...]]


class Everybody:
    """All parties of one masked sum, in one place."""

    def __init__(self, of: MaskedRound) -> None:
        self.of = of

    def contribution(self, seed: bytes, values: np.ndarray) -> Contribution:
        of = self.of
        secrets = [secret_of(of, seed, span) for span in range(of.spans)]
        blocks = []
        for block in range(of.blocks):
            part = values[of.start(block) : of.start(block) + of.length(block)]
            blocks.append(mask(of, seed, block, part, secrets[of.span_of(block)]))
        shares = [
            shares_of(of, seed, span, secret, (THRESHOLD, HOLDERS))
            for span, secret in enumerate(secrets)
        ]
        return Contribution(blocks, shares)

    def totals(self, contributions: Sequence[Contribution]) -> list[Total]:
        totals = []
        for block in range(self.of.blocks):
            total = None
            for each in contributions:
                total = add(self.of, block, total, each.blocks[block])
            assert total is not None
            totals.append(total)
        return totals

    def answers(self, contributions: Sequence[Contribution], span: int) -> list[bytes]:
        degree, made = self.of.layout.parameters.degree, []
        for place in range(HOLDERS):
            total = None
            for each in contributions:
                total = add_share(degree, total, each.shares[span][place])
            assert total is not None
            made.append(answer(total))
        return made

    def opener(
        self,
        contributions: Sequence[Contribution],
        places: Sequence[int] = (0, 1, 2),
        secrets_of: Sequence[Contribution] | None = None,
    ) -> Callable[[int], Opened]:
        """Open blocks of the sum; `secrets_of` are those whose secrets the holders add."""
        parameters, totals = self.of.layout.parameters, self.totals(contributions)
        added = contributions if secrets_of is None else secrets_of

        def opened(block: int) -> Opened:
            span = self.of.span_of(block)
            answers = self.answers(added, span)
            chosen = {place: answers[place] for place in places}
            secret = open_secrets(parameters.degree, THRESHOLD, len(added), chosen)
            points = evaluations(parameters, secret)
            return open_block(self.of, block, totals[block].copy(), points)

        return opened

    def sum(self, contributions: Sequence[Contribution], places: Sequence[int]) -> list[int]:
        opened = self.opener(contributions, places)
        return [x for block in range(self.of.blocks) for x in opened(block).values.tolist()]


@pytest.fixture(scope="session")
def toy() -> ParameterSet:
    return TOY


@pytest.fixture(scope="session")
def round_with() -> Callable[..., MaskedRound]:
    """Build a masked round from what a test cares for."""

    def build(
        parameters: ParameterSet = TOY,
        *,
        dimension: int = 900,
        slots: int = 3,
        trainers: int = 4,
        number: int = 0,
    ) -> MaskedRound:
        layout = Layout(parameters=parameters, trainers=trainers, slots=slots)
        return MaskedRound(hashlib.sha256(b"round %d" % number).digest(), layout, dimension)

    return build


@pytest.fixture(scope="session")
def everybody() -> type[Everybody]:
    return Everybody


@pytest.fixture(scope="session")
def seed_of() -> Callable[[int], bytes]:
    return lambda number: hashlib.sha256(b"seed %d" % number).digest()
