"""A scenario file, read once and checked as a whole: every mistake with its place and a cure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.config import ConfigError, load_job
from infra.config.document import toml_document
from infra.config.problems import shown, suggestion
from infra.config.reading import Reading
from infra.config.schema import Place
from infra.simulation.faults import Rates, Size

from . import blows, rules, schema
from .people import People, is_reserved
from .script import Blow, Script

_NUMBERS = ("trainers", "holders", "threshold", "minimum")


def load_scenario(path: Path, name: str | None = None) -> Script:
    """Read and check a scenario file; it is called as the file if it gets no `name`.

    Raises:
        ConfigError: with every problem of the file at once. Places count faults from 1.
    """
    document = toml_document(path, "scenario file")
    return read_scenario(document, path.absolute().parent, path.name if name is None else name)


def read_scenario(document: Mapping[str, Any], folder: Path, name: str) -> Script:
    """Check a scenario that is no file; what it names is looked for from `folder`.

    Raises:
        ConfigError: with every problem at once. Places count faults from 1.
    """
    reading = _Reading(dict(document), Place(folder))
    script = reading.script(name)
    if script is None or reading.problems:
        raise ConfigError(reading.problems)
    return script


class _Reading(Reading):
    """One pass over a scenario."""

    def script(self, name: str) -> Script | None:
        """Return the scenario, or None with the reasons in `problems`."""
        document = self._document
        for key in sorted(document.keys() - schema.SECTIONS.keys() - {"groups"}):
            advice = suggestion(key, [*schema.SECTIONS, "groups"])
            self.problems.append(f"{key}: unknown at the top of the file; {advice}")
        head = self._section("scenario", schema.Head)
        size, people = self._cast()
        run = self._section("run", schema.Run)
        messages = self._section("messages", schema.Messages)
        expect = self._section("expect", schema.Expect)
        found = self._blows(people, run)
        if expect:
            self.problems += rules.expectations(expect, run, size)
        if self.problems or not (head and size and run and messages and expect and people):
            return None
        return Script(
            name=name,
            title=head.title,
            shows=head.shows,
            size=size,
            people=people,
            rounds=run.rounds,
            limit_s=run.limit_s,
            rates=Rates(**messages.model_dump()),
            blows=tuple(found),
            expect=expect,
        )

    # --- who --------------------------------------------------------------------------

    def _cast(self) -> tuple[Size | None, People | None]:
        """Return who takes part; people even where a round could not do with these numbers."""
        if "cast" not in self._document:
            self.problems.append(
                "cast: the section [cast] is missing; add it with trainers = 8, holders = 5, "
                'threshold = 3, minimum = 4, or with job = "job.toml"'
            )
            return None, None
        cast = self._section("cast", schema.Cast)
        owners: tuple[str, ...] = ()
        if self.known.get("cast.job") is not None:
            numbers, owners = self._of_job(cast)
        else:
            numbers = self._of_file()
        self.known["cast.vote"] = numbers.get("vote", True)
        problems = rules.cast(numbers, of_job=bool(owners))
        self.problems += problems
        people = None
        if {"trainers", "holders"} <= numbers.keys() and not rules.too_many(numbers):
            shape = Size(trainers=numbers["trainers"], holders=numbers["holders"])
            people = self._people(shape, owners)
        if problems or cast is None or not numbers.keys() >= set(_NUMBERS):
            return None, people
        rest: dict[str, Any] = {
            "training_s": cast.training_s,
            "queue_messages": cast.queue_messages,
        }
        return Size(**numbers, **rest), people

    def _of_file(self) -> dict[str, Any]:
        """Return the valid numbers of the section."""
        known = {key: self.known.get(f"cast.{key}") for key in _NUMBERS}
        for key, value in known.items():
            if value is None and f"cast.{key}" in self.known:
                example = (schema.Cast.model_fields[key].examples or [""])[0]
                self.problems.append(
                    f"cast.{key}: missing; add {key} = {example}, "
                    f'or take all of them from a job file: job = "job.toml"'
                )
        vote = (
            {"vote": self.known.get("cast.vote") is not False} if "cast.vote" in self.known else {}
        )
        return {key: value for key, value in known.items() if value is not None} | vote

    def _of_job(self, cast: schema.Cast | None) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the numbers and the owners of a job file."""
        self.problems += [
            f"cast.{key}: stands in the job file too; remove it, or remove job"
            for key in (*_NUMBERS, "vote")
            if self.known.get(f"cast.{key}") is not None
        ]
        if cast is None or cast.job is None:
            return {}, ()
        try:
            job = load_job(cast.job, files=False)
        except ConfigError as error:
            self.problems += [f"cast.job: {cast.job.name}: {text}" for text in error.problems]
            return {}, ()
        owners = tuple(owner.name for owner in job.owners)
        for name in filter(is_reserved, owners):
            self.problems.append(
                f"cast.job: an owner is called {shown(name)}, which means something else in a "
                f"scenario; write the numbers of the cast instead of job"
            )
        federation = job.federation
        numbers = {key: getattr(federation, key) for key in ("holders", "threshold", "minimum")}
        rest = {"vote": federation.vote, "faults": federation.faults}
        return numbers | {"trainers": len(owners)} | rest, owners

    def _people(self, size: Size, owners: tuple[str, ...]) -> People:
        people = People.of(size, owners)
        table = self._document.get("groups", {})
        if not isinstance(table, dict):
            self.problems.append("groups: write [groups] on a line of its own")
            return people
        groups = {}
        for name, members in table.items():
            problem = rules.group(name, members, people)
            if problem:
                self.problems.append(f"groups.{name}: {problem}")
            else:
                groups[name] = people.names(members)
        return people.with_groups(groups)

    # --- what -------------------------------------------------------------------------

    def _blows(self, people: People | None, run: schema.Run | None) -> list[Blow]:
        tables = self._document.get("fault", [])
        if not isinstance(tables, list):
            self.problems.append("fault: write [[fault]], with two brackets, before each fault")
            return []
        found = []
        for place, table in enumerate(tables, start=1):
            where = f"fault[{place}]"
            read = self._table(where, schema.Blow, table)
            if read is None:
                problems = rules.strangers(self.known.get(f"{where}.who"), people)
            else:
                vote = self.known.get("cast.vote", True)
                problems = rules.blow(read, people, run, vote=vote)
            self.problems += [f"{where}.{text}" for text in problems]
            if read and people and run and not problems:
                found.append(blows.blow(place, read, people, run))
        if sum(map(blows.strikes, found)) > blows.MOST:
            self.problems.append(
                f"fault: above {blows.MOST} strikes in all; choose fewer rounds or targets"
            )
        return found
