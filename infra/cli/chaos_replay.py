"""`quorate chaos replay`, as it is typed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .options import Json

EPILOG = "Exit codes: 0 no rule is broken any more · 1 one is · 2 no such file, or a bad one."


def replay(
    file: Annotated[Path, typer.Argument(help="What quorate chaos --seeds kept.")],
    json: Json = False,
    trace: Annotated[
        Path | None, typer.Option(help="Write the whole history to this file.")
    ] = None,
) -> None:
    """Run one kept history again and tell it: who, what, when, in which step of which round.

    Shown are the faults, the rounds in which they struck, and the rule that was broken, up to
    where it was. Of those whom a fault aims at and of who broke the rule all is shown; of the
    others what a round consists of.
    """
    # The simulator brings half the program with it; `quorate --help` should not.
    from . import replay_command  # noqa: PLC0415

    sys.exit(replay_command.run(file, trace, "json" if json else "live"))
