"""The share-holder's side of a check: freeze one set, toss one coin, tell values under it.

Whatever binds the holder is a `Record` of the same decision, and so durable before it leaves.
Two coins in one round would show their difference, a combination of single vectors: a holder
agrees to one, and tells values once a quorum has agreed to the same (degree_check).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from protocols.effects import CombineShares, Effect, Send
from protocols.errors import PeerViolation
from protocols.messages import (
    Ask,
    CheckValues,
    CoinOpening,
    Committed,
    Endorsement,
    Freeze,
    Frozen,
    Message,
    Reveal,
    Toss,
    Tossed,
)
from protocols.records import HeldCoin, HeldCommitments, HeldFreeze
from protocols.round_config import Roster, RoundConfig
from protocols.trust.errors import Untrusted
from protocols.trust.signing import Verifier, require_said

from .agreed import coin_of, name_of, trainers_of, words_of
from .coin import Coin, Values
from .degree_check import OPENING_BYTES, Weights, commitment, opens
from .held_round import HeldRound
from .sets import set_digest, set_fault

Check = Freeze | Reveal | Toss | Ask
WHAT: dict[type[Message], str] = {
    Freeze: "freeze",
    Reveal: "reveal",
    Toss: "toss",
    Ask: "question",
}


class Freezing:
    """Decides for one holder; what it knows of a round is in the `HeldRound`."""

    def __init__(
        self,
        name: str,
        roster: Roster,
        verifier: Verifier,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._name = name
        self._roster = roster
        self._verifier = verifier
        self._entropy = entropy
        self._place = roster.holders.index(name) if name in roster.holders else -1

    def receive(self, held: HeldRound, message: Check) -> list[Effect] | str:
        """Decide on a request of the coordinator; a text says why it can't be met now.

        Raises `PeerViolation` where nobody ever should go along.
        """
        if not held.config.checks:
            raise self._violation(f"sent a {WHAT[type(message)]} in a round without checks")
        match message:
            case Freeze():
                return self._on_freeze(held, message)
            case Reveal():
                return self._on_reveal(held, message)
            case Toss():
                return self._on_toss(held, message)
            case Ask():
                return self._on_ask(held, message)

    def _on_freeze(self, held: HeldRound, message: Freeze) -> list[Effect] | str:
        check, effects = held.check, list[Effect]()
        if check.frozen is None:
            fault = set_fault(held.config, self._roster, message.chosen)
            if fault is not None:
                raise self._violation(fault)
            if held.fixed:
                return "the set of the round is fixed"
            if (lack := held.lack(message.chosen)) is not None:
                return lack
            check.frozen, check.opening = message.chosen, self._entropy(OPENING_BYTES)
            record = HeldFreeze(chosen=check.frozen, opening=check.opening)
            effects.append(held.record("frozen", record))
        if check.frozen != message.chosen:
            raise self._violation("froze a second set in one round")
        digest = set_digest(held.cid, check.frozen)
        own = commitment(digest, self._place, check.opening)
        return [*effects, self._tell(Frozen(cid=held.cid, set_digest=digest, commitment=own))]

    def _on_reveal(self, held: HeldRound, message: Reveal) -> list[Effect] | str:
        check, effects = held.check, list[Effect]()
        if check.frozen is None:
            return "nothing is frozen here"
        digest = set_digest(held.cid, check.frozen)
        if message.set_digest != digest:
            raise self._violation("froze a second set in one round")
        if check.committed is None:
            self._require_committed(held, message.committed, digest)
            own = commitment(digest, self._place, check.opening)
            if (self._name, own) not in [(c.holder, c.commitment) for c in message.committed]:
                return "the commitment of this holder is not there"
            check.committed = message.committed
            effects.append(held.record("committed", HeldCommitments(committed=check.committed)))
        if check.committed != message.committed:
            raise self._violation("showed two lists of commitments in one round")
        return [*effects, self._tell(CoinOpening(cid=held.cid, opening=check.opening))]

    def _require_committed(
        self, held: HeldRound, committed: tuple[Committed, ...], digest: bytes
    ) -> None:
        self._require_crowd(held.config, [one.holder for one in committed], "commitments")
        for one in committed:
            said = Frozen(cid=held.cid, set_digest=digest, commitment=one.commitment)
            self._require_said(one.holder, said, one.signature)

    def _on_toss(self, held: HeldRound, message: Toss) -> list[Effect] | str:
        check, effects = held.check, list[Effect]()
        if check.frozen is None or check.committed is None:
            return "no commitments were shown here"
        context = set_digest(held.cid, check.frozen)
        if check.shares is None:
            self._require_crowd(held.config, [one.holder for one in message.shares], "openings")
            committed = {one.holder: one.commitment for one in check.committed}
            for share in message.shares:
                place = self._roster.holders.index(share.holder)
                known = committed.get(share.holder)
                if known is None or not opens(known, context, place, share.opening):
                    raise self._violation(f"showed an opening that is not {share.holder}'s")
            # Whoever could choose all the others knows nothing of this one.
            if self._name not in [share.holder for share in message.shares]:
                return "the opening of this holder is not there"
            check.shares = message.shares
            effects.append(held.record("coin", HeldCoin(shares=check.shares)))
        if check.shares != message.shares:
            raise self._violation("tossed a second coin in one round")
        return [*effects, self._tell(Tossed(cid=held.cid, coin=name_of(self._coin(held)[0])))]

    def _on_ask(self, held: HeldRound, message: Ask) -> list[Effect] | str:
        check = held.check
        if check.frozen is None or check.shares is None:
            return "no coin was tossed here"
        coin, name = self._coin(held)
        if message.coin != name:
            raise self._violation("asked under a second coin in one round")
        self._require_tossed(held, name, message.tossed)
        if any(first + count > len(check.frozen) for first, count in message.about):
            raise self._violation("asked about trainers that are not in the set")
        if check.unable:
            return "the shares can't be read here"
        check.asked = message.about
        if check.combined is not None:
            return [self._values(held, coin, check.combined)]
        begun, check.combining = check.combining, True
        seeds = held.seeds_of(check.frozen)
        return [] if begun else [CombineShares(held.config, check.frozen, coin, seeds)]

    def _require_tossed(
        self, held: HeldRound, name: bytes, tossed: tuple[Endorsement, ...]
    ) -> None:
        self._require_crowd(held.config, [one.holder for one in tossed], "words for its coin")
        for one in tossed:
            self._require_said(one.holder, Tossed(cid=held.cid, coin=name), one.signature)

    def combined(self, held: HeldRound, values: dict[str, Values]) -> list[Effect]:
        """Take the result of a `CombineShares` and tell what was last asked for."""
        held.check.combining, held.check.combined = False, values
        return [self._values(held, self._coin(held)[0], values)]

    def _values(self, held: HeldRound, coin: Coin, combined: dict[str, Values]) -> Send:
        check = held.check
        trainers = trainers_of(check.frozen or ())
        weights = Weights(coin, trainers, words_of(held.config))
        told = CheckValues(
            cid=held.cid,
            coin=name_of(coin),
            about=check.asked,
            values=tuple(
                weights.summed(combined, trainers[first : first + count])
                for first, count in check.asked
            ),
        )
        return self._tell(told)

    def _coin(self, held: HeldRound) -> tuple[Coin, bytes]:
        """Return the coin of the round and its name; there is one."""
        check = held.check
        context = set_digest(held.cid, check.frozen or ())
        coin = coin_of(held.config, context, check.shares or (), self._roster.holders)
        return coin, name_of(coin)

    def _require_crowd(self, config: RoundConfig, names: Iterable[str], what: str) -> None:
        """Raise unless these are holders, sorted, each once, and as many as a round needs."""
        said = list(names)
        if any(one >= other for one, other in pairwise(said)):
            raise self._violation(f"showed {what} that are not sorted by distinct holders")
        if strangers := [name for name in said if self._roster.role(name) != "holder"]:
            raise self._violation(f"showed {what} of {strangers[0]}, who is no holder")
        if len(said) < config.holders_needed():
            raise self._violation(f"showed {what} of {len(said)} of {config.holders_needed()}")

    def _require_said(self, holder: str, said: Frozen | Tossed, signature: bytes) -> None:
        try:
            require_said(self._verifier, self._roster.federation, holder, said, signature)
        except Untrusted:
            raise self._violation(f"showed what {holder} did not sign") from None

    def _tell(self, message: Message) -> Send:
        return Send(self._roster.coordinator, message)

    def _violation(self, reason: str) -> PeerViolation:
        return PeerViolation(self._roster.coordinator, reason)
