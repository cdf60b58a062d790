"""The ways between hosts and the broker: delays, cuts and clogs, and the sessions on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actors.ports import Lane

from .hosts import Life
from .loop import SimLoop

_LEAST = 0.2  # of a hop's mean time


@dataclass(slots=True, eq=False)
class Session:
    """A connection of one life of a host to the broker, good until it ends once.

    `severed`: it ended on the way, so what was on its way is lost. What a host that died had
    written before still arrives.
    """

    life: Life
    prefetch: int
    deliver: Callable[[Session, Lane, int, Any], None]
    ended: bool = False
    severed: bool = False
    tags: int = 0


@dataclass(slots=True)
class _Direction:
    cut: bool = False
    clogged: bool = False
    last_s: float = 0.0
    held: list[tuple[Callable[..., object], tuple[Any, ...]]] = field(default_factory=list)

    @property
    def closed(self) -> bool:
        return self.cut or self.clogged


class Path:
    """One host's way to the broker and back. Bytes of a living connection wait, they aren't lost.

    `muted`: the host is connected and says nothing.
    """

    def __init__(self, loop: SimLoop) -> None:
        self.out = _Direction()
        self.back = _Direction()
        self.muted = False
        self._loop = loop

    @property
    def whole(self) -> bool:
        """Whether both directions are open, so that a connection can be made."""
        return not (self.out.cut or self.back.cut)

    def carry_out(
        self, delay_s: float, in_order: bool, call: Callable[..., object], *args: Any
    ) -> None:
        """Carry something to the broker."""
        self._carry(self.out, delay_s, in_order, (call, args))

    def carry_back(
        self, delay_s: float, in_order: bool, call: Callable[..., object], *args: Any
    ) -> None:
        """Carry something from the broker."""
        self._carry(self.back, delay_s, in_order, (call, args))

    def open_up(self, direction: _Direction) -> None:
        """Let what was held go on if nothing holds it any more."""
        if direction.closed:
            return
        held, direction.held = direction.held, []
        for call, args in held:
            call(*args)

    def lose_held(self) -> None:
        """Lose what a cut holds, as its connection is gone."""
        for direction in (self.out, self.back):
            if direction.cut:
                direction.held.clear()

    def _carry(
        self,
        direction: _Direction,
        delay_s: float,
        in_order: bool,
        load: tuple[Callable[..., object], tuple[Any, ...]],
    ) -> None:
        when_s = self._loop.now_s + delay_s
        if in_order:
            when_s = max(when_s, direction.last_s)
            direction.last_s = when_s
        self._loop.at(when_s, self._arrive, direction, load)

    def _arrive(
        self, direction: _Direction, load: tuple[Callable[..., object], tuple[Any, ...]]
    ) -> None:
        if direction.cut or direction.clogged:
            direction.held.append(load)
        else:
            load[0](*load[1])


def hop(mean_s: float, waiting: float) -> float:
    """Return the time of one way, given an exponential draw with mean 1."""
    return mean_s * (_LEAST + waiting)
