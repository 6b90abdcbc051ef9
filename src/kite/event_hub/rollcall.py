"""Looks for signs of life of quiet connections of modules, all with one timer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from kite import pulse_reader
from kite.event_hub.client import Client
from kite.event_hub.core.attendance import Attendance, Heard, Ping, Turned
from kite.event_hub.core.websocket import ping

SILENT = "hub.client.silent"
RESPONSIVE = "hub.client.responsive"

_PING = ping()


class Rollcall:
    """The shell of `Attendance`. While no module is connected nothing wakes up.

    Args:
        silence: seconds that an answer may be owed; 0: nobody is asked.
        announce: publishes an event of the Hub's.
    """

    def __init__(self, silence: float, announce: Callable[[str, dict[str, Any]], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._attendance = Attendance(silence) if silence > 0 else None
        self._announce = announce
        self._clients: dict[int, Client] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None

    def add(self, client: Client) -> None:
        """A module has connected."""
        if self._attendance is None or client.session is None:
            return
        number = client.session.number
        self._clients[number] = client
        answers = client.connection is not None and client.connection.answers_pings
        self._attendance.add(number, client.identity.digest, self._loop.time(), answers=answers)
        self._arm()

    def remove(self, client: Client) -> None:
        """It is gone."""
        if self._attendance is None or client.session is None:
            return
        number = client.session.number
        self._attendance.remove(number)
        self._clients.pop(number, None)
        if not self._clients:
            self.stop()

    def stop(self) -> None:
        """Nobody is asked any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._armed_for = None

    def answered(self, client: Client) -> None:
        """A pong has come. It is an answer, and no word: the next look asks for another."""
        if self._attendance is not None and client.session is not None:
            if client.connection is not None:
                client.connection.heard()
            self._tell(self._attendance.answered(client.session.number, self._loop.time()))

    def silent(self, client: Client) -> int:
        """How many connections of a client's life are silent."""
        return 0 if self._attendance is None else self._attendance.silent(client.identity.digest)

    def answering(self, client: Client) -> int:
        """How many connections of a client's life are known to answer pings."""
        return 0 if self._attendance is None else self._attendance.answering(client.identity.digest)

    def within(self) -> float:
        """Seconds after its last sign of life at which somebody is told to be silent, at most; 0:
        never."""
        return 0.0 if self._attendance is None else round(self._attendance.within, 3)

    def silences(self) -> list[dict[str, Any]]:
        """The data of `hub.client.silent` for everybody who is silent now."""
        if self._attendance is None:
            return []
        return [self._told(each) for each in self._attendance.silences(self._loop.time())]

    def _look(self) -> None:
        assert self._attendance is not None
        self._timer = self._armed_for = None
        now = self._loop.time()
        asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
        told = []
        for action in self._attendance.look(now, asleep, self._heard, self._rests):
            if isinstance(action, Ping):
                self._clients[action.number].push(_PING)
            else:
                told.append(action)
        self._arm()
        self._tell(told)

    def _arm(self) -> None:
        due = self._attendance.due if self._attendance is not None else None
        if due == self._armed_for:
            return
        self.stop()
        if due is not None:
            # uvloop's handle of what is due at once does not know when.
            self._timer, self._armed_for = self._loop.call_at(due, self._look), due

    def _heard(self, number: int) -> Heard:
        client = self._clients[number]
        if client.connection is None or client.is_leaving:
            return Heard.UNKNOWN
        return client.connection.heard()

    def _rests(self, number: int) -> bool:
        connection = self._clients[number].connection
        loop = None if connection is None else connection.loop
        return loop is not None and pulse_reader.is_at_rest(loop)

    def _tell(self, turned: list[Turned]) -> None:
        for each in turned:
            self._announce(SILENT if each.to == "silent" else RESPONSIVE, self._told(each))

    def _told(self, turned: Turned) -> dict[str, Any]:
        identity = self._clients[turned.number].identity
        return {
            "module_id": identity.module,
            "life": identity.life,
            "connection": turned.number,
            "seconds": turned.seconds,
            "connections": turned.connections,
            "answering": turned.answering,
            "silent": turned.silent,
            "silent_within": self.within(),
        }
