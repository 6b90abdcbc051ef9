"""Which connections of modules answer pings, and which have fallen silent.

A client's WebSocket library answers a ping by itself, from the client's event loop or its reading
thread: whose loop stands still does not. Whose loop is seen to wait for events would answer, so it
is not woken up to do so. Who is silent is told, and never cut.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Final, Literal

import msgspec

LOOKS: Final = 3
"""Looks that a connection may owe an answer before it is silent."""

UNASKED: Final = 12
"""Looks at which a connection may be seen to be at rest instead of being asked: once in a while it
is asked all the same, as who waits for events need not wait for those of this connection."""

_LATE: Final = 1.0


class Heard(enum.Enum):
    """What a connection has done since the last look."""

    SOMETHING = "something"
    NOTHING = "nothing"
    UNKNOWN = "unknown"
    """It is not read at present: an answer would lie in its socket."""


class Ping(msgspec.Struct, frozen=True):
    """Ask this connection."""

    number: int


class Turned(msgspec.Struct, frozen=True, kw_only=True):
    """A connection has fallen silent, or is heard again.

    Args:
        number: of the connection.
        seconds: for how long it has owed an answer.
        connections, answering, silent: how many its life has, how many of these are known to answer
            pings, and how many are silent now.
    """

    number: int
    to: Literal["silent", "responsive"]
    seconds: float
    connections: int
    answering: int
    silent: int


class _Member:
    __slots__ = ("asked_at", "has_answered", "is_silent", "life", "looks", "unasked")

    def __init__(self, life: Hashable) -> None:
        self.life = life
        self.asked_at: float | None = None
        self.has_answered = False
        self.looks = 0
        self.unasked = 0
        self.is_silent = False


class Attendance:
    """All connections of modules.

    Duties: a connection is asked whenever it has been quiet from one look to the next, unless its
    event loop is seen to be at rest, and at the second look in any case, so that who always talks
    is known to answer when it stops. One that has answered before and owes an answer for so long is
    silent, which is said once. While everybody is quiet and nobody owes anything, there is half as
    much looking. A look that comes late, or after the machine has slept, measures nothing: whoever
    was not read cannot have answered.

    Args:
        silence: seconds that an answer may be owed.

    Attributes:
        due: when the next look is; None while there is nobody.
        within: seconds from the last sign of life to the moment when somebody is silent, at most.
    """

    def __init__(self, silence: float) -> None:
        self.due: float | None = None
        self.within = silence + 2 * silence / LOOKS
        self._every = silence / LOOKS
        self._silence = silence
        self._members: dict[int, _Member] = {}
        self._connections: Counter[Hashable] = Counter()
        self._silent: Counter[Hashable] = Counter()
        self._answering: Counter[Hashable] = Counter()
        self._looked_at = 0.0
        self._asleep: float | None = None

    def __len__(self) -> int:
        return len(self._members)

    def add(self, number: int, life: Hashable, now: float, *, answers: bool = False) -> None:
        """A module has connected; `answers` where its client says that it answers pings."""
        self._members[number] = member = _Member(life)
        self._connections[life] += 1
        if answers:
            self._believe(member)
        if self.due is None:
            self._looked_at = now
        self.due = min(self.due or now + self._every, now + self._every)

    def remove(self, number: int) -> None:
        """It is gone."""
        member = self._members.pop(number, None)
        if member is None:
            return
        self._set_silent(member, silent=False)
        self._connections[member.life] -= 1
        self._answering[member.life] -= member.has_answered
        if not self._connections[member.life]:
            del self._connections[member.life], self._answering[member.life]
        if not self._members:
            self.due = self._asleep = None

    def silent(self, life: Hashable) -> int:
        """How many connections of a life are silent."""
        return self._silent[life]

    def answering(self, life: Hashable) -> int:
        """How many connections of a life are known to answer pings: those that may be silent."""
        return self._answering[life]

    def silences(self, now: float) -> list[Turned]:
        """Everybody who is silent now, for who was not there when it was said."""
        return [
            self._turned(number, "silent", now)
            for number, each in self._members.items()
            if each.is_silent
        ]

    def answered(self, number: int, now: float) -> list[Turned]:
        """It has answered a ping."""
        member = self._members.get(number)
        if member is None:
            return []
        self._believe(member)
        return self._hear(number, member, now)

    def look(
        self,
        now: float,
        asleep: float,
        heard: Callable[[int], Heard],
        rests: Callable[[int], bool],
    ) -> list[Ping | Turned]:
        """Look at everybody; to be called when it is `due`.

        Args:
            now: on a clock that stands still while the machine sleeps.
            asleep: seconds that it has slept since it was started.
            heard: what a connection has done since this was last asked.
            rests: whether its event loop is seen to wait for events.
        """
        has_slept = self._asleep is not None and asleep > self._asleep + _LATE
        is_late = self.due is not None and now > self.due + _LATE
        was_long = now - self._looked_at > 1.1 * self._every
        self._looked_at, self._asleep = now, asleep
        if is_late or has_slept:
            for number, member in self._members.items():
                heard(number)
                if not member.is_silent:
                    member.asked_at = None
            self.due = now + self._every
            return []
        done: list[Ping | Turned] = []
        is_calm = True
        for number, member in self._members.items():
            match heard(number):
                case Heard.SOMETHING:
                    is_calm = False
                    done += self._hear(number, member, now)
                    member.looks += 1
                    # After a long pause nobody knows how long ago that was.
                    if was_long or (member.looks == 2 and not member.has_answered):
                        done += self._ask(number, member, now, rests)
                case Heard.UNKNOWN:
                    is_calm = False
                    if not member.is_silent:
                        member.asked_at = None
                case Heard.NOTHING:
                    is_calm = is_calm and (member.asked_at is None or member.is_silent)
                    done += self._ask(number, member, now, rests)
        self.due = now + (2 * self._every if is_calm else self._every)
        return done

    def _hear(self, number: int, member: _Member, now: float) -> list[Turned]:
        was_silent, asked_at = member.is_silent, member.asked_at
        member.asked_at = None
        member.unasked = 0
        self._set_silent(member, silent=False)
        if not was_silent:
            return []
        turned = self._turned(number, "responsive", now)
        return [msgspec.structs.replace(turned, seconds=round(now - (asked_at or now), 3))]

    def _ask(
        self, number: int, member: _Member, now: float, rests: Callable[[int], bool]
    ) -> list[Ping | Turned]:
        if member.asked_at is None:
            if member.unasked < UNASKED and rests(number):
                member.unasked += 1
                return []
            member.asked_at = now
            return [Ping(number)]
        # A client that has never answered may be one that cannot.
        owes = now - member.asked_at
        if member.is_silent or not member.has_answered or owes < self._silence - self._every / 2:
            return []
        self._set_silent(member, silent=True)
        return [self._turned(number, "silent", now)]

    def _believe(self, member: _Member) -> None:
        if not member.has_answered:
            member.has_answered = True
            self._answering[member.life] += 1

    def _set_silent(self, member: _Member, *, silent: bool) -> None:
        if member.is_silent is not silent:
            member.is_silent = silent
            self._silent[member.life] += 1 if silent else -1
            if not self._silent[member.life]:
                del self._silent[member.life]

    def _turned(self, number: int, to: Literal["silent", "responsive"], now: float) -> Turned:
        member = self._members[number]
        return Turned(
            number=number,
            to=to,
            seconds=round(now - (member.asked_at if member.asked_at is not None else now), 3),
            connections=self._connections[member.life],
            answering=self.answering(member.life),
            silent=self.silent(member.life),
        )
