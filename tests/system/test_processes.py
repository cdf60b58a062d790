"""Who loads what: torch lives with the owners' processes and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from system.jobs import fedavg

RUNNER = """
import sys
from pathlib import Path
from infra.cli.run_command import RunRequest, run
code = run(RunRequest(Path(sys.argv[1])), output="quiet")
print("exit", code, "heavy", sorted({"torch", "sklearn", "pandas"} & set(sys.modules)))
"""


def test_coordinator_and_holders_never_import_torch(tmp_path: Path) -> None:
    job = fedavg(tmp_path, ["one", "two", "three"])

    done = subprocess.run(
        [sys.executable, "-c", RUNNER, job], check=True, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.splitlines()[-1] == "exit 0 heavy []"
