"""What a module says about itself when it registers, checked for form.

It is information: nothing in it widens what the module may do.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType

from kite.errors import RequestError
from kite.wire.tool import TOOL_SCHEMA, tools_problem

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
"""What a module may be called."""

ACTIONS: Final = ("register", "heartbeat", "deregister")

_BAD_IN_URL = re.compile(r"[\s\x00-\x1f\x7f]")
_SHOWN: Final = 100


_Tools = Annotated[list[Any], Meta(extra_json_schema={"items": TOOL_SCHEMA})]


class Registration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of a registration; null is the same as left out.

    Args:
        module_type: `service`, `agent`, … or any word of the module's.
        name: for people.
        api_endpoint: the URL where the module answers.
        health_endpoint: a URL, or a path below `api_endpoint`.
        events_publish: subjects, as a list or with a description each.
        events_subscribe: patterns, likewise.
        tools: what it offers to be called (`kite.wire.tool`); other values are information.
        metadata: anything more.
    """

    module_type: str | None = None
    name: str | None = None
    api_endpoint: str | None = None
    health_endpoint: str | None = None
    events_publish: dict[str, Any] | list[str] | None = None
    events_subscribe: dict[str, Any] | list[str] | None = None
    tools: _Tools | None = None
    metadata: dict[str, Any] | None = None

    def check(self) -> None:
        """Look at what the types do not say.

        Raises:
            RequestError: `malformed_body` with the place.
        """
        if self.api_endpoint is not None and (wrong := _url_problem(self.api_endpoint)):
            raise _wrong("api_endpoint", wrong)
        if wrong_tool := tools_problem(self.tools or ()):
            place, detail = wrong_tool
            raise _wrong(f"tools{place}", detail)
        if self.health_endpoint is None:
            return
        if "://" in self.health_endpoint:
            if wrong := _url_problem(self.health_endpoint, schemes=("http", "https")):
                raise _wrong("health_endpoint", wrong)
        elif not self.health_endpoint or _BAD_IN_URL.search(self.health_endpoint):
            raise _wrong("health_endpoint", "expected a URL, or a path below `api_endpoint`")
        elif self.api_endpoint is None:
            raise _wrong("health_endpoint", "it is a path, and there is no `api_endpoint`")

    def fields(self) -> dict[str, Any]:
        """The fields that were given."""
        return {
            name: value for name, value in msgspec.structs.asdict(self).items() if value is not None
        }


class ModulesRequest(Registration, frozen=True, kw_only=True, omit_defaults=True):
    """The body of `POST /modules`.

    Args:
        action: `register`, `heartbeat` or `deregister`.
        module_id: of whom it speaks.
        life: which process of the module it means; the speaker's own where its token says so.
        ttl: with `register`: how many seconds the lease should be; bounded by the Registry.
        unless_own: with `register` and the kite token: leave what the module itself registered.
    """

    action: Annotated[str, Meta(extra_json_schema={"enum": list(ACTIONS)})]
    module_id: Annotated[str, Meta(extra_json_schema={"pattern": f"^{NAME.pattern}$"})]
    life: Annotated[int, Meta(extra_json_schema={"minimum": 1})] | UnsetType | None = UNSET
    ttl: Annotated[float, Meta(extra_json_schema={"exclusiveMinimum": 0})] | UnsetType | None = (
        UNSET
    )
    unless_own: bool = False

    def check(self) -> None:
        """Look at what the types do not say. Raises `malformed_body` with the place."""
        if self.action not in ACTIONS:
            found = self.action[:_SHOWN]
            raise _wrong("action", f"expected register, heartbeat or deregister, got '{found}'")
        if not NAME.fullmatch(self.module_id):
            raise _wrong("module_id", f"expected {NAME.pattern}, got '{self.module_id[:_SHOWN]}'")
        if isinstance(self.life, int) and self.life < 1:
            raise _wrong("life", f"lives count from 1, got {self.life}")
        if isinstance(self.ttl, int | float) and not self.ttl > 0:
            raise _wrong("ttl", f"expected more than 0 seconds, got {self.ttl}")
        if self.action == "register":
            super().check()

    def registration(self) -> Registration:
        """The fields of the registration alone."""
        names = Registration.__struct_fields__
        return Registration(**{name: getattr(self, name) for name in names})


def _url_problem(url: str, *, schemes: tuple[str, ...] = ()) -> str | None:
    """Why this is no URL with a host (of one of these schemes), or None when it is one."""
    try:
        parts = urlsplit(url)
        good = bool(parts.scheme and parts.hostname) and (parts.port is None or parts.port > 0)
        good = good and (not schemes or parts.scheme in schemes)
    except ValueError:
        good = False
    if good and not _BAD_IN_URL.search(url):
        return None
    return f"expected a URL such as http://127.0.0.1:8080, got '{url[:_SHOWN]}'"


def _wrong(field: str, detail: str) -> RequestError:
    return RequestError("malformed_body", place=f"$.{field}", detail=detail)
