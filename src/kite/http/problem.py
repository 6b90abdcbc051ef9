"""Errors as they travel over HTTP: `application/problem+json` (RFC 9457) with Kite's `code`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec

from kite.errors import KiteError, RequestError

MEDIA_TYPE: Final = "application/problem+json"
_MAX_TEXT: Final = 500
_RETRY_AFTER: Final = 1


def problem(error: KiteError) -> dict[str, Any]:
    """The problem document of an error.

    It carries the English sentence for whoever shows it as it is, and `code` with `params` for a
    program that knows the code and speaks another language.

    Args:
        error: what went wrong.
    """
    params = {name: _presentable(value) for name, value in error.params.items()}
    shown = type(error)(error.code, **params)
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": title(error.status),
        "status": error.status,
        "detail": shown.english,
        "code": error.code,
        "params": params,
    }
    if hint := shown.english_hint:
        document["hint"] = hint
    if "place" in params:
        document["place"] = params["place"]
    return document


def problem_bytes(error: KiteError) -> bytes:
    """The problem document as JSON."""
    return msgspec.json.encode(problem(error))


def problem_headers(error: KiteError) -> dict[str, str]:
    """What goes with it: how to authenticate (401), what to become (426), when to come back (503)."""
    headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store"}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if error.status == HTTPStatus.UPGRADE_REQUIRED:
        headers |= {"upgrade": "websocket", "sec-websocket-version": "13"}
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(error.params.get("retry_after", _RETRY_AFTER))
    if isinstance(error, RequestError) and "allow" in error.params:
        headers["allow"] = str(error.params["allow"])
    return headers


def title(status: int) -> str:
    """HTTP's own words for a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _presentable(value: Any) -> Any:
    """A parameter that is sure to be encodable, and short: it may hold what a client sent."""
    if isinstance(value, str):
        text = value if len(value) <= _MAX_TEXT else value[: _MAX_TEXT - 1] + "…"
        return text.encode("utf-8", "replace").decode("utf-8")
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_presentable(each) for each in value]
    return _presentable(str(value))
