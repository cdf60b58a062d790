"""What lies on a disk: journal, spool, keys, and what processes leave for each other."""

from __future__ import annotations

import os
from pathlib import Path

from actors.ports import StorageFailed
from infra.chaos.reproduction import BadReproduction, Reproduction
from infra.cli.home import Home
from infra.config import ConfigError
from infra.identity.credentials import Trust, _standing
from infra.identity.key_files import load_key
from infra.identity.new_files import IdentityError
from infra.identity.passphrases import Passphrases
from infra.rabbitmq.partial_blob import PartialBlob
from infra.rabbitmq.publication import Publication
from infra.run_log import RunLog
from infra.sqlite_journal import peek
from infra.stream_file import StreamFile
from infra.stream_records import HEADER_BYTES, Header
from infra.telemetry.snapshot import encode, read_home
from protocols import records
from protocols.codec import Undecodable, canonical, parse
from protocols.messages import Message

from .target import Target, chosen, in_a_folder

RECORDS: tuple[type[Message], ...] = tuple(
    kind
    for kind in vars(records).values()
    if isinstance(kind, type) and kind.__module__ == records.__name__
)
STREAM = "c/ann"
PASSPHRASE = b"correct horse battery"
PUBLICATION = Publication(digest=bytes(32), size=40, chunk_bytes=10, begin=3, end=9, tag=bytes(8))
_TRUST = Trust(federation="trial", authorities=(bytes(32),))


def _record(data: bytes) -> None:
    which, rest = chosen(data, len(RECORDS))
    record = parse(rest, RECORDS[which])
    assert parse(canonical(record), RECORDS[which]) == record


def _journal(data: bytes) -> None:
    def use(folder: Path) -> None:
        file = folder / "journal"
        file.write_bytes(data)
        entries = peek(file, "round/")
        assert all(key.startswith("round/") for key in entries)

    in_a_folder(use)


def _stream_header(data: bytes) -> None:
    header = Header.from_bytes(data)
    if header is None:
        raise StorageFailed("no header")
    assert header.to_bytes() == data
    assert len(data) == HEADER_BYTES


def _stream_file(data: bytes) -> None:
    descriptor = os.memfd_create("stream")
    try:
        os.write(descriptor, data)
        file = StreamFile.opened(STREAM, descriptor)
        for index in sorted(file.indices()):
            entry = file.entry(index)
            assert entry is not None
            file.read(descriptor, index, entry)
        file.entry(0)
    finally:
        os.close(descriptor)


def _key_file(data: bytes) -> None:
    def use(folder: Path) -> None:
        for name, content in (("key", data), ("passphrase", PASSPHRASE)):
            file = folder / name
            file.touch(mode=0o600)
            file.write_bytes(content)
        key = load_key(folder / "key", Passphrases("NONE", folder / "passphrase"))
        assert len(key.public) == 32

    in_a_folder(use)


def _accepted(data: bytes) -> None:
    def use(folder: Path) -> None:
        (folder / "accepted").write_bytes(data)
        assert _standing(folder / "accepted", _TRUST).epoch > 0

    in_a_folder(use)


def _run_record(data: bytes) -> None:
    def use(folder: Path) -> None:
        (folder / "run.json").write_bytes(data)
        assert Home(folder, "job", "fingerprint")._known() is not None

    in_a_folder(use)


def _run_log(data: bytes) -> None:
    log = RunLog()
    log.recall(data)
    again = RunLog()
    again.recall(log.remember())
    assert again.remember() == log.remember()
    assert log.facts() == again.facts()


class _Told(Exception):
    """A home that says why it tells nothing."""


def _status(data: bytes) -> None:
    def use(folder: Path) -> None:
        (folder / "status.json").write_bytes(data)
        reading = read_home(folder)
        if reading.snapshot is None:
            assert reading.problem == reading.absence()
            raise _Told(reading.problem)
        assert reading.absence()
        (folder / "status.json").write_bytes(encode(reading.snapshot))
        assert read_home(folder).snapshot == reading.snapshot

    in_a_folder(use)


def _reproduction(data: bytes) -> None:
    def use(folder: Path) -> None:
        file = folder / "found.json"
        file.write_bytes(data)
        found = Reproduction.read(file)
        found.write(file)
        assert Reproduction.read(file) == found

    in_a_folder(use)


def _seen_log(data: bytes) -> None:
    def use(folder: Path) -> None:
        stem = folder / PUBLICATION.digest.hex()
        stem.with_suffix(".seen").write_bytes(data)
        stem.with_suffix(".part").write_bytes(bytes(PUBLICATION.size))
        part = PartialBlob(folder, PUBLICATION)
        has = sum(part.has(index) for index in range(PUBLICATION.count))
        assert part.missing == PUBLICATION.count - has
        part.add(PUBLICATION, 5, 0, b"0123456789")
        assert part.finished() is None

    in_a_folder(use)


TARGETS = (
    Target("record", _record, (Undecodable,)),
    Target("journal", _journal, (StorageFailed,)),
    Target("stream_header", _stream_header, (StorageFailed,)),
    Target("stream_file", _stream_file, (StorageFailed,)),
    Target("key_file", _key_file, (IdentityError,)),
    Target("accepted", _accepted, (IdentityError,)),
    Target("run_record", _run_record, (ConfigError,)),
    Target("run_log", _run_log, (ValueError,)),
    Target("status", _status, (_Told,)),
    Target("reproduction", _reproduction, (BadReproduction,)),
    Target("seen_log", _seen_log, ()),
)
