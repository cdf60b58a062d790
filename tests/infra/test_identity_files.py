"""Keys and rosters on disk: secret, written once, and whole or not at all."""

from __future__ import annotations

import binascii
import io
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fakes.trusting import FEDERATION, VALIDITY, request_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.identity.identity_folder import Identity, IdentityFolder
from infra.identity.key_files import NewKey, is_encrypted, load_key
from infra.identity.new_files import IdentityError, read_secret, write_new
from infra.identity.passphrases import Passphrases
from infra.identity.roster_folder import RosterFolder, load_roster
from protocols.trust.changes import added, founded, handed_over, renewed
from protocols.trust.errors import Untrusted
from protocols.trust.requests import Request

VARIABLE = "QUORATE_TEST_PASSPHRASE"
NONE = Passphrases(VARIABLE)
WORDS = b"correct horse battery"


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())  # no terminal


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def made(home: Path, passphrase: bytes | None = None) -> Identity:
    new = NewKey()
    asked = Request(federation=FEDERATION, name="north", role="trainer", key=new.signing.public)
    return IdentityFolder(home).make(asked, new, passphrase)


def in_file(path: Path, content: bytes) -> Passphrases:
    write_new(path, content, mode=0o600)
    return Passphrases(VARIABLE, path)


# --- files --------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_secret_file_is_for_its_owner_only_whatever_the_mask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_new(tmp_path / "key", b"secret", mode=0o600)
    finally:
        os.umask(before)

    assert mode_of(tmp_path / "key") == 0o600
    assert read_secret(tmp_path / "key") == b"secret"
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    write_new(tmp_path / "key", b"first", mode=0o600)

    with pytest.raises(IdentityError, match="never overwritten"):
        write_new(tmp_path / "key", b"second", mode=0o600)

    assert read_secret(tmp_path / "key") == b"first"
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_what_a_crash_left_half_written_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".key.incoming").write_bytes(b"hal")

    write_new(tmp_path / "key", b"whole", mode=0o600)

    assert read_secret(tmp_path / "key") == b"whole"


