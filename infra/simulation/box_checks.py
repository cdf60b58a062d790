"""Shares, answers and keys: no message shows anything of them, and none outlives its round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protocols.messages import (
    AnswerChunk,
    CoinOpening,
    OpenRound,
    RoundOpened,
    ShareChunk,
    Wire,
)
from protocols.records import (
    Contributed,
    HeldAnswer,
    HeldConfig,
    HeldFreeze,
    HeldKey,
    HeldShare,
    RoundRecord,
)
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import answer_stream, bulk_stream, share_stream, upload_stream
from protocols.secagg.sealed import binding_of
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import BoxSeed, SealingKey, SuiteName

from .ghost import Ghost, Rule
from .lookout import Lookout
from .sealing import look_into
from .watch import Writes

_NEEDLE_BYTES = 16
_SHARES = 200  # of one host that are looked for
_SEEDS = 8  # of one host that are remembered
_KEYS = 5000


class BoxChecks:
    """Looks at messages, records and draws of entropy of everybody."""

    def __init__(self, ghost: Ghost, lookouts: Mapping[str, Lookout]) -> None:
        self._ghost = ghost
        self._lookouts = lookouts
        self._shares: dict[str, dict[bytes, None]] = {}
        self._seeds: dict[str, list[bytes]] = {}
        self._rounds: dict[bytes, bytes] = {}
        self._openings: dict[tuple[str, str], bytes] = {}  # by host and round
        self._made: dict[tuple[SuiteName, bytes], SealingKey] = {}  # by what it is made of

    # --- messages ---------------------------------------------------------------------

    def look_closer(self, host: str, message: Wire, body: bytes) -> None:
        """See that no share and no key of its host is in a message, before it leaves."""
        if any(body.find(share) >= 0 for share in self._shares.get(host, ())):
            self._ghost.violated(Rule.SECRET, host, "a message holds a share that is not sealed")
        told = None
        if isinstance(message, CoinOpening) and self._over(host, message.cid):
            told = message.opening
        seeds = self._seeds.get(host, ())
        if any(body.find(seed) >= 0 for seed in seeds if seed != told):
            self._ghost.violated(Rule.SECRET, host, "a message holds what makes a key")

    def sending(self, host: str, to: str, message: Wire) -> None:
        """Look at a message before it leaves."""
        match message:
            case RoundOpened():
                self._on_key(host, message.cid, message.sealing_key)
            case OpenRound():
                self._on_key(host, message.config.cid(), message.sealing_key)
            case ShareChunk() | AnswerChunk():
                self._on_chunk(host, to, message)
            case _:
                pass

    def _over(self, host: str, cid: bytes) -> bool:
        """Return whether a holder has closed a round: what allowed it to tell is rightly gone."""
        return self._ghost.config_at(host, cid) is None

    def _on_key(self, host: str, cid: bytes, key: SealingKey) -> None:
        """See that a key is of one round only, and that its owner will have it after a crash."""
        ghost = self._ghost
        if self._rounds.setdefault(key.key, cid) != cid:
            ghost.violated(Rule.SECRET, host, "one key is used for two rounds")
        while len(self._rounds) > _KEYS:
            del self._rounds[next(iter(self._rounds))]
        ghost.keys[host, cid] = key
        durable = self._durable_key(host, cid)
        # What is still to be said of a round that is over is said without its key.
        if durable is not None and durable != key:
            ghost.violated(Rule.DURABLE, host, "told of a key that is not in its journal")

    def _durable_key(self, host: str, cid: bytes) -> SealingKey | None:
        ghost = self._ghost
        if host == ghost.roster.coordinator:
            record = ghost.durable(host, "round", RoundRecord)
            same = record is not None and record.config.cid() == cid
            return self._key_made(record.seed, record.config) if same and record else None
        config = ghost.durable(host, f"round/{cid.hex()}/config", HeldConfig)
        held = ghost.durable(host, f"round/{cid.hex()}/key", HeldKey)
        if config is not None and held is None:
            ghost.violated(Rule.DURABLE, host, "opened a round without the key in its journal")
        return self._key_made(held.seed, config.config) if config and held else None

    def _key_made(self, seed: BoxSeed, config: RoundConfig) -> SealingKey:
        """Return the public key that a seed makes; the same one is made once."""
        made = config.sealing, seed.entropy
        key = self._made.get(made)
        if key is None:
            key = self._made[made] = seed.key(config.sealing).sealing_key
        while len(self._made) > _KEYS:
            del self._made[next(iter(self._made))]
        return key

    def _on_chunk(self, host: str, to: str, chunk: ShareChunk | AnswerChunk) -> None:
        """See that a chunk is in a box that its recipient can open."""
        key = self._key_of(host, to, chunk)
        if key is not None and self.opened(host, to, chunk, key) is None:
            text = f"sent {to} what is not sealed to the key that it knows"
            self._ghost.violated(Rule.SECRET, host, text)

    def _key_of(self, host: str, to: str, chunk: ShareChunk | AnswerChunk) -> SealingKey | None:
        """Return the key that a host knows of the recipient, None where it knows none any more."""
        cid = chunk.header.cid
        if isinstance(chunk, AnswerChunk):
            held = self._ghost.durable(host, f"round/{cid.hex()}/config", HeldConfig)
            return None if held is None else held.sealing_key
        for key in self._ghost.disks[host].records:
            record = self._ghost.durable(host, key, Contributed) if key.startswith("job/") else None
            if record is not None and record.header == chunk.header:
                if to == self._ghost.roster.coordinator:
                    return record.sealing_key
                return next((o.sealing_key for o in record.opened if o.holder == to), None)
        return None

    def opened(
        self, host: str, to: str, chunk: ShareChunk | AnswerChunk, key: SealingKey
    ) -> bytes | None:
        """Return what is in the box of a chunk, None if this key does not open it."""
        info = binding_of(self._ghost.roster.federation, host, to, chunk)
        try:
            return look_into(key, info, chunk.payload)
        except Untrusted:
            return None

    def share(self, host: str, to: str, chunk: ShareChunk) -> bytes | None:
        """Return the share in the box that a trainer sends to a holder, if it is in one."""
        key = self._key_of(host, to, chunk)
        return None if key is None else self.opened(host, to, chunk, key)

    # --- what to look for -------------------------------------------------------------

    def drew(self, host: str, entropy: bytes) -> None:
        """Remember entropy that a host was given."""
        known = self._seeds.setdefault(host, [])
        known.append(entropy)
        self._lookouts[host].add(entropy)
        while len(known) > _SEEDS:
            self._lookouts[host].remove(known.pop(0))

    def committed(self, host: str, writes: Writes) -> None:
        """Learn which shares a host has from now on."""
        for key, value in writes:
            if value is not None:
                self._look_out(host, self._streams(host, key, value))
            self._may_tell(host, key, value)

    def _may_tell(self, host: str, key: str, value: bytes | None) -> None:
        """Let a holder's part of a coin be told from when all parts are committed to.

        Or from the end of its round: a batch that begins with the commitments and ends with that
        writes the end alone, and nothing more will be told under this coin.
        """
        prefix, _, kind = key.rpartition("/")
        if kind == "frozen" and value is not None:
            self._openings[host, prefix] = self._ghost.parsed(value, HeldFreeze).opening
            while len(self._openings) > _KEYS:
                del self._openings[next(iter(self._openings))]
        elif kind in ("frozen", "committed"):
            opening = self._openings.get((host, prefix))
            known = self._seeds.get(host, [])
            for seed in [seed for seed in known if seed == opening]:
                known.remove(seed)
                self._lookouts[host].remove(seed)

    def _streams(self, host: str, key: str, value: bytes) -> Iterable[str]:
        parsed, kind = self._ghost.parsed, key.split("/")
        if kind[0] == "job":
            record = parsed(value, Contributed)
            names = [*(one.holder for one in record.opened), self._ghost.roster.coordinator]
            return [upload_stream(record.header.cid, name) for name in names]
        if kind[0] == "bulk":
            complete = parsed(value, HeldShare).complete
            return [bulk_stream(bytes.fromhex(kind[1]), kind[2])] if complete else []
        if len(kind) > 2 and kind[2] == "share" and parsed(value, HeldShare).complete:
            return [share_stream(bytes.fromhex(kind[1]), kind[3])]
        if len(kind) > 2 and kind[2] == "answer" and parsed(value, HeldAnswer).header is not None:
            return [answer_stream(bytes.fromhex(kind[1]), host)]
        return ()

    def _look_out(self, host: str, streams: Iterable[str]) -> None:
        known, kept = self._shares.setdefault(host, {}), self._ghost.disks[host].chunks
        lookout = self._lookouts[host]
        for stream in streams:
            for chunk in kept.get(stream, {}).values():
                begins = chunk[:_NEEDLE_BYTES]
                if len(begins) < _NEEDLE_BYTES or begins in known or not begins.strip(b"\0"):
                    continue
                known[begins] = None
                lookout.add(begins)
        while len(known) > _SHARES:
            oldest = next(iter(known))
            del known[oldest]
            lookout.remove(oldest)

    def left(self, host: str, records: Mapping[str, bytes]) -> None:
        """See that nothing is left on a disk that makes a key, now that no round is open."""
        seeds = self._seeds.get(host, ())
        if any(seed in value for seed in seeds for value in records.values()):
            self._ghost.violated(Rule.GONE, host, "the key of a round is left")

    def logged(self, host: str, text: str) -> None:
        """Look at a line of a log."""
        seeds = self._seeds.get(host, ())
        if any(seed.hex() in text or repr(seed)[2:-1] in text for seed in seeds):
            self._ghost.violated(Rule.SECRET, host, "a log holds what makes a key")
