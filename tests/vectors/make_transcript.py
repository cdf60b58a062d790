"""Make the known answers of transcripts and evidence: their bytes, digests and signatures.

    python tests/vectors/make_transcript.py

A second implementation on purpose: msgpack, the signed bytes and Ed25519 are written here from
what docs/transcript.md says of them. The seeds are SHA-256 of the members' names.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

from make_trust import sign, statement

HERE = Path(__file__).parent
FEDERATION = "trial"
HOLDERS = ("holder-1", "holder-2", "holder-3")
TRAINERS = ("ann", "bob", "cat")

Value = dict[str, "Value"] | list["Value"] | str | bytes | int | bool | None


def packed(value: Value) -> bytes:
    """Return msgpack's shortest form; maps keep their order."""
    match value:
        case None | bool():
            return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
        case int():
            return _integer(value)
        case str():
            raw = value.encode()
            head = bytes([0xA0 | len(raw)]) if len(raw) < 32 else b"\xd9" + bytes([len(raw)])
            return head + raw
        case bytes():
            return b"\xc4" + bytes([len(value)]) + value
        case list():
            return bytes([0x90 | len(value)]) + b"".join(packed(one) for one in value)
    head = (
        bytes([0x80 | len(value)]) if len(value) < 16 else b"\xde" + struct.pack(">H", len(value))
    )
    return head + b"".join(packed(key) + packed(one) for key, one in value.items())


def _integer(value: int) -> bytes:
    if value < 128:
        return bytes([value])
    if value < 2**8:
        return b"\xcc" + bytes([value])
    return (
        b"\xcd" + struct.pack(">H", value) if value < 2**16 else b"\xce" + struct.pack(">I", value)
    )


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def seed(name: str) -> bytes:
    return sha(name.encode())


def framed(tag: bytes, field: bytes) -> bytes:
    head = bytes([len(tag)]) + tag + b"\x00\x00\x00\x01\x01"
    return head + struct.pack(">I", len(field)) + field


def config(roster: bytes) -> dict[str, Value]:
    return {
        "job": "sum", "number": 300, "suite": "shamir", "field": "p61", "dimension": 70_000,
        "fraction_bits": 30, "holders": 3, "trainers": 3, "threshold": 2, "faults": 0, "vote": True,
        "quorum": 2, "minimum": 3, "chunk_bytes": 1024, "beat_ms": 1000, "sealing": "x25519",
        "state": sha(b"the model that went out"), "roster": roster,
    }  # fmt: skip


def said(sender: str, kind: str, cid: bytes, body: bytes) -> bytes:
    return sign(seed(sender), statement(FEDERATION, cid, sender, kind, body))


def round_of(roster: bytes) -> tuple[bytes, dict[str, Value]]:
    """Return the round's id and the parts of its transcript that members signed."""
    settings = config(roster)
    cid = sha(packed(settings))
    chosen: list[Value] = [
        {"type": "Contribution", "trainer": name, "digest": seed(name)} for name in TRAINERS
    ]
    set_digest = sha(b"quorate set\x00" + cid + b"".join(packed(one) for one in chosen))
    opened: list[Value] = []
    votes: list[Value] = []
    answers: list[Value] = []
    for name in HOLDERS:
        box: Value = {"suite": "x25519", "key": sha(b"box of " + name.encode())}
        body = packed({"type": "RoundOpened", "cid": cid, "sealing_key": box})
        signature: Value = said(name, "RoundOpened", cid, body)
        opened.append(
            {"type": "Opened", "holder": name, "sealing_key": box, "signature": signature}
        )
        body = packed({"type": "Vote", "cid": cid, "set_digest": set_digest})
        votes.append(
            {"type": "Endorsement", "holder": name, "signature": said(name, "Vote", cid, body)}
        )
        header: Value = {
            "type": "AnswerHeader", "cid": cid, "set_digest": set_digest,
            "answer_bytes": 560_000, "answer_digest": sha(b"answer of " + name.encode()),
        }  # fmt: skip
        signature = said(name, "AnswerHeader", cid, packed(header))
        answers.append({"holder": name, "header": header, "signature": signature})
    return cid, {
        "config": settings, "opened": opened, "chosen": chosen, "set_digest": set_digest,
        "votes": votes, "answers": answers,
    }  # fmt: skip


def evidence(cid: bytes) -> dict[str, Value]:
    pairs = sorted((sha(body), said("holder-3", "Vote", cid, body)) for body in (b"1", b"2"))
    return {
        "federation": FEDERATION, "round_id": cid, "offender": "holder-3", "type_name": "Vote",
        "digests": [digest for digest, _ in pairs], "signatures": [mark for _, mark in pairs],
    }  # fmt: skip


def main() -> None:
    roster = sha(b"a roster")
    cid, parts = round_of(roster)
    transcript: dict[str, Value] = {
        "federation": FEDERATION, "coordinator": "coordinator",
        "previous": sha(b"the transcript before"), "epoch": 2, **parts,
        "judged": {"status": "verified", "liars": []},
        "sum_digest": sha(struct.pack("<3q", -1, 2**40, 0)), "next_state": sha(b"the next model"),
        "evidence": [evidence(cid)], "outcome": "complete", "reason": "",
    }  # fmt: skip
    body = packed(transcript)
    signature = sign(seed("coordinator"), framed(b"quorate/transcript", body))
    known = {
        "seeds": "SHA-256 of a member's name",
        "roster": roster.hex(),
        "cid": cid.hex(),
        "sum": [-1, 2**40, 0],
        "evidence": packed(evidence(cid)).hex(),
        "digest": sha(body).hex(),
        "signed": packed({"transcript": transcript, "signature": signature}).hex(),
    }
    (HERE / "transcript.json").write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
