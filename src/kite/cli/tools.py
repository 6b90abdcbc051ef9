"""`kite tools`: what the modules offer to be called."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.errors import RequestError
from kite.locale import _


@click.command(
    cls=Verb,
    help=_(
        "List the tools that modules offer now, with what they take; kite call calls one."
        " With NAME (a tool, MODULE/TOOL, or with * and ?) everything about these, their schemas too;"
        " status 1 when there is none. With --json the document of GET /tools."
    ),
)
@click.argument("name", required=False)
@click.pass_obj
def tools(session: Session, name: str | None) -> None:
    module, slash, tool = (name or "").rpartition("/")
    query = {"name": tool} | ({"module_id": module} if slash else {}) if name else {}
    target = f"/tools?{urlencode(query)}" if query else "/tools"
    document = session.control().registry(target).json()
    found = document["tools"]
    if name and not found:
        raise RequestError("tool_unknown", tool=name)
    if session.wants_json:
        report.document(document)
    elif name:
        _print_pages(found)
    elif found:
        _print_table(found)
    else:
        report.say(_("no module offers a tool"))


def _print_pages(found: list[dict[str, Any]]) -> None:
    from kite.cli.tool_view import page

    words = {
        "module_id": _("module"),
        "subject": _("subject"),
        "input_schema": _("takes"),
        "output_schema": _("answers"),
    }
    for tool in found:
        for line in page(tool, words):
            print(line)


def _print_table(found: list[dict[str, Any]]) -> None:
    from kite.cli.table import Cell, table
    from kite.cli.tool_view import takes

    rows = [
        [
            Cell(tool["name"], ("bold",)),
            tool["module_id"],
            takes(tool["input_schema"]) if tool["subject"] else _("(cannot be called)"),
            tool["description"] or "",
        ]
        for tool in found
    ]
    columns = report.stdout_columns()
    heads = [_("TOOL"), _("MODULE"), _("TAKES"), _("DESCRIPTION")]
    for line in table(heads, rows, color=report.stdout_color(), columns=columns):
        print(line)
