"""The ways between hosts and the broker: delays, cuts and clogs, and the sessions on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actors.ports import Lane

from .hosts import Life
from .loop import SimLoop


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
class Direction:
    """One half of a way: what is `held` waits until it is neither `cut` nor `clogged`."""

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
        self.out = Direction()
        self.back = Direction()
        self.muted = False
        self._loop = loop

    @property
    def whole(self) -> bool:
        """Whether both directions are open, so that a connection can be made."""
        return not (self.out.cut or self.back.cut)

    def carry(
        self,
        direction: Direction,
        delay_s: float,
        in_order: bool,
        call: Callable[..., object],
        *args: Any,
    ) -> None:
        """Carry something to the broker, on the way `out`, or from it, on the way `back`."""
        when_s = self._loop.now_s + delay_s
        if in_order:
            when_s = max(when_s, direction.last_s)
            direction.last_s = when_s
        self._loop.at(when_s, self._arrive, direction, (call, args))

    def open_up(self, direction: Direction) -> None:
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

    def _arrive(
        self, direction: Direction, load: tuple[Callable[..., object], tuple[Any, ...]]
    ) -> None:
        if direction.cut or direction.clogged:
            direction.held.append(load)
        else:
            load[0](*load[1])
