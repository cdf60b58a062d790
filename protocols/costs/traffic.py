"""How many bytes a round takes, party by party: exact inside of boxes, close for the rest.

What stands around payloads was counted in rounds of five and seven holders with names of eight
bytes (`tests/costs`); nobody is missing, and nothing is sent twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.secagg.credit import Credit

from .setting import Setting, Stream

# Bytes of messages without the keys, payloads and items that are counted beside them.
_CONTROL = 155  # signed, about a round, with nothing else in it
_DIGEST = 42  # a digest in a message, with its name
_SHARE_FRAME, _ANSWER_FRAME = 345, 402  # around a box; and of a header for each holder:
_PER_HOLDER = 34
_BULK_DIGEST = 46  # in a header
_ANNOUNCE, _OPENED = 403, 147  # for a trainer; of each holder, beside its key
_KEY = 62  # what stands around a key
_OPEN_ROUND, _ROUND_OPENED = 440, 202
_HAVE, _BULK_HAVE, _GRANT = 322, 259, 163
_ITEM = 79  # a contribution in a set
_VOTE = 110  # in a certificate
_COMMITTED, _COIN_SHARE = 165, 76
_ASK, _CHECK_VALUES = 432, 235
_RECORD = 4096  # the most by which a chunk is longer on a disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes of one round, of one trainer, one holder, the coordinator and the broker.

    The broker hands on what it gets, and the model state to every trainer. `disk` is the most
    that lies there during the round.
    """

    trainer_up: int
    trainer_down: int
    trainer_disk: int
    holder_in: int
    holder_out: int
    holder_disk: int
    coordinator_in: int
    coordinator_out: int
    coordinator_disk: int
    broker_in: int
    broker_out: int


def traffic_of(setting: Setting) -> Traffic:
    """Return the bytes of a round."""
    s, n, trainers = setting, setting.holders, setting.trainers
    shares = _boxed(s, s.shares, _share_frame(s))
    bulk = _boxed(s, s.bulk, _share_frame(s))
    answer = _boxed(s, s.answer, _ANSWER_FRAME)
    grants, receipt = _grants(s.share.chunks), 2 * _HAVE
    holder_told, holder_says = _round_to_holder(s), _round_of_holder(s)
    told = _round_to_trainer(s) + _grants(s.bulk.chunks)
    up, down = shares + bulk + _CONTROL, told + n * (_HAVE + grants) + s.state_bytes
    holder_in = trainers * shares // n + holder_told
    holder_out = answer + trainers * (receipt + grants) + holder_says
    into = trainers * (bulk + _CONTROL) + n * (answer + trainers * _HAVE + holder_says)
    out = trainers * told + n * holder_told + s.state_bytes
    return Traffic(
        trainer_up=up,
        trainer_down=down,
        trainer_disk=_stored(s.shares + s.bulk),
        holder_in=holder_in,
        holder_out=holder_out,
        holder_disk=trainers * _stored(s.shares) // n,
        coordinator_in=into,
        coordinator_out=out,
        coordinator_disk=trainers * _stored(s.bulk) + n * _stored(s.answer) + 2 * s.state_bytes,
        broker_in=trainers * up + n * holder_out + out,
        broker_out=trainers * down + n * holder_in + into,
    )


def _boxed(s: Setting, stream: Stream, frame: int) -> int:
    return stream.payload + stream.chunks * (s.box_bytes + frame)


def _share_frame(s: Setting) -> int:
    return _SHARE_FRAME + _PER_HOLDER * s.holders + (_BULK_DIGEST if s.bulk.chunks else 0)


def _stored(stream: Stream) -> int:
    return stream.payload + stream.chunks * _RECORD


def _grants(chunks: int) -> int:
    """Return the bytes of what asks for all chunks but the first."""
    return -(-max(chunks - 1, 0) // Credit().chunks) * _GRANT


def _set(s: Setting) -> int:
    return _CONTROL + _ITEM * s.trainers


def _round_to_trainer(s: Setting) -> int:
    announced = _ANNOUNCE + s.holders * (_OPENED + s.key_bytes)
    lane = _KEY + s.key_bytes + _BULK_HAVE if s.bulk.chunks else 0
    return announced + lane + _CONTROL + _DIGEST


def _round_to_holder(s: Setting) -> int:
    told = _OPEN_ROUND + s.key_bytes + 2 * _set(s) + s.quorum * _VOTE + _CONTROL + _DIGEST
    if not s.checks:
        return told
    tossed = 2 * _CONTROL + s.holders * (_COMMITTED + _COIN_SHARE)
    return told + _set(s) + tossed + _ASK + s.quorum * _VOTE


def _round_of_holder(s: Setting) -> int:
    says = _ROUND_OPENED + s.key_bytes + 2 * _CONTROL + _DIGEST
    return says + 3 * _CONTROL + 4 * _DIGEST + _CHECK_VALUES if s.checks else says
