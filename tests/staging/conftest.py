"""One encrypted broker for the tests of this folder, and a federation on it for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tls_broker import Federation, TlsBroker, federation, tls_broker

__all__ = ["tls_broker"]


@pytest.fixture
async def fed(tls_broker: TlsBroker, tmp_path: Path) -> AsyncIterator[Federation]:
    made = await federation(tls_broker, tmp_path)
    yield made
    await tls_broker.node.api("DELETE", f"/vhosts/{made.name}")
