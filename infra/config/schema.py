"""What a job file may hold: its sections, their bounds and defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from infra.approval import algorithm_of
from infra.rabbitmq.address import AddressError, BrokerAddress
from infra.tables import Missing
from protocols.errors import Misuse
from protocols.learning.algorithms import ALGORITHMS
from protocols.learning.disclosure import Rules
from protocols.learning.table import Column, Kind
from protocols.learning.tabular import COLUMN_OPTIONS
from protocols.messages import MAX_HOLDERS, MAX_TRAINERS
from protocols.round_config import (
    MAX_STALENESS,
    MINIMUM_FLOOR,
    NAME_PATTERN,
    Roster,
    SumSuite,
    batches_of,
    squared_bound,
)

from .problems import nearest, shown

COORDINATOR = "coordinator"
MEMORY = "memory"
_DAY_S = 86_400.0
_RULES = Rules()
_BROKER = "amqps://broker.example.org/my-federation"


@dataclass(frozen=True, slots=True)
class Place:
    """Where relative paths begin, and whether the files that are named must be there."""

    folder: Path = Path()
    files: bool = True


def fault(text: str) -> PydanticCustomError:
    """Return what a validator raises: a sentence that is shown as it is."""
    # Braces would be read as a template.
    return PydanticCustomError("job_file", "{text}", {"text": text})


def _well_formed(name: str) -> str:
    if not re.match(NAME_PATTERN, name):
        raise fault(
            f"{shown(name)} is no name; use 1 to 63 of a-z, 0-9, _ and -, "
            f"with a letter or a digit first"
        )
    return name


def _known_algorithm(name: str) -> str:
    if name not in ALGORITHMS:
        known = ", ".join(f'"{each}"' for each in ALGORITHMS)
        near = nearest(name, ALGORITHMS)
        ask = f'did you mean "{near}"? There are' if near else "use"
        raise fault(f"{shown(name)} is not known; {ask} {known}")
    return name


def _not_reserved(name: str) -> str:
    if name == COORDINATOR or re.fullmatch(r"holder-\d+", name):
        raise fault(f"{shown(name)} is the name of one of our own actors; choose another")
    return name


def _memory_or_addresses(broker: object) -> str | tuple[str, ...]:
    # An address may hold a password: it is never shown.
    if broker == MEMORY:
        return MEMORY
    urls = [broker] if isinstance(broker, str) else broker
    if not isinstance(urls, list | tuple) or not all(_is_address(url) for url in urls):
        raise fault(
            f'neither "{MEMORY}" (all actors in one process) nor addresses of a broker; '
            f'write broker = "{MEMORY}" or broker = "{_BROKER}"'
        )
    for url in urls:
        _without_account(url)
    try:
        BrokerAddress.parse(urls, user="-", password="-", insecure=True)  # noqa: S106
    except AddressError as error:
        raise fault(str(error)) from None
    return tuple(urls)


def _is_address(url: object) -> bool:
    return isinstance(url, str) and "://" in url


def _without_account(url: str) -> None:
    if "@" in url.partition("://")[2]:
        raise fault(
            "an address with an account, and this file is shared by everybody; write "
            f'broker = "{_BROKER}", and put each user and password into its actor\'s home '
            f"(actor.toml), or for a run of your own into QUORATE_BROKER_USER and "
            f"QUORATE_BROKER_PASSWORD"
        )


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise fault(f"{shown(name)} is named twice; name it once")
    return names


def _beside_the_job(path: Path, info: ValidationInfo) -> Path:
    return _place(info).folder / path


def _place(info: ValidationInfo) -> Place:
    return info.context if isinstance(info.context, Place) else Place()


def _readable(path: Path, info: ValidationInfo) -> Path:
    if not _place(info).files:
        return path
    try:
        if not path.exists():
            raise fault(f"{path} is not there; create it or correct the path")
        # A pipe would hang whoever opens it.
        if not (path.is_file() or path.is_dir()):
            raise fault(f"{path} is neither a file nor a folder; name one")
        if path.is_file():
            path.open("rb").close()
    except OSError as error:
        raise fault(
            f"{path} can't be read ({error.strerror}); correct the path or its rights"
        ) from None
    return path


def _python_file(path: Path) -> Path:
    if path.is_dir() or path.suffix != ".py":
        raise fault(f"{path} is no Python file; name a file that ends in .py")
    return path


def _safetensors(path: Path) -> Path:
    if path.is_dir() or path.suffix != ".safetensors":
        raise fault(f"{path} is no model; name a file that ends in .safetensors")
    return path


Name = Annotated[str, AfterValidator(_well_formed)]
OwnerName = Annotated[Name, AfterValidator(_not_reserved)]
Texts = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(strict=False),  # TOML has lists only
    AfterValidator(_distinct),
]
ExistingPath = Annotated[
    Path,
    Field(strict=False),  # TOML has texts only
    AfterValidator(_beside_the_job),
    AfterValidator(_readable),
]
Seconds = Annotated[float, Field(gt=0, le=30 * _DAY_S, examples=[60.0])]


class Section(BaseModel):
    """A part of the job file: nothing unknown, nothing converted, nothing changed later."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class General(Section):
    """`[job]`: what is computed, and for how long at most.

    Without a `tolerance` the algorithm's own is used; training then runs all its rounds.
    """

    name: Name = Field(examples=['"my-job"'])
    algorithm: Annotated[str, AfterValidator(_known_algorithm)] = Field(examples=['"fedavg"'])
    max_rounds: int = Field(ge=1, le=1_000_000, examples=[40])
    tolerance: float | None = Field(None, gt=0, le=1, examples=["1e-9"])


