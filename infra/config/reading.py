"""One pass over a job file's sections: what is wrong, and every value that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from protocols.errors import Misuse
from protocols.learning.algorithms import TABULAR, TORCH, build
from protocols.learning.job import require
from protocols.learning.tabular import Tabular

from .own_sections import (
    any_data_section,
    data_section,
    own_section,
    own_sections,
    table_settings,
    torch_settings,
)
from .problems import missing_section, nearest, sentence, shown, suggestion
from .schema import (
    AgreedColumn,
    Drill,
    Federation,
    General,
    Job,
    Limits,
    Model,
    Owner,
    Place,
    ProbeSettings,
    Section,
    SecureSum,
    TableSettings,
    TorchSettings,
    Training,
)

SECTIONS: dict[str, type[Section]] = {
    "job": General,
    "model": Model,
    "training": Training,
    "data": any_data_section(),
    **own_sections(),
    "probe": Drill,
    "federation": Federation,
    "secure_sum": SecureSum,
    "limits": Limits,
    "column": AgreedColumn,
    "owner": Owner,
}
_BELONGS_TO: dict[str, tuple[str, ...]] = {
    "model": tuple(TORCH),
    "training": tuple(TORCH),
    "data": tuple(TABULAR),
    "column": tuple(TABULAR),
    **{name: (name,) for name in own_sections()},
    "probe": ("probe",),
}


_GROUPS = {
    tuple(TABULAR): "algorithms over tables",
    tuple(TORCH): f"algorithms that train a model ({', '.join(TORCH)})",
}


def sections_of(algorithm: str) -> dict[str, type[Section]]:
    """Return the sections that are for this algorithm, not for every one."""
    names = [name for name, owners in _BELONGS_TO.items() if algorithm in owners]
    sections = {name: SECTIONS[name] for name in names if name != "column"}
    return {**sections, "data": data_section(algorithm)} if "data" in names else sections


AnySection = TypeVar("AnySection", bound=Section)


class Reading:
    """One pass over a document: what is wrong, and every value that is right."""

    def __init__(
        self, document: dict[str, Any], place: Place, supposed_owners: int | None = None
    ) -> None:
        self._document = document
        self._place = place
        self._supposed_owners = supposed_owners
        self.problems: list[str] = []
        self.known: dict[str, Any] = {}

    def job(self, path: Path) -> Job | None:
        """Return the job, or None with the reasons in `problems`."""
        self._unknown_sections()
        general = self._section("job", General)
        self._foreign_sections()
        learning = self._learning()
        federation = self._section("federation", Federation)
        self._require_bufferable(learning, federation)
        secure_sum = self._section("secure_sum", SecureSum)
        self._suite()
        limits = self._section("limits", Limits)
        columns = self._columns()
        owners = self._owners()
        if self.problems or not (general and learning and federation and secure_sum and limits):
            return None
        return Job(
            **general.model_dump(),
            path=path,
            learning=learning,
            federation=federation,
            secure_sum=secure_sum,
            limits=limits,
            owners=owners,
            columns=columns,
        )

    def _unknown_sections(self) -> None:
        for name in sorted(self._document.keys() - SECTIONS.keys()):
            section = isinstance(self._document[name], dict | list)
            advice = suggestion(name, SECTIONS) if section else _home_of(name)
            self.problems.append(f"{name}: unknown at the top of the file; {advice}")

    def _foreign_sections(self) -> None:
        algorithm = self.known.get("job.algorithm")
        for name, owners in _BELONGS_TO.items():
            if name in self._document and algorithm is not None and algorithm not in owners:
                whose = f'algorithm "{owners[0]}"' if len(owners) == 1 else _GROUPS[owners]
                self.problems.append(
                    f"{name}: the section [{name}] is for {whose}, and job.algorithm "
                    f'is "{algorithm}"; remove the section or change the algorithm'
                )

    def _learning(self) -> TorchSettings | TableSettings | ProbeSettings | None:
        algorithm = self.known.get("job.algorithm")
        match algorithm:
            case str() if algorithm in TORCH:
                return self._torch(algorithm)
            case "probe":
                drill = self._section("probe", Drill)
                return ProbeSettings(**drill.model_dump()) if drill else None
            case str():
                return self._tabular(algorithm)
            case _:
                for name in sorted((_BELONGS_TO.keys() - {"column"}) & self._document.keys()):
                    self._section(name, SECTIONS[name])
        return None

    def _torch(self, algorithm: str) -> TorchSettings | None:
        sections: list[Section | None] = [
            self._section("model", Model),
            self._section("training", Training),
        ]
        if algorithm in own_sections():
            sections.append(self._section(algorithm, own_section(algorithm)))
        if not all(sections):
            return None
        found: dict[str, Any] = {}
        for section in sections:
            found |= section.model_dump() if section else {}
        settings = torch_settings(algorithm).model_validate(found, context=self._place)
        try:
            build(algorithm, settings.options())
        except ValueError as error:
            self.problems.append(str(error))
        return settings

    def _require_bufferable(self, learning: object, federation: Federation | None) -> None:
        """Let a model that is trained say why its rounds can't be buffered."""
        if not isinstance(learning, TorchSettings) or not (federation and federation.buffered):
            return
        options = {**learning.options(), "max_staleness": federation.max_staleness}
        try:
            build(self.known["job.algorithm"], options)
        except ValueError as error:
            if str(error) not in self.problems:
                self.problems.append(f"federation.buffered: {error}")

    def _tabular(self, algorithm: str) -> TableSettings | None:
        data = self._section("data", data_section(algorithm))
        own = self._section(algorithm, own_section(algorithm))
        if data is None or own is None:
            return None
        settings = table_settings(algorithm)(**data.model_dump(), **own.model_dump())
        options = settings.options()
        features, target = options.get("features"), options.get("target")
        if features is not None and target in features:
            self.problems.append(f"data.features: names the target {shown(target)}; leave it out")
            return None
        try:
            built = _built(algorithm, settings)
        except ValueError as error:
            self.problems.append(str(error))
        else:
            self.known["data.columns"] = built.columns()
        return settings

    def _columns(self) -> tuple[AgreedColumn, ...]:
        """Return the schema of the file, each column of it looked at beside its use."""
        tables = self._document.get("column", [])
        if not isinstance(tables, list):
            self.problems.append("column: write [[column]], with two brackets, before each column")
            return ()
        used = {column.name: column for column in self.known.get("data.columns", ())}
        found: dict[str, AgreedColumn] = {}
        for number, table in enumerate(tables, start=1):
            section = self._table(f"column[{number}]", AgreedColumn, table)
            if section is None:
                continue
            try:
                agreed = section.column()
                require(section.name not in found, f"{section.name!r} stands there twice")
                if section.name in used:
                    used[section.name].require_agreed(agreed)
            except ValueError as error:
                self.problems.append(f"column[{number}]: {error}")
            found[section.name] = section
        return tuple(found.values())

    def _section(self, name: str, model: type[AnySection]) -> AnySection | None:
        required = any(field.is_required() for field in model.model_fields.values())
        if required and name not in self._document:
            self.problems.append(missing_section(name, model))
            return None
        return self._table(name, model, self._document.get(name, {}))

    def _table(self, place: str, model: type[AnySection], table: Any) -> AnySection | None:
        if not isinstance(table, dict):
            self.problems.append(
                f"{place}: {shown(table)} is no section; write [{place}] on a line of its own"
            )
            return None
        wrong: set[object] = set()
        section = None
        try:
            section = model.model_validate(table, context=self._place)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            self.problems += [sentence(fault, model, place) for fault in faults]
            wrong = {fault["loc"][0] for fault in faults if fault["loc"]}
        for key, field in model.model_fields.items():
            if key not in wrong and (key in table or not field.is_required()):
                self.known[f"{place}.{key}"] = table.get(key, field.default)
        return section

    def _suite(self) -> None:
        """Let only the rules of the job's suite run: those of the others lack a place."""
        of_one_suite(self.known)

    def _owners(self) -> tuple[Owner, ...]:
        tables = self._document.get("owner", [])
        if not isinstance(tables, list):
            self.problems.append("owner: write [[owner]], with two brackets, before each owner")
            return ()
        places = [f"owner[{number}]" for number in range(1, len(tables) + 1)]
        owners = [
            self._table(place, Owner, table) for place, table in zip(places, tables, strict=True)
        ]
        self._check_data(places)
        if not tables:
            self.problems.append('owner: nobody trains; add [[owner]] with name = "..." for each')
        count = len(tables) if self._supposed_owners is None else self._supposed_owners
        self.known["owner.count"] = count
        algorithm = self.known.get("job.algorithm")
        if count and algorithm in TORCH:
            self.known["torch.owners"] = count
        if count and algorithm in TABULAR:
            self.known["table.owners"] = count
        if count and algorithm == "probe":
            self.known["probe.owners"] = count
        self.known["owner.names"] = [
            (number, self.known[f"{place}.name"])
            for number, place in enumerate(places, start=1)
            if f"{place}.name" in self.known
        ]
        return tuple(owner for owner in owners if owner)

    def _check_data(self, places: list[str]) -> None:
        algorithm = self.known.get("job.algorithm")
        if algorithm not in TABULAR or not self._place.files:
            return
        for place in places:
            path = self.known.get(f"{place}.data", "")
            if path is None:
                self.problems.append(
                    f"{place}.data: missing; {algorithm} needs a CSV file of each owner, "
                    'or Parquet, or a .toml file that asks a database: data = "..."'
                )
            elif path and (self._place.folder / path).is_dir():
                self.problems.append(f"{place}.data: {path} is a folder; name a CSV file")


def _built(algorithm: str, settings: TableSettings) -> Tabular:
    options = settings.options()
    if settings.open_features:  # then only the owners' files say which there are
        options["features"] = ["some column"]
    built = build(algorithm, options)
    if not isinstance(built, Tabular):
        raise Misuse(f"{algorithm} reads no table")
    return built


def of_one_suite(known: dict[str, Any]) -> None:
    """Take away the places that rules of other suites than the job's need; change it in place."""
    suite = known.get("secure_sum.suite")
    if suite is not None:
        known["secure_sum.chooses"] = suite == "auto"
    match suite:
        case "masked":
            known["secure_sum.masked"] = True
            known.pop("secure_sum.field", None)
        case "auto":  # each suite that could be is looked at by itself
            known["secure_sum.auto"] = True
            known.pop("secure_sum.field", None)
            known.pop("secure_sum.suite")


def _home_of(key: str) -> str:
    """Advise on a key that stands before any section."""
    homes = {name: home for home, model in SECTIONS.items() for name in model.model_fields}
    near = nearest(key, homes)
    if near is None:
        return "remove it, or put it below the section it belongs to"
    return f'did you mean "{near}" below [{homes[near]}]?'
