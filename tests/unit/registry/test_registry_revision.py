"""Who waits for the next state of the table of tokens, and is never left waiting."""

from __future__ import annotations

import asyncio

from kite.registry.revision import Revision


def test_whoever_has_seen_another_state_does_not_wait() -> None:
    async def run() -> None:
        revision = Revision()
        assert await revision.beyond(None, 0, seconds=60)
        assert await revision.beyond("another life", 0, seconds=60)
        assert await revision.beyond(revision.epoch, -1, seconds=60)
        revision.advance()
        assert await revision.beyond(revision.epoch, 0, seconds=60)

    asyncio.run(asyncio.wait_for(run(), 5))


def test_all_who_wait_go_on_at_a_change_or_at_the_end() -> None:
    async def run() -> None:
        revision = Revision()
        for change in (revision.advance, revision.end):
            waits = [
                asyncio.create_task(revision.beyond(revision.epoch, revision.number, seconds=60))
                for _ in range(3)
            ]
            await asyncio.sleep(0)
            assert not any(wait.done() for wait in waits)
            change()
            assert await asyncio.gather(*waits) == [True] * 3
        assert await revision.beyond(revision.epoch, revision.number, seconds=60), "it is over"

    asyncio.run(asyncio.wait_for(run(), 5))


def test_time_that_is_over_is_told() -> None:
    async def run() -> None:
        revision = Revision()
        assert not await revision.beyond(revision.epoch, 0, seconds=0.01)

    asyncio.run(asyncio.wait_for(run(), 5))