class Model(Section):
    """`[model]`: the owner's training code."""

    task: Annotated[ExistingPath, AfterValidator(_python_file)] = Field(examples=['"task.py"'])
    metrics: Texts = Field(("loss", "accuracy"), examples=['["loss", "accuracy"]'])
    personal: Texts = Field((), examples=['["head.*"]'])
    start: Annotated[ExistingPath, AfterValidator(_safetensors)] | None = Field(
        None, examples=['"model.safetensors"']
    )


class Training(Section):
    """`[training]`: what each owner does in a round, and how long there are rounds."""

    epochs: int = Field(1, ge=1, le=10_000, examples=[1])
    learning_rate: float = Field(0.1, gt=0, le=1e6, examples=[0.1])
    schedule: Literal["constant", "step", "cosine"] = Field("constant", examples=['"cosine"'])
    step_rounds: int = Field(10, ge=1, le=1_000_000, examples=[10])
    step_factor: float = Field(0.5, gt=0, le=1, examples=[0.5])
    lowest_rate: float = Field(0.0, ge=0, le=1e6, examples=[0.0])
    batch_size: int = Field(32, ge=1, le=10_000_000, examples=[32])
    held_out: float = Field(0.0, ge=0, le=0.9, examples=[0.2])
    watch: str = Field("", examples=['"highest accuracy"'])
    patience: int = Field(0, ge=0, le=1_000_000, examples=[5])
    seed: int = Field(0, ge=0, le=2**62 - 1, examples=[0])


class Drill(Section):
    """`[probe]`: known vectors of so many values instead of data, to try a federation."""

    values: int = Field(1000, ge=0, le=100_000_000, examples=[1000])
    delay_s: float = Field(0.0, ge=0, le=_DAY_S, examples=[1.0])


class TorchSettings(Model, Training):
    """All that training a model needs: `[model]`, `[training]` and the algorithm's own section.

    Which keys that has depends on the algorithm; see `own_sections.py`.
    """

    def options(self) -> dict[str, Any]:
        """Return the options of the algorithm, by its own names for them."""
        renamed = {"metrics": "metric_names", "epochs": "local_epochs"}
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            renamed.get(name, name): list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if name not in ("task", "seed", "start")
        }


class TableSettings(Section):
    """All that an algorithm over tables needs: `[data]` and its own section.

    Which other keys there are depends on the algorithm; see `own_sections.py`.
    """

    missing: Missing = Field("refuse", examples=['"leave out"'])

    @property
    def open_features(self) -> bool:
        """Return whether the owners' files are to say what the features are."""
        return "features" in type(self).model_fields and "features" not in self.options()

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Return the columns that are named one by one, such as the target."""
        options = self.options()
        return tuple(v for k, v in options.items() if k in COLUMN_OPTIONS and isinstance(v, str))

    def options(self) -> dict[str, Any]:
        """Return the options that are set."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if value is not None and name not in TableSettings.model_fields
        }


