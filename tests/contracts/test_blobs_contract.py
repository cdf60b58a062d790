"""What every store of blobs promises."""

import asyncio
from hashlib import sha256

import pytest
from contracts.homes import BlobsHome
from fakes.ports import yield_turns

from actors.ports import PortError
from protocols.pieces import Pieces


async def test_published_blob_is_fetched_by_its_sha256(blobs_home: BlobsHome) -> None:
    ann, bob = await blobs_home.blobs("ann"), await blobs_home.blobs("bob")

    digest = await ann.publish(Pieces.of(b"state"))

    assert digest == sha256(b"state").digest()
    assert await bob.fetch(digest) == b"state"
    assert await ann.fetch(digest) == b"state"


async def test_fetch_waits_until_the_blob_is_published(blobs_home: BlobsHome) -> None:
    ann, bob = await blobs_home.blobs("ann"), await blobs_home.blobs("bob")
    fetches = [asyncio.create_task(bob.fetch(sha256(b"state").digest())) for _ in range(2)]
    await yield_turns()
    assert not any(fetch.done() for fetch in fetches)

    await ann.publish(Pieces.of(b"other"))
    await ann.publish(Pieces.of(b"state"))

    assert await asyncio.gather(*fetches) == [b"state", b"state"]


async def test_cancelled_fetch_does_not_disturb_the_others(blobs_home: BlobsHome) -> None:
    ann, bob = await blobs_home.blobs("ann"), await blobs_home.blobs("bob")
    digest = sha256(b"state").digest()
    gone, stays = (asyncio.create_task(bob.fetch(digest)) for _ in range(2))
    await yield_turns()

    gone.cancel()
    await ann.publish(Pieces.of(b"state"))

    assert await stays == b"state"
    assert gone.cancelled()


async def test_retain_forgets_the_actors_own_other_blobs_only(blobs_home: BlobsHome) -> None:
    ann, bob = await blobs_home.blobs("ann"), await blobs_home.blobs("bob")
    old, new = await ann.publish(Pieces.of(b"old")), await ann.publish(Pieces.of(b"new"))
    theirs = await bob.publish(Pieces.of(b"theirs"))

    await ann.retain([new])

    assert await bob.fetch(new) == b"new"
    assert await bob.fetch(theirs) == b"theirs"
    fetch = asyncio.create_task(bob.fetch(old))
    await yield_turns()
    if blobs_home.forgets:
        assert not fetch.done()
        await ann.publish(Pieces.of(b"old"))
    assert await fetch == b"old"


async def test_what_was_not_retained_can_be_published_again(blobs_home: BlobsHome) -> None:
    ann, bob = await blobs_home.blobs("ann"), await blobs_home.blobs("bob")
    digest = await ann.publish(Pieces.of(b"state"))
    await ann.retain([])

    assert await ann.publish(Pieces.of(b"state")) == digest

    assert await bob.fetch(digest) == b"state"


async def test_blob_that_two_published_stays_until_both_drop_it(blobs_home: BlobsHome) -> None:
    ann, bob = await blobs_home.blobs("ann"), await blobs_home.blobs("bob")
    digest = await ann.publish(Pieces.of(b"state"))
    assert await bob.publish(Pieces.of(b"state")) == digest

    await ann.retain([])
    assert await ann.fetch(digest) == b"state"

    await bob.retain([])
    if blobs_home.forgets:
        cat = await blobs_home.blobs("cat")  # who never had it
        fetch = asyncio.create_task(cat.fetch(digest))
        await yield_turns()
        assert not fetch.done()
        fetch.cancel()


async def test_blobs_outlive_the_object_that_published_them(blobs_home: BlobsHome) -> None:
    digest = await (await blobs_home.blobs("ann")).publish(Pieces.of(b"state"))

    again = await blobs_home.blobs("ann")

    assert await again.fetch(digest) == b"state"
    await again.retain([])
    assert await again.publish(Pieces.of(b"state")) == digest


async def test_digest_of_a_wrong_length_is_refused_instead_of_waited_for(
    blobs_home: BlobsHome,
) -> None:
    with pytest.raises(PortError, match="32 bytes"):
        await (await blobs_home.blobs("ann")).fetch(b"short")
