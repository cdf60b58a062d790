"""`quorate chaos` with what else stands below it: a command of its own, and a group."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import typer

from . import chaos_gallery, chaos_odds, chaos_option, chaos_replay
from .chaos_words import WordsOrCommand


def _alone(command: Callable[..., None]) -> Callable[..., None]:
    """Run a group's own command where no other one is named; refuse its options before another."""

    @functools.wraps(command)
    def call(context: typer.Context, **values: object) -> None:
        other = context.invoked_subcommand
        if other is None:
            command(**values)
        elif named := [name for name in values if _typed(context, name)]:
            option = f"--{named[0].replace('_', '-')}"
            raise typer.BadParameter(f"{option} before {other} is not for it; write it after")

    signature = inspect.signature(command)
    first = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    # Typer reads both of these and never looks at the wrapped function.
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[first, *signature.parameters.values()]
    )
    call.__annotations__ = {"context": typer.Context, **command.__annotations__}
    return call


def _typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


chaos_app = typer.Typer(
    name="chaos", cls=WordsOrCommand, epilog=chaos_option.EPILOG, rich_markup_mode=None
)
chaos_app.callback(invoke_without_command=True)(_alone(chaos_option.chaos))
chaos_app.command(epilog=chaos_gallery.EPILOG)(chaos_gallery.gallery)
chaos_app.command(epilog=chaos_odds.EPILOG)(chaos_odds.odds)
chaos_app.command(epilog=chaos_replay.EPILOG)(chaos_replay.replay)
