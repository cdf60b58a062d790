"""A coordinator that proposes two sets in one round: every holder it was told by can show it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from fakes.actor_rig import Stage, in_virtual_time
from fakes.ports import FakeEvidence
from fakes.transcribed import ROSTER
from fakes.trusting import AUTHORITY, key_of
from typer.testing import CliRunner, Result

from actors.actor import Actor, Ports
from actors.coordinator import Coordinator, CoordinatorPorts
from actors.ports import Signatures
from actors.shareholder import ShareHolder
from infra.cli.main import app
from infra.evidence_files import FileEvidence
from infra.system import ThreadOffload
from protocols.codec import canonical, parse
from protocols.effects import Effect, Send
from protocols.messages import Propose
from protocols.reports import EvidenceKept, PeerFault, RoundComplete, TookPart
from protocols.trust.evidence import Evidence, read_evidence
from protocols.trust.key_ring import KeyRing
from protocols.trust.members import Members

pytestmark = pytest.mark.attack

HOLDERS = ROSTER.names().holders


class TwoFaced(Coordinator):
    """Proposes what its code says, and the same without one trainer right behind."""

    async def _perform_one(self, effect: Effect) -> None:
        await super()._perform_one(effect)
        if isinstance(effect, Send) and isinstance(effect.message, Propose):
            other = msgspec.structs.replace(effect.message, chosen=effect.message.chosen[1:])
            await super()._perform_one(Send(effect.to, other))


class SignedStage(Stage):
    """A federation with real keys, whose holders have a place for evidence."""

    def __init__(self, coordinator: type[Coordinator], *, rounds: int = 1) -> None:
        super().__init__(rounds=rounds, trainers=5)
        self.roster = ROSTER.names()
        self.evidence = {name: FakeEvidence() for name in HOLDERS}
        self._coordinator = coordinator

    def signatures(self, name: str) -> Signatures:
        return KeyRing.of(ROSTER, key_of(name))

    def _actor(self, name: str, ports: Ports) -> Actor:
        if name == self.roster.coordinator:
            own = CoordinatorPorts(self.bus.blobs(name), self.checkpoints)
            return self._coordinator(self.roster, ports, self.assignment, own)
        if name in HOLDERS:
            return ShareHolder(name, self.roster, ports, evidence=self.evidence[name])
        return super()._actor(name, ports)

    def journalled(self, holder: str) -> list[Evidence]:
        contents = self.homes[holder].journal.contents()
        return [parse(v, Evidence) for k, v in contents.items() if k.startswith("evidence/")]


def played(stage: SignedStage) -> SignedStage:
    in_virtual_time(stage.run())
    return stage


def quorate(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(word) for word in words])


def test_every_holder_has_what_anybody_with_the_roster_believes_and_names_the_coordinator() -> None:
    stage = played(SignedStage(TwoFaced, rounds=2))

    members = Members(ROSTER)
    for holder in HOLDERS:
        kept = stage.evidence[holder].kept
        assert len(kept) == 2, "one a round"
        assert sorted(kept, key=canonical) == sorted(stage.journalled(holder), key=canonical)
        for evidence in kept:
            evidence.require(members)
            assert (evidence.offender, evidence.type_name) == ("coordinator", "Propose")
    assert len(stage.events_of(RoundComplete)) == 2, "the first set is the one that is summed"
    parts = [part for part in stage.events_of(TookPart) if part.actor in HOLDERS]
    assert {(part.outcome, part.accused) for part in parts} == {("answered", ("coordinator",))}
    faults = {(fault.actor, fault.peer, fault.reason) for fault in stage.events_of(PeerFault)}
    assert faults == {(n, "coordinator", "proposed a second set in one round") for n in HOLDERS}


def interesting(holder: str) -> list[int]:
    """Return the commits of a holder that write what it knows of proposals."""
    journal = played(SignedStage(TwoFaced)).homes[holder].journal
    return [
        number
        for number, writes in enumerate(journal.commits)
        if any(key.endswith("/proposed") or key.startswith("evidence/") for key, _ in writes)
    ]


@pytest.mark.parametrize("written", [False, True], ids=["nothing written", "all written"])
def test_a_crash_between_the_proposals_or_after_loses_no_evidence(*, written: bool) -> None:
    numbers = interesting("holder-2")
    assert numbers
    for number in (numbers[0], numbers[-1]):
        stage = SignedStage(TwoFaced)
        journal = stage.homes["holder-2"].journal
        journal.fail_at, journal.writes_before_failing = number, written

        played(stage)

        (evidence,) = stage.evidence["holder-2"].kept
        evidence.require(Members(ROSTER))
        assert stage.journalled("holder-2") == [evidence]


def test_an_honest_coordinator_that_crashes_anywhere_is_accused_of_nothing() -> None:
    commits = len(played(SignedStage(Coordinator)).homes["coordinator"].journal.commits)
    for number in range(commits):
        stage = SignedStage(Coordinator)
        journal = stage.homes["coordinator"].journal
        journal.fail_at, journal.writes_before_failing = number, number % 2 == 1

        played(stage)

        stage.check()
        assert stage.events_of(EvidenceKept) == []
        assert not any(stage.journalled(holder) for holder in HOLDERS)


async def written(folder: Path, evidence: Evidence) -> None:
    offload = ThreadOffload(workers=1)
    await FileEvidence(folder, offload).keep(evidence)
    await offload.close()


def test_the_file_is_believed_by_the_command_and_no_doctored_one_is(tmp_path: Path) -> None:
    (found,) = played(SignedStage(TwoFaced)).evidence["holder-3"].kept
    asyncio.run(written(tmp_path / "evidence", found))
    roster = tmp_path / "epoch-000002.roster"
    roster.write_text(ROSTER.signed_by([AUTHORITY]).to_text())
    (file,) = (tmp_path / "evidence").iterdir()

    shown = quorate("verify", file, "--roster", roster)

    assert shown.exit_code == 0, shown.output
    assert "coordinator proposed two different sets in round" in shown.output
    for doctored in forgeries(read_evidence(file.read_bytes())):
        file.write_text(doctored.to_text())
        refused = quorate("verify", file, "--roster", roster)
        assert refused.exit_code == 1, refused.output
        assert "Traceback" not in refused.output


def forgeries(true: Evidence) -> list[Evidence]:
    """Return what a holder could make of it against others, or of one proposal alone."""
    one, other = true.digests
    low, high = sorted((one, bytes(32)))
    change = msgspec.structs.replace
    return [
        change(true, offender="holder-1"),
        change(true, offender="mallory"),
        change(true, type_name="Vote"),
        change(true, round_id=bytes(31) + b"\x01"),
        change(true, federation="elsewhere"),
        change(true, digests=(low, high)),
        change(true, signatures=true.signatures[::-1]),
        change(true, signatures=(true.signatures[0], true.signatures[0])),
        change(true, digests=(one, bytes([other[0] | 1]) + b"\xff" * 31)),
    ]
