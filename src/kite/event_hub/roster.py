"""The clients that are connected, by token: who must go when a token dies, and who stays."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from kite.errors import Unavailable
from kite.event_hub.client import Client
from kite.event_hub.core.rights import Identity
from kite.event_hub.core.tokens import TokenTable
from kite.wire.token import same

DEAD_TOKEN = 4401


class Roster:
    """All connected clients.

    Args:
        table: what the Registry says of tokens.
        ask: asks the Registry about one token; None is its no.
    """

    def __init__(self, table: TokenTable, ask: Callable[[str], Awaitable[Identity | None]]) -> None:
        self._table = table
        self._ask = ask
        self._by_digest: dict[str, set[Client]] = {}
        self._of_module: Counter[str] = Counter()
        self._count = 0
        # Tokens that the Registry said yes to and whose row has not come yet, by digest.
        self._unlisted: dict[str, str] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._asking: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return self._count

    def of_module(self, name: str) -> int:
        """How many connections a module has."""
        return self._of_module.get(name, 0)

    def of_token(self, digest: str) -> int:
        """How many connections a life of a module has, those of its web pages not counted."""
        return len(self._by_digest.get(digest, ()))

    def clients(self) -> list[Client]:
        """All of them."""
        return [client for clients in self._by_digest.values() for client in clients]

    def add(self, client: Client) -> None:
        """A client has connected."""
        self._count += 1
        self._of_module[client.identity.module] += 1
        self._by_digest.setdefault(client.identity.digest, set()).add(client)
        if client.identity.expires_at is not None:
            self._watch_expiry()

    def remove(self, client: Client) -> bool:
        """A client is gone; False when it was gone already."""
        digest, module = client.identity.digest, client.identity.module
        clients = self._by_digest.get(digest)
        if clients is None or client not in clients:
            return False
        clients.discard(client)
        if not clients:
            del self._by_digest[digest]
            self._unlisted.pop(digest, None)
        self._count -= 1
        self._of_module[module] -= 1
        if not self._of_module[module]:
            del self._of_module[module]
        return True

    def expect(self, digest: str, token: str) -> None:
        """The Registry said yes to a token that its table lacks as yet."""
        self._unlisted[digest] = token

    def review(self, but: Identity | None) -> None:
        """The table is new: part with whose token died, give the others the rights of now.

        Args:
            but: the Launcher, whose token is in no table.
        """
        now = time.time()
        self._unlisted = {
            digest: token for digest, token in self._unlisted.items() if digest in self._by_digest
        }
        for digest, clients in list(self._by_digest.items()):
            if but is not None and same(digest, but.digest):
                continue
            identity = self._table.find(digest, now)
            if identity is not None:
                self._unlisted.pop(digest, None)
                for client in clients:
                    client.change_identity(identity)
            elif digest in self._unlisted:
                task = asyncio.get_running_loop().create_task(self._ask_again(digest))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
            else:
                self._dismiss(digest, "the token is dead")
        self._watch_expiry()

    def stop(self) -> None:
        """Nothing is watched any more."""
        for task in self._asking:
            task.cancel()
        if self._expiry is not None:
            self._expiry.cancel()

    async def _ask_again(self, digest: str) -> None:
        """A table without a token that the Registry had just said yes to may be older than that
        yes: only the Registry's no ends the connections."""
        token = self._unlisted.get(digest)
        with contextlib.suppress(Unavailable):
            if token is not None and await self._ask(token) is None:
                self._dismiss(digest, "the token is dead")

    def _dismiss(self, digest: str, reason: str) -> None:
        for client in list(self._by_digest.get(digest, ())):
            client.dismiss(DEAD_TOKEN, reason)

    def _watch_expiry(self) -> None:
        """Wake up when the next token dies by itself."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        expiries = [
            client.identity.expires_at
            for client in self.clients()
            if client.identity.expires_at is not None and not client.is_leaving
        ]
        if expiries:
            seconds = max(0.0, min(expiries) - time.time()) + 0.001
            self._expiry = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        now = time.time()
        for client in self.clients():
            expires_at = client.identity.expires_at
            if expires_at is not None and expires_at <= now:
                client.dismiss(DEAD_TOKEN, "the token has expired")
        self._watch_expiry()
