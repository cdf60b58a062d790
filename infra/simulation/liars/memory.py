"""What was put into queues so far, for those who say it again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from actors.ports import Lane
from infra.simulation.queues import Parcel
from protocols.messages import ShareChunk, read

_MOST = 4000  # messages; several rounds of a large federation
_SHARES = 400  # that are looked through


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that was put into a queue."""

    to: str
    lane: Lane
    parcel: Parcel


class Memory:
    """Remembers the last few thousand messages of a history, once somebody needs them."""

    def __init__(self) -> None:
        self._heard: deque[Heard] = deque(maxlen=_MOST)

    def overhear(self, to: str, lane: Lane, parcel: Parcel) -> None:
        """Take note of a message."""
        self._heard.append(Heard(to, lane, parcel))

    def of(self, sender: str) -> dict[str, list[Heard]]:
        """Return what somebody said, by the kind of message, oldest first."""
        found: dict[str, list[Heard]] = {}
        for heard in self._heard:
            if heard.parcel.sender == sender:
                found.setdefault(heard.parcel.kind, []).append(heard)
        return found

    def shares(self, trainer: str, *, other_than: bytes) -> dict[str, ShareChunk]:
        """Return a trainer's last shares of another round than this, by holder."""
        found: dict[str, ShareChunk] = {}
        for heard in reversed(self.of(trainer).get("ShareChunk", [])[-_SHARES:]):
            _, message = read(heard.parcel.body)
            if isinstance(message, ShareChunk) and message.header.cid != other_than:
                same = not found or next(iter(found.values())).header == message.header
                if same:
                    found.setdefault(heard.to, message)
        return found
