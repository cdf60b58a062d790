"""Bytes in and out: what is sealed is read back, and nothing else is ever taken for a message."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, get_args

import msgpack
import msgspec
import numpy as np
import pytest
from fakes.round_parts import config_of, hello
from fakes.signatures import release_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from protocols import codec, messages, records
from protocols.codec import (
    MAX_MESSAGE_BYTES,
    VERSION,
    Envelope,
    Tensor,
    Undecodable,
    canonical,
    from_tensor,
    opened,
    parse,
    seal,
    to_tensor,
    unseal,
)
from protocols.errors import OtherVersion, PeerViolation
from protocols.messages import Message, Wire, read
from protocols.round_config import NAME_PATTERN, RoundConfig, majority
from protocols.trust.sealing import HYBRID, OVERHEAD_BYTES, BoxKey

KEY = BoxKey.from_entropy("x25519", bytes(range(32))).sealing_key
OPENED = tuple(
    messages.Opened(holder=name, sealing_key=KEY, signature=bytes(64))
    for name in ("holder-1", "holder-2")
)
NAMES = st.from_regex(NAME_PATTERN)
KINDS: list[type[Message]] = list(get_args(Wire))
RECORDS = [
    kind
    for kind in vars(records).values()
    if isinstance(kind, type) and kind.__module__ == records.__name__
]


@st.composite
def configs(draw: st.DrawFn) -> RoundConfig:
    holders = draw(st.integers(2, 64))
    trainers = draw(st.integers(3, 100_000))
    vote = draw(st.booleans())
    faults = draw(st.integers(0, (holders - 1) // (3 if vote else 5)))
    quorums = st.integers(majority(holders, faults), holders - faults)
    least = max(2, faults + 1) if vote else majority(holders, faults)
    return RoundConfig(
        job=draw(NAMES),
        number=draw(st.integers(0, 2**53 - 1)),
        suite="shamir",
        field=draw(st.sampled_from(["p31", "p61"])),
        dimension=draw(st.integers(1, 2**32 - 1)),
        fraction_bits=draw(st.integers(0, 60)),
        holders=holders,
        trainers=trainers,
        threshold=draw(st.integers(least, holders - 2 * faults)),
        faults=faults,
        vote=vote,
        quorum=draw(quorums if vote else st.integers(1, 64)),
        minimum=draw(st.integers(3, trainers)),
        chunk_bytes=draw(st.integers(1024, 4 * 2**20)),
        beat_ms=draw(st.integers(10, 3_600_000)),
        sealing=draw(st.sampled_from(["mlkem768-x25519", "x25519"])),
        state=draw(st.binary(min_size=32, max_size=32)),
        roster=draw(st.binary(min_size=32, max_size=32)),
    )


def strategy_of(info: inspect.Type) -> st.SearchStrategy[Any]:
    """Return values of a type as msgspec sees it."""
    match info:
        case inspect.StructType(cls=cls) if cls is RoundConfig:
            return configs()
        case inspect.StructType(cls=cls):
            return st.builds(cls, **{f.name: strategy_of(f.type) for f in info.fields})
        case inspect.VarTupleType():
            least = info.min_length or 0
            return st.lists(strategy_of(info.item_type), min_size=least, max_size=4).map(tuple)
        case inspect.TupleType():
            return st.tuples(*(strategy_of(t) for t in info.item_types))
        case inspect.UnionType():
            return st.one_of(*(strategy_of(t) for t in info.types))
        case _:
            return PLAIN_TYPES[type(info)](info)


def texts(info: Any) -> st.SearchStrategy[str]:
    if info.pattern is not None:
        return st.from_regex(info.pattern)
    return st.text(max_size=min(info.max_length or 60, 60))


PLAIN_TYPES: dict[type[inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.IntType: lambda info: st.integers(
        0 if info.ge is None else info.ge,
        info.le if info.le is not None else 2**63 - 1 if info.lt is None else info.lt - 1,
    ),
    inspect.BytesType: lambda info: st.binary(
        min_size=info.min_length or 0, max_size=min(info.max_length or 200, 200)
    ),
    inspect.StrType: texts,
    inspect.LiteralType: lambda info: st.sampled_from(info.values),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.NoneType: lambda _: st.none(),
}


def values_of(kind: type[Message]) -> st.SearchStrategy[Any]:
    return strategy_of(inspect.type_info(kind))


def refused(data: bytes) -> bool:
    """Read bytes of anybody; anything but the two expected errors fails the test."""
    try:
        sender, message = read(data)
    except (Undecodable, PeerViolation, OtherVersion):
        return True
    assert isinstance(sender, str)
    assert isinstance(message, Wire)
    return False


def messages_of_a_check(
    cid: bytes, digest: bytes, one: messages.Contribution
) -> list[messages.Message]:
    """One message of each kind by which holders and coordinator check trainers' shares."""
    return [
        messages.Freeze(cid=cid, chosen=(one,)),
        messages.Frozen(cid=cid, set_digest=digest, commitment=digest),
        messages.Reveal(
            cid=cid,
            set_digest=digest,
            committed=(
                messages.Committed(holder="holder-1", commitment=digest, signature=bytes(64)),
            ),
        ),
        messages.CoinOpening(cid=cid, opening=digest),
        messages.Toss(cid=cid, shares=(messages.CoinShare(holder="holder-1", opening=digest),)),
        messages.Tossed(cid=cid, coin=digest),
        messages.Ask(
            cid=cid,
            coin=digest,
            tossed=(messages.Endorsement(holder="holder-1", signature=bytes(64)),),
            about=((0, 5), (7, 2)),
        ),
        messages.CheckValues(cid=cid, coin=digest, about=((0, 5),), values=((1, 2**61 - 2),)),
    ]


