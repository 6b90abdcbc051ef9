"""What an answer of a health endpoint means."""

from __future__ import annotations

import enum
from typing import Final

import msgspec


class Health(enum.Enum):
    """How a module does."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It runs and says that it cannot do its whole work: a restart would not help."""
    UNHEALTHY = "unhealthy"


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoint has answered.

    Args:
        status: the HTTP status.
        word: `status` of a JSON body, lower case; empty where there is none.
    """

    status: int
    word: str = ""


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody has answered, or not in time: `detail` says which."""

    detail: str


class Unmeasured(msgspec.Struct, frozen=True, kw_only=True):
    """The Watchdog could not ask (no descriptors, no memory): says nothing about the module."""

    detail: str


Outcome = Answered | Unanswered | Unmeasured

WORDS: Final = {
    **dict.fromkeys(("degraded", "warn", "warning"), Health.DEGRADED),
    **dict.fromkeys(("unhealthy", "fail", "failed", "error", "down", "critical"), Health.UNHEALTHY),
}
"""What a JSON body may say in `status` besides being well."""

_UNAVAILABLE = 503
_SERVER_ERROR = 500


def judge(outcome: Outcome) -> Health | None:
    """What it means; None: nothing.

    The module's own word goes before the HTTP status. 503 is "not now": degraded. What answers
    with a redirect or a 4xx is alive, and only its endpoint is wrong: degraded too.
    """
    match outcome:
        case Unmeasured():
            return None
        case Unanswered():
            return Health.UNHEALTHY
        case Answered(status=status, word=word):
            return WORDS.get(word) or _judge_status(status)


def _judge_status(status: int) -> Health:
    if 200 <= status < 300:
        return Health.HEALTHY
    if status >= _SERVER_ERROR and status != _UNAVAILABLE:
        return Health.UNHEALTHY
    return Health.DEGRADED


def told(outcome: Outcome) -> dict[str, str | int]:
    """The outcome as evidence."""
    match outcome:
        case Answered(status=status, word=""):
            return {"http_status": status}
        case Answered(status=status, word=word):
            return {"http_status": status, "status": word}
        case Unanswered(detail=detail) | Unmeasured(detail=detail):
            return {"detail": detail}
