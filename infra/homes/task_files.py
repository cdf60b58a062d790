"""What a trainer of a model needs of the task's folder: the task, and its own modules beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from infra.config import ConfigError

_MOST = 1000  # files; more are no helpers of a task but somebody's whole library
_OURS = ("blobs", "checkpoints", "kept", "spool")  # folders of a home


def task_files(task: Path) -> dict[str, Path]:
    """Return the task file and each module of its folder that it imports, by the path in there.

    A package comes with all its Python files. The code is read and not run: what is imported by
    a name that is made up on the way is not found, and data files are not looked for.

    Raises:
        ConfigError: for a file that can't be read, has wrong syntax, or may not lie in a home.
    """
    folder, found, waiting = task.parent, {task.name: task}, [task]
    while waiting:
        for top in sorted(_imported(waiting.pop())):
            for file in _module(folder, top):
                name = file.relative_to(folder).as_posix()
                if name not in found:
                    found[name] = file
                    waiting.append(file)
            if len(found) > _MOST:
                raise ConfigError(
                    [
                        f"model.task: {task} imports more than {_MOST} files of its own folder; "
                        f"install what is a library on the trainers' machines instead"
                    ]
                )
    return found


def _imported(file: Path) -> set[str]:
    """Return the first words of all absolute imports of a file, wherever they stand."""
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except OSError as error:
        raise ConfigError([f"model.task: {file}: {error.strerror}; correct its rights"]) from None
    except (SyntaxError, ValueError) as error:
        place = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ConfigError([f"model.task: {file}{place}: no valid Python; correct it"]) from None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def _module(folder: Path, name: str) -> Iterator[Path]:
    package = folder / name
    # As Python looks: a package goes before a file, a folder without __init__.py after it.
    if (package / "__init__.py").is_file() or not (folder / f"{name}.py").is_file():
        files = [file for file in sorted(package.rglob("*.py")) if file.is_file()]
        if files and name in _OURS:
            raise ConfigError(
                [
                    f"model.task: a package beside it is named {name!r}, as a folder of every "
                    f"home is; give it another name"
                ]
            )
        yield from files
    else:
        yield folder / f"{name}.py"
