"""Events as CloudEvents 1.0, for what lies outside of Kite: a webhook, a queue, a file.

A CloudEvent is a dictionary here, as its JSON says: `json.dumps` of it is its structured mode.
`docs/reference/cloudevents.md` has the mapping, which loses nothing in either direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kite.errors import RequestError
from kite.sdk.event import Event
from kite.sdk.module import Module
from kite.sdk.outgoing import check_size
from kite.wire import cloudevents, frame
from kite.wire.limits import MAX_DEPTH
from kite.wire.subject import check_subject

_encode = msgspec.json.Encoder().encode
_decode_event = msgspec.json.Decoder(frame.Event).decode


def to_cloudevent(event: Event) -> dict[str, Any]:
    """The CloudEvent of an event that a handler has got."""
    members = cloudevents.members_of(_encode(event._frame))
    found: dict[str, Any] = msgspec.json.decode(cloudevents.to_cloudevent(members))
    return found


def from_cloudevent(cloudevent: Mapping[str, Any]) -> Event:
    """The event of a CloudEvent, as a handler would see it.

    Its `source` is the CloudEvent's own, or the module that published it where that is known.

    Raises:
        RequestError: `cloudevent_…`: it is none.
    """
    return Event(_decode_event(cloudevents.from_cloudevent(_members(cloudevent))))


def publish(module: Module, cloudevent: Mapping[str, Any]) -> str:
    """Publish a CloudEvent in a module's name, and go on, as `Module.publish` does.

    Its `id` and `time` are kept, and its `source` too: subscribers find all of them with
    `to_cloudevent`.

    Returns:
        The `event_id`.

    Raises:
        RequestError: `cloudevent_…`, `invalid_subject` (its `type`), `event_too_large`.
        Unavailable: as `Module.publish`.
    """
    life = module._running
    made = cloudevents.from_cloudevent(_members(cloudevent), life.name)
    event = _decode_event(made)
    life.publisher.send(check_size(check_subject(event.event), made))
    return str(event.event_id)


def _members(cloudevent: Mapping[str, Any]) -> cloudevents.Fields:
    try:
        return cloudevents.members_of(_encode(dict(cloudevent)))
    except RecursionError:
        raise RequestError("too_deep", limit=MAX_DEPTH) from None
