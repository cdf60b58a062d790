"""What every keeper of transcripts promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fakes.ports import FakeTranscripts
from fakes.transcribed import COORDINATOR, abandoned, chain, changed, config_of, digest_of
from fakes.trusting import key_of

from actors.ports import StorageFailed, Transcripts
from infra.system import ThreadOffload
from infra.transcript_files import FileTranscripts, transcripts_in
from protocols.trust.transcript import SignedTranscript, read_transcript

KEY = key_of(COORDINATOR)
Home = tuple[Transcripts, Callable[[], list[SignedTranscript]]]


@pytest.fixture(params=["fake", "files"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Home]:
    if request.param == "fake":
        fake = FakeTranscripts(KEY)
        yield fake, fake.chain
        return
    offload, folder = ThreadOffload(workers=1), tmp_path / "home" / "transcripts"
    yield FileTranscripts(folder, KEY, offload), lambda: read(folder)
    await offload.close()


def read(folder: Path) -> list[SignedTranscript]:
    return [read_transcript(file.read_bytes()) for file in transcripts_in(folder)]


async def test_what_is_kept_is_signed_and_in_the_order_of_rounds(home: Home) -> None:
    transcripts, kept = home
    for signed in reversed(chain()):
        await transcripts.keep(signed.transcript)

    assert kept() == chain()


async def test_the_same_again_changes_nothing(home: Home) -> None:
    transcripts, kept = home
    (first, *_) = chain()
    await transcripts.keep(first.transcript)
    await transcripts.keep(first.transcript)

    assert kept() == [first]


async def test_of_one_round_there_are_never_two(home: Home) -> None:
    transcripts, kept = home
    (first, *_) = chain()
    await transcripts.keep(first.transcript)

    for other in (
        changed(first.transcript, sum_digest=digest_of("another sum")),
        abandoned(config_of()),
    ):
        with pytest.raises(StorageFailed, match="another transcript of the same round"):
            await transcripts.keep(other)

    assert kept() == [first]
