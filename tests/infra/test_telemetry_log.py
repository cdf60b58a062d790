"""Lines of the log: for machines, for people, and never with a password."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest
from fakes.round_parts import chunks_of, config_of

from infra.telemetry.json_log import HumanLines, JsonLines, Where, follow, log_event, log_handler
from protocols.reports import Progress, RoundAbandoned, RoundComplete, Step

WHERE = Where(actor="ann", job="sum", round=7)


def record(text: str = "hello %s", *args: object, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": "actors.actor", "levelname": "WARNING", "msg": text, "args": args, **extra}
    )


def line(entry: logging.LogRecord) -> dict[str, object]:
    text = JsonLines(WHERE).format(entry)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def failed(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except type(error):
        return record("it failed", exc_info=sys.exc_info())


def test_a_line_says_when_who_and_in_which_round() -> None:
    told = line(record("hello %s", "world", created=1_000_000_000.25))

    assert told == {
        "time": "2001-09-09T01:46:40.250Z",
        "level": "warning",
        "logger": "actors.actor",
        "actor": "ann",
        "job": "sum",
        "round": 7,
        "message": "hello world",
    }


def test_an_error_is_told_with_its_text_and_place() -> None:
    told = line(failed(ValueError("line one\nline two")))["error"]

    assert isinstance(told, dict)
    assert told["type"] == "ValueError"
    assert told["text"] == "line one\nline two"
    assert "test_telemetry_log.py" in told["trace"]


@pytest.mark.parametrize("form", [JsonLines, HumanLines])
def test_passwords_in_addresses_are_struck_out(form: type[logging.Formatter]) -> None:
    address = "amqps://federation.ann:hunter2@broker:5671/federation"
    entries = [record("lost %s", address), failed(OSError(f"no route to {address}"))]

    told = [form(WHERE).format(entry) for entry in entries]

    assert not any("hunter2" in text for text in told)
    assert all("federation.ann:***@broker" in text for text in told)


def test_a_message_of_the_protocol_shows_no_payload() -> None:
    (share, *_) = chunks_of(config_of(), "ann")
    told = JsonLines(WHERE).format(record("got %s", share))

    assert share.payload[:8].hex() not in told
    assert repr(share.payload[:8])[2:-1] not in told


def test_events_are_lines_with_their_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="quorate.events")

    log_event(RoundComplete(job="sum", number=7, survivors=("ann",), answered=("h",), seconds=1.5))
    (entry,) = caplog.records
    told = line(entry)

    assert told["message"] == (
        "round complete number=7 survivors=['ann'] answered=['h'] seconds=1.5 "
        "checked=unverified liars=[]"
    )
    event = told["event"]
    assert isinstance(event, dict)
    assert (event["kind"], event["number"], event["survivors"]) == ("round_complete", 7, ["ann"])


def test_progress_is_only_told_where_all_is(caplog: pytest.LogCaptureFixture) -> None:
    event = Progress(
        job="sum",
        number=7,
        step=Step.VOTING,
        receipts=1,
        expected=2,
        survivors=3,
        waiting_for=tuple(f"t{number}" for number in range(1000)),
        deadline_s=float("inf"),
    )
    caplog.set_level(logging.INFO, logger="quorate.events")
    log_event(event)
    assert not caplog.records

    caplog.set_level(logging.DEBUG, logger="quorate.events")
    log_event(event)
    (entry,) = caplog.records
    told = line(entry)["event"]

    assert isinstance(told, dict)
    assert told["step"] == "voting"
    assert told["deadline_s"] is None
    assert told["waiting_for"][-1] == "and 950 more"


def test_the_round_follows_the_events() -> None:
    where = Where(actor="coordinator", job="sum")

    follow(RoundAbandoned(job="sum", number=9, reason="too few"), where)

    assert where.round == 9


def test_people_get_short_lines() -> None:
    text = HumanLines(WHERE).format(record("hello %s", "world"))

    assert text[8:] == " WARNING ann round 7: hello world"


def test_a_log_file_is_private_and_json(tmp_path: Path) -> None:
    handler = log_handler(WHERE, file=tmp_path / "actor.log")

    handler.emit(record("hello"))
    handler.close()

    assert (tmp_path / "actor.log").stat().st_mode & 0o077 == 0
    assert json.loads((tmp_path / "actor.log").read_text())["message"] == "hello"


def test_standard_error_gets_json_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("auto", "human"):
        log_handler(WHERE, form=form).emit(record("hello"))  # type: ignore[arg-type]

    machines, people = capsys.readouterr().err.splitlines()
    assert json.loads(machines)["message"] == "hello"
    assert people.endswith("ann round 7: hello")
