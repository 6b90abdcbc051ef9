"""What callers send to the Launcher's API, as the types that it is read as."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from kite.model.manifest import ConfigState

MAX_REASON: Final = 1000
"""Characters; it goes into events, logs and every module's ears."""

STATES: Final = tuple(state.value for state in ConfigState)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The body of start and stop; it may be absent.

    Args:
        reason: for events and logs.
        life: of a restart only.
    """

    reason: Annotated[str, Meta(max_length=MAX_REASON)] | None = None
    life: Annotated[int | None, Meta(extra_json_schema={"type": "null"})] = None


class RestartAsked(Asked, frozen=True, kw_only=True):
    """The body of restart; it may be absent.

    Args:
        rolling: each new process is ready before the old one goes.
        life: this life alone is meant, and is to be running still.
    """

    rolling: bool = False
    life: Annotated[int, Meta(ge=1)] | None = None


class StateBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `PUT …/state`.

    Args:
        state: the new config state; another word is 400 `bad_config_state`.
    """

    state: Annotated[str, Meta(extra_json_schema={"enum": list(STATES)})]


class WatchBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `…/watch`, as `watch:` in a manifest; it may be absent.

    Args:
        paths: globs of the files whose changes count.
        ignore: globs of those that do not.
        delay: seconds of quiet after a change.
        dependents: whether those that depend on the module are restarted too.
    """

    paths: tuple[str, ...] = ("**",)
    ignore: tuple[str, ...] = ()
    delay: Annotated[float, Meta(ge=0, le=60)] = 0.3
    dependents: bool = False


class WaitQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of what can be waited for.

    Args:
        wait: `1` or `true`: answer when it is done, or after 60 s; else at once.
    """

    wait: Literal["0", "1", "false", "true"] = "0"

    @property
    def waits(self) -> bool:
        """Whether the caller waits."""
        return self.wait in ("1", "true")


class SettledQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /launcher/settled`.

    Args:
        wait: seconds to wait for it, 600 at most.
    """

    wait: Annotated[float, Meta(ge=0)] = 0.0


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `POST /launcher/token`.

    Args:
        ok: true.
    """

    ok: bool = True


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `POST /launcher/shutdown`.

    Args:
        ok: true.
        phase: the phase that begins now.
    """

    ok: bool = True
    phase: Literal["stopping"] = "stopping"