def sealed_examples() -> list[bytes]:
    """One message of each kind, the same in every run."""
    config = messages.OpenRound(config=config_of(), sealing_key=KEY)
    cid, digest = b"c" * 32, b"d" * 32
    one = messages.Contribution(trainer="ann", digest=digest)
    header = messages.ContributionHeader(
        cid=cid, trainer="ann", share_bytes=64, share_digests=(digest, digest)
    )
    answer = messages.AnswerHeader(
        cid=cid, set_digest=digest, answer_bytes=64, answer_digest=digest
    )
    samples = [
        hello("trainer"),
        messages.Goodbye(),
        messages.Unsupported(versions=(1, 7)),
        messages.Welcome(job="sum", number=3),
        config,
        messages.RoundOpened(cid=cid, sealing_key=KEY),
        messages.Pledged(cid=cid, apart=3, sets=(b"\x07",)),
        messages.Announce(config=config.config, opened=OPENED),
        messages.Accepted(cid=cid),
        messages.Declined(cid=cid, kind="not finite"),
        messages.Working(cid=cid),
        messages.ShareChunk(header=header, index=0, payload=b"secret share"),
        messages.Grant(cid=cid, spans=((1, 7), (9, 1))),
        messages.Have(cid=cid, contributions=(one,)),
        messages.Excluded(cid=cid, trainer="ann", reason="ä"),
        messages.Refused(cid=cid, what="share", reason="late"),
        *messages_of_a_check(cid, digest, one),
        messages.Propose(cid=cid, chosen=(one,)),
        messages.Vote(cid=cid, set_digest=digest),
        release_of(cid, (one,), ("holder-1",)),
        messages.AnswerChunk(header=answer, index=1, payload=b"secret answer"),
        messages.CloseRound(cid=cid, job="sum", number=3, complete=True, reason=""),
    ]
    assert [type(sample) for sample in samples] == KINDS
    return [seal("ann", sample) for sample in samples]


HEADER = messages.ContributionHeader(
    cid=b"c" * 32, trainer="ann", share_bytes=7, share_digests=(b"d" * 32,)
)


def enveloped(plain: Any, sender: str = "ann") -> bytes:
    body = plain if isinstance(plain, bytes) else msgpack.packb(plain)
    return bytes(msgpack.packb(envelope_of(body, sender=sender)))


def envelope_of(body: Any, *, version: Any = VERSION, sender: Any = "ann") -> dict[str, Any]:
    return {"v": version, "sender": sender, "signature": b"", "body": body}


