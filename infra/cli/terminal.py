"""How commands speak: the chosen display, log lines on standard error, errors in plain words."""

from __future__ import annotations

import logging
import sys

from rich.console import Console

from infra.config import ConfigError

from .display import Display, JsonDisplay, LiveDisplay, QuietDisplay, print_json

console = Console(highlight=False)


def display_of(output: str) -> Display:
    """Return the display for `json`, `quiet` or `live`, and set up the log."""
    # The live view tells the warnings of interest itself; the rest goes where errors go.
    level = logging.WARNING if output == "json" else logging.ERROR
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(message)s")
    match output:
        case "json":
            return JsonDisplay()
        case "quiet":
            return QuietDisplay()
    return LiveDisplay(console)


def show_config_error(error: ConfigError, output: str) -> None:
    """Name every problem at once, in the form that was asked for."""
    if output == "json":
        print_json({"kind": "error", "problems": list(error.problems)})
    problems = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    count = len(error.problems)
    problems.print(f"{count} problem{'s' if count > 1 else ''}:")
    for problem in error.problems:
        problems.print(f"  - {problem}")
