"""The checking step of one round at the coordinator: who is left out before the vote, and why."""

from __future__ import annotations

from protocols.effects import Report
from protocols.errors import Misuse
from protocols.messages import Contribution
from protocols.records import CheckRecord
from protocols.reports import SharesChecked
from protocols.round_config import Roster, RoundConfig

from .collected import Collected
from .tossing import Tossing, reason_of


class Checking:
    """Nothing before `begin`; then `now` is the check that is under way, or that has ended."""

    def __init__(self, config: RoundConfig, roster: Roster, collected: Collected) -> None:
        self._config = config
        self._roster = roster
        self._collected = collected
        self._tossing: Tossing | None = None

    @property
    def record(self) -> CheckRecord | None:
        """Return how far it has come, None before it began."""
        return None if self._tossing is None else self._tossing.record

    @property
    def begun(self) -> Tossing | None:
        """Return the check, None before it began."""
        return self._tossing

    @property
    def now(self) -> Tossing:
        """Return the check that is under way."""
        if self._tossing is None:
            raise Misuse("nothing is checked in this round")
        return self._tossing

    @property
    def inconsistent(self) -> tuple[str, ...]:
        """Name the trainers whose shares belong to no vector, for certain."""
        return self._certain(too_long=False)

    @property
    def too_long(self) -> tuple[str, ...]:
        """Name the trainers whose vector is longer than the bound, for certain."""
        return self._certain(too_long=True)

    def _certain(self, *, too_long: bool) -> tuple[str, ...]:
        suspects = () if self.record is None else self.record.suspects
        return tuple(
            one.trainer for one in suspects if not one.disputed and one.too_long is too_long
        )

    def begin(self, record: CheckRecord) -> None:
        """Begin with a frozen set, or go on from what was recorded."""
        self._tossing = Tossing(self._config, self._roster, record)
        self._leave_out(record)

    def _leave_out(self, record: CheckRecord) -> None:
        for suspect in record.suspects:
            self._collected.exclude(suspect.trainer, reason_of(suspect))

    def ended(self) -> tuple[Report, tuple[Contribution, ...] | str]:
        """Leave out whom the check found; return what is told, and the set to vote on.

        In its place a text where there is none: why the round ends.
        """
        check, config = self.now, self._config
        suspects = check.suspects or ()
        self._leave_out(check.record)
        told = SharesChecked(
            job=config.job,
            number=config.number,
            checked="" if check.status is None else check.status.value,
            inconsistent=self.inconsistent,
            disputed=tuple((one.trainer, one.disputed) for one in suspects if one.disputed),
            too_long=self.too_long,
        )
        return Report(told), self._chosen(check)

    def _chosen(self, check: Tossing) -> tuple[Contribution, ...] | str:
        suspects, minimum = check.suspects or (), self._config.minimum
        names = ", ".join(one.trainer for one in suspects)
        long = any(one.too_long for one in suspects)
        why = f"without {names}, whose shares {'or lengths ' if long else ''}do not fit"
        if len(check.chosen) < minimum:
            return f"{len(check.chosen)} contributions are below the minimum {why}"
        chosen = self._collected.apart(check.chosen, minimum) if suspects else check.chosen
        if not chosen:
            return f"{why}: {self._collected.held_back(minimum) or 'no set may be summed'}"
        return chosen
