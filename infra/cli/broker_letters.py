"""`quorate broker dead-letters`: look at what could not be delivered, send again, drop."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from rich.table import Table

from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.dead_letters import Choice, DeadLetter, Stuck, drop, listed, redrive

from .broker_commands import DropOptions, LettersOptions
from .broker_place import DONE, FAILED, USAGE, JobPlace, Refused, guarded
from .display import print_json
from .terminal import console


def list_dead(options: LettersOptions) -> int:
    """Show the letters and return the exit code."""
    place = JobPlace(options, broker=options.broker)
    return guarded(place, lambda: _list(place, _choice(options)))


def redrive_dead(options: LettersOptions) -> int:
    """Send the letters again and return the exit code, 1 if some stay."""
    place = JobPlace(options, broker=options.broker)
    return guarded(place, lambda: _redrive(place, _choice(options)))


def drop_dead(options: DropOptions) -> int:
    """Delete the letters and return the exit code."""
    place = JobPlace(options, broker=options.broker)
    return guarded(place, lambda: _drop(place, _choice(options), sure=options.yes))


def _list(place: JobPlace, choice: Choice) -> int:
    letters = asyncio.run(listed(_address(place), choice))
    _show(letters, json=place.json)
    _summary(place, "listed", len(letters))
    return DONE


def _redrive(place: JobPlace, choice: Choice) -> int:
    sent: list[DeadLetter] = []
    stuck: list[Stuck] = []

    def done(result: DeadLetter | Stuck) -> None:
        if isinstance(result, Stuck):
            stuck.append(result)
            _show_stuck(result, json=place.json)
            return
        sent.append(result)
        if place.json:
            print_json(_as_json(result, "redriven"))

    asyncio.run(redrive(_address(place), choice, done))
    _summary(place, "sent again", len(sent), stuck=len(stuck))
    return FAILED if stuck else DONE


def _drop(place: JobPlace, choice: Choice, *, sure: bool) -> int:
    address = _address(place)
    if not sure:
        letters = asyncio.run(listed(address, choice))
        _show(letters, json=place.json)
        _summary(place, "to be dropped; --yes does it", len(letters))
        return USAGE if letters else DONE
    dropped: list[DeadLetter] = []
    asyncio.run(drop(address, choice, dropped.append))
    _show(dropped, json=place.json)
    _summary(place, "dropped", len(dropped))
    return DONE


def _choice(options: LettersOptions) -> Choice:
    return Choice(options.queue, options.reason, options.expired, options.limit)


def _address(place: JobPlace) -> BrokerAddress:
    address = place.address()
    if address is None:
        raise Refused(
            "the job names no broker: give its AMQP address with --broker amqps://host/vhost"
        )
    return address


def _show(letters: list[DeadLetter], *, json: bool) -> None:
    if json:
        for letter in letters:
            print_json(_as_json(letter, "dead_letter"))
        return
    if not letters:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("died", "in", "from", "to", "lane", "reason", "bytes", "times"):
        table.add_column(column, overflow="fold")
    for letter in letters:
        died = "?" if letter.died is None else f"{letter.died:%Y-%m-%d %H:%M:%S}"
        ends = letter.sender, letter.recipient, letter.lane
        sizes = str(letter.size_bytes), str(letter.count)
        table.add_row(died, letter.queue, *ends, letter.reason, *sizes)
    console.print(table, markup=False)


def _show_stuck(stuck: Stuck, *, json: bool) -> None:
    if json:
        print_json({**_as_json(stuck.letter, "stuck"), "why": stuck.reason})
        return
    letter = stuck.letter
    console.print(f"! {letter.key} stays: {stuck.reason}", markup=False, soft_wrap=True)


def _as_json(letter: DeadLetter, kind: str) -> dict[str, object]:
    facts = asdict(letter) | {"died": None if letter.died is None else letter.died.isoformat()}
    ends = {"sender": letter.sender, "recipient": letter.recipient, "lane": letter.lane}
    return {"kind": kind, **facts, **ends}


def _summary(place: JobPlace, outcome: str, count: int, *, stuck: int = 0) -> None:
    if place.json:
        print_json({"kind": "summary", "outcome": outcome, "letters": count, "stuck": stuck})
        return
    letters = "letter" if count == 1 else "letters"
    stays = f", {stuck} stay" if stuck else ""
    console.print(f"{count} {letters} {outcome}{stays}", markup=False)
