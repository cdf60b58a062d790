"""Valid examples for every target, the same in every run: `python -m tests.fuzz.seeds` keeps them.

Run it when a format has changed; the corpus then holds the new one, and what was found before.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fakes import transcribed, trusting
from fakes.round_parts import config_of, hello
from fakes.signatures import release_of
from pamqp import body, commands, encode, frame, header, heartbeat

from infra.block_writer import BlockWriter
from infra.identity.credentials import _Accepted
from infra.identity.encrypted_key import encrypted_pem
from infra.rabbitmq.publication import ChunkHead
from infra.run_log import RunLog, as_json, plain
from infra.sqlite_journal import TABLE, UPSERT, _checksum
from infra.stream_file import StreamFile
from infra.telemetry import snapshot
from infra.worker_frames import Parcel, Reply, Request, WorkSpec
from protocols import messages, records
from protocols.codec import canonical, seal, to_tensor
from protocols.learning.state import State
from protocols.messages import Message
from protocols.reports import StateUpdated
from protocols.secagg.field import P31, P61
from protocols.trust.armour import armoured
from protocols.trust.evidence import Evidence, Said, contradiction
from protocols.trust.sealing import BoxKey, BoxSeed, suites
from protocols.trust.signing import Statement

from . import channels, disk, trust, wire

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
GALLERY = HERE.parents[1] / "infra" / "chaos" / "gallery"
KEPT = HERE.parent / "simulation" / "reproductions"
KEY = BoxKey.from_entropy("x25519", bytes(range(32))).sealing_key
CID, DIGEST = b"c" * 32, b"d" * 32
OPENED = (messages.Opened(holder="holder-1", sealing_key=KEY, signature=bytes(64)),)
ONE = messages.Contribution(trainer="ann", digest=DIGEST)
HEADER = messages.ContributionHeader(
    cid=CID, trainer="ann", share_bytes=64, share_digests=(DIGEST, DIGEST)
)
TAILS = messages.TailDigests(salt=CID, digests=(DIGEST, DIGEST))
COMMITTED = (messages.Committed(holder="holder-1", commitment=DIGEST, signature=bytes(64)),)
SHARES = (messages.CoinShare(holder="holder-1", opening=DIGEST),)
TOSSED = (messages.Endorsement(holder="holder-1", signature=bytes(64)),)
ANSWER = messages.AnswerHeader(cid=CID, set_digest=DIGEST, answer_bytes=64, answer_digest=DIGEST)

CONFIGS = {
    "packed": config_of(holders=7, threshold=4, suite="packed", packing=2, seeds=True),
    "masked": config_of(
        suite="masked", field="p31", parameters="A", slots=2, chunk_bytes=16_384, dimension=9000
    ),
    "bounded": config_of(holders=7, threshold=3, faults=1, checks=True, norm_bound=2**20),
}

Seeds = Iterator[tuple[str, str, bytes]]  # target, name, bytes


def all_seeds() -> Seeds:
    """Yield every valid example."""
    for part in (_of_messages, _of_wire, _of_trust, _of_channels, _of_disk, _of_files):
        yield from part()


def _messages() -> Iterator[Message]:
    config = config_of()
    yield hello("trainer")
    yield messages.Goodbye()
    yield messages.Unsupported(versions=(1, 7))
    yield messages.Welcome(job="sum", number=3)
    yield messages.OpenRound(config=config, sealing_key=KEY)
    yield messages.RoundOpened(cid=CID, sealing_key=KEY)
    yield messages.Pledged(cid=CID, apart=3, sets=(b"\x07", b"\x0b"))
    yield messages.Announce(config=config, opened=OPENED)
    yield messages.Accepted(cid=CID)
    yield messages.Declined(cid=CID, kind="not finite")
    yield messages.Working(cid=CID)
    yield messages.ShareChunk(
        header=HEADER, index=0, payload=b"a share", header_signature=bytes(64)
    )
    yield messages.Grant(cid=CID, spans=((1, 7), (9, 1)))
    yield messages.Have(cid=CID, contributions=(ONE,))
    yield messages.Excluded(cid=CID, trainer="ann", reason="\u00e4")
    yield messages.Refused(cid=CID, what="share", reason="late")
    yield messages.Freeze(cid=CID, chosen=(ONE,))
    yield messages.Frozen(cid=CID, set_digest=DIGEST, commitment=DIGEST)
    yield messages.Reveal(cid=CID, set_digest=DIGEST, committed=COMMITTED)
    yield messages.CoinOpening(cid=CID, opening=DIGEST)
    yield messages.Toss(cid=CID, shares=SHARES)
    yield messages.Tossed(cid=CID, coin=DIGEST)
    yield messages.Ask(cid=CID, coin=DIGEST, tossed=TOSSED, about=((0, 1),))
    yield messages.CheckValues(cid=CID, coin=DIGEST, about=((0, 1),), values=((1, 2, 3, 4),))
    yield messages.Propose(cid=CID, chosen=(ONE,))
    yield messages.Vote(cid=CID, set_digest=DIGEST)
    yield release_of(CID, (ONE,), ("holder-1",))
    yield messages.AnswerChunk(
        header=ANSWER, index=1, payload=b"an answer", header_signature=bytes(64)
    )
    yield messages.CloseRound(cid=CID, job="sum", number=3, complete=True, reason="")


def _of_messages() -> Seeds:
    for message in _messages():
        name = type(message).__name__
        signed = seal("ann", message, signature=2 * hashlib.sha256(canonical(message)).digest())
        yield "body", name, canonical(message)
        yield "message", name, signed
        if name in ("Goodbye", "Vote"):
            yield "envelope", name, signed
            yield "envelope", f"{name}-unsigned", seal("ann", message)
    for name, message in _of_other_rounds():
        yield "body", name, canonical(message)
    yield "envelope", "other-version", seal("ann", messages.Goodbye(), version=7)


def _of_other_rounds() -> Iterator[tuple[str, Message]]:
    """Yield messages with what only some rounds, or only some senders, have."""
    tailed = msgspec.structs.replace(HEADER, tails=TAILS)
    yield "ShareChunk-with-tails", messages.ShareChunk(header=tailed, index=2, payload=b"a tail")
    hidden = msgspec.structs.replace(HEADER, bulk_digest=DIGEST)
    yield "ShareChunk-with-bulk", messages.ShareChunk(header=hidden, index=0, payload=b"a mask")
    for name, config in CONFIGS.items():
        yield f"OpenRound-{name}", messages.OpenRound(config=config, sealing_key=KEY)
    announced = messages.Announce(config=CONFIGS["masked"], opened=OPENED, sealing_key=KEY)
    yield "Announce-masked", announced
    signed = messages.Have(cid=CID, contributions=(ONE,), signatures=(bytes(64),))
    yield "Have-signed", signed
    shown = canonical(transcribed.evidence_of())
    excluded = messages.Excluded(cid=CID, trainer="ann", reason="two", evidence=shown)
    yield "Excluded-with-evidence", excluded
    squares = ((1, 2, 3, 4), (5, 6, 7, 8))
    told = messages.CheckValues(cid=CID, coin=DIGEST, about=((0, 1), (1, 2)), values=squares)
    yield "CheckValues-with-squares", told


def _of_wire() -> Seeds:
    yield "round_config", "usual", canonical(config_of())
    yield "round_config", "all-roles", canonical(transcribed.config_of())
    for name, config in CONFIGS.items():
        yield "round_config", name, canonical(config)
    for kind in ("<u4", "<u8", "<i8", "<f4", "<f8"):
        array = np.arange(6, dtype=kind).reshape(2, 3)
        yield "tensor", kind[1:], canonical(to_tensor(array))
    yield "tensor", "empty", canonical(to_tensor(np.zeros((0, 3))))
    for which, field in enumerate((P31, P61)):
        words = np.array([0, 1, field.modulus - 1], dtype=field.dtype)
        yield "residues", field.name, bytes([which]) + field.to_bytes(words)
    yield "state", "empty", State().to_bytes()
    arrays = {"w": np.ones((2, 2), np.float32), "b": np.zeros(3), "n": np.arange(2)}
    facts = {"round": 3, "history": [[0.5, 1.0]], "names": ["a"], "on": True, "what": "x"}
    yield "state", "full", State(arrays=arrays, facts=facts).to_bytes()
    for suite in suites():
        yield "box", suite, wire.box_of(suite, b"a share")
        key = BoxKey.from_entropy(suite, bytes(range(32))).sealing_key
        yield "sealing_key", suite, canonical(key)


def _of_trust() -> Seeds:
    body = transcribed.ROSTER
    roster = body.signed_by([trusting.AUTHORITY])
    yield "roster", "text", roster.to_text().encode()
    yield "roster", "content", canonical(roster)
    yield "signed_roster", "whole", canonical(body)
    yield "signed_roster", "small", canonical(trusting.whole_body())
    request = trusting.request_of("north")
    replacing = trusting.request_of("north", key="north anew", replaces="north")
    for name, signed in (("first", request), ("replacing", replacing)):
        yield "request", f"{name}-content", canonical(signed)
        yield "armour", f"{name}-request", signed.to_text().encode()
    yield "request", "text", request.to_text().encode()
    yield "signed_request", "first", canonical(request.request)
    for kind in trust.KINDS:
        yield "armour", f"{kind.split()[0].lower()}-empty", armoured(kind, b"").encode()
    for number, link in enumerate(transcribed.chain(), start=1):
        yield "transcript", f"{number}-content", canonical(link)
        yield "signed_transcript", str(number), canonical(link.transcript)
    evidence = transcribed.evidence_of()
    accused = transcribed.changed(transcribed.complete(), evidence=(evidence,))
    yield "signed_transcript", "accusing", canonical(accused)
    yield "transcript", "text", transcribed.chain()[0].to_text().encode()
    yield "evidence", "content", canonical(evidence)
    yield "evidence", "text", evidence.to_text().encode()
    proposals = _proposed_twice()
    yield "evidence", "proposals-content", canonical(proposals)
    yield "evidence", "proposals-text", proposals.to_text().encode()


def _proposed_twice() -> Evidence:
    chosen = tuple(transcribed.contributed(transcribed.config_of(), n) for n in ("ann", "bob"))
    said = []
    for names in (chosen, chosen[1:]):
        proposal = messages.Propose(cid=CID, chosen=names)
        digest = hashlib.sha256(canonical(proposal)).digest()
        statement = Statement.about(trusting.FEDERATION, "coordinator", proposal, digest)
        said.append(Said(statement, statement.signed_by(trusting.key_of("coordinator"))))
    found = contradiction(*said)
    assert found is not None
    return found


def _of_channels() -> Seeds:
    spec = WorkSpec(kind="fedavg", options={"clip": 8.0, "on": True, "l": ["a"]}, owner="north")
    parcels = [
        Parcel(Request(op="start", spec=spec)),
        Parcel(Request(op="compute", number=3), b"state"),
        Parcel(Reply(metrics={"loss": 0.5}, warnings=("odd",)), bytes(16)),
    ]
    stream = b"".join(bytes(piece) for parcel in parcels for piece in parcel)
    yield "frames", "three", b"\x06" + stream
    yield "contents", "two", _amqp()
    yield "publication", "usual", disk.PUBLICATION.to_bytes()
    head = ChunkHead(digest="ab" * 32, index=1, count=4, size=40)
    table = {**head.to_headers(), "x-death": [{"reason": "expired", "count": 2}]}
    yield "chunk_head", "usual", encode.field_table(table)
    start = commands.Connection.Start(0, 9, {"product": "RabbitMQ", "version": "4.0"})
    yield "greeting", "rabbitmq", frame.marshal(start, 0)
    told = StateUpdated(job="sum", number=4, completed=3, metrics={"loss": 0.5})
    yield "event", "state", json.dumps(plain(as_json(told))).encode()
    yield "event", "other", b'{"kind": "error", "problems": ["a"]}'
    for name, text in (("one", "bytes=0-99"), ("rest", "bytes=5-"), ("last", "bytes=-5")):
        yield "range", name, text.encode()
    yield "range", "answered", b"bytes 0-99/1000"
    blob, size = channels.BLOB, len(channels.BLOB)
    yield "pulled", "whole", b"\x00HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, blob)
    part = b"\x03HTTP/1.1 206 Partial\r\nContent-Range: bytes 3-%d/%d\r\n\r\n%s"
    yield "pulled", "part", part % (size - 1, size, blob[3:])
    yield (
        "pulled",
        "chunked",
        (b"\x00HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na mo\r\n0\r\n\r\n"),
    )
    yield from _of_server()


def _of_server() -> Seeds:
    ask = f"GET /blobs/{channels.DIGEST} HTTP/1.1\r\nAuthorization: Bearer {channels.TOKEN}\r\n"
    for name, more in (
        ("all", ""),
        ("part", "Range: bytes=5-9\r\n"),
        ("known", 'If-None-Match: "a", "b"\r\n'),
        ("if-range", 'If-Range: "a"\r\nRange: bytes=5-9\r\n'),
    ):
        yield "served", name, f"{ask}{more}\r\n".encode()
    yield "served", "absent", b"HEAD /blobs/x HTTP/1.0\r\n\r\n"


def _amqp() -> bytes:
    said = [
        (commands.Channel.OpenOk(), 1),
        (commands.Basic.Deliver("c", 7, False, "e", "key"), 1),
        (header.ContentHeader(body_size=10), 1),
        (body.ContentBody(b"01234"), 1),
        (heartbeat.Heartbeat(), 0),
        (body.ContentBody(b"56789"), 1),
        (commands.Connection.Blocked("memory"), 0),
        (commands.Basic.Deliver("c", 8, False, "e", "key"), 1),
        (header.ContentHeader(body_size=0), 1),
    ]
    return b"".join(frame.marshal(value, channel) for value, channel in said)


def _of_disk() -> Seeds:
    for which, record in enumerate(_records()):
        assert type(record) is disk.RECORDS[which]
        yield "record", type(record).__name__, bytes([which]) + canonical(record)
    yield "journal", "two", _journal()
    stream = _stream()
    yield "stream_file", "two", stream
    yield "stream_header", "first", stream[: disk.HEADER_BYTES]
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    plain_pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    yield "key_file", "plain", plain_pem
    yield "key_file", "encrypted", encrypted_pem(der, disk.PASSPHRASE)
    accepted = _Accepted(federation="trial", authorities=(bytes(32),), epoch=2, digest=DIGEST)
    yield "accepted", "usual", canonical(accepted)
    yield "run_record", "usual", b'{"job":"sum","fingerprint":"f","over":false}'
    log = RunLog(abandoned=[{"round": 2, "reason": "late"}])
    log.restarts["ann"] += 1
    yield "run_log", "usual", log.remember()
    yield "status", "usual", snapshot.encode(_snapshot())
    small = KEPT / "holder-opens-again.json"
    yield "reproduction", "kept", small.read_bytes()
    seen = disk.PUBLICATION
    log_head = seen.size.to_bytes(8, "big") + seen.chunk_bytes.to_bytes(8, "big")
    yield "seen_log", "one", log_head + bytes(8) + (5).to_bytes(8, "big") + (1).to_bytes(8, "big")


def _records() -> list[Message]:
    config, seed = config_of(), BoxSeed(entropy=bytes(32))
    return [
        records.LastRound(number=3, cid=CID),
        records.HeldConfig(config=config, sealing_key=KEY),
        records.HeldKey(seed=seed),
        records.HeldShare(header=HEADER, complete=True),
        records.HeldExclusion(reason="lied"),
        records.HeldFreeze(chosen=(ONE,), opening=DIGEST),
        records.HeldCommitments(committed=COMMITTED),
        records.HeldCoin(shares=SHARES),
        records.HeldProposal(body_digest=DIGEST, signature=bytes(64)),
        records.HeldVote(chosen=(ONE,)),
        records.HeldAnswer(chosen=(ONE,), header=ANSWER),
        records.TrainerSets(roster=DIGEST, apart=3, sets=(b"\x07", b"\x0b")),
        records.Contributed(config=config, opened=OPENED, header=HEADER, open=True),
        records.Sent(number=3, cid=CID, digest=DIGEST),
        records.Setback(reason="late", missing=("ann",)),
        records.SuspectGroup(trainers=("ann", "bob"), shown=True, asked_at=8, pause=8),
        records.Suspicion(
            roster=DIGEST,
            groups=(records.SuspectGroup(trainers=("ann", "bob"), shown=False),),
            sums=(b"\x07",),
        ),
        records.RunRecord(
            number=3, state=DIGEST, dimension=9, completed=2, abandoned=1, over=False, reason=""
        ),
        records.Suspect(trainer="ann", disputed=(), too_long=True),
        records.CheckRecord(frozen=(ONE,), committed=COMMITTED, shares=SHARES),
        records.RoundRecord(config=config, seed=seed, announced=OPENED, chosen=(ONE,)),
    ]


def _journal() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "journal"
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute("PRAGMA page_size = 512")
            database.execute(TABLE)
            database.execute("PRAGMA user_version = 1")
            for key, value in (("round/a/vote", b"1"), ("last/sum", b"2")):
                database.execute(UPSERT, (key, value, _checksum(key, value)))
        return file.read_bytes()


def _stream() -> bytes:
    with tempfile.TemporaryFile() as file:
        stream = StreamFile(disk.STREAM)
        for batch in ([(0, b"first")], [(1, b"second"), (2, b"")]):
            stream.append(file.fileno(), batch, BlockWriter())
            stream.settle()
        file.seek(0)
        return file.read()


def _snapshot() -> snapshot.Snapshot:
    rules = snapshot.Rules(
        holders=3, trainers=4, threshold=2, quorum=2, minimum=3, vote=True,
        grace_s=1.0, patience_s=2.0, round_s=3.0,
    )  # fmt: skip
    return snapshot.Snapshot(
        actor="ann", role="trainer", job="sum", pid=7, since=1.0, written=2.0, life="running",
        life_s=1.0, life_reason="", rules=rules,
        link=snapshot.Link(state="open", reason="", state_s=1.0, down_s=0.0, reconnects=0),
        round=snapshot.Round(number=3, age_s=1.0), completed=2, abandoned=1, last_round="",
        outcome="", restarts=0, inbox=0, inbox_oldest_s=0.0,
        peers=(snapshot.Peer(name="bob", role="trainer", heard_s=None),),
        troubles=(snapshot.Trouble(age_s=1.0, text="odd"),), metrics_url=None,
        evidence=("bob lied",),
    )  # fmt: skip


JOB = b"""[job]
name = "sum"
algorithm = "logistic"
max_rounds = 3
[data]
target = "y"
features = ["x"]
[federation]
broker = "memory"
holders = 3
threshold = 2
minimum = 3
[[owner]]
name = "ann"
[[owner]]
name = "bob"
[[owner]]
name = "cat"
"""


COLUMNS = b"""[[column]]
name = "x"
kind = "count"
least = 0
most = 120
unit = "years"
[[column]]
name = "sex"
kind = "class"
levels = ["f", "m"]
"""
OWN = b"""role = "trainer"
name = "ann"
[trainer]
allow = ["moments", "trial-*/glm"]
[disclosure]
smallest_cell = 5
parameters_per_row = 0.2
"""


def _of_files() -> Seeds:
    yield "job", "logistic", JOB
    yield "job", "schema", COLUMNS + JOB.replace(b'name = "ann"', b'name = "ann"\nallow = ["*"]')
    yield "schema", "toml", COLUMNS
    yield "schema", "json", b'{"column": [{"name": "x", "least": -1.5}, {"name": "y"}]}'
    yield "settings", "trainer", b'role = "trainer"\nname = "ann"\n[broker]\nuser = "ann"\n'
    yield "settings", "own", OWN
    for name in ("calm", "two-holders-die", "wrong-clocks"):
        yield "scenario", name, (GALLERY / f"{name}.toml").read_bytes()
    yield "table", "usual", b"x,z,y\n1,2.5,0\n-3,1e3,1\n"
    yield "password", "usual", b"a password\r\n"
    yield "address", "amqp", b"amqp://me:secret@127.0.0.1:5672/fed"
    yield "address", "https", b"https://coordinator.example.org:8443/prefix"
    yield "address", "listen", b"127.0.0.1:8443"


def write_corpus() -> int:
    """Write all valid examples into the corpus; return how many."""
    count = 0
    for target, name, data in all_seeds():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"valid-{name}").write_bytes(data)
        count += 1
    return count


if __name__ == "__main__":
    write_corpus()
