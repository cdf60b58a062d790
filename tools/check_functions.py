"""Check what the linter does not: lines of a function, parameters, docstrings of modules.

Also what differs from process to process, in code that the simulator must be able to repeat:
`id` and `hash`, and the order of a set.

Run as `python tools/check_functions.py [FOLDER]`; prints `file:line: what` and exits with 1.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_LINES = 50
MAX_PARAMETERS = 5
PACKAGES = ("actors", "protocols", "infra", "quorate_pytest")
REPEATABLE = ("actors", "protocols", "infra/simulation")
FOLDERS = (*PACKAGES, "models", "mutants", "tests", "benchmarks", "tools", "examples")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def findings(root: Path) -> Iterator[str]:
    """Yield `file:line: what` for every breach below `root`."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            tree = ast.parse(path.read_bytes(), filename=str(path))
            name = path.relative_to(root).as_posix()
            found = list(_breaches(tree, packaged=folder in PACKAGES))
            if name.startswith(tuple(f"{place}/" for place in REPEATABLE)):
                found += _unrepeatable(tree)
            for line, what in sorted(found):
                yield f"{name}:{line}: {what}"


def _breaches(tree: ast.Module, *, packaged: bool) -> Iterator[tuple[int, str]]:
    if packaged and not (ast.get_docstring(tree) or "").strip():
        yield 1, "the module has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield from _too_long(node)
            if packaged:
                yield from _too_many_parameters(node)


def _unrepeatable(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in ("id", "hash"):
            yield node.lineno, f"{_called(node)}() differs from process to process"
        if isinstance(node, ast.For | ast.comprehension) and _is_set(node.iter):
            yield node.iter.lineno, "a set has another order in another process: use sorted or dict"


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return isinstance(node, ast.Call) and _called(node) in ("set", "frozenset")


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