def test_a_new_file_is_durable_before_it_has_its_name_and_its_name_before_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, link = os.fsync, os.link

    def synced(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def linked(source: Path, target: Path) -> None:
        done.append("name")
        link(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)

    write_new(tmp_path / "key", b"secret", mode=0o600)

    assert done == ["file", "name", "folder"]


@pytest.mark.parametrize("bits", [0o040, 0o004, 0o020, 0o002, 0o001, 0o010, 0o044])
def test_a_secret_that_others_can_get_at_is_refused(tmp_path: Path, bits: int) -> None:
    write_new(tmp_path / "key", b"secret", mode=0o600)
    (tmp_path / "key").chmod(0o600 | bits)

    with pytest.raises(IdentityError, match="lets others at it"):
        read_secret(tmp_path / "key")


def test_what_is_no_plain_file_of_its_size_is_refused(tmp_path: Path) -> None:
    write_new(tmp_path / "large", bytes(64 * 1024 + 1), mode=0o600)
    os.mkfifo(tmp_path / "pipe", 0o600)

    for name, text in (("large", "too large"), ("pipe", "plain"), ("nothing", "can't be read")):
        with pytest.raises(IdentityError, match=text):
            read_secret(tmp_path / name)


# --- keys ---------------------------------------------------------------------------------


def test_a_key_is_read_as_it_was_made(tmp_path: Path) -> None:
    new = NewKey()
    new.write(tmp_path / "key", None)

    assert load_key(tmp_path / "key", NONE).public == new.signing.public
    assert (tmp_path / "key").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert mode_of(tmp_path / "key") == 0o600
    assert not is_encrypted(tmp_path / "key")


def test_an_encrypted_key_needs_its_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = NewKey()
    new.write(tmp_path / "key", WORDS)

    with pytest.raises(IdentityError, match="no terminal"):
        load_key(tmp_path / "key", NONE)
    with pytest.raises(IdentityError, match="not right"):
        load_key(tmp_path / "key", in_file(tmp_path / "wrong", b"another passphrase"))
    assert is_encrypted(tmp_path / "key")
    right = in_file(tmp_path / "right", WORDS + b"\n")
    assert load_key(tmp_path / "key", right).public == new.signing.public
    monkeypatch.setenv(VARIABLE, WORDS.decode())
    assert load_key(tmp_path / "key", NONE).public == new.signing.public
    assert right.for_new(ask=False) == WORDS


def test_a_passphrase_is_stretched_with_scrypt_and_fresh_salt(tmp_path: Path) -> None:
    new = NewKey()
    contents = []
    for name in ("one", "other"):
        new.write(tmp_path / name, WORDS)
        lines = (tmp_path / name).read_bytes().splitlines()
        contents.append(binascii.a2b_base64(b"".join(lines[1:-1])))

    one, other = contents
    scrypt = bytes.fromhex("06092b06010401da47040b")
    numbers = bytes.fromhex("02024000020108020108020120")  # n = 2^14, r, p, length
    for content in contents:
        place = content.index(scrypt) + len(scrypt) + 4
        assert content[place + 16 :].startswith(numbers)
        assert new.signing.public not in content
    salts = [content[content.index(scrypt) :][: len(scrypt) + 4 + 16] for content in contents]
    assert salts[0] != salts[1]
    assert one[-48:] != other[-48:]


def test_a_passphrase_is_long_text_in_a_secret_file(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="12 characters"):
        in_file(tmp_path / "short", b"eleven char").for_new(ask=False)
    with pytest.raises(IdentityError, match="UTF-8"):
        in_file(tmp_path / "bytes", b"\xff" * 20).for_new(ask=False)
    with pytest.raises(IdentityError, match="one at least"):
        in_file(tmp_path / "empty", b"\n").for_known(tmp_path / "key")
    (tmp_path / "short").chmod(0o644)
    with pytest.raises(IdentityError, match="lets others"):
        Passphrases(VARIABLE, tmp_path / "short").for_new(ask=False)
    assert NONE.for_new(ask=False) is None
    with pytest.raises(IdentityError, match="no terminal"):
        NONE.for_new(ask=True)


def test_a_passphrase_is_typed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["a long passphrase", "a long passphrase", "a long passphrase", "another one!"])
    monkeypatch.setattr("sys.stdin", _Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))

    assert NONE.for_new(ask=True) == b"a long passphrase"
    with pytest.raises(IdentityError, match="differ"):
        NONE.for_new(ask=True)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), dressed=st.booleans())
def test_any_bytes_are_no_key(tmp_path: Path, content: bytes, dressed: bool) -> None:
    file = tmp_path / "key"
    file.unlink(missing_ok=True)
    head, foot = b"-----BEGIN PRIVATE KEY-----\n", b"\n-----END PRIVATE KEY-----\n"
    write_new(file, head + content + foot if dressed else content, mode=0o600)

    with pytest.raises(IdentityError):
        load_key(file, NONE)


def test_a_private_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = X25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    write_new(tmp_path / "key", other, mode=0o600)

    with pytest.raises(IdentityError, match="none of Ed25519"):
        load_key(tmp_path / "key", NONE)


# --- an identity --------------------------------------------------------------------------


def test_an_identity_is_a_secret_key_and_a_request_that_proves_it(tmp_path: Path) -> None:
    identity = made(tmp_path / "home")

    (again,) = IdentityFolder(tmp_path / "home").identities()

    assert again == identity
    assert mode_of(tmp_path / "home" / "identity") == 0o700
    assert mode_of(identity.key_file) == 0o600
    key = IdentityFolder(tmp_path / "home").unlock(again, NONE)
    assert key.public == identity.request.key


def test_a_home_has_one_identity(tmp_path: Path) -> None:
    first = made(tmp_path)

    with pytest.raises(IdentityError, match="rotate"):
        made(tmp_path)

    assert IdentityFolder(tmp_path).identities() == [first]


