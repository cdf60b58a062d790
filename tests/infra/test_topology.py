"""What accounts may do is what the roles need, for any names, and every key has one queue."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ports import Lane
from infra.rabbitmq.topology import (
    DEAD_QUEUE,
    EXCHANGE,
    EXCHANGES,
    MODEL_EXCHANGE,
    MODEL_INDEX,
    MODEL_STREAM,
    Account,
    Topology,
    largest_message_bytes,
    queue_name,
    routing_key,
    sender_of,
)
from protocols.round_config import Roster

# Few letters and short, so that names often begin or end like others.
NAMES = st.from_regex(r"[a1][a1_-]{0,3}", fullmatch=True)


@st.composite
def rosters(draw: st.DrawFn) -> Roster:
    names = draw(st.lists(NAMES, min_size=3, max_size=9, unique=True))
    holders = draw(st.integers(1, len(names) - 2))
    return Roster(
        federation=draw(NAMES),
        coordinator=names[0],
        holders=tuple(names[1 : 1 + holders]),
        trainers=tuple(names[1 + holders :]),
    )


def everybody(roster: Roster) -> tuple[str, ...]:
    return (roster.coordinator, *roster.holders, *roster.trainers)


def account_of(topology: Topology, name: str) -> Account:
    user = topology.user(name)
    (account,) = [account for account in topology.accounts() if account.user == user]
    return account


def keys(roster: Roster) -> Iterator[tuple[str, str, str]]:
    """Every sender, recipient and lane, strangers and the model among them."""
    for sender in everybody(roster):
        for recipient in (*everybody(roster), "stranger"):
            for lane in ("control", "bulk", "stream", "letters"):
                yield sender, recipient, lane
        for lane in ("stream", "index", "control"):
            yield sender, "model", lane


def needed(roster: Roster, sender: str, recipient: str, lane: str) -> bool:
    """The table of docs/broker.md: who must be able to write to whom."""
    if recipient not in (*everybody(roster), "model"):
        return False
    to = roster.role(recipient)
    match roster.role(sender):
        case "coordinator":
            return lane == "control" and to is not None
        case "holder":
            return (to == "coordinator" and lane in ("control", "bulk")) or (
                to == "trainer" and lane == "control"
            )
        case "trainer":
            return to in ("coordinator", "holder") and lane in ("control", "bulk")
    return False


@settings(max_examples=40, deadline=None)
@given(rosters())
def test_an_account_may_send_what_its_role_needs_and_to_nobody_else(roster: Roster) -> None:
    topology = Topology(roster)
    queues = {queue.name for queue in topology.queues()}

    for name in everybody(roster):
        topics = account_of(topology, name).topics
        for sender, recipient, lane in keys(roster):
            key = f"{sender}.{recipient}.{lane}"
            allowed = re.search(topics, key) is not None
            if f"{recipient}.{lane}" in queues:
                assert allowed == (sender == name and needed(roster, sender, recipient, lane)), key
            else:
                # It may name what is not there, but never as another.
                assert not (allowed and sender != name), key


@settings(max_examples=40, deadline=None)
@given(rosters())
def test_an_account_reads_its_own_queues_and_the_public_model_only(roster: Roster) -> None:
    topology = Topology(roster)
    public = {
        "coordinator": {MODEL_STREAM},
        "holder": set(),
        "trainer": {MODEL_STREAM, MODEL_INDEX},
    }

    for name in everybody(roster):
        account = account_of(topology, name)
        own = {queue_name(name, lane) for lane in Lane}
        for queue in topology.queues():
            allowed = queue.name in own | public[roster.role(name) or ""]
            assert (re.search(account.read, queue.name) is not None) == allowed


@settings(max_examples=40, deadline=None)
@given(rosters())
def test_an_account_makes_nothing_and_only_the_coordinator_writes_models(roster: Roster) -> None:
    topology = Topology(roster)
    names = [queue.name for queue in topology.queues()]
    names += ["amq.topic", "amq.default", "", f"{EXCHANGE}x", f"x{EXCHANGE}", "quorate-messages"]
    names += [exchange.name for exchange in EXCHANGES]

    for account in topology.accounts():
        assert not any(re.search(account.configure, name) for name in names if name)
        models = [MODEL_EXCHANGE] if account == topology.accounts()[0] else []
        writes = [name for name in names if re.search(account.write, name)]
        assert writes == [EXCHANGE, *models]


@settings(max_examples=40, deadline=None)
@given(rosters())
def test_every_key_that_is_needed_leads_to_the_recipients_queue_and_no_other(
    roster: Roster,
) -> None:
    topology = Topology(roster)

    for sender, recipient, lane in keys(roster):
        if needed(roster, sender, recipient, lane):
            key = f"{sender}.{recipient}.{lane}"
            reached = [q.name for q in topology.queues() if q.binding and routes(q.binding, key)]
            assert reached == [f"{recipient}.{lane}"]
            assert sender_of(key) == sender


def routes(binding: str, key: str) -> bool:
    words, pattern = key.split("."), binding.split(".")
    return len(words) == len(pattern) and all(
        want in ("*", word) for want, word in zip(pattern, words, strict=True)
    )


def test_the_key_names_sender_recipient_and_lane() -> None:
    assert routing_key("north", "holder-1", Lane.BULK) == "north.holder-1.bulk"


@pytest.mark.parametrize("name", ["a.b", "", "a*", "#", "a|b", "a\n", "A"])
def test_a_name_that_would_mean_more_in_a_key_or_a_right_is_refused(name: str) -> None:
    roster = Roster(federation="f", coordinator="c", holders=("h",), trainers=(name,))

    with pytest.raises(ValueError, match="is no name"):
        Topology(roster)


def test_every_queue_is_bounded_and_refuses_rather_than_forgets() -> None:
    roster = Roster(federation="f", coordinator="c", holders=("h",), trainers=("t",))

    for queue in Topology(roster).queues():
        assert queue.arguments["x-max-length-bytes"]
        if queue.kind != "stream" and queue.name != DEAD_QUEUE:
            assert queue.arguments["x-overflow"] == "reject-publish"
            assert queue.arguments["x-single-active-consumer"] is True
        # What RabbitMQ 4.3 refuses.
        assert not {"x-queue-mode", "x-queue-version", "x-queue-master-locator"} & set(
            queue.arguments
        )


@given(rosters(), st.booleans())
def test_every_queue_takes_the_largest_message_that_may_be_sent_to_it(
    roster: Roster, replicated: bool
) -> None:
    for queue in Topology(roster, replicated=replicated).queues():
        if queue.binding is not None and queue.kind != "stream":
            key = queue.binding.replace("*", roster.coordinator)
            assert largest_message_bytes(key) <= int(queue.arguments["x-max-length-bytes"])
