"""Why a round waits: for whom, since when, what the deadline brings, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra.phrases import duration, names

from .snapshot import Peer, PutOff, Reading, Round, Rules, Snapshot

_NAMED = 10  # of those waited for, each with a line of its own
_TROUBLES = 5

_ASKED = {
    "opening": "for holders to open the round",
    "collecting": "for complete contributions",
    "checking": "for words on the shares",
    "voting": "for votes on the set of contributions",
    "releasing": "for shares of the sum",
    "updating": "for nobody",
}


def why(reading: Reading, others: Mapping[str, Reading]) -> Iterator[str]:
    """Yield lines that tell what a process waits for.

    `others` are the homes of the same machine by actor; they say more of who is waited for.
    """
    state = reading.snapshot
    if state is None:
        yield reading.problem
        if not reading.running:
            yield f"start it: quorate coordinator|holder|trainer --home {reading.home}"
        return
    if not reading.running:
        yield from _why_not_running(reading, state)
        return
    if reading.stale:
        yield (
            f"the process {state.pid} lives but has said nothing for {duration(reading.age_s)}: "
            f"it is stopped (SIGSTOP?) or its event loop hangs; look at its log, then restart it"
        )
        return
    yield from _why_unwell(reading, state)
    if state.suspicion:
        yield state.suspicion
    if state.role != "coordinator":
        yield from _why_idle(state, reading.age_s)
    elif state.round is None and state.put_off is not None:
        yield _why_put_off(state.put_off, reading.age_s)
        yield from _who(state, state.put_off.missing, reading.age_s, others)
    elif state.round is None:
        yield "no round is under way: the next begins at once, unless the job has ended"
    else:
        yield from _why_round(state, state.round, reading.age_s)
        yield from _who(state, state.round.waiting_for, reading.age_s, others)
    yield from _troubles(state, reading.age_s)


def _why_not_running(reading: Reading, state: Snapshot) -> Iterator[str]:
    yield reading.absence()
    if state.role == "coordinator" and state.outcome and not state.outcome.startswith("stopped"):
        return
    yield (
        f"start it: quorate {state.role} --home {reading.home}; "
        f"it goes on in the same round, nothing is lost"
    )


def _why_unwell(reading: Reading, state: Snapshot) -> Iterator[str]:
    link, age_s = state.link, reading.age_s
    if state.life == "restarting":
        yield f"the actor crashed and is built again: {state.life_reason}"
        return
    if link is not None and link.state == "blocked":
        yield (
            f"the broker has taken no messages for {duration(link.state_s + age_s)} "
            f"({link.reason}): its memory or disk alarm is set; see to that, and sending goes "
            f"on by itself"
        )
    elif link is not None and link.state != "open":
        yield (
            f"there has been no link to the broker for {duration(link.down_s + age_s)} "
            f"({link.reason}): quorate doctor {reading.home} says what is wrong; once that is "
            f"mended the link is made again by itself"
        )


def _troubles(state: Snapshot, age_s: float) -> Iterator[str]:
    """Yield what went wrong lately, the newest last and the same once."""
    newest = {told.text: told for told in state.troubles}
    lately = sorted(newest.values(), key=lambda told: -told.age_s)[-_TROUBLES:]
    for told in lately:
        yield f"{duration(told.age_s + age_s)} ago: {told.text}"


def _why_idle(state: Snapshot, age_s: float) -> Iterator[str]:
    coordinator = next((p for p in state.peers if p.role == "coordinator"), None)
    if coordinator is None:
        return
    if coordinator.heard_s is None:
        heard = "nothing was heard of it since this process began"
    else:
        heard = f"last heard of {duration(coordinator.heard_s + age_s)} ago"
    yield f"a {state.role} does what {coordinator.name} asks for: {heard}"
    if state.last_round:
        yield f"its last {state.last_round}"


def _why_put_off(next_: PutOff, age_s: float) -> str:
    last = "the last round was" if next_.abandoned == 1 else f"{next_.abandoned} rounds were"
    sooner = f", or as soon as {names(next_.missing, 'or')} is heard of" if next_.missing else ""
    return (
        f"round {next_.number} begins in {duration(next_.left_s - age_s)}{sooner}: {last} "
        f"abandoned, as {next_.reason}"
    )


def _why_round(state: Snapshot, now: Round, age_s: float) -> Iterator[str]:
    if now.step is None:
        yield (
            f"round {now.number} was begun, or taken up again, {duration(now.age_s + age_s)} ago "
            f"and nobody has answered yet; it waits {duration(state.rules.patience_s)} for a "
            f"first answer"
        )
        return
    since = duration(now.step_s + age_s)
    waits = f"waits {_ASKED[now.step]}" + (f": {names(now.waiting_for)}" if now.waiting_for else "")
    yield f"round {now.number}, {now.step} for {since}, {waits}"
    if now.asked:
        yield (
            f"it asks {now.asked} of {state.rules.trainers} trainers, those of {now.turn}; the "
            f"others have nothing to do in it, and nobody waits for them"
        )
    if now.remark:
        yield now.remark
    if now.deadline_s is None:
        yield (
            f"{now.receipts} holders have answered: the sum is being opened and the job takes it "
            f"in; this has no deadline"
        )
        return
    left_s = now.deadline_s - age_s
    if left_s <= 0:
        yield (
            "the deadline of this step has passed: the round goes on or ends at the next look at "
            "the time, but not while there is no way to the broker: who can't be heard gets all "
            "of its time again"
        )
        return
    yield f"in {duration(left_s)} {_fate(state, now)}"
    yield (
        f"any progress moves the deadline: a step ends after {duration(state.rules.patience_s)} "
        f"without any, and after {duration(state.rules.round_s)} at the latest; time in which the "
        f"coordinator could hear nobody does not count"
    )


def _fate(state: Snapshot, now: Round) -> str:
    """Say what the end of a step's time brings; see `protocols.secagg.gathering`."""
    rules = state.rules
    match now.step:
        case "opening":
            return _fate_of_opening(rules, now)
        case "collecting":
            away = sum(peer.left is not None for peer in state.peers if peer.role == "trainer")
            present = now.asked or rules.trainers - away
            return _fate_of_collecting(rules, now, present=present)
        case "checking" if now.receipts >= now.expected:
            return f"the round goes on without {names(now.waiting_for)}"
        case "checking":
            return _abandoned(now, now.expected, "words")
        case "voting":
            return _abandoned(now, rules.quorum, "votes")
    return _abandoned(now, rules.answers, "answers")


