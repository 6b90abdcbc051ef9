"""The Event Hub, spoken to as the operator: for `events`, `pub` and `request`."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any

from kite.cli.control import Control
from kite.errors import ConfigError, KiteError, Unavailable
from kite.sdk.connection import HubConnection, Lost
from kite.wire.frame import Event

OPERATOR = "operator"
HUB_SECONDS = 20.0
"""How long an Event Hub that is being mended is waited for."""
RETRY_SECONDS = 0.25


async def connect(
    control: Control,
    *,
    on_event: Callable[[Event], None],
    on_lost: Callable[[], object] | None = None,
) -> HubConnection:
    """A connection with the operator's token.

    A Hub that says 503 is asked again as `Retry-After` has it, for as long as Kite runs and at most
    20 s; one that is being restarted makes the connection wait by itself, as its socket stays.

    Raises:
        Unavailable: `not_ready` (status 4), or that Kite has ended (3).
    """
    endpoint = control.api.ws_endpoint or control.get("/launcher").json().get("ws_endpoint")
    if not endpoint:
        raise Unavailable("not_ready", what="event_hub")

    def lost(_how: Lost) -> None:
        if on_lost:
            on_lost()

    try:
        async with asyncio.timeout(HUB_SECONDS):
            while True:
                try:
                    return await HubConnection.open(
                        endpoint,
                        control.api.token,
                        on_event=on_event,
                        on_lost=lost,
                        timeout=HUB_SECONDS,
                    )
                except Unavailable as later:
                    if later.code != "not_ready":
                        raise control.away(endpoint, str(later)) from None
                    control.get("/launcher")  # raises when Kite has ended
                    await asyncio.sleep(RETRY_SECONDS)
    except TimeoutError:
        raise Unavailable("not_ready", what="event_hub") from None


def parse_data(text: str | None) -> Any:
    """The JSON argument of `pub` and `request`: nothing is null, `-` reads standard input.

    Raises:
        ConfigError: `not_json`.
    """
    if text is None:
        return None
    if text == "-":
        import sys

        text = sys.stdin.read()
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as wrong:
        raise ConfigError("not_json", detail=str(wrong), value=text[:80].strip()) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def new_id() -> str:
    """An event id that nobody else has."""
    return secrets.token_hex(12)


def run(work: Any) -> Any:
    """Run a coroutine to its end. A `KiteError` within a group of tasks comes out alone."""
    try:
        return asyncio.run(work)
    except* KiteError as group:
        problem: BaseException = group
        while isinstance(problem, BaseExceptionGroup):
            problem = problem.exceptions[0]
        raise problem from None
