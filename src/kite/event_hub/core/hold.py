"""Holding publishers back: who holds them, and letting them go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kite.event_hub.core.session import Session


class Holder:
    """Something that has no room: a subscriber's outbox, or the way to the disk.

    Attributes:
        holds: publishers that are not read because of it.
    """

    __slots__ = ("holds",)

    def __init__(self) -> None:
        self.holds: set[Session] = set()

    def hold(self, publisher: Session) -> None:
        """Stop reading a publisher until there is room again."""
        if publisher.identity.is_core or publisher in self.holds or publisher.is_leaving:
            return
        self.holds.add(publisher)
        if not publisher.held_by:
            publisher.wire.pause()
        publisher.held_by.add(self)

    def release(self) -> None:
        """Let the publishers that are held because of this be read again."""
        for publisher in self.holds:
            publisher.held_by.discard(self)
            if not publisher.held_by and not publisher.is_leaving:
                publisher.wire.resume()
        self.holds.clear()
