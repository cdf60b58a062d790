"""Run targets under atheris, which looks for bytes that reach new code: `python -m tests.fuzz`."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOUND = HERE / "found"
_ABSENT = (
    "atheris is not installed here, and there are wheels of it for Linux only: "
    "pip install -e '.[fuzz]'. The corpus and its mutations need none: pytest tests/fuzz"
)


def main() -> int:
    """Fuzz the targets that were asked for; return 1 where anything was found, 2 without atheris.

    What was found is kept beside the corpus, in `found/TARGET`, with the traceback.
    """
    names = sorted(file.name for file in (HERE / "corpus").iterdir())
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", action="append", choices=names, help="one, or several; all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    asked = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(_ABSENT, file=sys.stderr)
        return 2
    numbers = [str(asked.seconds), str(asked.jobs), str(FOUND)]
    child = [sys.executable, str(HERE / "hunting.py"), *numbers, *(asked.target or names)]
    return subprocess.run(child, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
