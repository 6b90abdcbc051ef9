"""The oldest of what waits makes room for the newest, and whoever wanted it is told where it is missing."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite import Module
from kite.sdk.core.newest import gap_of, make_room, mark
from kite.sdk.core.subscriptions import Subscription, arrange, asks
from kite.sdk.gaps import Gaps
from kite.sdk.handlers import Handler
from kite.wire.frame import Event, Gap

_LOG = logging.getLogger(__name__)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 120)), max_size=60))
def test_nothing_is_missing_that_no_mark_tells_of(steps: list[tuple[int, int]]) -> None:
    """Events of any size come, some are taken; what waits stays within its bound, in order."""
    waiting: deque[tuple[Event, int]] = deque()
    put = seen = 0
    total = 0

    def take() -> None:
        nonlocal seen, total
        event, size = waiting.popleft()
        total -= size
        gap = gap_of(event)
        if gap is None:
            assert event.data == seen, "the next one, or a mark stands in front"
            seen += 1
        else:
            seen += gap.missed
            assert gap.since == "then"

    for size, room in steps:
        if waiting and total + size > 100:
            _, freed = make_room(waiting, total + size - 100, "a", "then")
            total -= freed
            assert total + size <= 100
        waiting.append((Event(event="a", data=put), size))
        put += 1
        total += size
        assert sum(gap_of(event) is not None for event, _ in waiting) <= 1
        if room > 60:
            take()
    while waiting:
        take()
    assert seen == put


async def test_a_slow_handler_gets_the_newest_and_is_told_first() -> None:
    heard: list[Any] = []

    async def slow(event: Event) -> None:
        heard.append(event.data)
        await asyncio.sleep(0)

    gaps = Gaps("news", slow, lambda gap: heard.append(("missed", gap.missed)), _LOG)
    handler = Handler(
        Subscription(pattern="news", overflow="drop_oldest"),
        gaps,
        concurrency=1,
        log=_LOG,
        leave=lambda status: None,
        max_backlog=1000,
    )
    handler.start()
    for number in range(20):
        handler.put(Event(event="news", data=number), 100)
    await handler.idle()
    assert heard == [0, ("missed", 9), *range(10, 20)]
    assert handler.dropped == 9
    handler.put(mark("news", Gap(missed=3, since="now")), 0)
    assert heard[-1] == ("missed", 3)


def test_without_on_gap_the_log_tells_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    gaps = Gaps("news", lambda event: event.data, None, _LOG)
    for missed in (2, 3, 4):
        assert gaps(mark("news", Gap(missed=missed, since="then"))) is None
    assert gaps(Event(event="news", data=7)) == 7
    assert caplog.messages == ["events.dropped pattern=news missed=2 since=then"]


def test_who_drops_has_a_connection_of_its_own() -> None:
    newest = Subscription(pattern="a", overflow="drop_oldest")
    other = Subscription(pattern="b", overflow="drop_oldest")
    plain, more = Subscription(pattern="a"), Subscription(pattern="c")
    assert arrange([plain, newest, other, newest, more]) == [[plain, more], [newest], [other]]
    assert [ask.overflow for ask in asks([newest])] == ["drop_oldest"]


@pytest.mark.parametrize(
    "options",
    [
        {"overflow": "newest"},
        {"on_gap": lambda gap: None},
        {"overflow": "drop_oldest", "durable": "index"},
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="overflow"):
        Module().on("a", **options)
