"""What people write: job files, settings, scenarios, tables, passwords."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tomli_w

from actors.ports import WorkFailed
from infra.chaos.scenario.reading import load_scenario
from infra.config import ConfigError, job_text, load_job
from infra.config.writing import column_tables
from infra.homes.settings import password_in, read_settings
from infra.http_blobs.places import BaseUrl, HttpBlobsError, Serving
from infra.rabbitmq.address import AddressError, BrokerAddress
from infra.stats.schema_file import load_schema
from infra.tables import load_table
from protocols.learning.table import Column

from .target import Target, in_a_folder

COLUMNS = (Column(name="x"), Column(name="z"), Column(name="y", kind="0 or 1"))


def _reading(name: str, use: Callable[[Path], None]) -> Callable[[bytes], None]:
    def decode(data: bytes) -> None:
        def with_file(folder: Path) -> None:
            (folder / name).write_bytes(data)
            use(folder / name)

        in_a_folder(with_file)

    return decode


def _job(file: Path) -> None:
    job = load_job(file, files=False)
    file.write_text(job_text(job))
    assert job_text(load_job(file, files=False)) == job_text(job)


def _settings(file: Path) -> None:
    assert read_settings(file).actor.name


def _schema(data: bytes) -> None:
    def with_file(folder: Path) -> None:
        file = folder / ("schema.json" if data.startswith(b"{") else "schema.toml")
        file.write_bytes(data)
        found = load_schema(file)
        (folder / "again.toml").write_text(tomli_w.dumps({"column": column_tables(found)}))
        assert load_schema(folder / "again.toml") == found

    in_a_folder(with_file)


def _scenario(file: Path) -> None:
    assert load_scenario(file).blows is not None


def _table(file: Path) -> None:
    table = load_table(str(file), COLUMNS)
    assert {len(table.column(column.name)) for column in COLUMNS} == {table.rows}
    assert set(table.column("y").tolist()) <= {0.0, 1.0}


def _password(file: Path) -> None:
    assert password_in(file)


def _address(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    refusals: list[Exception] = []
    for read in (BrokerAddress.parse, BaseUrl.parse, Serving.parse):
        try:
            assert read(text) is not None
        except (AddressError, HttpBlobsError) as error:
            refusals.append(error)
    if len(refusals) == 3:
        raise refusals[0]


TARGETS = (
    Target("job", _reading("job.toml", _job), (ConfigError,)),
    Target("schema", _schema, (ConfigError,)),
    Target("settings", _reading("actor.toml", _settings), (ConfigError,)),
    Target("scenario", _reading("scenario.toml", _scenario), (ConfigError,)),
    Target("table", _reading("owner.csv", _table), (WorkFailed,)),
    Target("password", _reading("password", _password), (ConfigError,)),
    Target("address", _address, (AddressError, HttpBlobsError)),
)
