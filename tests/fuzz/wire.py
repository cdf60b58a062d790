"""What travels between actors: envelopes, messages, states, sealed boxes."""

from __future__ import annotations

from typing import Any

import msgspec

from infra.hpke_sealing import HpkeSealing
from protocols import codec, messages
from protocols.codec import Tensor, Undecodable, canonical, opened, parse, seal
from protocols.errors import OtherVersion, PeerViolation
from protocols.learning.state import State
from protocols.messages import Wire
from protocols.round_config import RoundConfig
from protocols.secagg.field import P31, P61
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import BoxKey, SealingKey, SuiteName, suites
from protocols.trust.signing import round_of
from protocols.versions import Versions

from .target import Target, chosen

SEALING = HpkeSealing()
INFO = b"what the box is bound to"
KEYS = {suite: BoxKey.from_entropy(suite, bytes(range(32))) for suite in suites()}


def _envelope(data: bytes) -> None:
    envelope = opened(data)
    message = msgspec.Raw(bytes(envelope.body))
    again = codec._envelope_head(
        envelope.v, envelope.sender, envelope.signature, len(envelope.body)
    )
    assert again + bytes(message) == data
    assert len(repr(envelope)) < 1000


def _message(data: bytes) -> None:
    try:
        envelope, message = messages.received(data)
    except OtherVersion as other:
        Versions("coordinator").other(other)
        raise
    body = bytes(envelope.body)
    _check_message(message, body)
    if canonical(message) == body:
        assert seal(envelope.sender, message, signature=envelope.signature) == data


def _body(data: bytes) -> None:
    """The body alone, so that no length before it has to fit."""
    wire: Any = Wire
    _check_message(parse(data, wire), data)


def _check_message(message: Wire, body: bytes) -> None:
    assert isinstance(message, Wire)
    wire: Any = Wire
    form = canonical(message)
    assert len(form) <= len(body) + 64  # defaults that were left out are written
    assert parse(form, wire) == message
    assert len(round_of(message)) == 32
    assert len(repr(message)) < 2000


def _round_config(data: bytes) -> None:
    config = parse(data, RoundConfig)
    assert parse(canonical(config), RoundConfig) == config
    assert len(config.cid()) == 32


def _tensor(data: bytes) -> None:
    tensor = parse(data, Tensor)
    array = codec.from_tensor(tensor)
    assert codec.to_tensor(array) == tensor
    assert array.nbytes <= len(data)


def _residues(data: bytes) -> None:
    which, rest = chosen(data, 2)
    field = (P31, P61)[which]
    residues = field.from_bytes(rest)
    assert field.to_bytes(residues) == rest
    assert not residues.size or int(residues.max()) < field.modulus


def _state(data: bytes) -> None:
    state = State.from_bytes(data)
    form = state.to_bytes()
    assert State.from_bytes(form).to_bytes() == form
    for name in state.facts:
        for reading in (state.number, state.count, state.text, state.items):
            try:
                reading(name)
            except Undecodable:
                continue
    for name in state.arrays:
        state.floats(name)


def _box(data: bytes) -> None:
    which, box = chosen(data, len(KEYS))
    suite = suites()[which]
    content = SEALING.open(KEYS[suite], INFO, box)
    assert len(content) < len(box)


def _sealing_key(data: bytes) -> None:
    key = parse(data, SealingKey)
    key.public()
    assert canonical(key) == canonical(parse(canonical(key), SealingKey))
    assert SEALING.seal(key, INFO, b"share") != b"share"


def box_of(suite: SuiteName, content: bytes) -> bytes:
    """Return bytes for the target `box`."""
    return bytes([suites().index(suite)]) + SEALING.seal(KEYS[suite].sealing_key, INFO, content)


TARGETS = (
    Target("envelope", _envelope, (Undecodable,)),
    Target("message", _message, (Undecodable, PeerViolation, OtherVersion)),
    Target("body", _body, (Undecodable,)),
    Target("round_config", _round_config, (Undecodable,)),
    Target("tensor", _tensor, (Undecodable,)),
    Target("residues", _residues, (Undecodable,)),
    Target("state", _state, (Undecodable,)),
    Target("box", _box, (Untrusted,)),
    Target("sealing_key", _sealing_key, (Undecodable, Untrusted)),
)
