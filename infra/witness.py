"""Looks at everything that is sent in a run for private vectors and shares: there are none.

Only a run in one process can have such a witness: it sees each owner's vector where it is
computed, each share and answer where it is kept, and every message on the bus.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from actors.ports import Spool, Worker
from protocols.round_config import Roster
from protocols.secagg.field import FIELDS

from .memory_queue import Sent

_WINDOWS = 3  # places in a vector that are looked for
_VALUES = 4  # consecutive values that make a window: 16 to 32 bytes, never there by chance
_FORMS = 5  # in which an unprotected vector could stand in a message
_REMEMBERED = 2  # rounds whose vectors are still looked for, for late messages
_SHARE_BYTES = 24  # of the first chunk of a share or an answer that are looked for


class Witness:
    """Counts bytes by role, and messages that hold a piece of a vector, a share or an answer.

    A vector is looked for as it would stand in a message unprotected: as float64 and float32,
    as fixed-point integers, and as residues of either field.
    """

    def __init__(self, roster: Roster, *, fraction_bits: int) -> None:
        self.bytes_by_role: Counter[str] = Counter()
        self.messages_by_recipient: Counter[str] = Counter()
        self.cleartext_by_recipient: Counter[str] = Counter()
        self.shares_by_recipient: Counter[str] = Counter()
        self.vectors_watched = 0
        self.shares_watched = 0
        self._roster = roster
        self._fraction_bits = fraction_bits
        self._probes: dict[str, deque[bytes]] = {
            name: deque(maxlen=_REMEMBERED * _WINDOWS * _FORMS) for name in roster.trainers
        }
        kept = _REMEMBERED * len(roster.holders)
        self._shares: dict[str, deque[bytes]] = {
            name: deque(maxlen=kept) for name in (*roster.trainers, *roster.holders)
        }

    def observe(self, sent: Sent) -> None:
        """Take one message that the bus accepted."""
        self.bytes_by_role[self._roster.role(sent.sender) or "stranger"] += len(sent.body)
        self.messages_by_recipient[sent.recipient] += 1
        if any(probe in sent.body for probe in self._looked_for(sent.sender)):
            self.cleartext_by_recipient[sent.recipient] += 1
        if any(probe in sent.body for probe in chain.from_iterable(self._shares.values())):
            self.shares_by_recipient[sent.recipient] += 1

    def _looked_for(self, sender: str) -> Iterator[bytes]:
        """Yield what a message of this sender must not hold: of a trainer, its own vector."""
        if sender in self._probes:
            return iter(self._probes[sender])
        return chain.from_iterable(self._probes.values())

    def watch_share(self, owner: str, chunk: bytes) -> None:
        """Look out for this piece of what somebody is going to send sealed."""
        probe = bytes(chunk[:_SHARE_BYTES])
        if len(probe) == _SHARE_BYTES and probe.strip(b"\0"):
            self.shares_watched += 1
            self._shares[owner].append(probe)

    def watch(self, owner: str, vector: NDArray[np.float64]) -> None:
        """Look out for this owner's vector from now on."""
        self.vectors_watched += 1
        if not np.isfinite(vector).all():
            return  # refused before it is encoded, so never sent in any form
        self._probes[owner].extend(self._probes_of(vector))

    def _probes_of(self, vector: NDArray[np.float64]) -> Iterator[bytes]:
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.rint(vector * 2.0**self._fraction_bits)
            forms = [
                vector.astype("<f8"),
                vector.astype("<f4"),
                *self._integer_forms(scaled),
            ]
        for place in _places(vector):
            for form in forms:
                yield form[place : place + _VALUES].tobytes()

    def _integer_forms(self, scaled: NDArray[np.float64]) -> Iterator[NDArray[np.generic]]:
        if np.abs(scaled).max(initial=0) >= 2.0**62:
            return
        integers = scaled.astype("<i8")
        yield integers
        for field in FIELDS.values():
            yield (integers % field.modulus).astype(field.dtype)


def _places(vector: NDArray[np.float64]) -> list[int]:
    """Choose windows that say something: a run of zeros stands in many an innocent message."""
    if vector.size < _VALUES:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(vector, _VALUES)
    telling = np.flatnonzero((np.abs(windows) > 1e-6).all(axis=1) & (np.ptp(windows, axis=1) > 0))
    if telling.size == 0:
        return []
    spread = np.linspace(0, telling.size - 1, min(_WINDOWS, telling.size)).astype(int)
    return [int(place) for place in telling[spread]]


class WatchedWorker:
    """A worker whose vectors the witness knows; the `Worker` port."""

    def __init__(self, owner: str, worker: Worker, witness: Witness) -> None:
        self._owner = owner
        self._worker = worker
        self._witness = witness

    async def compute(self, state: bytes, number: int) -> NDArray[np.float64]:
        """Compute, and show the vector to the witness."""
        vector = await self._worker.compute(state, number)
        self._witness.watch(self._owner, vector)
        return vector

    async def close(self) -> None:
        """End the child process."""
        await self._worker.close()


class WatchedSpool:
    """A spool whose shares and answers the witness knows before they are sent; the `Spool` port."""

    def __init__(self, owner: str, spool: Spool, witness: Witness) -> None:
        self._owner = owner
        self._spool = spool
        self._witness = witness
        self.get = spool.get
        self.indices = spool.indices
        self.erase = spool.erase
        self.streams = spool.streams

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        """Show the witness how what is to be sent begins, and keep it."""
        if index == 0 and stream.split("/")[1:2] in (["upload"], ["answer"]):
            self._witness.watch_share(self._owner, chunk)
        await self._spool.put(stream, index, chunk)
