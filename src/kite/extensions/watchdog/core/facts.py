"""What the Watchdog is told. Every instant is in seconds of one clock that also runs while the
machine sleeps."""

from __future__ import annotations

import msgspec

from kite.extensions.watchdog.core.judgement import Outcome


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One module as the Launcher and the Registry know it.

    Args:
        name: of the module.
        life: its newest, None where nobody says.
        running: whether the Launcher calls it running.
        registered: whether the Registry has an entry.
        url: of its health endpoint, None without one.
    """

    name: str
    life: int | None
    running: bool
    registered: bool
    url: str | None


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """Everything has been looked up; what is not among it does not exist."""

    sightings: tuple[Sighting, ...]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A life has become ready."""

    module: str
    life: int | None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A life is stopping, has ended, or is being made: its health is the Launcher's business."""

    module: str
    life: int | None


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The Registry has an entry, with the URL of a health endpoint or without."""

    module: str
    life: int | None
    url: str | None


class Deregistered(msgspec.Struct, frozen=True, kw_only=True):
    """An entry was taken out, on purpose."""

    module: str
    life: int | None


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """An entry was taken out because no heartbeat came in time."""

    module: str
    life: int | None


class AskEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A health endpoint was asked.

    Args:
        number: of the `Ask`.
        began: the instant at which the question was sent.
        outcome: what came of it.
    """

    module: str
    number: int
    began: float
    outcome: Outcome


class RestartRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The Launcher was asked for a restart and did not do it.

    Args:
        again: whether it may be asked again soon: it could not be reached.
    """

    module: str
    again: bool


class TimePassed(msgspec.Struct, frozen=True):
    """The deadline may have come."""


Fact = (
    Looked
    | Started
    | Ended
    | Registered
    | Deregistered
    | Expired
    | AskEnded
    | RestartRefused
    | TimePassed
)
