"""The body of `POST /tokens`: who is who, as grants. Refused with the place of the mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kite.errors import RequestError
from kite.registry.core.registration import NAME
from kite.wire.limits import MAX_PATTERNS
from kite.wire.subject import pattern_problem
from kite.wire.token import digest, is_token

Patterns = tuple[str, ...] | None
"""What one may publish or subscribe to; None: anything."""

MAX_GRANTS: Final = 256
"""A name may have this many live tokens at once."""

_MAX_LIFE: Final = 1 << 53
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token means. The token itself is nowhere; `digest` is its SHA-256 in hex.

    Args:
        name: the module that speaks with it, or `operator`.
        publish: what it may publish.
        subscribe: what it may subscribe to.
        scopes: extra rights.
        life: which process of the module has it.
        replica: which of several side by side.
        parent: of a session token, the digest of the token that asked for it.
        expires_at: of a session token, seconds since 1970.
    """

    digest: str
    name: str
    publish: Patterns = None
    subscribe: Patterns = None
    scopes: tuple[str, ...] = ()
    life: int | None = None
    replica: int | None = None
    parent: str | None = None
    expires_at: float | None = None


Posted = dict[str, tuple[Grant, ...]]
"""By name; nothing for a name that is revoked."""


def parse_posted(body: Mapping[str, Any]) -> Posted:
    """Read the body of `POST /tokens`.

    Args:
        body: name to a token, an object with `token`, a list of these, or null.

    Raises:
        RequestError: `malformed_body` with the place.
    """
    posted: Posted = {}
    owners: dict[str, str] = {}
    for name, value in body.items():
        place = f"$.{name[:_SHOWN]}"
        if not NAME.fullmatch(name):
            raise wrong(place, f"expected a name of the form {NAME.pattern}")
        values = [] if value is None else value if isinstance(value, list) else [value]
        if len(values) > MAX_GRANTS:
            raise wrong(place, f"expected at most {MAX_GRANTS} tokens, got {len(values)}")
        grants = []
        for position, each in enumerate(values):
            where = f"{place}[{position}]" if isinstance(value, list) else place
            grant = _grant(name, each, where)
            if grant.digest in owners:
                raise wrong(where, f"the same token is given to '{owners[grant.digest]}' too")
            owners[grant.digest] = name
            grants.append(grant)
        posted[name] = tuple(grants)
    return posted


def parse_patterns(value: Any, place: str) -> Patterns:
    """A list of patterns, or None.

    Raises:
        RequestError: `malformed_body` with the place.
    """
    if value is None:
        return None
    for position, pattern in enumerate(_strings(value, place)):
        if problem := pattern_problem(pattern):
            raise wrong(
                f"{place}[{position}]", f"pattern '{pattern[:_SHOWN]}' is invalid: {problem}"
            )
    return tuple(value)


def wrong(place: str, detail: str) -> RequestError:
    """The error for a mistake at a place of the body."""
    return RequestError("malformed_body", place=place, detail=detail)


def _grant(name: str, value: Any, place: str) -> Grant:
    if isinstance(value, str):
        value = {"token": value}
    elif not isinstance(value, dict):
        raise wrong(place, f"expected a token, an object or null, got {kind_of(value)}")
    elif "token" not in value:
        raise wrong(place, "the object has no `token`")
    else:
        place = f"{place}.token"
    if not is_token(value["token"]):
        # What was sent is not shown: it may be somebody's token with a slip in it.
        raise wrong(place, "expected 64 hex digits in lower case")
    place = place.removesuffix(".token")
    scopes = value.get("scopes")
    return Grant(
        digest=digest(value["token"]),
        name=name,
        publish=parse_patterns(value.get("publish"), f"{place}.publish"),
        subscribe=parse_patterns(value.get("subscribe"), f"{place}.subscribe"),
        scopes=tuple(_strings([] if scopes is None else scopes, f"{place}.scopes")),
        life=_integer(value.get("life"), 1, f"{place}.life"),
        replica=_integer(value.get("replica"), 0, f"{place}.replica"),
    )


def _strings(value: Any, place: str) -> list[str]:
    if not isinstance(value, list):
        raise wrong(place, f"expected a list of strings, got {kind_of(value)}")
    if len(value) > MAX_PATTERNS:
        raise wrong(place, f"expected at most {MAX_PATTERNS} elements, got {len(value)}")
    for position, each in enumerate(value):
        if not isinstance(each, str):
            raise wrong(f"{place}[{position}]", f"expected a string, got {kind_of(each)}")
    return value


def _integer(value: Any, least: int, place: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(place, f"expected an integer, got {kind_of(value)}")
    if not least <= value < _MAX_LIFE:
        raise wrong(place, f"expected an integer from {least} on, got {str(value)[:20]}")
    return value


def kind_of(value: Any) -> str:
    """What JSON calls the value."""
    kinds = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return kinds.get(type(value), type(value).__name__)
