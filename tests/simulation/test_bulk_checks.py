"""The rules for uploads to the coordinator can fail, each of them, and that is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from fakes.simulated_scene import CONFIG, OPENED, ROSTER, RUN, Scene, key_of, seed_of
from msgspec.structs import replace

from infra.simulation.ghost import Rule
from protocols.messages import Contribution, ContributionHeader, Freeze, Grant, Have, Propose
from protocols.records import Contributed, HeldShare, RoundRecord
from protocols.reports import TookPart
from protocols.secagg.chunks import bulk_chunk_count, bulk_stream, share_size
from protocols.secagg.sets import contribution_digest

MASKED = replace(
    CONFIG,
    suite="masked",
    field="p31",
    parameters="A",
    slots=2,
    chunk_bytes=16_384,
    dimension=5000,
)
CID = MASKED.cid()
CHUNKS = {0: b"one", 1: b"two"}
COORDINATOR = ROSTER.coordinator


def header_of(trainer: str) -> ContributionHeader:
    return ContributionHeader(
        cid=CID,
        trainer=trainer,
        share_bytes=share_size(MASKED),
        share_digests=(bytes(32),) * 3,
        bulk_digest=hashlib.sha256(b"".join(CHUNKS.values())).digest(),
    )


def contribution(trainer: str) -> Contribution:
    return Contribution(trainer=trainer, digest=contribution_digest(header_of(trainer)))


CHOSEN = tuple(contribution(trainer) for trainer in ROSTER.trainers[:3])


class BulkScene(Scene):
    """A masked round under way, and the bulk of three trainers on the coordinator's disk."""

    def __init__(self) -> None:
        super().__init__()
        self.write(COORDINATOR, "run", RUN)
        self.propose()
        for trainer in ROSTER.trainers[:3]:
            self.record(trainer)
            self.disks[COORDINATOR].chunks[bulk_stream(CID, trainer)] = dict(CHUNKS)
            sent = self.ghost.contributed.setdefault(CID, {})
            sent[trainer, contribution_digest(header_of(trainer))] = None

    def propose(self, chosen: tuple[Contribution, ...] = CHOSEN) -> None:
        record = RoundRecord(
            config=MASKED, seed=seed_of(COORDINATOR), announced=OPENED, chosen=chosen
        )
        self.write(COORDINATOR, "round", record)

    def record(self, trainer: str, *, complete: bool = True) -> None:
        share = HeldShare(header=header_of(trainer), complete=complete)
        self.write(COORDINATOR, f"bulk/{CID.hex()}/{trainer}", share)


def test_what_is_on_the_disk_may_be_told_and_asked_for() -> None:
    assert bulk_chunk_count(MASKED) == len(CHUNKS)
    scene = BulkScene()

    scene.say(COORDINATOR, Have(cid=CID, contributions=CHOSEN[:1]), "t01")
    scene.say(COORDINATOR, Grant(cid=CID, spans=((1, 1),)), "t02")
    scene.say(COORDINATOR, Propose(cid=CID, chosen=CHOSEN), "h1")

    assert scene.ghost.violations == []


def no_record(scene: BulkScene) -> None:
    scene.write(COORDINATOR, f"bulk/{CID.hex()}/t01", None)


def not_complete(scene: BulkScene) -> None:
    scene.record("t01", complete=False)


def chunk_missing(scene: BulkScene) -> None:
    del scene.disks[COORDINATOR].chunks[bulk_stream(CID, "t01")][1]


def other_bytes(scene: BulkScene) -> None:
    scene.disks[COORDINATOR].chunks[bulk_stream(CID, "t01")][1] = b"other"


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (no_record, Rule.DURABLE),
        (not_complete, Rule.DURABLE),
        (chunk_missing, Rule.DURABLE),
        (other_bytes, Rule.GENUINE),
    ],
)
@pytest.mark.parametrize("asking", [Propose, Freeze])
def test_a_set_whose_bulk_is_not_all_there_is_noticed(
    wrong: Callable[[BulkScene], None], rule: Rule, asking: type[Propose | Freeze]
) -> None:
    scene = BulkScene()
    wrong(scene)

    scene.say(COORDINATOR, asking(cid=CID, chosen=CHOSEN), "h1")

    assert rule in scene.broken()


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (not_complete, Rule.DURABLE),
        (chunk_missing, Rule.DURABLE),
        (other_bytes, Rule.GENUINE),
    ],
)
def test_a_receipt_for_what_is_not_there_is_noticed(
    wrong: Callable[[BulkScene], None], rule: Rule
) -> None:
    scene = BulkScene()
    wrong(scene)

    scene.say(COORDINATOR, Have(cid=CID, contributions=CHOSEN[:1]), "t01")

    assert scene.broken() == {rule}


def test_a_receipt_to_somebody_else_is_noticed() -> None:
    scene = BulkScene()

    scene.say(COORDINATOR, Have(cid=CID, contributions=CHOSEN[:1]), "t02")

    assert scene.broken() == {Rule.HONEST}


@pytest.mark.parametrize("spans", [((2, 1),), ((1, 1),)])
def test_a_grant_before_what_came_is_on_the_disk_is_noticed(
    spans: tuple[tuple[int, int], ...],
) -> None:
    scene = BulkScene()
    del scene.disks[COORDINATOR].chunks[bulk_stream(CID, "t01")][0]

    scene.say(COORDINATOR, Grant(cid=CID, spans=spans), "t01")

    assert scene.broken() == {Rule.DURABLE}


@pytest.mark.parametrize("told", [True, False])
def test_who_counts_on_a_sum_that_lacks_its_bulk_is_noticed(*, told: bool) -> None:
    scene = BulkScene()
    record = Contributed(
        config=MASKED,
        opened=OPENED,
        header=header_of("t01"),
        open=False,
        sealing_key=key_of(COORDINATOR),
    )
    scene.write("t01", "job/known", record)
    scene.ghost.receipts[CID] = {"t01": {"h1": None, "h2": None}}
    if told:
        scene.say(COORDINATOR, Have(cid=CID, contributions=CHOSEN[:1]), "t01")

    done = TookPart(actor="t01", job="known", number=7, outcome="contributed")
    scene.checks.told("t01", done)

    assert scene.broken() == (set() if told else {Rule.ENDINGS})