# --- what is sealed is read back ------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_message_comes_back_as_it_was(kind: type[Message], data: st.DataObject) -> None:
    sender, message = data.draw(NAMES), data.draw(values_of(kind))

    got = read(seal(sender, message))

    assert got == (sender, message)
    assert type(got[1]) is kind


@pytest.mark.parametrize("kind", [*KINDS, *RECORDS], ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_canonical_bytes_are_the_shortest_msgpack_of_the_fields_in_their_order(
    kind: type[Message], data: st.DataObject
) -> None:
    value = data.draw(values_of(kind))

    plain = msgspec.to_builtins(value, builtin_types=(bytes,))
    assert canonical(value) == msgpack.packb(plain, use_bin_type=True)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_journal_record_comes_back_as_it_was(
    kind: type[Message], data: st.DataObject
) -> None:
    record = data.draw(values_of(kind))

    assert parse(canonical(record), kind) == record


@settings(max_examples=100, deadline=None)
@given(config=configs())
def test_equal_values_have_equal_bytes(config: RoundConfig) -> None:
    message = messages.OpenRound(config=config, sealing_key=KEY)
    again = read(seal("ann", message))[1]

    assert canonical(again) == canonical(message)
    assert canonical(parse(canonical(config), RoundConfig)) == canonical(config)


def test_fields_keep_their_declared_order_in_the_bytes() -> None:
    message = messages.Welcome(number=3, job="sum")

    assert list(msgpack.unpackb(canonical(message))) == ["type", "job", "number"]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 4095, 4096, 65535, 65536, 2**20])
def test_the_bytes_are_those_of_plain_msgpack(size: int) -> None:
    """Spliced or not: another implementation needs nothing but a msgpack library."""
    message = messages.ShareChunk(header=HEADER, index=7, payload=bytes(size))

    body = msgpack.packb(msgspec.to_builtins(message, builtin_types=(bytes,)))

    assert canonical(message) == body
    assert seal("ann", message) == enveloped(body)
    assert read(seal("ann", message)) == ("ann", message)


def test_the_signature_goes_before_the_bytes_that_travel() -> None:
    for size in (10, 2**20):
        message = messages.ShareChunk(header=HEADER, index=7, payload=bytes(size))
        signature = bytes(range(64))

        sealed = seal("ann", message, signature=signature)

        envelope, again = messages.received(sealed)
        assert envelope.signature == signature
        assert again == message
        assert sealed.endswith(canonical(message))


def test_a_signature_that_is_too_long_is_none() -> None:
    with pytest.raises(Undecodable):
        opened(seal("ann", hello("holder"), signature=bytes(65)))


def test_an_opened_envelope_holds_no_copy_of_its_body() -> None:
    sealed = seal("ann", messages.Welcome(number=3, job="sum"))

    assert opened(sealed).body.obj is sealed


# --- what is not a message of ours ----------------------------------------------------


# What is not there is as good as not signed, or not shown.
MAY_LACK = ("header_signature", "signatures", "evidence")


