"""`kite call TOOL JSON`: call a tool that a module offers, and print what it answers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.request import Printer, ask
from kite.cli.session import Session
from kite.cli.usage import positive_seconds
from kite.errors import RequestError
from kite.locale import _


@click.command(
    cls=Verb,
    help=_(
        "Call a tool as the operator and print what it answers. TOOL is a name of kite tools, or"
        " MODULE/TOOL. What it takes is JSON, - for standard input, or NAME=VALUE for each field of it"
        " (VALUE is JSON where the tool wants something else than text there)."
        " The input is checked against the tool's schema before anything is sent."
    ),
)
@click.option(
    "--timeout",
    callback=positive_seconds,
    default="30",
    show_default=True,
    metavar="SECONDS",
    help=_("how long to wait for the answer"),
)
@click.option("--raw", is_flag=True, help=_("show only the data, on one line, text without quotes"))
@click.argument("name", metavar="TOOL")
@click.argument("given", metavar="[JSON|-|NAME=VALUE...]", nargs=-1)
@click.pass_obj
def call(
    session: Session, /, *, name: str, given: tuple[str, ...], timeout: float, raw: bool
) -> int:
    import msgspec

    from kite.cli.hub.connection import run
    from kite.cli.hub.payload import Writer
    from kite.cli.tool_input import input_of
    from kite.wire.tool import Tool, chosen

    control = session.control()
    query = urlencode({"name": name.rpartition("/")[2]})
    offered = control.registry(f"/tools?{query}").json()["tools"]
    tool = chosen(msgspec.convert(offered, list[Tool]), name)
    assert tool.subject is not None
    text = input_of(tool, given)
    if tool.input_schema is not None:
        wrong = _mismatch(tool.input_schema, text, tool, "input_schema")
        if wrong is not None:
            raise RequestError("invalid_input", tool=name, detail=wrong)
    writer = Writer(tool.subject, text, is_text=False, headers={}, has_places=False)
    printer = Printer(tool.subject, wants_json=session.wants_json, raw=raw, is_one=True)
    options: dict[str, Any] = {"timeout": timeout, "replies": None, "count": None}
    run(ask(control, writer, printer, options))
    if tool.output_schema is not None:
        wrong = _mismatch(tool.output_schema, printer.answer, tool, "output_schema")
        if wrong is not None:
            report.say(
                _("this is not what {tool} says that it answers: {detail}").format(
                    tool=name, detail=wrong
                )
            )
    return printer.status


def _mismatch(schema: Any, text: str, tool: Any, which: str) -> str | None:
    """Where a value does not fit a tool's schema, and why; None where it fits."""
    import jsonschema_rs

    try:
        validator = jsonschema_rs.validator_for(schema)
        first = next(validator.iter_errors(json.loads(text)), None)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as broken:
        detail = str(getattr(broken, "message", broken))
        raise RequestError(
            "tool_schema_invalid",
            tool=tool.name,
            module=tool.module_id,
            which=which,
            detail=detail,
        ) from None
    if first is None:
        return None
    place = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in first.instance_path)
    return f"{first.message} (at ${place})" if place else str(first.message)
