"""What the commands that make or use a private key have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Encrypt = Annotated[
    bool, typer.Option("--encrypt", help="Ask for a passphrase that protects the private key.")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File of the passphrase, readable by you only."),
]


def epilog(variable: str) -> str:
    """Return what stands below the help; `variable` of the environment may hold a passphrase."""
    return (
        f"A passphrase comes from --passphrase-file, else from {variable}, else from "
        "the terminal, never from the command line. "
        "Exit codes: 0 done · 1 refused, and says why · 2 wrong usage, or files that can't be used."
    )
