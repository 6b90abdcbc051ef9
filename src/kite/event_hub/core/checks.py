"""Whether an event, a request or a subscription is as it must be; what is not is `Refused`."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import UNSET

from kite.event_hub.core.envelope import Incoming, Refused
from kite.event_hub.core.rights import Identity
from kite.event_hub.core.route import Route
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session
from kite.event_hub.limits import Limits
from kite.wire.frame import Subscribe
from kite.wire.limits import MAX_EVENT_ID_BYTES
from kite.wire.subject import pattern_problem, subject_problem

_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII
)
_BRACE = ord("{")
_SURELY_SHORT = MAX_EVENT_ID_BYTES // 4
"""No text of so many characters has more bytes than an event id may have."""


def check_subject(subject: str) -> None:
    """Raise `invalid_subject` unless it is one."""
    if problem := subject_problem(subject):
        raise Refused("invalid_subject", subject=subject[:300], detail=problem)


def check_fields(session: Session, frame: Incoming) -> None:
    """Check what an event says about itself: source, id, timestamp, headers.

    Raises:
        Refused: `permission_denied`, `invalid_event_id` or `malformed_frame`.
    """
    source = frame.source
    if source != session.identity.module and source is not UNSET:
        raise denied(session.identity, f"publish as '{source[:80]}'")
    event_id = frame.event_id
    if event_id is not UNSET and not 0 < len(event_id) <= _SURELY_SHORT:
        size = len(event_id.encode())
        if not 0 < size <= MAX_EVENT_ID_BYTES:
            raise Refused("invalid_event_id", size=size)
    timestamp = frame.timestamp
    if timestamp != session.last_timestamp and timestamp is not UNSET:
        if not _TIMESTAMP.fullmatch(timestamp):
            raise Refused("malformed_frame", detail="'timestamp' must be RFC 3339")
        session.last_timestamp = timestamp
    if len(frame.headers) and memoryview(frame.headers)[0] != _BRACE:
        raise Refused("malformed_frame", detail="'headers' must be an object")


def check_right(identity: Identity, route: Route[Session], frame: Incoming) -> None:
    """May it publish here? A yes that holds for every event is remembered in the route.

    Raises:
        Refused: `permission_denied`.
    """
    subject = route.subject
    if identity.may_publish(subject):
        route.granted.add(identity)
        return
    if not identity.may_speak_of_itself(subject):
        raise denied(identity, f"publish on '{subject}'")
    if _module_id(frame.data) != identity.module:
        raise denied(identity, f"publish '{subject}' about another module")


def check_request(session: Session, reply_to: str, route: Route[Session], frame: Incoming) -> None:
    """Check that an answer can come, and that somebody is there to give it.

    Raises:
        Refused: `invalid_subject`, `permission_denied` or `no_responders`.
    """
    check_subject(reply_to)
    if not session.identity.may_be_answered_at(reply_to):
        raise denied(session.identity, f"be answered at '{reply_to}'")
    # A repeat of a request that was accepted is a repeat, whether or not somebody still listens.
    is_repeat = frame.event_id is not UNSET and frame.event_id in session.recent
    if not route.has_responders and not is_repeat:
        raise Refused("no_responders", subject=frame.event)


def check_subscribe(
    session: Session, frame: Subscribe, router: Router[Session], limits: Limits
) -> None:
    """Check every pattern, before any is granted.

    Raises:
        Refused: `invalid_pattern`, `permission_denied` or `too_many_subscriptions`.
    """
    for pattern in frame.events:
        if problem := pattern_problem(pattern):
            raise Refused("invalid_pattern", id=frame.id, pattern=pattern[:300], detail=problem)
        if not session.identity.may_subscribe(pattern):
            raise denied(session.identity, f"subscribe to '{pattern}'", id=frame.id)
    own = router.interests(session)
    queue = None if frame.queue is UNSET else frame.queue
    new = {pattern for pattern in frame.events if (pattern, queue) not in own}
    if len(own) + len(new) > limits.subscriptions:
        raise Refused("too_many_subscriptions", id=frame.id, limit=limits.subscriptions)
    if router.tokens + sum(each.count(".") + 1 for each in new) > limits.pattern_tokens:
        raise Refused("too_many_subscriptions", id=frame.id, limit=limits.pattern_tokens)


def denied(identity: Identity, what: str, **mark: Any) -> Refused:
    """A refusal for want of a right."""
    return Refused("permission_denied", who=identity.module, what=what, **mark)


def _module_id(data: msgspec.Raw) -> str | None:
    try:
        content = msgspec.json.decode(data) if len(data) else None
    except msgspec.DecodeError:
        return None
    found = content.get("module_id") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None
