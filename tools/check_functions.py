"""Check what the linter does not: lines of a function, parameters, docstrings of modules.

Run as `python tools/check_functions.py [FOLDER]`; prints `file:line: what` and exits with 1.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_LINES = 50
MAX_PARAMETERS = 5
PACKAGES = ("actors", "protocols", "infra")
FOLDERS = (*PACKAGES, "models", "tests", "benchmarks", "tools", "examples")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def findings(root: Path) -> Iterator[str]:
    """Yield `file:line: what` for every breach below `root`."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            tree = ast.parse(path.read_bytes(), filename=str(path))
            for line, what in sorted(_breaches(tree, packaged=folder in PACKAGES)):
                yield f"{path.relative_to(root)}:{line}: {what}"


def _breaches(tree: ast.Module, *, packaged: bool) -> Iterator[tuple[int, str]]:
    if packaged and not (ast.get_docstring(tree) or "").strip():
        yield 1, "the module has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield from _too_long(node)
            if packaged:
                yield from _too_many_parameters(node)


def _too_long(function: Function) -> Iterator[tuple[int, str]]:
    first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
    lines = (function.end_lineno or function.lineno) - first + 1
    if lines > MAX_LINES:
        yield function.lineno, f"{function.name} has {lines} lines, more than {MAX_LINES}"


def _too_many_parameters(function: Function) -> Iterator[tuple[int, str]]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    own = [a for place, a in enumerate(named) if place or a.arg not in ("self", "cls")]
    stars = [a for a in (arguments.vararg, arguments.kwarg) if a]
    count = len(own) + len(stars)
    if count > MAX_PARAMETERS:
        yield (
            function.lineno,
            f"{function.name} takes {count} parameters, more than {MAX_PARAMETERS}",
        )


def main(arguments: list[str]) -> int:
    """Print the findings below the given folder, or below ours; return the exit code."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    found = list(findings(root))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
