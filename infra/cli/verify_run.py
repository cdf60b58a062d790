"""What `quorate verify` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from infra.config import load_job
from infra.homes.actor_home import JOB, JOURNAL
from infra.identity.credentials import HOME_ROSTER
from infra.identity.new_files import IdentityError, read_public
from infra.identity.roster_folder import load_roster
from infra.sent_records import SentRecords
from infra.transcript_files import transcripts_in
from protocols.round_config import MINIMUM_FLOOR, majority
from protocols.trust.acceptance import Standing, accepted
from protocols.trust.armour import MAX_TEXT
from protocols.trust.auditing import Audit, Audited, Own
from protocols.trust.errors import Untrusted
from protocols.trust.evidence import Evidence, is_evidence, read_evidence
from protocols.trust.members import Members
from protocols.trust.policy import Policy
from protocols.trust.roster import RosterBody, SignedRoster
from protocols.trust.transcript import Transcript, read_transcript

from .trust_outcome import DONE, authority_key, ended
from .verify_command import VerifyOptions
from .verify_show import Told


def verify_files(options: VerifyOptions) -> int:
    """Check the files and return the exit code."""

    def work() -> int:
        _require_sense(options)
        told = Told(options.name, json=options.json)
        rosters = _rosters(options)
        reading = _Reading(options, rosters)
        for file in _files(options.files):
            try:
                taken = reading.take(read_public(file, MAX_TEXT))
            except Untrusted as error:
                raise Untrusted(error.doubt, f"{file}: {error}") from None
            told.say(file, taken)
        told.end(reading.unshown(), authority=options.authority)
        return DONE

    return ended(work, json=options.json)


class _Reading:
    """Takes the content of one file after the other."""

    def __init__(self, options: VerifyOptions, rosters: Sequence[RosterBody]) -> None:
        self._options = options
        self._rosters = rosters
        self._policy = _policy(options)
        self._records = None if options.home is None else SentRecords(options.home / JOURNAL)
        self._audit: Audit | None = None
        self._own: Own | None = None
        self._seen: list[bytes] = []

    def take(self, text: bytes) -> Audited | Evidence:
        """Return what a file holds, checked. Raises `Untrusted`."""
        if is_evidence(text):
            evidence = read_evidence(text)
            _require_shown(evidence, self._rosters)
            return evidence
        signed = read_transcript(text)
        if self._audit is None:
            self._own = self._own_of(signed.transcript)
            whole = self._options.whole
            self._audit = Audit(self._rosters, self._policy, self._own, whole)
        audited = self._audit.take(signed)
        self._seen.append(signed.transcript.config.cid())
        return audited

    def unshown(self) -> int:
        """Return to how many rounds the trainer contributed whose transcripts were not given."""
        return 0 if self._own is None else len(self._own.sent.keys() - self._seen)

    def _own_of(self, transcript: Transcript) -> Own | None:
        """Return what is known of the trainer; what it contributed to is known by the round."""
        name, config, may_miss = self._options.name, transcript.config, self._options.may_miss
        if name is None:
            return None
        if self._records is not None:
            return self._records.of(config.job, name, may_miss=may_miss)
        sent = {config.cid(): _digest(self._options.contribution or "")}
        return Own(name=name, sent=sent, may_miss=may_miss)


def _require_sense(options: VerifyOptions) -> None:
    """Raise `IdentityError` for options that say nothing together."""
    known = options.home is not None or options.contribution is not None
    if options.name is not None and not known:
        raise IdentityError(
            "--as needs the trainer's own records: its --home, or --contribution with the digest"
        )
    if options.name is None and (known or options.may_miss):
        raise IdentityError("whose contribution is it? Say so with --as")
    if options.home is not None and options.contribution is not None:
        raise IdentityError("--home and --contribution exclude each other")
    if options.contribution is not None:
        _digest(options.contribution)
        if len(options.files) != 1 or options.files[0].is_dir():
            raise IdentityError("--contribution is that of one round: give one transcript")


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise IdentityError("--contribution: a digest is written with 64 hex digits")
    return digest


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = transcripts_in(path)
        if not found:
            raise IdentityError(f"{path}: no transcript is here; name the files, or their folder")
        yield from found


def _policy(options: VerifyOptions) -> Policy:
    """Return what is demanded: the job's rules where one is known, and never less than ours."""
    file = options.job
    if file is None and options.home is not None and (options.home / JOB).exists():
        file = options.home / JOB
    if file is None:
        return Policy(minimum=options.minimum or MINIMUM_FLOOR, faults=options.faults)
    job = load_job(file, files=False)
    federation = job.federation
    return Policy(
        minimum=max(options.minimum or MINIMUM_FLOOR, federation.minimum),
        threshold=federation.threshold,
        privacy=job.privacy,
        quorum=majority(federation.holders, federation.faults),
        vote=federation.vote,
        faults=max(options.faults, federation.faults),
        batches=job.batches,
    )


def _rosters(options: VerifyOptions) -> list[RosterBody]:
    """Return the bodies of the rosters, oldest first, signed by whom they have to be."""
    files = list(options.roster or ())
    if not files and options.home is not None and (options.home / HOME_ROSTER).exists():
        files.append(options.home / HOME_ROSTER)
    if not files:
        raise IdentityError("under which roster were these rounds held? Give it with --roster")
    rosters = sorted((load_roster(file) for file in files), key=lambda roster: roster.body.epoch)
    for roster in rosters:
        if faults := roster.body.faults():
            raise Untrusted("incomplete", f"epoch {roster.body.epoch}: {'; '.join(faults)}")
    if options.authority is not None:
        _require_authority(rosters, authority_key(options.authority))
    return [roster.body for roster in rosters]


def _require_authority(rosters: Sequence[SignedRoster], key: bytes) -> None:
    """Follow the authorities from the one that was told.

    A transcript bears no time, and is read when its roster may long be over: each roster is
    taken as it was in its own time.
    """
    standing = Standing(federation=rosters[0].body.federation, authorities=(key,))
    for roster in rosters:
        body = roster.body
        standing = Standing.after(accepted(roster, standing, now_s=body.valid_from or 0))


def _require_shown(evidence: Evidence, rosters: Sequence[RosterBody]) -> None:
    """Check that some roster makes it evidence; raises `Untrusted` of the oldest if none does."""
    for body in rosters[:0:-1]:
        with suppress(Untrusted):
            evidence.require(Members(body))
            return
    evidence.require(Members(rosters[0]))
