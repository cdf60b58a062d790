"""Add the account of the people who operate the broker to a definitions file.

python3 add_operator.py DEFINITIONS PASSWORD_FILE
"""

import json
import sys
from pathlib import Path

from infra.rabbitmq.definitions import user


def add_operator(definitions: Path, password: str) -> None:
    """Let `operator` administrate the whole broker and look into every virtual host."""
    found = json.loads(definitions.read_text())
    found["users"].append(user("operator", password) | {"tags": ["administrator"]})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    for vhost in found["vhosts"]:
        found["permissions"].append({"user": "operator", "vhost": vhost["name"], **everything})
    definitions.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    add_operator(Path(sys.argv[1]), Path(sys.argv[2]).read_text())
