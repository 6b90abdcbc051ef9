"""The opening of a WebSocket to the Hub: dial, show the token, understand a refusal."""

from __future__ import annotations

import asyncio
import logging

import msgspec
import picows

from kite import pulse_reader
from kite.errors import PeerError, Unavailable
from kite.sdk.listener import MAX_RECEIVED_BYTES, Listener
from kite.wire import loop_thread
from kite.wire.token import is_token

# picows reports every connection at INFO; that is for who looks for it.
_log = logging.getLogger("kite.sdk.wire")
_log.setLevel(logging.WARNING)


async def shake_hands(
    listener: Listener,
    called: picows.WSListener,
    endpoint: str,
    token: str,
    timeout: float,
    *,
    is_asked: bool,
) -> picows.WSTransport:
    """Connect and show the token; the listener hears everything from then on.

    Args:
        listener: dials; hears what `called` passes on.
        called: by picows: the listener itself, or what stands in front of it.
        endpoint: `ws://127.0.0.1:<port>/ws`.
        token: 64 hex digits.
        timeout: seconds for the whole of it.
        is_asked: as of `HubConnection.open`.

    Raises:
        PeerError, Unavailable: as `HubConnection.open`.
    """
    if not is_token(token):
        raise PeerError("unauthorized")
    headers = {"Authorization": f"Bearer {token}", "Kite-Answers-Pings": "yes"}
    if not is_asked and (thread := pulse_reader.loop_thread()) is not None:
        headers[loop_thread.HEADER] = str(thread)
    try:
        async with asyncio.timeout(timeout):
            transport, opened = await picows.ws_connect(
                lambda: called,
                endpoint,
                extra_headers=headers,
                websocket_handshake_timeout=timeout,
                max_frame_size=MAX_RECEIVED_BYTES,
                max_redirects=0,
                disconnect_on_exception=False,
                logger_name=_log,
                socket_factory=listener.dial,
            )
    except picows.WSHandshakeError as failure:
        raise _refusal(endpoint, failure) from failure
    except (OSError, TimeoutError) as failure:
        listener.abandon()
        detail = "no answer in time" if isinstance(failure, TimeoutError) else str(failure)
        raise Unavailable("unreachable", url=endpoint, detail=detail) from failure
    except asyncio.CancelledError:
        listener.abandon()
        raise
    # The types of picows do not say it: a peer that closes instead of answering leaves None.
    if opened is not called:
        raise Unavailable("unreachable", url=endpoint, detail="the connection was closed")
    return transport


def _refusal(endpoint: str, failure: picows.WSHandshakeError) -> PeerError | Unavailable:
    """What it means that the upgrade was not granted."""
    response = failure.response
    if response is None:
        return Unavailable("unreachable", url=endpoint, detail=str(failure))
    status = int(response.status)
    if status == 401:
        return PeerError("unauthorized")
    if status == 503:
        return Unavailable("not_ready", what="the event hub")
    try:
        problem = msgspec.json.decode(failure.raw_body or b"", type=_Problem)
    except msgspec.DecodeError:
        problem = _Problem(detail=str(failure))
    return PeerError(
        problem.code or "handshake_failed", url=endpoint, status=status, detail=problem.detail
    )


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""
    detail: str = ""