class ProbeSettings(Drill):
    """All that algorithm "probe" needs: `[probe]`."""


class Federation(Section):
    """`[federation]`: how many hold shares, and how many it takes to open a sum."""

    broker: Annotated[str | tuple[str, ...], PlainValidator(_memory_or_addresses)] = Field(
        examples=['"memory"']
    )
    insecure: bool = Field(False, examples=["true"])
    replicated: bool = Field(False, examples=["true"])
    holders: int = Field(ge=1, le=MAX_HOLDERS, examples=[5])
    threshold: int = Field(examples=[3])  # bounded by the rule between holders and threshold
    faults: int = Field(0, ge=0, le=MAX_HOLDERS, examples=[1])
    vote: bool = Field(True, examples=["true"])
    minimum: int = Field(
        ge=MINIMUM_FLOOR,
        le=MAX_TRAINERS,
        examples=[3],
        description="the fewest owners whose sum is ever opened; "
        "with two, each learns the other's vector",
    )
    buffered: int = Field(
        0,
        ge=0,
        le=MAX_TRAINERS,
        examples=[4],
        description="end a round with so many contributions; "
        "slower owners go on, and contribute to a later round",
    )
    max_staleness: int = Field(10, ge=1, le=MAX_STALENESS, examples=[10])
    sample: int = Field(
        0,
        ge=0,
        le=MAX_TRAINERS,
        examples=[20],
        description="ask about so many owners in a round, in turn; all if left out",
    )
    batch: int = Field(
        0,
        ge=0,
        le=MAX_TRAINERS,
        examples=[10],
        description="with sample: the fewest owners of whom sums of all rounds together tell; "
        "all of a sample if left out",
    )

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of the broker's nodes; empty for the memory bus."""
        return () if isinstance(self.broker, str) else self.broker


class SecureSum(Section):
    """`[secure_sum]`: how real numbers travel as integers, and what hides them.

    The `field` is that of the suites "shamir" and "packed"; "masked" shares its secrets over p31
    always.
    """

    suite: Literal["shamir", "packed", "masked", "auto"] = Field(
        "shamir",
        examples=['"masked"'],
        description="what hides a vector: a share of it for each holder, as long as it is itself; "
        "shorter ones, of which fewer holders learn nothing; a mask, and short shares of its "
        "secret; or whichever of them costs least",
    )
    packing: int = Field(0, ge=0, le=62, examples=[2])  # its rule needs the threshold
    privacy: int | None = Field(
        None,
        ge=1,
        le=MAX_HOLDERS,
        examples=[2],
        description='with suite = "auto": so many holders learn nothing together, whichever '
        "suite it is; threshold - 1 if left out, and then shares are never packed",
    )
    seeds: bool = Field(
        False,
        examples=["true"],
        description="send some shares of each owner as seeds of 32 bytes, to other holders each "
        "time: shorter uploads, the same sums",
    )
    field: Literal["p31", "p61"] = Field("p61", examples=['"p61"'])
    fraction_bits: int = Field(30, ge=0, le=60, examples=[30])
    largest_weight: int = Field(1_000_000, ge=1, le=2**40, examples=[1_000_000])
    clip: float = Field(8.0, gt=0, le=1e9, examples=[8.0])
    sealing: Literal["best", "mlkem768-x25519", "x25519"] = Field(
        "best",
        examples=['"best"'],
        description="how shares are sealed to their holder; "
        "best is the strongest that the coordinator can, and who can't do it is left out",
    )
    checks: bool = Field(
        False,
        examples=["true"],
        description="find the owners whose shares do not belong together before each vote, "
        "and go on without them",
    )
    norm_bound: float | None = Field(
        None,
        gt=0,
        le=1e9,
        examples=["2.5"],
        description="the largest Euclidean norm of what one owner contributes in a round; "
        "longer vectors are left out of the sum. Its argument awaits review",
    )

    @property
    def concrete(self) -> SumSuite:
        """The suite of a job for which one was chosen. `Misuse` where it says "auto" still."""
        if self.suite == "auto":
            raise Misuse("the suite of this job was never chosen")
        return self.suite

    @property
    def squared_norm(self) -> int:
        """β, the bound as the sum of the squares of the integers that travel; 0 without one."""
        if self.norm_bound is None:
            return 0
        return squared_bound(self.norm_bound, self.fraction_bits)


