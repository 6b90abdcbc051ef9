"""Whom the Event Hub hears: lives with a connection that answers, or would if it were asked."""

from __future__ import annotations

Key = tuple[str, int | None]
"""A module and one of its lives; None: the module as a whole."""


class Presence:
    """The lives that are heard.

    Duties: a life is heard while one of its connections that are known to answer pings is not
    silent; of the others nobody could tell. It does not count as heard where the Hub would tell of
    its silence too late. What another life of the Hub has said does not count.

    Args:
        ttl: seconds of an ordinary lease: who hangs is to be gone after these.
    """

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._heard: set[Key] = set()

    def hears(self, key: Key) -> bool:
        """Whether it is heard, as far as is known."""
        return key in self._heard

    def told(self, key: Key, *, answering: int, silent: int, within: float) -> bool:
        """The Hub has said how many connections of a life are known to answer, how many of these
        are silent, and how soon it tells; whether that changes anything."""
        was_heard, is_heard = key in self._heard, answering > silent and within <= self._ttl
        if is_heard:
            self._heard.add(key)
        else:
            self._heard.discard(key)
        return was_heard is not is_heard

    def forget(self) -> None:
        """Nobody tells any more."""
        self._heard.clear()
