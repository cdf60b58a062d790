"""All rules, checked at the moment somebody says, writes or opens something."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from actors.ports import Lane
from protocols.codec import Undecodable
from protocols.errors import OtherVersion, PeerViolation
from protocols.learning.job import Opened
from protocols.learning.probe import Probe
from protocols.learning.state import State
from protocols.messages import Wire
from protocols.reports import ActorRestarted, Event, EvidenceKept, PeerFault, TookPart
from protocols.trust.heard import Heard, heard

from .box_checks import BoxChecks
from .coordinator_checks import CoordinatorChecks
from .ghost import Ghost, Rule
from .holder_checks import BINDING, HolderChecks
from .hosts import Life
from .lookout import Lookout
from .share_checks import ShareChecks
from .signatures import signature_of_statement
from .trainer_checks import TrainerChecks
from .watch import Writes

# What an actor may die of: its disk or its link, and nothing that is its own.
# Who has lost its disk has lost its keys, and says so of others in these words.
_ABOUT_KEYS = ("a sealed box", "with two keys", "committed to two openings")
_OF_THE_WORLD = ("StorageFailed: ", "LinkLost: ")


class Checks:
    """The `Watch` of a history; what it finds is in the ghost's violations."""

    def __init__(self, ghost: Ghost, *, fraction_bits: int) -> None:
        self.ghost = ghost
        self.messages = 0
        shares = ShareChecks(ghost)
        self.holders = HolderChecks(ghost, shares)
        roster = ghost.roster
        everybody = (roster.coordinator, *roster.holders, *roster.trainers)
        self.lookouts = {name: Lookout() for name in everybody}
        self.boxes = BoxChecks(ghost, self.lookouts)
        self.trainers = TrainerChecks(ghost, self.boxes, self.lookouts, fraction_bits=fraction_bits)
        self.coordinator = CoordinatorChecks(ghost, shares)
        self._roles = {
            name: ghost.roster.role(name)
            for name in (*ghost.roster.holders, *ghost.roster.trainers)
        }

    def sending(self, life: Life, to: str, body: bytes, lane: Lane) -> str:
        """Look at a message before it leaves; return the name of its kind."""
        host = life.host
        self.messages += 1
        try:
            said = heard(body)
        except (Undecodable, OtherVersion, PeerViolation) as error:
            self.ghost.violated(Rule.HONEST, host, f"sent what can't be read: {error}")
            return "garbage"
        sender, message = said.envelope.sender, said.message
        if sender != host:
            self.ghost.violated(Rule.HONEST, host, f"sent a message under the name {sender}")
        self._look(host, to, message, body)
        return type(message).__name__

    def _look(self, host: str, to: str, message: Wire, body: bytes) -> None:
        role = self._roles.get(host)
        if self.lookouts[host].may_hold(body):
            self.boxes.look_closer(host, message, body)
            if role != "holder":
                self.trainers.look_closer(host, body, "a message")
        self.boxes.sending(host, to, message)
        match role:
            case "holder":
                self.holders.sending(host, message)
            case "trainer":
                self.trainers.sending(host, to, message)
            case _:
                self.coordinator.sending(to, message)

    def acked(self, host: str, body: bytes, kind: str) -> None:
        """Look at a message that a host acknowledges."""
        if kind in BINDING and self._roles.get(host) == "holder" and host not in self.ghost.odd:
            said = heard(body)
            if said.envelope.sender == self.ghost.roster.coordinator and self._is_signed(said):
                self.holders.acked(host, said.message)

    def _is_signed(self, said: Heard) -> bool:
        """Return whether the coordinator said this, and not somebody under its name."""
        roster = self.ghost.roster
        signature = signature_of_statement(roster.coordinator, said.statement(roster.federation))
        return said.envelope.signature == signature

    def committed(self, host: str, writes: Writes) -> None:
        """Look at what has just become durable."""
        self.boxes.committed(host, writes)
        match self._roles.get(host):
            case "holder":
                self.holders.committed(host, writes)
            case "trainer":
                self.trainers.committed(host, writes)
            case _:
                self.coordinator.committed(writes)

    def told(self, host: str, event: Event) -> None:
        """Hear what an actor tells its monitor."""
        for onlooker in self.ghost.onlookers:
            onlooker.told(self.ghost.loop.now_s, host, event)
        if isinstance(event, PeerFault):
            odd = self.ghost.odd
            strange = event.peer in odd or host in odd or self._lost_key(host, event)
            if not strange and not self.ghost.lies.between(event.peer, host):
                text = f"accuses {event.peer}: {event.reason}"
                self.ghost.violated(Rule.HONEST, host, text)
        if isinstance(event, EvidenceKept) and (event.offender, host) not in self.ghost.lies.told:
            text = f"has evidence that {event.offender} {event.what}"
            self.ghost.violated(Rule.HONEST, host, text)
        if isinstance(event, ActorRestarted) and not event.reason.startswith(_OF_THE_WORLD):
            self.ghost.violated(Rule.QUIET, host, f"crashed by itself: {event.reason}")
        if isinstance(event, TookPart) and self._roles.get(host) == "trainer":
            self.trainers.told(host, event)
        if host == self.ghost.roster.coordinator:
            self.coordinator.told(event)

    def _lost_key(self, host: str, event: PeerFault) -> bool:
        """Return whether a key was lost with somebody's disk, or a wrong one was announced."""
        if not any(words in event.reason for words in _ABOUT_KEYS):
            return False
        ghost = self.ghost
        return host in ghost.lies.keys or any(x in ghost.forgetful for x in (host, event.peer))

    def logged(self, host: str, text: str) -> None:
        """Read what an actor writes into its log."""
        self.boxes.logged(host, text)
        self.trainers.logged(host, text)

    def drew(self, host: str, secret: bytes) -> None:
        """Learn of entropy that a host was given."""
        self.boxes.drew(host, secret)
        if self._roles.get(host) == "trainer":
            self.trainers.drew(host, secret)

    def computed(self, host: str, state: bytes, vector: NDArray[np.float64]) -> None:
        """Learn of an owner's vector for the model state with this digest."""
        self.ghost.vectors[host, state] = vector
        self.trainers.computed(host, vector)
        self.ghost.forget_rounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedProbe(Probe):
    """The probe, which also shows every sum to the checks before it judges it itself."""

    checks: Checks

    def update(self, state: State, opened: Opened) -> State:
        """Take in a sum; one that a liar has a part in is put right, so that the job goes on."""
        if not self.checks.coordinator.opened(state.count("round"), opened):
            opened = replace(opened, total=self._expected(state, tuple(sorted(opened.survivors))))
        return super(WatchedProbe, self).update(state, opened)
