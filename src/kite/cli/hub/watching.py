"""Watching events, over restarts of the Hub: the loop behind `kite events`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kite.cli import report
from kite.cli.audience import when_left
from kite.cli.hub.connection import OperatorConnection, Seen, connect
from kite.errors import Unavailable
from kite.locale import _

if TYPE_CHECKING:
    from kite.cli.control import Control

MISSED_SECONDS = 1.0
"""What was missed is told so often at most."""


class Watcher(Protocol):
    """Who is shown events.

    Attributes:
        done: set when it is enough, or when nobody reads any more.
        failure: what the reader of the output did to it; None when all is well.
    """

    failure: OSError | None

    @property
    def done(self) -> asyncio.Event: ...

    def start(self) -> None:
        """Watching begins; an event loop runs."""
        ...

    def seen(self, event: Seen, frame: bytes) -> None:
        """An event, and how it came over the wire."""
        ...

    def missed(self, count: int) -> None:
        """So many could not be shown."""
        ...

    def leave(self) -> None:
        """Nobody reads any more, though there was nothing to print."""
        ...

    def end(self) -> None:
        """It is over, whatever ended it; also called when it has not begun."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be watched.

    Args:
        patterns: of subjects.
        queue: the queue group to be a member of.
        since: first what was kept from this instant on (RFC 3339).
        follow: whether to go on when that was read.
    """

    patterns: Sequence[str]
    queue: str | None = None
    since: str | None = None
    follow: bool = True


async def watch(control: Control, wish: Wish, watcher: Watcher) -> None:
    """Show the watcher what happens until it has enough, or history has been read.

    Raises:
        Unavailable: Kite has ended (status 3), or the Hub has while history was read.
        RequestError: the Hub's refusal.
        OSError: the output cannot be written.
    """
    when_left(sys.stdout.fileno(), watcher.leave)
    watcher.start()
    missed = Missed(watcher)
    since = wish.since
    try:
        while True:
            lost = asyncio.Event()
            connection = await connect(control, on_lost=lost.set)
            connection.on_seen, connection.on_missed = watcher.seen, missed.add
            try:
                if await _watch_one(connection, wish, since, watcher, lost):
                    return
                since = None  # that has been read
            except Unavailable as why:
                if why.code != "connection_lost":
                    raise
                control.get("/launcher")  # raises when Kite has ended
                if since is not None:
                    raise  # some of it has been shown, and would be again
            finally:
                await connection.close()
            control.get("/launcher")
            report.say(_("the Event Hub is restarting; what happens meanwhile is not shown"))
    finally:
        missed.tell()


async def _watch_one(
    connection: OperatorConnection,
    wish: Wish,
    since: str | None,
    watcher: Watcher,
    lost: asyncio.Event,
) -> bool:
    """Over one connection; False when it was lost."""
    asked = asyncio.create_task(_ask(connection, wish, since))
    over = [asyncio.create_task(each.wait()) for each in (lost, watcher.done)]
    try:
        await asyncio.wait([asked, over[1]], return_when=asyncio.FIRST_COMPLETED)
        if not watcher.done.is_set():
            asked.result()
            if since is not None and not wish.follow:
                return True
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        if watcher.failure is not None:
            raise watcher.failure
        return watcher.done.is_set()
    finally:
        for task in (asked, *over):
            task.cancel()
        await asyncio.gather(asked, *over, return_exceptions=True)


async def _ask(connection: OperatorConnection, wish: Wish, since: str | None) -> None:
    names = " ".join(wish.patterns)
    if since is not None:
        report.say(
            _("reading what was kept of {patterns} since {since}").format(
                patterns=names, since=since
            )
        )
    ack = await connection.watch(wish.patterns, queue=wish.queue, since=since, follow=wish.follow)
    if isinstance(ack.replayed, int):
        report.say(_("kept events: {count}").format(count=ack.replayed))
    if isinstance(ack.since, str):
        text = _("what is in no stream is remembered since {since} only")
        report.say(text.format(since=ack.since))
    if wish.follow or since is None:
        report.say(_("watching {patterns}; end with Ctrl-C").format(patterns=names))


class Missed:
    """Tells what could not be shown, in time and not too often."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._untold = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, count: int) -> None:
        self._watcher.missed(count)
        self._untold += count
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(MISSED_SECONDS, self.tell)

    def tell(self) -> None:
        """Say it now, if there is anything to say."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._untold:
            text = _("left out, as more came than could be shown: {count}")
            report.say(text.format(count=self._untold))
            self._untold = 0
