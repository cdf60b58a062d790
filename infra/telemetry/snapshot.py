"""What a process says of itself in `status.json`, and how another one reads it."""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra.phrases import duration

FILE = "status.json"
LOCK = "status.lock"
HEARTBEAT_S = 5.0  # the file is written this often even when nothing happens
STALE_S = 20.0  # and is too old to believe after so long


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether a round goes on."""

    holders: int
    trainers: int
    threshold: int
    quorum: int
    minimum: int
    vote: bool
    grace_s: float
    patience_s: float
    round_s: float
    faults: int = 0

    @property
    def answers(self) -> int:
        """Return how many answers open a sum."""
        return self.threshold + self.faults

    @property
    def need(self) -> int:
        """Return how many holders a round can't do without."""
        return max(self.answers, self.quorum) if self.vote else self.answers


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The link to the broker: its state, for how long, and how long it has not worked."""

    state: str
    reason: str
    state_s: float
    down_s: float
    reconnects: int


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """The round under way; of `step` and what follows only the coordinator knows.

    `deadline_s` is how long the step still waits without progress, None where it waits for
    nobody or nothing is known. `remark` says why it waits though nobody is expected any more.
    Where it asks only some of the trainers, they are `asked` in number, those of `turn`.
    """

    number: int
    age_s: float
    step: str | None = None
    step_s: float = 0.0
    receipts: int = 0
    expected: int = 0
    survivors: int = 0
    waiting_for: tuple[str, ...] = ()
    deadline_s: float | None = None
    remark: str = ""
    asked: int = 0
    turn: str = ""


class PutOff(msgspec.Struct, frozen=True, kw_only=True):
    """The round that comes next, in `left_s` or when one of `missing` is heard of.

    `abandoned` in a row came before it, the last for this `reason`.
    """

    number: int
    left_s: float
    abandoned: int
    missing: tuple[str, ...]
    reason: str


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Another actor: when it was last heard of, and since which round it is not waited for."""

    name: str
    role: str
    heard_s: float | None
    left: int | None = None
    reason: str = ""
    software: str = ""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that went wrong. `private` texts are for the owner of this home only."""

    age_s: float
    text: str
    private: bool = False


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """Model states over HTTPS since the start: bytes, whole states, and failures by kind."""

    served_bytes: int
    served: int
    pulled_bytes: int
    pulled: int
    failures: dict[str, int]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one actor's process.

    `written` and `since` are seconds of the machine's wall clock. `life` is `starting`,
    `running`, `restarting` or `ended`. `suspicion` says which trainers may garble sums, and what
    becomes of them; empty where nobody is suspected.
    """

    actor: str
    role: str
    job: str
    pid: int
    since: float
    written: float
    life: str
    life_s: float
    life_reason: str
    rules: Rules
    link: Link | None
    round: Round | None
    completed: int
    abandoned: int
    last_round: str
    outcome: str
    restarts: int
    inbox: int
    inbox_oldest_s: float
    peers: tuple[Peer, ...]
    troubles: tuple[Trouble, ...]
    evidence: tuple[str, ...] = ()
    metrics_url: str | None
    models: Models | None = None
    put_off: PutOff | None = None
    suspicion: str = ""
    format: int = 1


def encode(snapshot: Snapshot, *, public: bool = False) -> bytes:
    """Return JSON; `public` leaves out what is for the owner of the home only."""
    if public:
        told = tuple(t for t in snapshot.troubles if not t.private)
        snapshot = msgspec.structs.replace(snapshot, troubles=told)
    return msgspec.json.encode(snapshot)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a home tells: the last snapshot, how old it is, and whether its process lives.

    `problem` says why there is no snapshot.
    """

    home: Path
    snapshot: Snapshot | None
    age_s: float = 0.0
    running: bool = False
    problem: str = ""

    def absence(self) -> str:
        """Tell since when no process runs here, and whether the last one ended by itself."""
        state = self.snapshot
        if state is None:
            return self.problem
        ago = f"{duration(self.age_s)} ago"
        if state.life != "ended":
            return f"not running: killed, or crashed; last heard of {ago}"
        reason = state.life_reason or state.outcome
        return f"not running: ended {ago}" + (f" ({reason})" if reason else "")

    @property
    def stale(self) -> bool:
        """Return whether a living process has not written for too long: stuck, or stopped."""
        return self.running and self.age_s > STALE_S


def read_home(home: Path) -> Reading:
    """Read a home's status; nothing in it is changed, and its process is not disturbed."""
    try:
        data = (home / FILE).read_bytes()
        snapshot = msgspec.json.decode(data, type=Snapshot)
    except FileNotFoundError:
        return Reading(home, None, problem=f"no process has run here yet: there is no {FILE}")
    except (ValueError, RecursionError) as error:
        text = f"{FILE} is damaged, or of another version ({error})"
        return Reading(home, None, running=_locked(home / LOCK), problem=text)
    except OSError as error:
        return Reading(home, None, problem=f"{FILE} can't be read: {error.strerror}")
    age_s = max(0.0, time.time() - snapshot.written)
    return Reading(home, snapshot, age_s=age_s, running=_locked(home / LOCK))


def _locked(path: Path) -> bool:
    """Say whether a living process holds the lock; the system gives it up with the process."""
    try:
        lock = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        # Held for a moment only; a process that starts just then takes the lock a little later.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
