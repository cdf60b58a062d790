"""What the metrics page tells of rounds, faults and the moment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fakes.ports import FakeClock
from fakes.telemetry_parts import News, State, subject
from prometheus_client import generate_latest

from infra.http_blobs import BlobTraffic, Pulled, Served
from infra.telemetry.live import HomeNumbers, LiveNumbers
from infra.telemetry.metrics import Metrics
from infra.telemetry.model_numbers import ModelNumbers
from infra.telemetry.status import StatusBoard
from infra.telemetry.traffic import Traffic
from protocols.reports import (
    ActorRestarted,
    AnswersJudged,
    HolderLeft,
    OwnerTrouble,
    PeerFault,
    Progress,
    Refusal,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    StateUpdated,
    Step,
    TookPart,
    TrainerLeft,
    TrainersSuspected,
)

DOCS = Path(__file__).parents[2] / "docs" / "observing.md"


def value(metrics: Metrics, sample: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"quorate_{sample}", labels)


def complete(survivors: int = 4, seconds: float = 2.0) -> RoundComplete:
    names = ("ann", "bob", "cat", "dan", "eve")[:survivors]
    return RoundComplete(job="sum", number=1, survivors=names, answered=(), seconds=seconds)


def test_trainers_under_suspicion_are_counted_as_long_as_they_are() -> None:
    metrics = Metrics(subject())
    groups = (("ann", "bob"), ("cat",))
    told = TrainersSuspected(job="sum", number=3, groups=groups, left_out=("cat",), asked_at=8)

    before = value(metrics, "suspected_trainers")
    metrics.take(told)
    during = value(metrics, "suspected_trainers")
    metrics.take(TrainersSuspected(job="sum", number=9, groups=(), left_out=(), asked_at=0))

    assert (before, during, value(metrics, "suspected_trainers")) == (0, 3, 0)


def test_rounds_are_counted_by_outcome() -> None:
    metrics = Metrics(subject())

    metrics.take(complete())
    metrics.take(RoundAbandoned(job="sum", number=2, reason="too few"))
    metrics.take(RoundAbandoned(job="sum", number=3, reason="too few"))

    assert value(metrics, "rounds_total", outcome="complete") == 1
    assert value(metrics, "rounds_total", outcome="abandoned") == 2
    assert value(metrics, "round_survivors") == 4
    assert value(metrics, "round_seconds_sum") == 2.0


def test_dropouts_are_counted_by_role_and_step() -> None:
    metrics = Metrics(subject())

    metrics.take(TrainerLeft(number=1, trainer="ann", step=Step.COLLECTING, reason="late"))
    metrics.take(HolderLeft(number=1, holder="holder-1", step=Step.OPENING))

    assert value(metrics, "dropouts_total", role="trainer", step="collecting") == 1
    assert value(metrics, "dropouts_total", role="holder", step="opening") == 1


def test_a_liar_can_not_make_labels() -> None:
    metrics = Metrics(subject())

    for number in range(100):
        metrics.take(PeerFault(actor="coordinator", peer=f"stranger-{number}", reason="lies"))
        metrics.take(Refusal(actor="holder-1", peer="x", what=f"thing-{number}", reason="no"))
    metrics.take(PeerFault(actor="coordinator", peer="holder-1", reason="lies"))

    assert value(metrics, "peer_faults_total", peer_role="unknown") == 100
    assert value(metrics, "peer_faults_total", peer_role="holder") == 1
    assert value(metrics, "refusals_total", what="other") == 100
    assert b"stranger" not in generate_latest(metrics.registry)
    assert b"thing" not in generate_latest(metrics.registry)


def test_false_answers_are_counted_and_how_far_answers_could_be_checked() -> None:
    metrics = Metrics(subject())

    for number, (checked, liars) in enumerate(
        [("verified", ()), ("corrected", ("holder-1", "holder-2")), ("detected", ())]
    ):
        metrics.take(
            AnswersJudged(
                job="sum", number=number, checked=checked, answered=("holder-1",), liars=liars
            )
        )

    assert value(metrics, "false_answers_total") == 2
    assert [
        value(metrics, "answers_judged_total", checked=checked)
        for checked in ("verified", "corrected", "detected")
    ] == [1, 1, 1]


def test_an_owners_trouble_is_counted_and_its_text_is_not_told() -> None:
    metrics = Metrics(subject("ann"))

    metrics.take(OwnerTrouble(actor="ann", kind="warning", text="few rows"))
    metrics.take(OwnerTrouble(actor="ann", kind="not a number", text="Jane Doe is 'x'"))

    assert value(metrics, "owner_troubles_total") == 1
    assert b"Jane" not in generate_latest(metrics.registry)


def test_the_jobs_measurements_are_shown_up_to_a_bound() -> None:
    metrics = Metrics(subject())

    values = {f"m{number}": float(number) for number in range(40)}
    metrics.take(StateUpdated(job="sum", number=1, completed=1, metrics=values))
    metrics.take(StateUpdated(job="sum", number=2, completed=2, metrics={"m0": 7.0}))

    assert value(metrics, "job_metric", name="m0") == 7.0
    assert value(metrics, "job_metric", name="m31") == 31.0
    assert value(metrics, "job_metric", name="m32") is None


def test_restarts_parts_and_reconnections_are_counted() -> None:
    metrics = Metrics(subject("ann"))

    metrics.take(ActorRestarted(actor="ann", reason="disk"))
    metrics.take(TookPart(actor="ann", job="sum", number=1, outcome="contributed"))
    for count in (0, 1, 3, 0, 1):  # a new link of a restarted actor counts from 0 again
        metrics.reconnects(count)

    assert value(metrics, "actor_restarts_total") == 1
    assert value(metrics, "parts_total", outcome="contributed") == 1
    assert value(metrics, "link_reconnects_total") == 4


async def test_the_moment_is_computed_when_it_is_asked_for() -> None:
    clock = FakeClock()
    board = StatusBoard(subject(), clock, lambda: (3, 1.5))
    metrics = Metrics(subject())
    metrics.registry.register(LiveNumbers(board.snapshot))
    board.link(News(State.OPEN))
    board.take(RoundBegan(job="sum", number=7, dimension=2))
    board.take(
        Progress(
            job="sum",
            number=7,
            step=Step.COLLECTING,
            receipts=3,
            expected=25,
            survivors=0,
            waiting_for=("ann", "bob"),
            deadline_s=30.0,
        )
    )
    board.take(HolderLeft(number=7, holder="holder-2", step=Step.OPENING))
    board.heard("holder-1")

    await clock.advance(12.0)

    assert value(metrics, "round_number") == 7
    assert value(metrics, "round_step", step="collecting") == 1
    assert value(metrics, "round_step", step="voting") == 0
    assert value(metrics, "round_waiting_for") == 2
    assert value(metrics, "round_deadline_seconds") == 18.0
    assert value(metrics, "holder_silent_seconds", holder="holder-1") == 12.0
    assert value(metrics, "away", role="holder") == 1
    assert value(metrics, "link_state", state="open") == 1
    assert value(metrics, "link_state_seconds") == 12.0
    assert value(metrics, "inbox_messages") == 3
    assert value(metrics, "inbox_oldest_seconds") == 1.5


def test_the_spool_is_measured(tmp_path: Path) -> None:
    (tmp_path / "spool" / "round").mkdir(parents=True)
    (tmp_path / "spool" / "round" / "stream").write_bytes(bytes(1234))
    metrics = Metrics(subject())
    sizes = HomeNumbers(tmp_path)
    metrics.registry.register(sizes)

    before = value(metrics, "spool_bytes")
    sizes.measure()

    assert before is None
    assert value(metrics, "spool_bytes") == 1234
    assert (value(metrics, "home_free_bytes") or 0) > 0


async def test_model_states_over_https_are_counted_once_there_are_any() -> None:
    board, metrics = StatusBoard(subject(), FakeClock(), lambda: (0, 0.0)), Metrics(subject())
    metrics.registry.register(ModelNumbers(board.traffic))
    before = value(metrics, "model_served_bytes_total")

    traffic = BlobTraffic()
    board.models(traffic)
    traffic.ended(Served.SENT, 1000)
    traffic.ended(Served.CUT_OFF, 10)
    traffic.ended(Pulled.FAILED, 7)

    assert before is None
    assert value(metrics, "model_served_bytes_total") == 1010
    assert value(metrics, "model_requests_total", end="sent") == 1
    assert value(metrics, "model_requests_total", end="refused") == 0
    assert value(metrics, "model_pulled_bytes_total") == 7
    assert value(metrics, "model_pulls_total", end="failed") == 1
    models = board.snapshot().models
    assert models is not None
    assert (models.served_bytes, models.served) == (1010, 1)
    assert models.failures == {"cut off": 1, "failed": 1}


@pytest.mark.parametrize("role", ["coordinator", "holder-1", "ann"])
async def test_every_metric_stands_in_the_documentation(role: str, tmp_path: Path) -> None:
    board = StatusBoard(subject(role), FakeClock(), lambda: (0, 0.0))
    board.link(News(State.OPEN))
    board.take(RoundBegan(job="sum", number=7, dimension=2))
    metrics, sizes = Metrics(subject(role)), HomeNumbers(tmp_path)
    Traffic(metrics.registry, FakeClock())
    sizes.measure()
    metrics.registry.register(LiveNumbers(board.snapshot))
    metrics.registry.register(sizes)
    board.models(BlobTraffic())
    metrics.registry.register(ModelNumbers(board.traffic))

    page = generate_latest(metrics.registry).decode()
    shown = set(re.findall(r"^# TYPE (quorate_\w+)", page, re.MULTILINE))

    told = set(re.findall(r"`(quorate_\w+)`", DOCS.read_text()))
    created = {name for name in shown if name.endswith("_created")}
    assert shown - created <= told
