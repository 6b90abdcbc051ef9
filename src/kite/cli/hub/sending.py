"""What `pub` and `request` have in common: their options, and events one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from kite.errors import ConfigError, KiteError
from kite.locale import _

if TYPE_CHECKING:
    from kite.cli.hub.payload import Writer
    from kite.wire.frame import Event


def sending_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-H`, `--text` and `--template` to a verb."""
    options = [
        click.option(
            "-H",
            "--header",
            "headers",
            multiple=True,
            callback=_headers,
            metavar="NAME=VALUE",
            help=_("a header that travels along; may be repeated"),
        ),
        click.option("--text", is_flag=True, help=_("the data is plain text, not JSON")),
        click.option(
            "--template",
            is_flag=True,
            help=_(
                "fill {{Count}}, {{ID}}, {{TimeStamp}}, {{Time}}, {{Unix}}, {{UnixNano}} and"
                " {{Random 5 10}} in the subject and the data, for each event anew"
            ),
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def writer_of(subject: str, value: Any, options: dict[str, Any]) -> Writer:
    """What makes the events, as these options have it."""
    from kite.cli.hub.payload import Writer

    return Writer(
        subject,
        value,
        is_text=options["text"],
        headers=options["headers"],
        has_places=options["template"],
    )


def _headers(ctx: click.Context, parameter: click.Parameter, given: Any) -> dict[str, str]:
    if not given:
        return {}
    from kite.cli.hub.payload import headers_of

    return headers_of(ctx, parameter, given)


def stamped(event: Event, **changed: Any) -> Event:
    """The event with an id, the operator as its source and the present instant."""
    import msgspec

    from kite.cli.hub.connection import OPERATOR, new_id
    from kite.clock import now_rfc3339

    marks = {"event_id": new_id(), "source": OPERATOR, "timestamp": now_rfc3339(), "ack": True}
    return msgspec.structs.replace(event, **{**marks, **changed})


class Repeated:
    """The same event so many times, its places filled anew each time."""

    def __init__(self, writer: Writer, count: int) -> None:
        self._writer = writer
        self._count = count
        self._number = 0

    async def next(self) -> Event | None:
        """The next one; a `KiteError` when what it is filled with makes it wrong."""
        if self._number == self._count:
            return None
        self._number += 1
        return self._writer.event(self._number)


class Lines:
    """An event for each line of standard input. Empty lines are left out, unless they are text."""

    def __init__(self, writer: Writer, *, is_text: bool) -> None:
        from kite.cli.hub.input_lines import InputLines

        self._writer = writer
        self._is_text = is_text
        self._lines = InputLines()

    async def next(self) -> Event | None:
        """The next one; `line_not_json`, `line_not_utf8` or `line_too_long` when it is wrong."""
        while (found := await self._lines.next()) is not None:
            number, line = found
            if not self._is_text and not line.strip():
                continue
            try:
                return self._writer.event(number, text=line.decode())
            except UnicodeDecodeError as wrong:
                raise ConfigError("line_not_utf8", line=number, detail=wrong.reason) from None
            except KiteError as wrong:
                if wrong.code not in ("not_json", "not_json_unfilled"):
                    raise
                raise ConfigError("line_not_json", **{**wrong.params, "line": number}) from None
        return None
