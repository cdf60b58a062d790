"""What every keeper of evidence promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fakes.ports import FakeEvidence
from fakes.transcribed import ROSTER, evidence_of

from actors.ports import EvidenceKeeper, StorageFailed
from infra.evidence_files import FileEvidence, file_name
from infra.system import ThreadOffload
from protocols.trust.evidence import Evidence, read_evidence
from protocols.trust.members import Members

Home = tuple[EvidenceKeeper, Callable[[], list[Evidence]]]
ONE, OTHER = evidence_of(), evidence_of(by="mallory")


@pytest.fixture(params=["fake", "files"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Home]:
    if request.param == "fake":
        fake = FakeEvidence()
        yield fake, lambda: fake.kept
        return
    offload, folder = ThreadOffload(workers=1), tmp_path / "home" / "evidence"
    yield FileEvidence(folder, offload), lambda: read(folder)
    await offload.close()


def read(folder: Path) -> list[Evidence]:
    return [read_evidence(file.read_bytes()) for file in folder.iterdir()]


async def test_what_is_kept_is_believed_and_the_same_again_changes_nothing(home: Home) -> None:
    keeper, kept = home
    await keeper.keep(ONE)
    await keeper.keep(ONE)

    assert kept() == [ONE]
    kept()[0].require(Members(ROSTER))


async def test_two_pairs_of_one_round_stay_beside_each_other(home: Home) -> None:
    keeper, kept = home
    await keeper.keep(ONE)
    await keeper.keep(OTHER)

    assert len(kept()) == 2
    assert ONE in kept()
    assert OTHER in kept()


async def test_a_file_that_somebody_changed_is_left_and_told(tmp_path: Path) -> None:
    offload = ThreadOffload(workers=1)
    changed = tmp_path / file_name(ONE)
    changed.write_text("nothing to see here")

    with pytest.raises(StorageFailed, match="move it away"):
        await FileEvidence(tmp_path, offload).keep(ONE)

    assert changed.read_text() == "nothing to see here"
    await offload.close()
