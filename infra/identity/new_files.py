"""Files that are written once, whole and durable, and secret ones that only their owner reads."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from infra.durable_files import sync_folder

MAX_SECRET_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class IdentityError(ValueError):
    """A key or a roster on disk can't be made or used; the sentence says why and what to do."""


def write_new(target: Path, content: bytes, *, mode: int) -> None:
    """Write a file that was not there; durable, and whole or not at all.

    Nobody who may not read the file in the end can read it on the way.

    Raises:
        IdentityError: a file of this name is there; it is left as it is.
        OSError: it can't be written.
    """
    incoming = target.with_name(f".{target.name}.incoming")
    incoming.unlink(missing_ok=True)
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(incoming, target)  # unlike a rename, this never replaces what is there
    except FileExistsError:
        raise IdentityError(f"{target}: is there already, and is never overwritten") from None
    finally:
        incoming.unlink()
    sync_folder(target.parent)


def read_secret(file: Path) -> bytes:
    """Return the bytes of a file that must be secret.

    Raises:
        IdentityError: it can't be read, is no plain file, is too large, or others may read or
            change it.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise IdentityError(f"{file}: can't be read ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as opened:
        about = os.fstat(opened.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise IdentityError(f"{file}: no plain file")
        if about.st_mode & _OTHERS:
            raise IdentityError(
                f"{file}: mode {stat.S_IMODE(about.st_mode):04o} lets others at it; if nobody "
                f"has read it, chmod 600, else make a new one"
            )
        content = opened.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise IdentityError(f"{file}: too large to be what it should be")
    return content


def read_public(file: Path, limit: int) -> bytes:
    """Return the bytes of a file that anybody may read. Raises `IdentityError`."""
    try:
        with file.open("rb") as opened:
            content = opened.read(limit + 1)
    except OSError as error:
        raise IdentityError(f"{file}: can't be read ({error.strerror})") from None
    if len(content) > limit:
        raise IdentityError(f"{file}: too large to be what it should be")
    return content
