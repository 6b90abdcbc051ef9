"""How an event is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from kite.cli.hub.connection import Seen
from kite.cli.hub.event_lines import Printer, as_sent, by_template, data_only, line
from kite.cli.instant import since
from kite.errors import KiteError

FRAME = (
    '{"type":"event","event":"a.b","event_id":"e1","source":"rose","timestamp":'
    '"2026-01-31T09:05:07.123Z","reply_to":"_reply.rose.1","headers":{"x.y":"1","q":"a b"},'
    '"stream":"docs","seq":7,"data":{"who":"Ada","n":1e400,"list":[1,{"k":"文"}],"nil":null}}'
).encode()


def seen(frame: bytes = FRAME) -> Seen:
    return msgspec.json.decode(frame, type=Seen)


def test_for_people() -> None:
    data = '{"who": "Ada", "n": 1e400, "list": [1, {"k": "文"}], "nil": null}'
    assert line(seen(), headers=False, color=False) == f"09:05:07.123 a.b rose {data}"
    shown = line(seen(), headers=True, color=False)
    assert shown == f'09:05:07.123 a.b rose x.y=1 q="a b" {data}'


def test_a_bare_event_and_a_huge_one() -> None:
    bare = seen(b'{"type":"event","event":"a"}')
    assert line(bare, headers=True, color=False) == " a  null"
    huge = seen(b'{"type":"event","event":"a","data":"' + b"x" * 9000 + b'"}')
    shown = line(huge, headers=False, color=False)
    assert shown.endswith("x…")
    assert len(shown) < 4100


def test_nothing_moves_the_cursor() -> None:
    frame = '{"type":"event","event":"a\\u001b[2Jb","source":"s","data":"\u009b2J"}'.encode()
    shown = line(seen(frame), headers=False, color=False)
    assert all(character.isprintable() for character in shown)


def test_as_sent_is_one_line() -> None:
    assert as_sent(seen(), b'{"a":\r\n 1}') == b'{"a":   1}'


def test_data_only() -> None:
    text = seen(b'{"type":"event","event":"a","data":"say \\"hi\\""}')
    assert data_only(wants_json=False)(text, b"") == b'say "hi"'
    assert data_only(wants_json=True)(text, b"") == b'"say \\"hi\\""'
    assert data_only(wants_json=False)(seen(b'{"type":"event","event":"a"}'), b"") == b"null"


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{subject}} {{Source}}", "a.b rose"),
        (r"{{time}}\t{{timestamp}}\\n", "09:05:07.123\t2026-01-31T09:05:07.123Z\\n"),
        ("{{data.who}}/{{data.n}}/{{data.list.1.k}}/{{data.list.1}}", 'Ada/1e400/文/{"k":"文"}'),
        ("[{{data.nobody}}|{{data.list.9}}|{{data.who.x}}|{{data.nil}}]", "[|||null]"),
        ("{{headers.x.y}}{{headers.z}} {{headers}}", '1 {"x.y":"1","q":"a b"}'),
        ("{{stream}} {{seq}} {{event_id}} {{reply_to}}", "docs 7 e1 _reply.rose.1"),
        ("{{count}} {{size}}", f"1 {len(FRAME)}"),
    ],
)
def test_templates(template: str, shown: str) -> None:
    assert by_template(template)(seen(), FRAME).decode() == shown


def test_a_template_counts() -> None:
    show = by_template("{{count}}")
    assert [show(seen(), FRAME) for _ in range(3)] == [b"1", b"2", b"3"]


def test_an_unknown_name_is_told_before_anything_is_watched() -> None:
    with pytest.raises(KiteError) as caught:
        by_template("{{subjekt}}")
    assert caught.value.params["near"] == "subject"


async def test_it_ends_exactly_after_so_many(capfd: pytest.CaptureFixture[str]) -> None:
    printer = Printer(lambda _event, frame: frame, left=3)
    for number in range(5):
        printer.seen(seen(), b"%d" % number)
    assert printer.done.is_set()
    printer.end()
    assert capfd.readouterr().out == "0\n1\n2\n"


async def test_what_comes_in_one_turn_is_written_at_its_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    printer = Printer(lambda _event, frame: frame, left=None)
    printer.seen(seen(), b"a")
    printer.seen(seen(), b"b")
    assert capfd.readouterr().out == ""
    await asyncio.sleep(0)
    assert capfd.readouterr().out == "a\nb\n"


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("5m", lambda found: found.endswith("Z")),
        ("2026-01-31T09:05:00+01:00", lambda found: found == "2026-01-31T08:05:00.000Z"),
        ("2026-01-31T09:05:00Z", lambda found: found == "2026-01-31T09:05:00.000Z"),
        ("2026-01-31T09:05:00", lambda found: found is None),
        ("yesterday", lambda found: found is None),
        ("-5m", lambda found: found is None),
        ("300d", lambda found: found < "2100"),
    ],
)
def test_since(text: str, check: Callable[[str | None], bool]) -> None:
    assert check(since(text))