@pytest.mark.parametrize("sealed", sealed_examples(), ids=[k.__name__ for k in KINDS])
def test_an_unknown_a_missing_or_a_mistyped_field_is_the_senders_fault(sealed: bytes) -> None:
    _, message = read(sealed)
    plain = msgspec.to_builtins(message, builtin_types=(bytes,))
    fields = [name for name in plain if name not in ("type", *MAY_LACK)]
    wrong = [plain | {"extra": 1}]
    wrong += [{k: v for k, v in plain.items() if k != name} for name in (*fields, "type")]
    wrong += [plain | {name: msgpack.ExtType(5, b"")} for name in plain]
    wrong += [plain | {name: 1.5} for name in plain]
    wrong += [plain | {"type": "Contribution"}, plain | {"type": "Envelope"}]

    for variant in wrong:
        with pytest.raises(PeerViolation, match="ann"):
            read(enveloped(variant))


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        (messages.RoundOpened(cid=b"c" * 32, sealing_key=KEY), "cid", b"c" * 31),
        (messages.RoundOpened(cid=b"c" * 32, sealing_key=KEY), "cid", b"c" * 33),
        (messages.RoundOpened(cid=b"c" * 32, sealing_key=KEY), "cid", "c" * 32),
        (messages.Welcome(job="sum", number=0), "number", -1),
        (messages.Welcome(job="sum", number=0), "number", 2**53),
        (messages.Welcome(job="sum", number=0), "number", 2**64 - 1),
        (messages.Welcome(job="sum", number=0), "number", True),
        (messages.Welcome(job="sum", number=0), "number", "1"),
        (messages.Welcome(job="sum", number=0), "job", "sum\n"),
        (messages.Welcome(job="sum", number=0), "job", ""),
        (messages.Declined(cid=b"c" * 32, kind=""), "kind", "x" * 501),
        (hello("holder"), "role", "coordinator"),
        (hello("holder"), "software", "x" * 65),
        (hello("holder"), "suites", ["x"] * 17),
        (messages.Grant(cid=b"c" * 32, spans=((1, 1),)), "spans", []),
        (messages.Grant(cid=b"c" * 32, spans=((1, 1),)), "spans", [[1, 1]] * 257),
        (messages.Grant(cid=b"c" * 32, spans=((1, 1),)), "spans", [[1, 0]]),
        (messages.Grant(cid=b"c" * 32, spans=((1, 1),)), "spans", [[1, 257]]),
        (messages.Grant(cid=b"c" * 32, spans=((1, 1),)), "spans", [[-1, 1]]),
        (messages.Grant(cid=b"c" * 32, spans=((1, 1),)), "spans", [[2**31, 1]]),
        (messages.Grant(cid=b"c" * 32, spans=((1, 1),)), "spans", [[1, 1, 1]]),
        (messages.Unsupported(versions=(1,)), "versions", []),
        (messages.Unsupported(versions=(1,)), "versions", [1] * 17),
        (messages.Unsupported(versions=(1,)), "versions", [2**31]),
    ],
)
def test_values_out_of_bounds_are_refused(message: Message, field: str, value: Any) -> None:
    plain = msgspec.to_builtins(message, builtin_types=(bytes,)) | {field: value}

    with pytest.raises(PeerViolation):
        read(enveloped(plain))


@pytest.mark.parametrize(
    "changes", [{"minimum": 2}, {"threshold": 1}, {"vote": False, "holders": 6}]
)
def test_a_round_with_unsafe_numbers_cannot_be_read(changes: dict[str, Any]) -> None:
    plain = msgspec.to_builtins(config_of(), builtin_types=(bytes,)) | changes

    with pytest.raises(PeerViolation):
        read(enveloped({"type": "OpenRound", "config": plain}))


def twice(fields: list[tuple[str, Any]]) -> bytes:
    packed = b"".join(msgpack.packb(k) + msgpack.packb(v) for k, v in fields)
    return bytes([0x80 | len(fields)]) + packed


def test_a_repeated_key_is_refused_wherever_it_stands() -> None:
    fields = list(msgspec.to_builtins(hello("trainer"), builtin_types=(bytes,)).items())
    good = twice(fields)
    outer = twice([("v", 1), ("sender", "ann"), ("sender", "bob"), ("body", good)])

    assert read(enveloped(good)) == ("ann", hello("trainer"))
    for repeated in fields:
        with pytest.raises(PeerViolation, match="ann"):
            read(enveloped(twice([*fields, repeated])))
    with pytest.raises(Undecodable):
        read(outer)


