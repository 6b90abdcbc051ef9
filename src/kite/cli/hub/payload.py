"""What `pub` and `request` send: from arguments, with or without places to be filled."""

from __future__ import annotations

import json
import random
import string
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from msgspec import UNSET, Raw, UnsetType

from kite.cli.hub.template import Place, Shape, Template, parse
from kite.clock import now_rfc3339
from kite.errors import ConfigError, KiteError
from kite.wire.frame import Event
from kite.wire.subject import check_subject

NAMES = {
    "count": Shape("Count"),
    "id": Shape("ID"),
    "timestamp": Shape("TimeStamp"),
    "time": Shape("Time"),
    "unix": Shape("Unix"),
    "unixnano": Shape("UnixNano"),
    "random": Shape("Random 5 10", numbers=2),
}
"""What may stand in a template of `pub` and `request`: the words of the `nats` command."""

MAX_RANDOM = 1 << 20
_LETTERS = string.ascii_letters + string.digits
_SHOWN = 80


def from_argument(text: str | None) -> str | None:
    """The DATA argument: `-` is what standard input holds.

    Raises:
        ConfigError: `data_not_utf8`.
    """
    if text == "-":
        import sys

        return decoded(sys.stdin.buffer.read())
    return text


def decoded(data: bytes) -> str:
    """Bytes that somebody gave as text.

    Raises:
        ConfigError: `data_not_utf8`.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as wrong:
        raise ConfigError("data_not_utf8", detail=str(wrong)) from None


def json_of(text: str) -> Raw:
    """JSON as it is written, once it is known to be some.

    Raises:
        ConfigError: `not_json`, `data_not_utf8`.
    """
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as wrong:
        code = "not_json_unfilled" if "{{" in text else "not_json"
        raise ConfigError(code, detail=str(wrong), value=shown(text)) from None
    return Raw(_encoded(text))


def text_of(text: str) -> Raw:
    """Plain text as JSON.

    Raises:
        ConfigError: `data_not_utf8`.
    """
    return Raw(_encoded(json.dumps(text, ensure_ascii=False)))


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as wrong:  # an argument that is no UTF-8
        raise ConfigError("data_not_utf8", detail=wrong.reason) from None


def shown(text: str) -> str:
    """The beginning of a text, for a message."""
    return text[:_SHOWN].strip()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def headers_of(
    ctx: click.Context, _parameter: click.Parameter, given: Sequence[str]
) -> dict[str, str]:
    """`-H NAME=VALUE`, as often as it was given. A callback of click's."""
    found: dict[str, str] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if ":" in name or not sign:  # as curl and nats write it
            name, sign, value = each.partition(":")
            value = value.removeprefix(" ")
        if not sign or not name or name != name.strip():
            raise ConfigError("bad_header", value=each, command=ctx.command_path)
        if name in found:
            raise ConfigError("header_twice", name=name, command=ctx.command_path)
        found[name] = value
    return found


@dataclass(slots=True)
class Values:
    """What fills the places of one event.

    Args:
        number: which event it is, counted from 1.
        chance: where random text comes from.
    """

    number: int = 0
    chance: random.Random = field(default_factory=random.Random)

    def __call__(self, place: Place) -> str:
        if place.name == "random":
            least, most = place.numbers
            return "".join(self.chance.choices(_LETTERS, k=self.chance.randint(least, most)))
        if place.name == "count":
            return str(self.number)
        if place.name == "id":
            return f"{self.chance.getrandbits(96):024x}"
        return _NOW[place.name]()


_NOW: dict[str, Callable[[], str]] = {
    "timestamp": now_rfc3339,
    "time": lambda: now_rfc3339()[11:23],
    "unix": lambda: str(int(time.time())),
    "unixnano": lambda: str(time.time_ns()),
}


class Writer:
    """Makes events of a subject and data.

    Args:
        subject: with places when `has_places`.
        text: the data, None: there are none; with places when `has_places`.
        is_text: whether the data is plain text, not JSON.
        headers: of each event.
        has_places: whether to fill `{{…}}`. Otherwise nobody's JSON is touched.

    Raises:
        KiteError: `not_json`, `invalid_subject`, `template_…`: what is wrong from the first.
    """

    def __init__(
        self,
        subject: str,
        text: str | None,
        *,
        is_text: bool = False,
        headers: dict[str, str] | None = None,
        has_places: bool = False,
    ) -> None:
        self._is_text = is_text
        self._headers: dict[str, Any] | UnsetType = dict(headers) if headers else UNSET
        self._values = Values()
        self._subject: Template | str = subject
        self._data: Template | Raw = Raw(b"null")
        if has_places:
            self._subject = parse(subject, NAMES)
            if text is not None:
                self._data = parse(text, NAMES)
            self._check_random()
        else:
            check_subject(subject)
            if text is not None:
                self._data = self._raw(text)

    def event(self, number: int, *, text: str | None = None) -> Event:
        """The event of this number, counted from 1; without id, source and instant.

        Args:
            text: data of its own, such as a line of standard input.

        Raises:
            KiteError: what it is filled with makes it wrong.
        """
        self._values.number = number
        subject = self._subject
        if isinstance(subject, Template):
            subject = check_subject(subject.fill(self._values))
        data = self._data
        if text is not None:
            data = self._raw(text)
        elif isinstance(data, Template):
            data = self._filled(data, number)
        return Event(event=subject, data=data, headers=self._headers)

    def _filled(self, template: Template, number: int) -> Raw:
        text = template.fill(self._values)
        try:
            return self._raw(text)
        except KiteError as wrong:
            if wrong.code not in ("not_json", "not_json_unfilled"):
                raise
            raise ConfigError("filled_not_json", **{**wrong.params, "number": number}) from None

    def _raw(self, text: str) -> Raw:
        return text_of(text) if self._is_text else json_of(text)

    def _check_random(self) -> None:
        for template in (self._subject, self._data):
            if not isinstance(template, Template):
                continue
            for place in template.parts:
                if isinstance(place, Place) and place.name == "random":
                    least, most = place.numbers
                    if not least <= most <= MAX_RANDOM:
                        raise ConfigError(
                            "template_malformed",
                            value=f"Random {least} {most}",
                            example=NAMES["random"].example,
                        )
