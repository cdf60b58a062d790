"""What the commands about identities and rosters have in common: time, and how they end."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from infra.config import ConfigError
from infra.identity.new_files import IdentityError
from protocols.round_config import NAME_PATTERN
from protocols.trust.errors import Untrusted
from protocols.trust.keys import KEY_BYTES, require_key

from .terminal import console, show_config_error

DONE, REFUSED, USAGE = 0, 1, 2
DAY_S = 24 * 3600
_NAME = re.compile(NAME_PATTERN)


def now_s() -> int:
    """Return Unix time, UTC seconds."""
    return int(datetime.now(UTC).timestamp())


def day(seconds: int | None) -> str:
    """Return a moment for people, to the minute."""
    return (
        "no end"
        if seconds is None
        else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    )


def require_name(text: str, what: str) -> None:
    """Raise `IdentityError` for what can't be a name."""
    if not _NAME.match(text):
        raise IdentityError(
            f"{text!r} can't name {what}: use 1 to 63 of a-z, 0-9, - and _, a letter or digit first"
        )


def authority_key(text: str) -> bytes:
    """Return the public key that was given with --authority. Raises `IdentityError`."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise IdentityError("--authority: a public key is written with 64 hex digits")
    try:
        require_key(key)
    except Untrusted as error:
        raise IdentityError(f"--authority: {error}") from None
    return key


def say(text: str) -> None:
    """Print one line as it is."""
    console.print(text, markup=False, soft_wrap=True)


def ended(work: Callable[[], int], *, json: bool) -> int:
    """Do the work of a command and return its exit code; errors are told in plain words."""
    output = "json" if json else "live"
    try:
        return work()
    except Untrusted as error:
        show_config_error(ConfigError([str(error)]), output)
        return REFUSED
    except ConfigError as error:
        show_config_error(error, output)
    except IdentityError as error:
        show_config_error(ConfigError([str(error)]), output)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        show_config_error(ConfigError([f"{place}{error.strerror}; correct that"]), output)
    return USAGE
