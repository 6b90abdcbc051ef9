"""Events on standard output: for people, as they were sent, their data alone, or by a template."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import sys
from collections.abc import Callable

import msgspec
from msgspec import Raw

from kite import terminal
from kite.cli.hub import json_text
from kite.cli.hub.connection import Seen
from kite.cli.hub.template import Place, Shape, parse

MAX_DATA_CHARACTERS = 4000

Show = Callable[[Seen, bytes], bytes]
"""From an event and its frame to what is printed for it, without the line's end."""

NAMES = {
    "subject": Shape("subject"),
    "source": Shape("source"),
    "time": Shape("time"),
    "timestamp": Shape("timestamp"),
    "data": Shape("data.NAME", has_path=True),
    "headers": Shape("headers.NAME", has_path=True),
    "event_id": Shape("event_id"),
    "reply_to": Shape("reply_to"),
    "stream": Shape("stream"),
    "seq": Shape("seq"),
    "size": Shape("size"),
    "count": Shape("count"),
}
"""What may stand in a template of `kite events`."""

_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}
_ESCAPE = re.compile(r"\\[nt\\]")


class Printer:
    """Prints events until there are enough. What the reader of the output does to it is kept.

    What comes in one turn of the loop is written at its end, in one piece: others may write there
    too, and thousands of small writes a second would be slow.
    """

    def __init__(self, show: Show, *, left: int | None) -> None:
        self._show = show
        self._left = left
        self._lines: list[bytes] = []
        self.done = asyncio.Event()
        self.failure: OSError | None = None

    def start(self) -> None:
        """Nothing to prepare."""

    def seen(self, event: Seen, frame: bytes) -> None:
        """Print one, unless it is over."""
        if self.done.is_set():
            return
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(self._show(event, frame))
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._write()
                self.done.set()

    def missed(self, count: int) -> None:
        """Said by whoever watches."""

    def leave(self) -> None:
        """Nobody reads any more, though there was nothing to print."""
        self.failure = self.failure or BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        self.done.set()

    def end(self) -> None:
        """Write what was still to be written."""
        self._write()

    def _write(self) -> None:
        if not self._lines or self.failure is not None:
            return
        self._lines.append(b"")
        data, self._lines = b"\n".join(self._lines), []
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError as gone:  # a pipe whose reader has left
            self.failure = gone
            self.done.set()


def as_sent(_event: Seen, frame: bytes) -> bytes:
    """The frame on one line: line breaks in JSON stand only where white space may."""
    return frame.replace(b"\n", b" ").replace(b"\r", b" ")


def data_only(*, wants_json: bool) -> Show:
    """The data: text bare, or (`wants_json`) all of it as JSON."""
    if wants_json:
        return lambda event, _frame: json_text.compact(bytes(event.data)).encode()
    return lambda event, _frame: _encoded(json_text.bare(bytes(event.data)))


def for_people(*, headers: bool) -> Show:
    """Time of day (UTC), subject, source, headers if asked for, and the data."""
    color = terminal.wants_color(sys.stdout, os.environ)
    return lambda event, _frame: line(event, headers=headers, color=color).encode(
        sys.stdout.encoding, "backslashreplace"
    )


def by_template(text: str) -> Show:
    r"""By a template, in which `\n` and `\t` stand for what they mean in most languages.

    Raises:
        ConfigError: `template_unknown` and its kin.
    """
    template = parse(_ESCAPE.sub(lambda found: _ESCAPES[found.group()], text), NAMES)
    number = 0

    def show(event: Seen, frame: bytes) -> bytes:
        nonlocal number
        number += 1
        return _encoded(template.fill(lambda place: _value(place, event, frame, number)))

    return show


def line(event: Seen, *, headers: bool, color: bool) -> str:
    """One event on one line."""
    parts = [
        terminal.paint(_clean(event.timestamp[11:23]), "dim", color=color),
        terminal.paint(_clean(event.event), "bold", color=color),
    ]
    source = _clean(event.source)
    parts.append(terminal.paint(source, terminal.name_color(source), color=color))
    if headers:
        parts += [terminal.paint(_clean(each), "dim", color=color) for each in _headers(event)]
    data = json_text.one_line(bytes(event.data))
    if len(data) > MAX_DATA_CHARACTERS:
        data = data[:MAX_DATA_CHARACTERS] + "…"
    parts.append(_clean(data))
    return " ".join(parts)


def _headers(event: Seen) -> list[str]:
    """`name=value`, a value with white space or quotes as JSON."""
    found = _members(bytes(event.headers))
    shown = {name: json_text.bare(bytes(value)) for name, value in found.items()}
    return [
        f"{name}={value}" if re.fullmatch(r'[^\s"]+', value) else f"{name}={json.dumps(value)}"
        for name, value in shown.items()
    ]


def _value(place: Place, event: Seen, frame: bytes, number: int) -> str:
    match place.name:
        case "data":
            return _bare(_at(bytes(event.data) or b"null", place.path.split(".")))
        case "headers":  # their names may hold dots
            return _bare(_at(bytes(event.headers), [place.path]))
        case _:
            return _PLAIN[place.name](event, frame, number)


_PLAIN: dict[str, Callable[[Seen, bytes, int], str]] = {
    "subject": lambda event, _frame, _number: event.event,
    "source": lambda event, _frame, _number: event.source,
    "timestamp": lambda event, _frame, _number: event.timestamp,
    "time": lambda event, _frame, _number: event.timestamp[11:23],
    "event_id": lambda event, _frame, _number: event.event_id,
    "reply_to": lambda event, _frame, _number: event.reply_to,
    "stream": lambda event, _frame, _number: _bare(bytes(event.stream)),
    "seq": lambda event, _frame, _number: _bare(bytes(event.seq)),
    "size": lambda _event, frame, _number: str(len(frame)),
    "count": lambda _event, _frame, number: str(number),
}


def _bare(raw: bytes) -> str:
    return json_text.bare(raw) if raw else ""


def _at(raw: bytes, path: list[str]) -> bytes:
    """What stands at the path, as it was sent; empty when there is nothing."""
    for step in filter(None, path):
        if raw.lstrip()[:1] == b"{":
            raw = bytes(_members(raw).get(step, Raw()))
        elif raw.lstrip()[:1] == b"[" and step.isdecimal():
            found = msgspec.json.decode(raw, type=list[Raw])
            raw = bytes(found[int(step)]) if int(step) < len(found) else b""
        else:
            return b""
    return raw


def _members(raw: bytes) -> dict[str, Raw]:
    return msgspec.json.decode(raw, type=dict[str, Raw]) if raw else {}


def _encoded(text: str) -> bytes:
    """As bytes; on a terminal without what could move its cursor."""
    if sys.stdout.isatty():
        text = "\n".join(_clean(each) for each in text.split("\n"))
    return text.encode(sys.stdout.encoding, "backslashreplace")


def _clean(text: str) -> str:
    return terminal.clean(text, color=False)
