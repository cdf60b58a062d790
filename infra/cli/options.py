"""A command's options as a frozen dataclass, for commands with more than a few; common ones."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

T = TypeVar("T")

Json = Annotated[
    bool, typer.Option("--json", help="One JSON object a line; the last is of kind summary.")
]


def taking(options: Callable[..., T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Let typer see the fields of the dataclass `options` where a function takes one value.

    The fields are annotated as a command's parameters would be.
    """

    def decorate(command: Callable[[T], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def call(**values: Any) -> None:
            command(options(**values))

        signature = inspect.signature(options)
        hints = get_type_hints(options, include_extras=True)
        parameters = [
            parameter.replace(annotation=hints[name])
            for name, parameter in signature.parameters.items()
        ]
        if all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters):
            # What is a command's own comes before what it shares with others.
            own = vars(options).get("__annotations__", {})
            parameters.sort(key=lambda parameter: parameter.name not in own)
        # Typer reads both of these and never looks at the wrapped function.
        call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        call.__annotations__ = hints
        return call

    return decorate
