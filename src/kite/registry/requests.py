"""What callers send to the Registry, as the types that it is read as; see also `ModulesRequest`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from kite.registry.core.posted import Patterns, parse_patterns, wrong
from kite.wire.limits import MAX_PATTERNS, MAX_SESSION_TTL, MAX_SUBJECT_BYTES

DEFAULT_SESSION_TTL: Final = 600.0

_EXACT: Final = 1 << 53
_TOKEN: Final = r"(?:[^\s.*>\u0000-\u001f\u007f-\u009f]+|\*)"
_Pattern = Annotated[
    str,
    Meta(
        extra_json_schema={
            "maxLength": MAX_SUBJECT_BYTES,
            "pattern": rf"^{_TOKEN}(?:\.{_TOKEN})*(?:\.>)?$|^>$",
        }
    ),
]
_Listed = Annotated[list[_Pattern], Meta(extra_json_schema={"maxItems": MAX_PATTERNS})]


class SessionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /tokens/session`.

    Args:
        publish: patterns; left out: nothing; null: what the module itself may publish.
        subscribe: patterns; left out: nothing; null: what the module itself may subscribe to.
        ttl: seconds that the token lives, unless the one that asked for it dies before.
    """

    publish: _Listed | UnsetType | None = UNSET
    subscribe: _Listed | UnsetType | None = UNSET
    ttl: Annotated[
        float, Meta(extra_json_schema={"exclusiveMinimum": 0, "maximum": MAX_SESSION_TTL})
    ] = DEFAULT_SESSION_TTL

    def check(self) -> tuple[Patterns, Patterns]:
        """Both lists, as they are meant.

        Raises:
            RequestError: `malformed_body` with the place.
        """
        if not 0 < self.ttl <= MAX_SESSION_TTL:
            raise wrong("$.ttl", f"expected seconds up to {MAX_SESSION_TTL:g}, got {self.ttl:g}")
        return _patterns(self.publish, "publish"), _patterns(self.subscribe, "subscribe")


class VerifyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /verify`.

    Args:
        token: somebody's; what is no token is nobody's.
    """

    token: str


class DigestsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /tokens/digests`.

    Args:
        epoch: of the table that is known.
        revision: of the table that is known; who knows none may name one that there never is.
        wait: seconds to wait for another table, 300 at most.
    """

    epoch: str | UnsetType = UNSET
    revision: Annotated[int, Meta(ge=-_EXACT, le=_EXACT)] = -1
    wait: Annotated[float, Meta(ge=0)] = 0.0


class WatchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /watch`.

    Args:
        prefix: of the ids of the modules that are followed.
        since: the revision after which to go on; left out, it begins with everything.
        epoch: the life of the Registry that `since` is of; left out: this one.
    """

    prefix: str = ""
    since: Annotated[int, Meta(ge=0, lt=10**15)] | UnsetType = UNSET
    epoch: str | UnsetType = UNSET


class TokensTold(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `POST /tokens`.

    Args:
        ok: true.
        revision: of the table that holds from now on.
    """

    revision: int
    ok: bool = True


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One server-sent event of `GET /watch`.

    Args:
        event: what has happened.
        data: a JSON object in one line; see `protocol/registry.md`.
        id: `epoch:revision` of a change, and of `synced`.
    """

    event: Literal["present", "synced", "registered", "deregistered", "expired", "compacted"]
    data: str
    id: str | UnsetType = UNSET


def _patterns(value: list[str] | UnsetType | None, name: str) -> Patterns:
    return () if value is UNSET else parse_patterns(value, f"$.{name}")