class Limits(Section):
    """`[limits]`: the bound of every wait, queue and attempt."""

    patience_s: Seconds = 60.0
    round_s: Seconds = 3600.0
    opening_s: Seconds = 10.0
    resend_s: Seconds = 5.0
    compute_s: Seconds = 600.0
    memory_mb: int = Field(4096, ge=256, le=2**24, examples=[4096])
    model_mb: int = Field(256, ge=1, le=2000, examples=[256])
    chunk_kb: int = Field(256, ge=1, le=4096, examples=[256])
    abandoned_rounds: int = Field(3, ge=1, le=1000, examples=[3])

    @property
    def chunk_bytes(self) -> int:
        """The size of a chunk in bytes."""
        return self.chunk_kb * 1024

    @property
    def model_bytes(self) -> int:
        """The largest model state in bytes."""
        return self.model_mb * 2**20


class AgreedColumn(Section):
    """`[[column]]`: what owners agreed that a column holds; each checks its own data by it."""

    name: str = Field(min_length=1, examples=['"age"'])
    kind: Kind = Field("number", examples=['"number"'])
    levels: Texts = Field((), examples=['["no", "yes"]'])
    least: float | None = Field(None, examples=[0])
    most: float | None = Field(None, examples=[120])
    unit: str = Field("", max_length=63, examples=['"years"'])

    def column(self) -> Column:
        """Return the column. Raises `ValueError` where its keys do not belong together."""
        found = self.model_dump()
        return Column(**{key: value for key, value in found.items() if value is not None})


class DisclosureSettings(Section):
    """`[disclosure]`: what an owner keeps to itself; its own, and no part of the job."""

    smallest_cell: int = Field(default=_RULES.smallest_cell, ge=1, le=1_000_000, examples=[3])
    parameters_per_row: float = Field(
        default=_RULES.parameters_per_row, gt=0, le=1e6, examples=[0.33]
    )

    def rules(self) -> Rules:
        """Return the rules."""
        return Rules(**self.model_dump())


def _known_patterns(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        if not any(fnmatchcase(name, algorithm_of(entry)) for name in ALGORITHMS):
            known = ", ".join(ALGORITHMS)
            raise fault(f"{shown(entry)} allows no algorithm that there is; there are {known}")
    return entries


Allowed = Annotated[Texts, AfterValidator(_known_patterns)]


class Owner(Section):
    """`[[owner]]`: a party that trains on data of its own; `allow` is what it takes part in."""

    name: OwnerName = Field(examples=['"north"'])
    data: ExistingPath | None = Field(None, examples=['"north.csv"'])
    allow: Allowed | None = Field(None, examples=['["moments", "trial-*/glm"]'])
    disclosure: DisclosureSettings = DisclosureSettings()


class Job(General):
    """A job file that is in order.

    Attributes:
        path: the job file, absolute; its folder is where relative paths begin.
        learning: the settings of the chosen algorithm.
        columns: what owners agreed on about their tables.
    """

    path: Path
    learning: TorchSettings | TableSettings | ProbeSettings
    federation: Federation
    secure_sum: SecureSum
    limits: Limits
    owners: tuple[Owner, ...]
    columns: tuple[AgreedColumn, ...] = ()

    @property
    def privacy(self) -> int:
        """So many share-holders learn nothing together, T; at least, where a suite is to come."""
        if self.secure_sum.privacy is not None:
            return self.secure_sum.privacy
        return self.federation.threshold - max(self.secure_sum.packing, 1)

    @property
    def batches(self) -> tuple[int, int]:
        """Into how many batches owners are split, and how many a round asks; (0, 0) for all."""
        return self.batches_of(len(self.owners))

    def batches_of(self, owners: int) -> tuple[int, int]:
        """Return the same with so many owners."""
        federation = self.federation
        if not federation.sample:
            return 0, 0
        return batches_of(trainers=owners, sample=federation.sample, batch=federation.batch)

    def roster(self) -> Roster:
        """Return who takes part: the coordinator, `holder-1` and on, and the owners."""
        return Roster(
            federation=self.name,
            coordinator=COORDINATOR,
            holders=tuple(f"holder-{i + 1}" for i in range(self.federation.holders)),
            trainers=tuple(owner.name for owner in self.owners),
        )
