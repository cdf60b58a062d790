"""What people see of events while something runs."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from infra.cli.display import LiveDisplay
from protocols.codec import VERSION
from protocols.reports import Incompatible


def shown(*events: Incompatible) -> str:
    out = StringIO()
    display = LiveDisplay(Console(file=out, width=200))
    for event in events:
        display.emit(event)
    return out.getvalue()


def test_a_peer_of_another_version_is_told_with_who_has_to_upgrade() -> None:
    older = Incompatible(actor="holder-1", peer="coordinator", versions=(VERSION - 1,))
    newer = Incompatible(actor="holder-1", peer="coordinator", versions=(VERSION + 1,))

    assert "upgrade coordinator" in shown(older)
    assert "upgrade holder-1" in shown(newer)


def test_the_same_peer_of_another_version_is_told_once() -> None:
    event = Incompatible(actor="holder-1", peer="coordinator", versions=(VERSION + 1,))

    assert shown(event, event).count("upgrade") == 1
