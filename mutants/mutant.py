"""A planted bug as a file: where it goes, what it does, and who should notice."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent / "planted"
SIMULATION = "simulation"
PACKAGES = ("actors", "infra", "protocols")


class BadMutant(Exception):
    """A planted bug that can't be read or planted; the text names its file."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}")
        self.path = path


class Mutant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One bug.

    Attributes:
        path: its own file, whose stem is its name.
        title: what is wrong with the code then.
        why: what harm it does.
        file: which of our files it changes, from the root of the repository.
        find: exact text that stands there once.
        replace: what takes its place.
        caught_by: `simulation` where a history should tell, and the tests that should fail, as
            pytest names them.
        equivalent: why nobody could notice; empty for a bug that somebody must.
    """

    path: Path
    title: str
    why: str
    file: str
    find: str
    replace: str
    caught_by: tuple[str, ...] = ()
    equivalent: str = ""

    @property
    def name(self) -> str:
        """Return the name by which it is chosen."""
        return self.path.stem

    @property
    def tests(self) -> tuple[str, ...]:
        """Return the tests that should notice."""
        return tuple(each for each in self.caught_by if each != SIMULATION)

    def mutated(self, root: Path) -> str:
        """Return the changed text of its file below `root`.

        Raises:
            BadMutant: the file is missing, the text to be found is not there exactly once, or
                what comes of it is no Python or means the same as before.
        """
        target = root / self.file
        if not target.is_file():
            raise BadMutant(self.path, f"there is no file {self.file}")
        before = target.read_text(encoding="utf-8")
        found = before.count(self.find)
        if found != 1:
            raise BadMutant(self.path, f"its `find` stands {found} times in {self.file}, not once")
        after = before.replace(self.find, self.replace)
        try:
            compile(after, self.file, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise BadMutant(self.path, f"{self.file} is no Python any more: {error}") from error
        if ast.dump(ast.parse(after)) == ast.dump(ast.parse(before)):
            raise BadMutant(self.path, f"it changes nothing that {self.file} does")
        return after

    def plant(self, root: Path) -> None:
        """Change its file below `root`. Raises `BadMutant` as `mutated`."""
        target = root / self.file
        after = self.mutated(root)
        for compiled in (target.parent / "__pycache__").glob(f"{target.stem}.*"):
            compiled.unlink()
        target.write_text(after, encoding="utf-8")


def read(path: Path) -> Mutant:
    """Return the bug that a file describes. Raises `BadMutant`."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        mutant = msgspec.convert({**fields, "path": str(path)}, Mutant, dec_hook=_path)
    except (OSError, ValueError) as error:
        raise BadMutant(path, str(error)) from error
    if mutant.file.split("/")[0] not in PACKAGES:
        raise BadMutant(path, f"{mutant.file} is in none of {', '.join(PACKAGES)}")
    if not mutant.caught_by and not mutant.equivalent:
        raise BadMutant(path, "it says neither what should catch it nor why nothing could")
    return mutant


def read_all(folder: Path = FOLDER) -> list[Mutant]:
    """Return all bugs of a folder by name. Raises `BadMutant`."""
    return [read(path) for path in sorted(folder.glob("*.toml"))]


def _path(kind: type, value: object) -> Path:
    if kind is not Path or not isinstance(value, str):
        raise NotImplementedError(f"{kind} in a planted bug")
    return Path(value)