def _fate_of_opening(rules: Rules, now: Round) -> str:
    opened = f"{now.receipts} of {rules.holders} holders have opened it, {rules.need} are enough"
    if now.receipts >= rules.need:
        return f"the round goes on without {names(now.waiting_for)}: {opened}"
    more = rules.need - now.receipts
    return f"the round is abandoned unless {more} more holder{_s(more)} answer{_es(more)}: {opened}"


def _fate_of_collecting(rules: Rules, now: Round, *, present: int) -> str:
    enough, has = f"at {rules.need} holders", "has" if now.survivors == 1 else "have"
    complete = (
        f"{now.survivors} of {now.asked or rules.trainers} trainers {has} one, "
        f"the minimum is {rules.minimum}{' of each batch' if now.asked else ''}"
    )
    if now.survivors < rules.minimum:
        more = rules.minimum - now.survivors
        return (
            f"the round is abandoned unless {more} more contribution{_s(more)} "
            f"{'is' if more == 1 else 'are'} complete {enough}: {complete}"
        )
    if now.remark:
        return "the round is abandoned, unless they are back by then or holders are free for a set"
    if now.survivors >= present or not now.waiting_for:
        return f"the round goes on, and nobody is left out: {complete}"
    return (
        f"the round goes on without {names(now.waiting_for, 'and')}, except for those whose "
        f"contribution is complete {enough} by then: {complete}"
    )


def _abandoned(now: Round, needed: int, what: str) -> str:
    more = max(0, needed - now.receipts)
    return (
        f"the round is abandoned unless {more} more of {names(now.waiting_for)} "
        f"answer{_es(more)}: {now.receipts} {what} are in, {needed} are needed"
    )


def _who(
    state: Snapshot, waiting_for: Sequence[str], age_s: float, others: Mapping[str, Reading]
) -> Iterator[str]:
    peers = {peer.name: peer for peer in state.peers}
    for name in waiting_for[:_NAMED]:
        peer, other = peers.get(name), others.get(name)
        if other is not None and other.snapshot is not None and not other.running:
            yield (
                f"{name}: {other.absence()}; "
                f"start it: quorate {other.snapshot.role} --home {other.home}"
            )
        elif other is not None and other.snapshot is not None:
            yield f"{name}: {_living(other, other.snapshot)}"
        elif peer is not None:
            yield f"{name}: {_heard(peer, age_s)}"
    if len(waiting_for) > _NAMED:
        yield f"and {len(waiting_for) - _NAMED} more"


def _living(other: Reading, state: Snapshot) -> str:
    if other.stale:
        return f"its process {state.pid} has said nothing for {duration(other.age_s)}; restart it"
    link = state.link
    if link is not None and link.state != "open":
        return f"runs, but its link to the broker is {link.state}: {link.reason}"
    if state.troubles:
        last = state.troubles[-1]
        return f"runs; its last trouble, {duration(last.age_s + other.age_s)} ago: {last.text}"
    return "runs and is connected: it works, or waits for the broker"


def _heard(peer: Peer, age_s: float) -> str:
    look = f"on its machine: quorate status --home HOME --why, and its log; the {peer.role}"
    if peer.heard_s is None:
        return f"never heard of since this coordinator began; {look} may not have been started"
    return f"last heard of {duration(peer.heard_s + age_s)} ago; {look} goes on when started again"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _es(count: int) -> str:
    return "s" if count == 1 else ""
