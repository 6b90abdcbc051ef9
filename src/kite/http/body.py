"""Bodies of requests: bounded, strict JSON, refused with the place of the mistake."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request

from kite.errors import RequestError
from kite.wire.limits import MAX_DEPTH, MAX_FRAME_BYTES

T = TypeVar("T")

BODY_SECONDS: Final = 30.0
"""A body must be here within this many seconds after its head."""

_MAX_DRAINED: Final = 16 << 20
_CONTAINERS: Final = (dict, list)  # made once: asked of each value of each body
_PLACE = re.compile(r"(?P<detail>.*?) - at `(?P<place>.*)`", re.DOTALL)
_BYTE = re.compile(r"(?P<detail>.*?) \((?P<place>byte \d+)\)", re.DOTALL)


async def read_body(request: Request, *, limit: int = MAX_FRAME_BYTES) -> bytes:
    """The whole body.

    Raises:
        RequestError: `body_too_large` (413) over `limit` bytes, `request_slow` (408) when it does
            not come.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    chunks.append(chunk)
                elif size > _MAX_DRAINED:
                    break
                else:
                    # Read on without keeping it: a connection that is closed on unread bytes is
                    # reset, and the client would see that instead of the answer.
                    chunks.clear()
    except TimeoutError:
        raise RequestError("request_slow", limit=f"{BODY_SECONDS:g}") from None
    if size > limit:
        raise RequestError("body_too_large", limit=limit)
    return b"".join(chunks)


async def read_json(request: Request, kind: type[T], *, absent: T | None = None) -> T:
    """The body as a value of a type (a msgspec struct, `dict[str, Any]` …).

    Unknown keys are ignored, wrong types are refused.

    Args:
        request: the request.
        kind: what it must be.
        absent: returned for an empty body; without it an empty body is an error.

    Raises:
        RequestError: `malformed_body` (422) with `place` and `detail`; see also `read_body`.
    """
    body = await read_body(request)
    if not body and absent is not None:
        return absent
    return parse_json(body, kind)


def parse_json(body: bytes, kind: type[T]) -> T:
    """The bytes as a value of a type.

    Raises:
        RequestError: `malformed_body` with `place` and `detail`.
    """
    if not body:
        raise RequestError("malformed_body", place="$", detail="it is empty, expected JSON")
    try:
        value = msgspec.json.decode(body)
        check_depth(value)
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as wrong:
        raise malformed(str(wrong)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise _not_utf8(body) or malformed(str(wrong)) from None
    except RecursionError:
        raise too_deep() from None


def _not_utf8(body: bytes) -> RequestError | None:
    """The error for bytes that are no text; versions of msgspec differ in how they say so."""
    try:
        body.decode()
    except UnicodeDecodeError as wrong:
        place = f"byte {wrong.start}"
        return RequestError("malformed_body", place=place, detail="it is not UTF-8")
    return None


def check_depth(value: Any) -> None:
    """Refuse JSON that is nested deeper than the contract allows.

    Raises:
        RequestError: `malformed_body`.
    """
    level: list[Any] = [value]
    for _depth in range(MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
        level = [each for each in below if isinstance(each, _CONTAINERS)]
        if not level:
            return
    raise too_deep()


def too_deep() -> RequestError:
    """The error for JSON that is nested too deep."""
    return RequestError(
        "malformed_body", place="$", detail=f"it is nested deeper than {MAX_DEPTH} levels"
    )


def malformed(message: str) -> RequestError:
    """The error for what msgspec says about a body."""
    for pattern in (_PLACE, _BYTE):
        if found := pattern.fullmatch(message):
            return RequestError("malformed_body", place=found["place"], detail=found["detail"])
    return RequestError("malformed_body", place="$", detail=message)
