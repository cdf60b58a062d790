"""A group of commands whose first word may also be a word for the group itself."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_OTHER = "another command"


class WordsOrCommand(TyperGroup):
    """A first word that names a command goes there; any other one is the group's own argument.

    The group's own options may then stand before it and after it. Contexts and parameters are
    click's, which some versions of typer keep to themselves.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Sort out whose words these are, and read them."""
        ctx.allow_interspersed_args = False
        options, _, order = self.make_parser(ctx).parse_args(args=list(args))
        words = [options.get(each.name) for each in order if _is_argument(each)]
        if any(word in self.commands for word in words if isinstance(word, str)):
            ctx.meta[_OTHER] = True
        else:
            ctx.allow_interspersed_args = True
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return what may be typed here: before another command, no argument of the group."""
        known = super().get_params(ctx)
        if ctx.meta.get(_OTHER):
            return [each for each in known if not _is_argument(each)]
        return list(known)


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")
