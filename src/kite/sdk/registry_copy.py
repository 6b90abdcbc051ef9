"""The Registry as a module's own code asks it: from a copy that follows every change."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from kite.errors import KiteError, PeerError
from kite.sdk.core.backoff import Backoff
from kite.sdk.registry_client import RegistryClient, SessionToken, dotted
from kite.wire.tool import Tool

if TYPE_CHECKING:
    from kite.sdk.core.mirror import Mirror


class RegistryCopy:
    """Answers look-ups from a copy, and everything else by asking the Registry.

    The first look-up asks the Registry and begins the copy, which from then on gets each change as
    the Registry learns of it. While there is no whole copy (at the beginning, or while the Registry
    restarts) look-ups ask, as if there were none.

    Records are shared with the copy: do not change them. They have no `expires_at`.

    Args:
        client: asks.
        start: owns the task that follows.
    """

    def __init__(
        self, client: RegistryClient, start: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._client = client
        self._start = start
        self._mirror: Mirror | None = None

    async def get(self, path: str) -> Any:
        """The JSON value at a dotted path, such as `event_hub.metadata.ws_endpoint`.

        Raises:
            RequestError: `not_found`.
        """
        # Whether the Hub is only not there yet, the Registry alone can tell.
        if (copy := self._copy()) is not None and path.partition(".")[0] != "event_hub":
            return copy.get(path)
        return await self._client.get(path)

    async def lookup(self, **fields: str) -> list[dict[str, Any]]:
        """The records whose fields match; `*` and `?` stand for any text and any character.

        `await module.registry.lookup(module_type="agent", events_publish="docs.*")`. Write a dotted
        field with two underscores, `metadata__language="de"`, or give it with `**{...}`.
        """
        if (copy := self._copy()) is not None:
            return copy.lookup(dotted(fields))
        return await self._client.lookup(**fields)

    async def modules(self) -> list[dict[str, Any]]:
        """All records."""
        copy = self._copy()
        return copy.lookup({}) if copy is not None else await self._client.modules()

    async def module(self, module_id: str) -> dict[str, Any]:
        """One module's record.

        Raises:
            RequestError: `not_found`.
        """
        if (copy := self._copy()) is not None:
            return copy.module(module_id)
        return await self._client.module(module_id)

    async def tools(self) -> list[Tool]:
        """What all modules offer to be called; see `Module.call`."""
        copy = self._copy()
        return copy.tools() if copy is not None else await self._client.tools()

    async def session_token(
        self, *, publish: Sequence[str] = (), subscribe: Sequence[str] = (), ttl: float = 600.0
    ) -> SessionToken:
        """A token for a web page of this module; see `RegistryClient.session_token`."""
        return await self._client.session_token(publish=publish, subscribe=subscribe, ttl=ttl)

    def _copy(self) -> Mirror | None:
        """What answers, if it is whole."""
        mirror = self._mirror
        if mirror is None:
            if self._client.can_be_followed:
                # Most modules never look anything up.
                from kite.sdk.core.mirror import Mirror  # noqa: PLC0415

                self._mirror = Mirror()
                self._start(self._follow(self._mirror))
            return None
        return mirror if mirror.is_synced else None

    async def _follow(self, mirror: Mirror) -> None:
        backoff = Backoff()
        while True:
            try:
                async with self._client.watch(mirror.place) as parts:
                    mirror.begin()
                    async for part in parts:
                        mirror.feed(part)
                        if mirror.is_synced:
                            backoff = Backoff()
            except PeerError as refused:
                if refused.code == "unauthorized":
                    return  # this life's token is dead: whoever asks hears that
            except KiteError:
                pass
            finally:
                mirror.end()
            await asyncio.sleep(backoff.next(random.random()))  # noqa: S311  (jitter)
