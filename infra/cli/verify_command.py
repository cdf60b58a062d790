"""`quorate verify`: what a round left behind, checked by whoever took part or wants to know."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .options import Json, taking

VERIFY_EPILOG = (
    "Exit codes: 0 all of it is to be believed · 1 refused, and says why · 2 wrong usage, or files "
    "that can't be used."
)


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of `verify`."""

    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="TRANSCRIPT",
            help="Transcripts in the order of their rounds, or a folder of them; or evidence.",
        ),
    ]
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="TRAINER", help="Look for this trainer's contribution."),
    ] = None
    home: Annotated[
        Path | None,
        typer.Option("--home", help="The trainer's folder: its own records, roster and job."),
    ] = None
    contribution: Annotated[
        str | None,
        typer.Option(
            "--contribution",
            metavar="HEX",
            help="Instead of --home, for one transcript: the contribution's digest.",
        ),
    ] = None
    may_miss: Annotated[
        bool,
        typer.Option(
            "--may-miss", help="Sums without the trainer's contribution are no reason to refuse."
        ),
    ] = False
    roster: Annotated[
        list[Path] | None,
        typer.Option("--roster", help="The roster of these rounds; repeat where it changed."),
    ] = None
    authority: Annotated[
        str | None,
        typer.Option("--authority", help="The key that must have signed the rosters, in hex."),
    ] = None
    job: Annotated[
        Path | None,
        typer.Option("--job", help="Rounds by weaker rules than this job's are refused."),
    ] = None
    minimum: Annotated[
        int | None,
        typer.Option("--minimum", min=3, help="Refuse rounds that fewer trainers could open."),
    ] = None
    faults: Annotated[
        int,
        typer.Option(
            "--faults", min=0, help="Refuse rounds unsafe with so many malicious holders."
        ),
    ] = 0
    whole: Annotated[
        bool, typer.Option("--whole", help="The first one given must be the first of its job.")
    ] = False
    json: Json = False


@taking(VerifyOptions)
def verify(options: VerifyOptions) -> None:
    """Check offline what rounds left behind: who agreed, who voted, over whom, which model.

    The coordinator writes a signed transcript of every round into its folder transcripts/ and
    gives it to whoever asks. Checked are its signature and those of all holders, that enough of
    them agreed to the round and voted for its set, that the set has at least the minimum of
    trainers, which model went out, that no transcript between these is missing, and that each
    model is the one that came of the rounds before.

    A trainer that was in a round asks with its own records whether it is in the sum:

        quorate verify FILE --as north --home /var/lib/quorate/north

    Its home is read only; the trainer may be at work. Anybody else, of a whole job:

        quorate verify transcripts/ --roster FILE --authority KEY --whole

    A file of evidence, that a member said two things where it may say one, is checked in the
    same way. The hash in the last line names all rounds up to there: where two of you see
    different ones, the coordinator has told you different stories.
    """
    from .verify_run import verify_files  # noqa: PLC0415

    sys.exit(verify_files(options))
