"""What comes over a connection goes where it belongs, in both forms of the listener alike."""

from __future__ import annotations

import asyncio
from typing import Any

import picows
import pytest
from picows.picows import _make_test_ws_frame

from kite.errors import RequestError
from kite.sdk import compiled
from kite.sdk.connection import HubConnection
from kite.sdk.listener import Listener
from kite.wire.frame import Event

_TEXT = picows.WSMsgType.TEXT
_MORE = picows.WSMsgType.CONTINUATION


class Heard:
    """A connection that nobody has opened, and what picows would call for it."""

    def __init__(self, form: str) -> None:
        self.events: list[Any] = []
        self.straight: list[tuple[Any, int]] = []
        self.connection = HubConnection(lambda event: self.events.append(event.data), None)
        self.connection.routes["a"] = lambda event, size: self.straight.append((event.data, size))
        pure = Listener(self.connection)
        self.listener = compiled.listener(pure, self.connection) if form == "compiled" else pure
        if form == "compiled" and self.listener is pure:
            pytest.skip("the SDK's listener is not compiled here")

    def hear(self, text: bytes, kind: Any = _TEXT, *, fin: bool = True) -> None:
        frame = _make_test_ws_frame(kind, text, fin, False)
        self.listener.on_ws_frame(None, frame)  # type: ignore[arg-type]  # none of these needs it


@pytest.fixture(params=["pure", "compiled"])
def heard(request: pytest.FixtureRequest) -> Heard:
    return Heard(request.param)


async def test_events_go_straight_where_a_route_leads(heard: Heard) -> None:
    straight = b'{"type":"event","event":"a","data":[1]}'
    heard.hear(straight)
    heard.hear(b'{"type":"event","event":"b","data":[2]}')
    assert heard.straight == [([1], len(straight))]
    assert heard.events == [[2]]
    assert heard.connection.frame_size == len(straight)


async def test_what_is_no_frame_of_the_hub_is_counted(heard: Heard) -> None:
    for text in (b"", b"{", b'{"type":"tomorrow"}', b'{"type":"event","event":7}', b"\xff"):
        heard.hear(text)
    deep = b'{"type":"event","event":"a","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    heard.hear(deep)
    assert heard.connection.ignored == 6
    heard.hear(b'{"type":"event","event":"a"}')
    assert len(heard.straight) == 1


async def test_fragments_are_put_together(heard: Heard) -> None:
    heard.hear(b'{"type":"event",', fin=False)
    heard.hear(b'"event":', _MORE, fin=False)
    heard.hear(b'"a","data":3}', _MORE)
    assert heard.straight == [(3, 37)]


async def test_answers_and_gaps_reach_the_connection(heard: Heard) -> None:
    awaited = heard.connection._awaited
    done, refused = (asyncio.create_task(awaited.answer(name, 10)) for name in "se")
    await asyncio.sleep(0)
    heard.hear(b'{"type":"ack","id":"s"}')
    heard.hear(b'{"type":"error","code":"permission_denied","event_id":"e"}')
    heard.hear(b'{"type":"gap","missed":4}')
    assert (await done).id == "s"
    with pytest.raises(RequestError):
        await refused
    assert heard.connection.missed == 4


async def test_what_a_route_raises_is_not_taken_for_a_broken_frame(heard: Heard) -> None:
    def give_up(event: Event, size: int) -> None:
        raise KeyboardInterrupt

    heard.connection.routes["a"] = give_up
    with pytest.raises(KeyboardInterrupt):
        heard.hear(b'{"type":"event","event":"a"}')
    assert heard.connection.ignored == 0
