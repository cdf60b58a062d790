"""Which part of a file a request asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_ANSWERED = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class Unsatisfiable(Exception):
    """A range that begins behind the end."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes from `begin` up to, and without, `end` of a file with `size` bytes."""

    begin: int
    end: int
    size: int

    @property
    def is_all(self) -> bool:
        """Whether it is the whole file."""
        return self.begin == 0 and self.end == self.size

    def __str__(self) -> str:
        """Return it as `Content-Range` has it."""
        return f"bytes {self.begin}-{self.end - 1}/{self.size}"


def requested(header: str | None, size: int) -> Part | None:
    """Return the part that a `Range` header asks for, None where all is to be sent.

    What is no single range of bytes is as if it were not there, as the standard allows. Raises
    `Unsatisfiable`.
    """
    found = _ONE.fullmatch(header.replace(" ", "")) if header else None
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin = int(first)
        end = min(size, int(last) + 1) if last else size
        if last and int(last) < begin:
            return None
    if begin >= end:
        raise Unsatisfiable
    return Part(begin, end, size)


def answered(header: str | None) -> Part | None:
    """Return the part that a `Content-Range` header says is coming, None where it says none."""
    found = _ANSWERED.fullmatch(header.strip()) if header else None
    if found is None:
        return None
    part = Part(int(found[1]), int(found[2]) + 1, int(found[3]))
    return part if part.begin < part.end <= part.size else None