@pytest.mark.parametrize("size", [4095, 4096, 70_000])
def test_of_a_chunk_too_fields_may_come_in_any_order_but_none_twice(size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    chunk = messages.ShareChunk(
        header=HEADER, index=7, payload=payload[:size], header_signature=bytes(64)
    )
    fields = list(msgspec.to_builtins(chunk, builtin_types=(bytes,)).items())

    assert read(enveloped(twice(fields))) == ("ann", chunk)
    assert read(enveloped(twice(list(reversed(fields))))) == ("ann", chunk)
    for repeated in fields:
        for body in ([*fields, repeated], [repeated, *fields]):
            with pytest.raises(PeerViolation, match="ann"):
                read(enveloped(twice(body)))
    other = ("payload", payload[1 : size + 1])
    with pytest.raises(PeerViolation, match="ann"):
        read(enveloped(twice([*fields[:-1], other, fields[-1]])))


@pytest.mark.parametrize(
    "body",
    [
        b"\xc7\x00\x05",
        b"\xd4\xff\x00",
        b"\xd6\xff\x00\x00\x00\x01",
        b"\xd7\xff" + b"\xff" * 8,
        b"\xc7\x0c\xff" + b"\xff" * 12,
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xc1",
        b"\x81\x01\x02",
        b"\x81\xc4\x01x\x01",
        b"\xa2\xff\xfe",
        b"\xa4\xed\xa0\x80x",
        b"\xcf" + b"\xff" * 8,
        b"\xcb\x7f\xf8" + bytes(6),
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\x00\x00\x20\x00" + b"x" * 8192,
        b"",
    ],
    ids=lambda body: body[:6].hex(),
)
def test_odd_msgpack_is_refused_inside_and_outside(body: bytes) -> None:
    with pytest.raises(Undecodable):
        read(body)
    with pytest.raises(PeerViolation):
        read(enveloped(body))


@pytest.mark.parametrize("opening", [b"\x91", b"\xdd\x00\x10\x00\x00", b"\x81\xa1x"])
@pytest.mark.parametrize("depth", [10, 500, 1023, 1024, 1025, 100_000])
def test_deep_nesting_is_refused(opening: bytes, depth: int) -> None:
    assert refused(opening * depth)
    assert refused(opening * depth + b"\x01")
    assert refused(enveloped(opening * depth + b"\xc0"))


def test_bytes_above_the_limit_are_not_even_looked_at() -> None:
    sealed = seal("ann", hello("holder"))

    with pytest.raises(Undecodable, match="above the limit"):
        read(sealed + bytes(MAX_MESSAGE_BYTES))
    with pytest.raises(Undecodable):
        read(enveloped(bytes(MAX_MESSAGE_BYTES)))


@pytest.mark.parametrize("sealed", sealed_examples(), ids=[k.__name__ for k in KINDS])
def test_a_message_cut_short_or_with_more_behind_it_is_refused(sealed: bytes) -> None:
    body = bytes(opened(sealed).body)

    assert all(refused(sealed[:length]) for length in range(len(sealed)))
    assert all(refused(enveloped(body[:length])) for length in range(len(body)))
    assert refused(sealed + b"\x00")
    assert refused(sealed + sealed)
    assert refused(enveloped(body + b"\x00"))


@pytest.mark.parametrize(
    "other",
    [
        {"sender": "ann", "v": VERSION, "body": b"\xc0"},
        {"v": VERSION, "sender": "ann", "body": b"\xc0", "signature": b""},
        ["ann", VERSION, b"\xc0"],
    ],
)
def test_an_envelope_has_one_form(other: Any) -> None:
    with pytest.raises(Undecodable):
        opened(msgpack.packb(other))


@pytest.mark.parametrize(
    ("canonical_part", "other_part"),
    [
        (b"\xa1v\x01", b"\xa1v\xcc\x01"),  # a number in more bytes than it needs
        (b"\xa3ann", b"\xd9\x03ann"),
        (b"\xc4\x01\xc0", b"\xc5\x00\x01\xc0"),
        (b"\x84\xa1v\x01", b"\x85\xa1v\x01\xa1v\x01"),  # a repeated key
    ],
)
def test_the_same_envelope_in_other_bytes_is_refused(
    canonical_part: bytes, other_part: bytes
) -> None:
    sealed = enveloped(b"\xc0")

    assert opened(sealed).body == b"\xc0"
    with pytest.raises(Undecodable, match="canonical"):
        opened(sealed.replace(canonical_part, other_part))


@pytest.mark.parametrize("sealed", sealed_examples(), ids=[k.__name__ for k in KINDS])
def test_any_flipped_bit_gives_a_message_or_a_refusal(sealed: bytes) -> None:
    for place in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[place] ^= 1 << bit
            refused(bytes(flipped))


def outcome_of(parsing: Callable[[bytes, Any], Any], data: bytes) -> Any:
    """Return what comes of bytes: a message, or None for a refusal."""
    try:
        return parsing(data, Envelope)
    except Undecodable:
        return None


@pytest.mark.parametrize("sealed", sealed_examples(), ids=[k.__name__ for k in KINDS])
def test_the_short_way_to_read_bytes_comes_to_what_the_long_way_does(sealed: bytes) -> None:
    for place in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[place] ^= 1 << bit
            data = bytes(flipped)
            assert outcome_of(parse, data) == outcome_of(codec._parse_any, data)


@settings(max_examples=500, deadline=None)
@given(data=st.binary(max_size=200))
@example(b"\xc1")
def test_random_bytes_are_refused(data: bytes) -> None:
    assert refused(data)
    assert refused(enveloped(data))


def test_mangled_messages_only_ever_raise_the_two_errors() -> None:
    choose = random.Random(20)
    samples = sealed_examples()
    for _ in range(60_000):
        sealed = bytearray(choose.choice(samples))
        for _ in range(choose.randint(1, 4)):
            first, last = sorted(choose.randrange(len(sealed) + 1) for _ in range(2))
            match choose.randrange(4):
                case 0:
                    del sealed[first:last]
                case 1:
                    sealed[first:first] = choose.randbytes(choose.randint(1, 9))
                case 2:
                    sealed[first : first + 1] = bytes([choose.randrange(0x80, 0x100)])
                case _:
                    sealed[first:last] = choose.choice(samples)[first:last]
            if not sealed:
                break
        data = bytes(sealed)
        refused(data)
        refused(enveloped(data))


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=40)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=4))
    | st.sampled_from([kind.__name__ for kind in KINDS]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(place=st.integers(0, len(KINDS) - 1), field=st.integers(0, 20), value=PLAIN)
def test_any_value_in_any_place_gives_a_message_or_a_refusal(
    place: int, field: int, value: Any
) -> None:
    _, message = read(sealed_examples()[place])
    plain = msgspec.to_builtins(message, builtin_types=(bytes,))
    inside = next((p for p in plain.values() if isinstance(p, dict)), plain)

    for target in (plain, inside):
        changed = dict(target)
        changed[sorted(target)[field % len(target)]] = value
        whole = changed if target is plain else plain | _with(plain, inside, changed)
        refused(enveloped(whole))
    refused(enveloped(value))
    refused(msgpack.packb(envelope_of(value, version=value, sender=value)))
    refused(msgpack.packb(value))


def _with(plain: dict[str, Any], old: Any, new: Any) -> dict[str, Any]:
    return {key: new for key, value in plain.items() if value is old}


@pytest.mark.parametrize("version", [0, VERSION + 1, 2**31 - 1])
def test_another_version_is_told_apart_from_garbage_and_its_body_is_left_alone(
    version: int,
) -> None:
    envelope = envelope_of(b"\xc1", version=version)

    with pytest.raises(OtherVersion) as caught:
        read(msgpack.packb(envelope))

    assert (caught.value.peer, caught.value.version, caught.value.body) == ("ann", version, b"\xc1")


@pytest.mark.parametrize("version", [-1, 2**31, 2**64 - 1, True, "1", None, 1.0])
def test_what_is_no_version_is_garbage(version: Any) -> None:
    with pytest.raises(Undecodable):
        read(msgpack.packb(envelope_of(b"", version=version)))


def test_the_shapes_that_all_versions_share_never_change() -> None:
    answer = seal("ann", messages.Unsupported(versions=(1, 2)), version=7)

    plain = msgpack.unpackb(answer)
    assert plain == {"v": 7, "sender": "ann", "signature": b"", "body": plain["body"]}
    assert msgpack.unpackb(plain["body"]) == {"type": "Unsupported", "versions": [1, 2]}


def test_a_bad_body_is_named_for_its_sender_and_a_bad_envelope_for_nobody() -> None:
    with pytest.raises(PeerViolation) as caught:
        unseal(enveloped(b"\xc1", sender="eve"), messages.Hello)
    with pytest.raises(Undecodable):
        unseal(b"\xc1", messages.Hello)

    assert caught.value.peer == "eve"


# --- nothing secret is shown ----------------------------------------------------------


def test_no_repr_shows_a_payload() -> None:
    secret = b"attack at dawn, all four of us"
    header = messages.ContributionHeader(
        cid=b"c" * 32, trainer="ann", share_bytes=30, share_digests=(b"d" * 32,)
    )
    answer = messages.AnswerHeader(
        cid=b"c" * 32, set_digest=b"s" * 32, answer_bytes=30, answer_digest=b"a" * 32
    )
    share = messages.ShareChunk(header=header, index=0, payload=secret)
    shown = [
        repr(share),
        repr(messages.AnswerChunk(header=answer, index=0, payload=secret)),
        repr(Envelope(v=1, sender="ann", signature=b"", body=memoryview(canonical(share)))),
        repr(to_tensor(np.frombuffer(secret + b"12", dtype="<u8"))),
    ]

    for text in shown:
        assert "dawn" not in text
        assert secret.hex() not in text
        assert secret[:4].hex() not in text


def test_a_refusal_never_quotes_a_payload() -> None:
    words = "attack at dawn"
    _, message = read(sealed_examples()[KINDS.index(messages.ShareChunk)])
    plain = msgspec.to_builtins(message, builtin_types=(bytes,))

    for value in (words, [words], {"x": words}, words.encode() * 2**19):
        with pytest.raises(PeerViolation) as caught:
            read(enveloped(plain | {"payload": value}))
        assert "dawn" not in str(caught.value)


# --- tensors --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["<u4", "<u8", "<i8", "<f4", "<f8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_arrays_come_back_as_they_were(kind: str, order: str, shape: tuple[int, ...]) -> None:
    dtype = np.dtype(kind).newbyteorder(order)
    array = (np.arange(1, 1 + int(np.prod(shape))) * 7).astype(dtype).reshape(shape)

    tensor = parse(canonical(to_tensor(array)), Tensor)
    got = from_tensor(tensor)

    assert got.dtype == np.dtype(kind)
    assert got.shape == shape
    assert np.array_equal(got, array)
    assert not got.flags.writeable


def test_arrays_that_are_not_contiguous_come_back_as_they_were() -> None:
    array = np.arange(60, dtype=np.float64).reshape(3, 4, 5)

    for view in (array.T, array[::2, ::-1], array[:, 1], np.broadcast_to(array[0, 0], (4, 5))):
        assert np.array_equal(from_tensor(to_tensor(view)), view)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2,), 24),
        ((3,), 20),
        ((-1,), 0),
        ((-3, -1), 24),
        ((1,) * 9, 8),
        ((0, 2**63), 0),
        ((0, 2**31, 2**40), 0),
        ((2**62, 2**62), 8),
        ((2**63 - 1,) * 10_000, 8),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_shape_that_does_not_fit_the_bytes_is_refused(shape: tuple[int, ...], size: int) -> None:
    tensor = Tensor(dtype="<f8", shape=shape, data=bytes(size))

    with pytest.raises(Undecodable):
        from_tensor(tensor)


@pytest.mark.parametrize("dtype", ["<i4", "|b1", "<c16", "<f2", "|S4"])
def test_arrays_of_other_types_do_not_travel(dtype: str) -> None:
    with pytest.raises(ValueError, match="dtype"):
        to_tensor(np.zeros(3, dtype=dtype))


@pytest.mark.parametrize("more", [0, 1])
def test_the_largest_chunk_fits_in_its_box_and_no_byte_more(more: int) -> None:
    header = messages.ContributionHeader(
        cid=bytes(32), trainer="ann", share_bytes=1, share_digests=()
    )
    box = bytes(messages.MAX_CHUNK_BYTES + OVERHEAD_BYTES[HYBRID] + more)
    chunk = messages.ShareChunk(header=header, index=0, payload=box)

    if more:
        with pytest.raises(PeerViolation):
            read(seal("ann", chunk))
    else:
        assert read(seal("ann", chunk)) == ("ann", chunk)