def test_a_rotation_keeps_both_keys_and_is_signed_by_both(tmp_path: Path) -> None:
    old = made(tmp_path)

    new = IdentityFolder(tmp_path).rotate(old, NONE, ask=False)

    new.signed.require()
    assert new.request.replaces == old.request.key
    assert len(IdentityFolder(tmp_path).identities()) == 2
    assert mode_of(new.key_file) == 0o600


def test_a_key_that_is_not_the_requests_is_refused(tmp_path: Path) -> None:
    identity = made(tmp_path)
    identity.key_file.unlink()

    with pytest.raises(IdentityError, match="missing"):
        IdentityFolder(tmp_path).identities()

    NewKey().write(identity.key_file, None)
    with pytest.raises(IdentityError, match="not the key of"):
        IdentityFolder(tmp_path).unlock(identity, NONE)


# --- the folder of the roster -------------------------------------------------------------


def founding(folder: RosterFolder) -> Path:
    new = NewKey()
    return folder.found(founded(FEDERATION, new.signing.public, VALIDITY), new, None)


def test_every_epoch_is_kept_and_the_highest_is_the_newest(tmp_path: Path) -> None:
    folder = RosterFolder(tmp_path / "authority")
    first = founding(folder)
    body = folder.newest().body

    second = folder.add(added(body, [request_of("north")], VALIDITY), NONE)

    assert folder.newest().body.epoch == 2
    assert [first.name, second.name] == ["epoch-000001.roster", "epoch-000002.roster"]
    (key,) = folder.path.glob("*.key")
    assert mode_of(key) == 0o600
    assert mode_of(folder.path) == 0o700


def test_an_epoch_is_signed_once(tmp_path: Path) -> None:
    folder = RosterFolder(tmp_path)
    founding(folder)
    body = renewed(folder.newest().body, VALIDITY)
    folder.add(body, NONE)
    text = (tmp_path / "epoch-000002.roster").read_bytes()

    with pytest.raises(IdentityError, match="never overwritten"):
        folder.add(body, NONE)
    with pytest.raises(IdentityError, match="kept here already"):
        founding(folder)

    assert (tmp_path / "epoch-000002.roster").read_bytes() == text


def test_a_handing_over_is_signed_by_both_and_the_next_epoch_by_the_new_key(tmp_path: Path) -> None:
    folder = RosterFolder(tmp_path)
    founding(folder)
    before, new = folder.newest().body, NewKey()

    folder.hand_over(handed_over(before, new.signing.public, VALIDITY), new, NONE, None)
    handed = folder.newest()
    folder.add(renewed(handed.body, VALIDITY), NONE)

    assert set(handed.require()) == {*before.authorities, new.signing.public}
    assert folder.newest().require() == (new.signing.public,)


def test_a_folder_without_its_key_or_with_a_damaged_roster_signs_nothing(tmp_path: Path) -> None:
    folder = RosterFolder(tmp_path)
    with pytest.raises(IdentityError, match="quorate roster new"):
        folder.newest()
    file = founding(folder)
    body = renewed(folder.newest().body, VALIDITY)
    (key,) = tmp_path.glob("*.key")
    key.rename(tmp_path / "elsewhere")

    with pytest.raises(IdentityError, match="needed to sign"):
        folder.add(body, NONE)
    file.rename(tmp_path / "epoch-000007.roster")
    with pytest.raises(IdentityError, match="holds epoch 1"):
        folder.newest()
    (tmp_path / "epoch-000007.roster").write_text("nothing")
    with pytest.raises(Untrusted, match="epoch-000007"):
        folder.newest()


def test_a_roster_that_nobody_could_read_is_not_given_out(tmp_path: Path) -> None:
    new = NewKey()

    with pytest.raises(Untrusted, match="federation"):
        RosterFolder(tmp_path).found(founded("No Name", new.signing.public, VALIDITY), new, None)

    assert not list(tmp_path.glob("*.roster"))
    with pytest.raises(IdentityError, match="can't be read"):
        load_roster(tmp_path / "nothing")
