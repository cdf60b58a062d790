"""Whether an actor would be believed, and whom it would believe: its key and its roster."""

from __future__ import annotations

import time
from collections.abc import Iterator

from infra.homes import ActorHome
from infra.identity.credentials import HOME_ROSTER, examined, membership_faults
from infra.identity.key_files import is_encrypted
from infra.identity.new_files import IdentityError
from protocols.trust.errors import Untrusted
from protocols.trust.roster import RosterBody

from .finding import Finding, fine, problem, warning

_CHECK = "identity"
_DAY_S = 24 * 3600
_SOON_DAYS = 30
_FIX = "see docs/identity.md, and ask whoever keeps the federation's roster"


def identity_findings(home: ActorHome | None) -> Iterator[Finding]:
    """Say whether an actor could start with its key and its roster; changes nothing."""
    if home is not None:
        yield _finding(home)


def _finding(home: ActorHome) -> Finding:
    try:
        body, identity = examined(home.path, home.name, home.trust)
        locked = is_encrypted(identity.key_file)
    except (IdentityError, Untrusted) as error:
        return problem(_CHECK, str(error), _FIX)
    if faults := membership_faults(body.names(), home.roster):
        what = f"{home.path / HOME_ROSTER}: other members than in job.toml: {'; '.join(faults)}"
        return problem(_CHECK, what, _FIX)
    what = f"epoch {body.epoch} of the roster, {_validity(body)}"
    if (days := _days(body)) is not None and days < _SOON_DAYS:
        return warning(_CHECK, what, "get the next epoch: quorate roster renew, by its keeper")
    return fine(_CHECK, f"{what}; the own key is there{', with a passphrase' if locked else ''}")


def _days(body: RosterBody) -> int | None:
    if body.valid_until is None:
        return None
    return max(0, (body.valid_until - int(time.time())) // _DAY_S)


def _validity(body: RosterBody) -> str:
    days = _days(body)
    return "without end" if days is None else f"valid for {days} more days"
