"""A fresh token for the operator, while Kite runs: nobody is locked out, and the old one is dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from kite.errors import Unavailable
from kite.launcher.authority import Authority
from kite.launcher.registry_link import RegistryLink

TAKEN_WITHIN: Final = 20.0
"""Seconds for the Registry to take the new token; it may be restarting."""


class OperatorToken:
    """Changes the operator's token.

    Args:
        authority: who has which token.
        registry: is told.
        write: puts a token into `api.json`.
    """

    def __init__(
        self, authority: Authority, registry: RegistryLink, write: Callable[[str], None]
    ) -> None:
        self._authority = authority
        self._registry = registry
        self._write = write
        self._turn = asyncio.Lock()

    async def rotate(self) -> None:
        """Replace it: the new one is known everywhere before `api.json` names it, and when this
        returns the old one is known nowhere.

        Raises:
            Unavailable: `token_not_rotated`; the old one is still good.
            OSError: `api.json` could not be written; likewise.
        """
        async with self._turn:
            present = self._authority.operator_token
            token = self._authority.offer_operator()
            try:
                if not await self._is_told(self._authority.version):
                    raise Unavailable("token_not_rotated", seconds=f"{TAKEN_WITHIN:g}")
                self._write(token)
            except BaseException:
                self._authority.settle_operator(present)
                raise
            self._authority.settle_operator(token)
            # A Registry that goes away now is told by name who is left, in its next life.
            await self._is_told(self._authority.version)

    async def _is_told(self, version: int) -> bool:
        try:
            async with asyncio.timeout(TAKEN_WITHIN):
                await self._registry.acknowledged(version)
        except TimeoutError:
            return False
        return True
