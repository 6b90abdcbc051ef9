"""What the Watchdog is told. Every instant is in seconds of one clock that also runs while the
machine sleeps."""

from __future__ import annotations

import msgspec

from kite.extensions.watchdog.core.judgement import Outcome
from kite.hang import Heartbeat
from kite.pulse import Pulse


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One life of a module as the Launcher and the Registry know it.

    Args:
        name: of the module.
        life: which, None where nobody says.
        running: whether the Launcher calls it running.
        registered: whether the Registry has an entry of it; None where another replica's entry hides
            that.
        url: of its health endpoint, None without one.
        pid: of its process, None where nobody says.
        heartbeat: what its manifest says.
        replica: its place among the module's processes.
    """

    name: str
    life: int | None
    running: bool
    registered: bool | None
    url: str | None
    pid: int | None = None
    heartbeat: Heartbeat = Heartbeat()
    replica: int = 0


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """Everything has been looked up; what is not among it does not exist."""

    sightings: tuple[Sighting, ...]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A life has become ready, in its place among the module's replicas."""

    module: str
    life: int | None
    pid: int | None = None
    replica: int = 0


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A life is being made: until it is ready its health is the Launcher's business."""

    module: str
    life: int | None
    replica: int = 0


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A life is stopping or has ended: its health is the Launcher's business."""

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


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """The Hub says how many connections a life has, and how many of them are silent.

    Args:
        seconds: for how long one has owed an answer, where that is why it is said.
    """

    module: str
    life: int | None
    connections: int
    silent: int
    seconds: float = 0.0


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """The Hub has ended one of a life's connections, which took too little."""

    module: str
    life: int | None = None


class HubBegan(msgspec.Struct, frozen=True):
    """The Hub speaks to the Watchdog from the start: who is silent is said again."""


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    """A process was looked at.

    Args:
        whole, closely: as it was asked.
        pulse: None: there is no such process.
    """

    module: str
    life: int | None
    whole: bool
    pulse: Pulse | None
    closely: bool = False


class RestartRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The Launcher was asked to restart a life and did not do it.

    Args:
        again: whether it may be asked again soon: it could not be reached.
    """

    module: str
    again: bool
    life: int | None = None


class TimePassed(msgspec.Struct, frozen=True):
    """The deadline may have come."""


Fact = (
    Looked
    | Started
    | Begun
    | Ended
    | Registered
    | Deregistered
    | Expired
    | AskEnded
    | Present
    | Cut
    | HubBegan
    | Inspected
    | RestartRefused
    | TimePassed
)
