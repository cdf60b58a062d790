"""`actor.toml`: what one actor knows and nobody else needs: its name, account, files, data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from infra.config import ConfigError
from infra.config.document import toml_document
from infra.config.problems import sentence, shown, suggestion
from infra.config.schema import (
    Allowed,
    DisclosureSettings,
    ExistingPath,
    Name,
    Place,
    Section,
    fault,
)
from infra.telemetry.subject import Listen, TelemetryError
from protocols.trust.keys import KEY_BYTES

Role = Literal["coordinator", "holder", "trainer"]

_MAX_PASSWORD_BYTES = 4096


def _as_list(urls: object) -> object:
    return (urls,) if isinstance(urls, str) else urls


def _place_to_listen(text: str) -> str:
    try:
        Listen.parse(text)
    except TelemetryError as error:
        raise fault(str(error).removeprefix("telemetry.listen is ")) from None
    return text


Urls = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(strict=False),
    BeforeValidator(_as_list),
]


Keys = Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_as_list)]


class ActorSettings(Section):
    """The top of the file."""

    role: Role = Field(examples=['"trainer"'])
    name: Name = Field(examples=['"north"'])


class BrokerSettings(Section):
    """`[broker]`: how this actor reaches the broker, and as whom.

    What is missing comes from the job (urls) and from QUORATE_BROKER_USER and
    QUORATE_BROKER_PASSWORD.
    """

    urls: Urls = Field((), examples=['["amqps://broker.example.org/my-federation"]'])
    user: str | None = Field(None, min_length=1, examples=['"my-federation.north"'])
    password_file: ExistingPath | None = Field(None, examples=['"password"'])
    ca_file: ExistingPath | None = Field(None, examples=['"ca.pem"'])
    cert_file: ExistingPath | None = Field(None, examples=['"actor.pem"'])
    key_file: ExistingPath | None = Field(None, examples=['"actor.key"'])
    insecure: bool = Field(False, examples=["true"])


class TrainerSettings(Section):
    """`[trainer]`: the owner's data, as `data` of an owner in a job file, and what it allows."""

    data: ExistingPath | None = Field(None, examples=['"north.csv"'])
    allow: Allowed | None = Field(None, examples=['["moments", "trial-*/glm"]'])


def _public_keys(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if len(text) != 2 * KEY_BYTES or not set(text) <= set("0123456789abcdef"):
            raise fault(f"{text[:80]!r} is no public key: that is {2 * KEY_BYTES} digits of 0-9a-f")
    return texts


class TrustSettings(Section):
    """`[trust]`: the public keys of those who may sign this federation's roster.

    They matter until the first roster is accepted, which names those who may sign the next.
    `passphrase_file` is for a key of the home that has a passphrase.
    """

    authorities: Annotated[Keys, AfterValidator(_public_keys)] = Field((), examples=['["3b6a…"]'])
    passphrase_file: ExistingPath | None = Field(None, examples=['"passphrase"'])


class TelemetrySettings(Section):
    """`[telemetry]`: where metrics and health are served; nowhere unless `listen` says."""

    listen: Annotated[str, AfterValidator(_place_to_listen)] | None = Field(
        None, examples=['"127.0.0.1:9464"']
    )


class ModelSettings(Section):
    """`[model]`: model states over HTTPS; without it they take the broker's stream.

    A coordinator has `serve`, and `stream` for those who read the stream all the same; a trainer
    has `urls`. What a coordinator's `ca_file` has signed are certificates of those who pull.
    """

    serve: str | None = Field(None, min_length=1, examples=['"0.0.0.0:8443"'])
    stream: bool = Field(True, examples=["false"])
    urls: Urls = Field((), examples=['["https://coordinator.example.org:8443"]'])
    token_file: ExistingPath | None = Field(None, examples=['"model.token"'])
    ca_file: ExistingPath | None = Field(None, examples=['"model-ca.pem"'])
    cert_file: ExistingPath | None = Field(None, examples=['"model.pem"'])
    key_file: ExistingPath | None = Field(None, examples=['"model.key"'])
    insecure: bool = Field(False, examples=["true"])


_SECTIONS: dict[str, type[Section]] = {
    "broker": BrokerSettings,
    "disclosure": DisclosureSettings,
    "model": ModelSettings,
    "trainer": TrainerSettings,
    "trust": TrustSettings,
    "telemetry": TelemetrySettings,
}


_OF_TRAINERS = ("trainer", "disclosure")


class Settings(Section):
    """All of `actor.toml`."""

    actor: ActorSettings
    broker: BrokerSettings
    disclosure: DisclosureSettings
    model: ModelSettings
    trainer: TrainerSettings
    trust: TrustSettings
    telemetry: TelemetrySettings


AnySection = TypeVar("AnySection", bound=Section)


def read_settings(file: Path) -> Settings:
    """Read `actor.toml`; relative paths begin at its folder.

    Raises:
        ConfigError: with every problem of the file at once, each with file and key.
    """
    document = toml_document(file)
    reading = _Reading(file, document)
    top = {key: value for key, value in document.items() if key not in _SECTIONS}
    actor = reading.section("", ActorSettings, top)
    found = {name: reading.section(name, model) for name, model in _SECTIONS.items()}
    if reading.problems or actor is None:
        raise ConfigError(reading.problems)
    misplaced = [name for name in _OF_TRAINERS if name in document and actor.role != "trainer"]
    if misplaced:
        raise ConfigError(
            [
                f"{file}: {name}: the section [{name}] is for trainers only; remove it"
                for name in misplaced
            ]
        )
    return Settings.model_validate({"actor": actor, **found})


class _Reading:
    def __init__(self, file: Path, document: dict[str, Any]) -> None:
        self.problems: list[str] = []
        self._file = file
        self._document = document
        self._place = Place(file.absolute().parent)

    def section(
        self, name: str, model: type[AnySection], table: object = None
    ) -> AnySection | None:
        table = self._document.get(name, {}) if table is None else table
        if not isinstance(table, dict):
            self._note(f"{name}: {shown(table)} is no section; write [{name}] on a line of its own")
            return None
        if not name:
            self._unknown(table, model)
            table = {key: table[key] for key in table if key in model.model_fields}
        try:
            return model.model_validate(table, context=self._place)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                self._note(sentence(found, model, name))
        return None

    def _unknown(self, table: dict[str, Any], model: type[Section]) -> None:
        for key in sorted(table.keys() - model.model_fields.keys()):
            advice = suggestion(key, [*model.model_fields, *_SECTIONS])
            self._note(f"{key}: unknown at the top of the file; {advice}")

    def _note(self, problem: str) -> None:
        self.problems.append(f"{self._file}: {problem}")


def password_in(file: Path, *, what: str = "password") -> str:
    """Return the password, or what else is secret, of a file: its text without the line end.

    Raises `ConfigError` where there is none.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_PASSWORD_BYTES + 1)
        password = content.decode().rstrip("\r\n")
    except OSError as error:
        problem = f"can't be read ({error.strerror}); correct its rights"
        raise ConfigError([f"{file}: {problem}"]) from None
    except UnicodeDecodeError:
        raise _no_password(file, what) from None
    if not password or len(content) > _MAX_PASSWORD_BYTES:
        raise _no_password(file, what)
    return password


def _no_password(file: Path, what: str) -> ConfigError:
    return ConfigError([f"{file}: no {what}; write the {what} in it and no more"])
