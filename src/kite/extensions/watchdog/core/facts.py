"""What the Watchdog is told. Every instant is in seconds of one clock that also runs while the
machine sleeps."""

from __future__ import annotations

import msgspec

from kite.extensions.watchdog.core.judgement import Outcome
from kite.pulse import Pulse


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a module's manifest says about standing still (`health.heartbeat`).

    Args:
        watched: False: it is not judged by its process and its connections.
        seconds: it must be heard on one of its connections at least so often, whatever its process
            does meanwhile; None: it is judged by what its process does.
        failures: looks in a row that find it hung until it is unhealthy; None: the Watchdog's own.
        start_period: seconds after ready in which it may be silent.
    """

    watched: bool = True
    seconds: float | None = None
    failures: int | None = None
    start_period: float = 0.0


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One module as the Launcher and the Registry know it.

    Args:
        name: of the module.
        life: its newest, None where nobody says.
        running: whether the Launcher calls it running.
        registered: whether the Registry has an entry.
        url: of its health endpoint, None without one.
        pid: of its process, None where nobody says.
        heartbeat: what its manifest says.
    """

    name: str
    life: int | None
    running: bool
    registered: bool
    url: str | None
    pid: int | None = None
    heartbeat: Heartbeat = Heartbeat()


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """Everything has been looked up; what is not among it does not exist."""

    sightings: tuple[Sighting, ...]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A life has become ready."""

    module: str
    life: int | None
    pid: int | None = None


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
    """The Hub has ended one of a module's connections, which took too little."""

    module: str


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
    | Present
    | Cut
    | HubBegan
    | Inspected
    | RestartRefused
    | TimePassed
)
